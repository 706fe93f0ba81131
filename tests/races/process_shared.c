/* Memory and locks shared with another process: its accesses are not this process's threads'. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "race.h"

static struct shared {
	pthread_mutex_t m;
	int data;
	int bare;
} * shared;

static void get(void)
{
	pthread_mutexattr_t a;

	shared = (struct shared *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(shared != MAP_FAILED);
	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	OK(pthread_mutex_init(&shared->m, &a));
}

static void add_locked(void)
{
	pthread_mutex_lock(&shared->m);
	shared->data++;
	pthread_mutex_unlock(&shared->m);
}

static void two_processes(void) /* EXPECT: silence in two_processes */
{
	int status;
	pid_t pid;

	get();
	pid = fork();
	MUST(pid >= 0);
	for (int i = 0; i < 500; i++)
		add_locked();
	if (pid == 0)
		_exit(0);
	MUST(waitpid(pid, &status, 0) == pid && status == 0);
	MUST(shared->data == 1000);
}

/* Two threads here, and it is in shared memory: a race like any other. */
static void add_bare(void)
{
	shared->bare++; /* EXPECT: data-race in own_threads */
}

static void own_threads(void)
{
	get();
	in_turn(add_bare, add_bare);
}

static void own_threads_locked(void) /* EXPECT: silence in own_threads_locked */
{
	get();
	in_turn3(add_locked, add_locked, add_locked);
}

CASES(CASE(two_processes), CASE(own_threads), CASE(own_threads_locked))
