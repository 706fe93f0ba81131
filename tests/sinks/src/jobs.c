/* jobs.c - Races over what only types tell apart: members, bit-fields, unions, arrays of blocks, thread-local and freed memory. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "invisible.h"

struct point { int x, y; };
struct job {
	int id;
	unsigned urgent : 1, done : 1, level : 6;
	struct point path[8];
	char name[32];
	union { long number; char text[16]; } value;
	struct job *next;
};
static struct job *queue;
static struct job *many;
static volatile struct { unsigned low : 4, high : 4; } nibbles;
static __thread struct { int depth, marks[4]; } mine; /* the main thread's, lent to the others */
static __thread int theirs;                           /* another thread's, lent to the main thread */
static int *lent, *borrowed;
static sem_t lends;
static struct gate looked;

__attribute__((noinline)) static void touch(struct job *j, int n)
{
	j->path[3].y = n;
	j->done = 1;
	j->value.number = n;
	strcpy(j->name, n ? "one" : "two");
	j->next->id = n;
	nibbles.high = 3;
	*lent = n;
}

static void *worker(void *arg)
{
	if (arg)
		invisible_sleep_ms(30); /* of two accesses at the very same moment, one may go unseen */
	touch(queue, arg != NULL);
	many[3].id = 7;
	return NULL;
}

static void *freer(void *arg)
{
	borrowed = &theirs;
	sem_post(&lends);
	free(arg);
	theirs = 1;
	gate_wait(&looked);
	return NULL;
}

int main(void)
{
	pthread_t t[2];
	queue = calloc(1, sizeof *queue);
	queue->next = calloc(1, sizeof *queue);
	many = calloc(5, sizeof *many);
	lent = &mine.marks[2];
	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	__asm__ volatile("" : : "r"(many) : "memory"); /* or what nobody reads is not written */
	struct job *old = queue->next;
	sem_init(&lends, 0, 0);
	pthread_create(&t[0], NULL, freer, old);
	sem_wait(&lends);
	invisible_sleep_ms(200);
	old->id = 3;
	*borrowed = 2;
	gate_open(&looked);
	pthread_join(t[0], NULL);
	return 0;
}
