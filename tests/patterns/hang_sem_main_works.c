/* EXPECT: deadlock:confirmed [lock-order:possible]; hangs */
/* Semaphores that have been used as locks before; the rest of the program goes on. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>
#include <unistd.h>

static sem_t a, b;
static struct meeting both_hold;

static void *before(void *arg)
{
	sem_wait(&a);
	sem_wait(&b);
	sem_post(&b);
	sem_post(&a);
	return arg;
}

static void *ab(void *arg)
{
	sem_wait(&a); // EXPECT deadlock
	meet(&both_hold, 2);
	sem_wait(&b); // EXPECT deadlock
	return arg;
}

static void *ba(void *arg)
{
	sem_wait(&b); // EXPECT deadlock
	meet(&both_hold, 2);
	sem_wait(&a); // EXPECT deadlock
	return arg;
}

int main(void)
{
	MUST(sem_init(&a, 0, 1) == 0);
	MUST(sem_init(&b, 0, 1) == 0);
	finish(start(before));
	start(ab);
	start(ba);
	for (;;)
		usleep(10000);
}
