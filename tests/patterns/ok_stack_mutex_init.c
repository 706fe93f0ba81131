/* EXPECT: nothing */
/* As ok_stack_mutex, with init and without destroy: allowed for a lock that is not held, and the init makes a new lock.
 */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;
static struct gate handed_over, given_back;
static pthread_mutex_t *shared;
static void *first_address;

/* One function for both, so that `local` lies at the same address both times. */
static __attribute__((noinline)) void frame(int second)
{
	pthread_mutex_t local;

	OK(pthread_mutex_init(&local, NULL));
	if (second) {
		MUST(first_address == (void *)&local);
		shared = &local;
		gate_open(&handed_over);
		gate_wait(&given_back);
		return;
	}
	first_address = &local;
	pthread_mutex_lock(&global);
	pthread_mutex_lock(&local);
	pthread_mutex_unlock(&local);
	pthread_mutex_unlock(&global);
}

static void *owner(void *arg)
{
	frame(0);
	frame(1);
	return arg;
}

static void *around(void *arg)
{
	gate_wait(&handed_over);
	pthread_mutex_lock(shared);
	pthread_mutex_lock(&global);
	pthread_mutex_unlock(&global);
	pthread_mutex_unlock(shared);
	gate_open(&given_back);
	return arg;
}

int main(void)
{
	run_two(owner, around);
	return 0;
}
