/* EXPECT: nothing */
/* The program brings its own malloc, which takes a pthread mutex: whoever allocates inside a lock call is lost here. */
#include "basics.h"

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static _Alignas(16) char heap[16 << 20];
static size_t used;

static void *take(size_t n)
{
	size_t *p = NULL;

	n = (n + 31) & ~(size_t)15;
	pthread_mutex_lock(&heap_lock);
	if (n <= sizeof(heap) - used) {
		p = (size_t *)(heap + used);
		used += n;
		*p = n - 16;
	}
	pthread_mutex_unlock(&heap_lock);
	return p ? p + 2 : NULL;
}

void *malloc(size_t n)
{
	return take(n);
}

void *calloc(size_t n, size_t size)
{
	return take(n * size); /* never used before: zero */
}

void free(void *p)
{
	pthread_mutex_lock(&heap_lock); /* as a real one would */
	(void)p;
	pthread_mutex_unlock(&heap_lock);
}

void *realloc(void *p, size_t n)
{
	char *q = take(n);

	if (q && p)
		memcpy(q, p, ((size_t *)p)[-2] < n ? ((size_t *)p)[-2] : n);
	return q;
}

static void *work(void *arg)
{
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&m);
		free(strdup("something to copy"));
		pthread_mutex_unlock(&m);
	}
	return arg;
}

int main(void)
{
	for (int i = 0; i < 20; i++)
		run_two(work, work);
	return 0;
}
