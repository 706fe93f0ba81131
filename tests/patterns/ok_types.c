/* EXPECT: nothing */
/* Every type and protocol of mutex, used as it should be, always in the order of the table. */
#include "basics.h"

static struct {
	int type, protocol, pshared, robust;
	pthread_mutex_t m;
} table[] = {
	{ .type = PTHREAD_MUTEX_NORMAL },
	{ .type = PTHREAD_MUTEX_RECURSIVE },
	{ .type = PTHREAD_MUTEX_ERRORCHECK },
	{ .type = PTHREAD_MUTEX_ADAPTIVE_NP },
	{ .type = PTHREAD_MUTEX_NORMAL, .protocol = PTHREAD_PRIO_INHERIT },
	{ .type = PTHREAD_MUTEX_RECURSIVE, .protocol = PTHREAD_PRIO_INHERIT },
	{ .type = PTHREAD_MUTEX_ERRORCHECK, .protocol = PTHREAD_PRIO_INHERIT, .robust = 1 },
	{ .type = PTHREAD_MUTEX_NORMAL, .pshared = 1 },
	{ .type = PTHREAD_MUTEX_NORMAL, .robust = 1 },
	{ .type = PTHREAD_MUTEX_RECURSIVE, .robust = 1, .pshared = 1 },
};

#define TYPES (sizeof(table) / sizeof(table[0]))

static void *work(void *arg)
{
	for (int round = 0; round < 100; round++) {
		for (unsigned i = 0; i < TYPES; i++) {
			OK(pthread_mutex_lock(&table[i].m));
			if (table[i].type == PTHREAD_MUTEX_RECURSIVE) {
				OK(pthread_mutex_lock(&table[i].m));
				OK(pthread_mutex_unlock(&table[i].m));
			}
		}
		for (unsigned i = 0; i < TYPES; i++)
			OK(pthread_mutex_unlock(&table[i].m));
	}
	return arg;
}

int main(void)
{
	for (unsigned i = 0; i < TYPES; i++) {
		pthread_mutexattr_t attr;

		pthread_mutexattr_init(&attr);
		OK(pthread_mutexattr_settype(&attr, table[i].type));
		OK(pthread_mutexattr_setprotocol(&attr, table[i].protocol));
		OK(pthread_mutexattr_setpshared(&attr,
						table[i].pshared ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE));
		OK(pthread_mutexattr_setrobust(&attr, table[i].robust ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED));
		OK(pthread_mutex_init(&table[i].m, &attr));
		pthread_mutexattr_destroy(&attr);
	}
	run_two(work, work);
	for (unsigned i = 0; i < TYPES; i++)
		OK(pthread_mutex_destroy(&table[i].m));
	return 0;
}
