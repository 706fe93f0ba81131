/* EXPECT: nothing [stall:advice] */
/* Everybody sleeps on locks but one, who waits for a signal with sigwait, and one who reads a pipe: both come from
 * outside. */
#include "basics.h"
#include "invisible.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int stop, tube[2];

static void *sleeper(void *arg)
{
	pthread_mutex_lock(&m);
	while (stop < 2)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	return arg;
}

static void wake(void)
{
	pthread_mutex_lock(&m);
	stop++;
	pthread_cond_broadcast(&c);
	pthread_mutex_unlock(&m);
}

static void *by_signal(void *set)
{
	int sig;

	OK(sigwait(set, &sig));
	wake();
	return NULL;
}

static void *by_pipe(void *arg)
{
	char byte;

	MUST(read(tube[0], &byte, 1) == 1);
	wake();
	return arg;
}

int main(void)
{
	pthread_t s, r, p;
	sigset_t set;
	pid_t child;

	MUST(pipe(tube) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		invisible_sleep_ms(700);
		kill(getppid(), SIGUSR1);
		invisible_sleep_ms(600);
		MUST(write(tube[1], "x", 1) == 1);
		_exit(0);
	}
	s = start(sleeper);
	p = start(by_pipe);
	r = start_with(by_signal, &set);
	finish(s);
	finish(r);
	finish(p);
	MUST(waitpid(child, NULL, 0) == child);
	return 0;
}
