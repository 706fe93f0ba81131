/* engage_rwlock.c - Every rwlock and spin lock call, in success and in error; hooks.test compares with a run without
 * snarl. */
#include "show.h"

static pthread_rwlock_t rw;
static pthread_spinlock_t spin;

static void *while_written(void *arg)
{
	struct timespec soon = in_ms(CLOCK_REALTIME, 5), mono = in_ms(CLOCK_MONOTONIC, 5);
	struct timespec bad = { .tv_sec = soon.tv_sec, .tv_nsec = -1 };

	SHOW(pthread_rwlock_tryrdlock(&rw));
	SHOW(pthread_rwlock_trywrlock(&rw));
	SHOW(pthread_rwlock_timedrdlock(&rw, &soon));
	SHOW(pthread_rwlock_timedwrlock(&rw, &soon));
	SHOW(pthread_rwlock_timedrdlock(&rw, &bad));
	SHOW(pthread_rwlock_timedwrlock(&rw, &bad));
	SHOW(pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &mono));
	SHOW(pthread_rwlock_clockwrlock(&rw, CLOCK_MONOTONIC, &mono));
	SHOW(pthread_rwlock_clockrdlock(&rw, CLOCK_THREAD_CPUTIME_ID, &mono));
	SHOW(pthread_rwlock_clockwrlock(&rw, CLOCK_THREAD_CPUTIME_ID, &mono));
	return arg;
}

static void *while_read(void *arg)
{
	struct timespec soon = in_ms(CLOCK_REALTIME, 5), mono = in_ms(CLOCK_MONOTONIC, 5);

	SHOW(pthread_rwlock_tryrdlock(&rw));
	SHOW(pthread_rwlock_unlock(&rw));
	SHOW(pthread_rwlock_timedrdlock(&rw, &soon));
	SHOW(pthread_rwlock_unlock(&rw));
	SHOW(pthread_rwlock_clockrdlock(&rw, CLOCK_MONOTONIC, &mono));
	SHOW(pthread_rwlock_unlock(&rw));
	SHOW(pthread_rwlock_trywrlock(&rw));
	SHOW(pthread_rwlock_timedwrlock(&rw, &soon));
	SHOW(pthread_rwlock_clockwrlock(&rw, CLOCK_REALTIME, &soon));
	return arg;
}

static void *write_blocking(void *arg)
{
	track = "writer";
	SHOW_AS("wrlock, blocking", pthread_rwlock_wrlock(&rw));
	SHOW_AS("unlock", pthread_rwlock_unlock(&rw));
	return arg;
}

static void *read_blocking(void *arg)
{
	track = "reader";
	SHOW_AS("rdlock, blocking", pthread_rwlock_rdlock(&rw));
	SHOW_AS("unlock", pthread_rwlock_unlock(&rw));
	return arg;
}

static void one(int kind, int pshared)
{
	pthread_rwlockattr_t attr;
	struct timespec soon = in_ms(CLOCK_REALTIME, 5);
	pthread_t t;

	OK(pthread_rwlockattr_init(&attr));
	OK(pthread_rwlockattr_setkind_np(&attr, kind));
	OK(pthread_rwlockattr_setpshared(&attr, pshared));
	SHOW(pthread_rwlock_init(&rw, &attr));
	pthread_rwlockattr_destroy(&attr);
	SHOW(pthread_rwlock_wrlock(&rw));
	SHOW(pthread_rwlock_wrlock(&rw));
	SHOW(pthread_rwlock_rdlock(&rw));
	SHOW(pthread_rwlock_timedwrlock(&rw, &soon));
	SHOW(pthread_rwlock_timedrdlock(&rw, &soon));
	SHOW(pthread_rwlock_trywrlock(&rw));
	in_other(while_written);
	t = start(read_blocking);
	invisible_sleep_ms(5);
	SHOW(pthread_rwlock_unlock(&rw));
	finish(t);
	SHOW(pthread_rwlock_rdlock(&rw));
	SHOW(pthread_rwlock_rdlock(&rw));
	in_other(while_read);
	t = start(write_blocking);
	invisible_sleep_ms(5);
	SHOW(pthread_rwlock_unlock(&rw));
	SHOW(pthread_rwlock_unlock(&rw));
	finish(t);
	SHOW(pthread_rwlock_trywrlock(&rw));
	SHOW(pthread_rwlock_unlock(&rw));
	SHOW(pthread_rwlock_destroy(&rw));
}

static void *spin_from_other(void *arg)
{
	SHOW(pthread_spin_trylock(&spin));
	return arg;
}

int main(void)
{
	static const int kinds[] = { PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NP,
				     PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP };

	for (int i = 0; i < 3; i++) {
		one(kinds[i], PTHREAD_PROCESS_PRIVATE);
		one(kinds[i], PTHREAD_PROCESS_SHARED);
	}
	SHOW(pthread_spin_init(&spin, PTHREAD_PROCESS_SHARED));
	SHOW(pthread_spin_lock(&spin));
	SHOW(pthread_spin_trylock(&spin));
	in_other(spin_from_other);
	SHOW(pthread_spin_unlock(&spin));
	SHOW(pthread_spin_trylock(&spin));
	SHOW(pthread_spin_unlock(&spin));
	SHOW(pthread_spin_destroy(&spin));
	return 0;
}
