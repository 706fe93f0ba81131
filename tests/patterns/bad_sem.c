/* EXPECT: lock-order:possible */
/* Semaphores used as locks: each starts at 1 and is posted by who took it. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static sem_t a, b;
static struct gate first_done;

static void *ab(void *arg)
{
	sem_wait(&a); // EXPECT lock-order
	sem_wait(&b); // EXPECT lock-order
	sem_post(&b);
	sem_post(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	sem_wait(&b); // EXPECT lock-order
	sem_wait(&a); // EXPECT lock-order
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
