/* fork: the child has a copy of its own, with the order up to the fork and threads of its own. */
#include <sys/wait.h>

#include "race.h"

int data;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void add_locked(void)
{
	pthread_mutex_lock(&m);
	data++;
	pthread_mutex_unlock(&m);
}

static void add(void)
{
	data++; /* EXPECT: data-race in race_in_child, race_in_parent */
}

static void look(void)
{
	LOOK(data);
}

static void await_child(pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	/* Under a detector it may end with its own status for findings. */
	MUST(WEXITSTATUS(status) != TEST_BROKEN);
}

static void child_does(void (*f)(void), void (*g)(void))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		in_turn(f, g);
		exit(0);
	}
	await_child(pid);
}

static void written_before(void) /* EXPECT: silence in written_before */
{
	data = 1;
	child_does(look, look);
}

/* Both write the same address, each in its own memory. */
static void both_write(void) /* EXPECT: silence in both_write */
{
	pid_t pid = fork();

	MUST(pid >= 0);
	data = pid ? 1 : 2;
	if (pid == 0)
		_exit(data == 2 ? 0 : TEST_BROKEN);
	await_child(pid);
	MUST(data == 1);
}

static void guarded_in_child(void) /* EXPECT: silence in guarded_in_child */
{
	child_does(add_locked, add_locked);
}

/* TSAN: misses race_in_child: a process with threads that forks is not watched further; the report is the child's */
static void race_in_child(void)
{
	child_does(add, add);
}

static void nothing(void) {}

static void race_in_parent(void)
{
	child_does(nothing, nothing);
	in_turn(add, add);
}

/* A thread wrote in the parent, unjoined; in the child it does not exist, so nothing there races with it. */
static void *write_and_stay(void *arg)
{
	data = 1;
	step(0);
	await_step(1);
	return arg;
}

static void other_threads_write(void) /* EXPECT: silence in other_threads_write */
{
	pthread_t t = start(write_and_stay);
	pid_t pid;

	await_step(0);
	pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		data = 2;
		_exit(0);
	}
	await_child(pid);
	step(1);
	finish(t);
}

CASES(CASE(written_before), CASE(both_write), CASE(guarded_in_child), CASE(race_in_child), CASE(race_in_parent),
      CASE(other_threads_write))
