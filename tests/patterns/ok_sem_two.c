/* EXPECT: nothing */
/* Two of each are to be had: no lock. Nor is one that starts at 1 and gets a second unit. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static sem_t a, b;
static struct gate first_done;

static void *ab(void *arg)
{
	for (int i = 0; i < 5; i++) {
		sem_wait(&a);
		sem_wait(&b);
		sem_post(&b);
		sem_post(&a);
	}
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	for (int i = 0; i < 5; i++) {
		sem_wait(&b);
		sem_wait(&a);
		sem_post(&a);
		sem_post(&b);
	}
	return arg;
}

int main(void)
{
	MUST(sem_init(&a, 0, 2) == 0);
	MUST(sem_init(&b, 0, 1) == 0);
	sem_post(&b);
	run_two(ab, ba);
	return 0;
}
