/* EXPECT: lock-order:possible */
/* As ok_own_malloc, and the heap's lock is part of the inversion: free under a lock, a lock inside malloc's hook. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

void free(void *p)
{
	(void)p;
	pthread_mutex_lock(&heap_lock); // EXPECT lock-order
	pthread_mutex_unlock(&heap_lock);
}

/* What a heap with statistics under another lock might do. */
static __attribute__((noinline)) void heap_report(void)
{
	pthread_mutex_lock(&heap_lock); // EXPECT lock-order
	pthread_mutex_lock(&m);         // EXPECT lock-order
	pthread_mutex_unlock(&m);
	pthread_mutex_unlock(&heap_lock);
}

static void *frees(void *p)
{
	pthread_mutex_lock(&m); // EXPECT lock-order
	free(p);
	pthread_mutex_unlock(&m);
	gate_open(&first_done);
	return NULL;
}

static void *reports(void *arg)
{
	gate_wait(&first_done);
	heap_report();
	return arg;
}

int main(void)
{
	pthread_t t = start_with(frees, malloc(10)), u = start(reports);

	finish(t);
	finish(u);
	return 0;
}
