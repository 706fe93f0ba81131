/* EXPECT: deadlock:confirmed; hangs */
/* Semaphores used as locks: who took one has to post it, and waits for the other's. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static sem_t a, b;
static struct meeting both_hold;

static void *ab(void *arg)
{
	sem_wait(&a);
	meet(&both_hold, 2);
	sem_wait(&b); // EXPECT deadlock
	sem_post(&b);
	sem_post(&a);
	return arg;
}

static void *ba(void *arg)
{
	sem_wait(&b);
	meet(&both_hold, 2);
	sem_wait(&a); // EXPECT deadlock
	sem_post(&a);
	sem_post(&b);
	return arg;
}

int main(void)
{
	MUST(sem_init(&a, 0, 1) == 0);
	MUST(sem_init(&b, 0, 1) == 0);
	run_two(ab, ba);
	return 0;
}
