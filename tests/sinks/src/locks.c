/* locks.c - What symbols.test reads back: its lines and names are in golden/symbols.txt. */
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t mutexA = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t mutexB = PTHREAD_MUTEX_INITIALIZER;

struct pool {
	int size;
	struct {
		long pad;
		pthread_mutex_t lock;
	} slot[3];
} pool;

#define NOINLINE __attribute__((noinline))

NOINLINE static void obj_lock_init(pthread_mutex_t *m)
{
	pthread_mutex_init(m, NULL);
}

NOINLINE pthread_mutex_t *new_object(void)
{
	pthread_mutex_t *m = malloc(sizeof *m);
	obj_lock_init(m);
	return m;
}

static inline __attribute__((always_inline)) void take_second(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
}

static inline __attribute__((always_inline)) void take_both(pthread_mutex_t *m)
{
	take_second(m);
}

NOINLINE void forwards(pthread_mutex_t *m)
{
	static pthread_mutex_t once_only = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&mutexA);
	take_both(&mutexB);
	pthread_mutex_unlock(&once_only);
	pthread_mutex_unlock(m);
}

NOINLINE void backwards(void)
{
	pthread_mutex_lock(&pool.slot[2].lock);
	pthread_mutex_lock(&mutexA);
}

/* Named as a Rust compiler would. */
NOINLINE void rusty(void) __asm__("_RNvNtCs1234_7mycrate4sync4take");
NOINLINE void rusty(void)
{
	pthread_mutex_lock(&mutexB);
}

static void *run(void *arg)
{
	forwards(arg);
	backwards();
	rusty();
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;
	(void)argv;
	if (argc > 1)
		pthread_create(&t, NULL, run, new_object());
	return 0;
}
