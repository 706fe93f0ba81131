/* EXPECT: lock-order:possible */
/* A mutex and a named semaphore used as a lock, in both orders. */
#include "basics.h"
#include "invisible.h"
#include <fcntl.h>
#include <semaphore.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static sem_t *s;
static struct gate first_done;

static void *sem_then_m(void *arg)
{
	sem_wait(s); // EXPECT lock-order
	pthread_mutex_lock(&m); // EXPECT lock-order
	pthread_mutex_unlock(&m);
	sem_post(s);
	gate_open(&first_done);
	return arg;
}

static void *m_then_sem(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&m); // EXPECT lock-order
	sem_wait(s); // EXPECT lock-order
	sem_post(s);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	char name[32];

	snprintf(name, sizeof name, "/snarl.%d", (int)getpid());
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	MUST(s != SEM_FAILED);
	MUST(sem_unlink(name) == 0);
	run_two(sem_then_m, m_then_sem);
	return 0;
}
