/* spin: exclusion, sleeping waiters, ranks. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/spin.h"
#include "base/sys.h"

#define THREADS 4
#define ROUNDS  200000

static struct spin lock = SPIN_INIT(RANK_ORDER);
static struct spin low = SPIN_INIT(RANK_FORK), twin = SPIN_INIT(RANK_ORDER);
static uint64_t a, b;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		spin_lock(&lock);
		a++;
		/* Long now and then, so that others go to sleep. */
		if (i % 5000 == 0)
			usleep(50);
		b++;
		spin_unlock(&lock);
	}
	return NULL;
}

static void test_exclusion(void **state)
{
	(void)state;
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(a, (uint64_t)THREADS * ROUNDS);
	assert_int_equal(b, a);
	assert_int_equal(lock.word, 0);
}

static void *try_it(void *arg)
{
	*(bool *)arg = spin_trylock(&lock);
	if (*(bool *)arg)
		spin_unlock(&lock);
	return NULL;
}

static void test_trylock(void **state)
{
	(void)state;
	bool got;
	pthread_t t;
	spin_lock(&lock);
	pthread_create(&t, NULL, try_it, &got);
	pthread_join(t, NULL);
	assert_false(got);
	spin_unlock(&lock);
	pthread_create(&t, NULL, try_it, &got);
	pthread_join(t, NULL);
	assert_true(got);
}

static void in_order(void)
{
	spin_lock(&low);
	spin_lock(&lock);
	spin_unlock(&low); /* any order of release */
	spin_unlock(&lock);
}

static void out_of_order(void)
{
	spin_lock(&lock);
	spin_lock(&low);
}

static void same_rank(void)
{
	spin_lock(&lock);
	spin_lock(&twin);
}

static void try_out_of_order(void)
{
	spin_lock(&lock);
	if (!spin_trylock(&low) || !spin_trylock(&twin))
		_exit(1);
	spin_unlock(&lock);
	spin_unlock(&twin);
	spin_lock(&lock);
	_exit(0);
}

/* What trylock took counts for the order of what comes after. */
static void lock_below_tried(void)
{
	if (!spin_trylock(&lock))
		_exit(1);
	spin_lock(&low);
}

static void unlock_not_held(void)
{
	spin_unlock(&lock);
}

static void relock(void)
{
	spin_lock(&lock);
	spin_lock(&lock);
}

static void reset_in_child(void)
{
	spin_reset(&lock);
	spin_lock(&lock);
	spin_unlock(&lock);
}

/* Signal that ended a child running `body`, or 0. */
static int dies_of(void (*body)(void), char *said, size_t cap)
{
	int out[2];
	assert_int_equal(pipe(out), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(out[1], 2);
		alarm(5);
		signal(SIGILL, SIG_DFL);
		signal(SIGTRAP, SIG_DFL);
		body();
		_exit(0);
	}
	close(out[1]);
	ssize_t n = read(out[0], said, cap - 1);
	said[n > 0 ? n : 0] = '\0';
	close(out[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void test_ranks(void **state)
{
	(void)state;
	char said[512];
	assert_int_equal(dies_of(in_order, said, sizeof said), 0);
	assert_int_equal(dies_of(try_out_of_order, said, sizeof said), 0);
	static void (*const wrong[])(void) = { out_of_order, same_rank, lock_below_tried, unlock_not_held, relock };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		int sig = dies_of(wrong[i], said, sizeof said);
		assert_true(sig == SIGILL || sig == SIGTRAP);
		assert_int_equal(strncmp(said, "snarl: check failed: ", 21), 0);
	}
}

static void *hold(void *arg)
{
	spin_lock(&lock);
	*(_Atomic int *)arg = 1;
	for (;;)
		pause();
	return NULL;
}

static void test_fork(void **state)
{
	(void)state;
	_Atomic int held = 0;
	pthread_t t;
	pthread_create(&t, NULL, hold, &held);
	while (!held)
		usleep(100);
	char said[512];
	assert_int_equal(dies_of(reset_in_child, said, sizeof said), 0);
	pthread_cancel(t);
	pthread_join(t, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exclusion), cmocka_unit_test(test_trylock), cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_fork), /* last: leaves the lock taken */
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
