/* EXPECT: nothing [exit-holding] */
/* A handler ends the process at any point of a program that makes, takes and frees locks; its signal stack may be an array of
 * main's own frame. */
#include "basics.h"
#include "invisible.h"
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 20

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;

static void end_at_once(int sig)
{
	(void)sig;
	_exit(0);
}

static void end(int sig)
{
	(void)sig;
	exit(0);
}

static void use(pthread_mutex_t *m, pthread_mutex_t *k)
{
	pthread_mutex_init(m, NULL);
	pthread_mutex_init(k, NULL);
	pthread_mutex_lock(&global);
	pthread_mutex_lock(m);
	pthread_mutex_lock(k);
	pthread_mutex_unlock(k);
	pthread_mutex_unlock(m);
	pthread_mutex_unlock(&global);
	pthread_mutex_destroy(k);
	pthread_mutex_destroy(m);
}

static _Noreturn void child(int way, int us)
{
	static char stack_static[65536];
	static pthread_mutex_t many[2000];
	char stack_here[65536];
	stack_t ss = { .ss_sp = way ? stack_static : stack_here, .ss_size = sizeof(stack_here) };
	struct sigaction sa = { .sa_handler = way == 2 ? end : end_at_once, .sa_flags = way == 2 ? 0 : SA_ONSTACK };
	struct itimerval in = { .it_value = { 0, us } };

	sigaltstack(&ss, NULL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
	for (unsigned i = 0;; i = (i + 2) % 2000) {
		if (way == 2) { /* exit() in a handler needs a program that keeps out of malloc */
			use(&many[i], &many[i + 1]);
		} else {
			pthread_mutex_t *m = malloc(64), *k = malloc(64);

			use(m, k);
			free(k);
			free(m);
		}
	}
}

int main(void)
{
	for (int way = 0; way < 3; way++)
		for (int i = 0; i < PROCESSES; i++) {
			pid_t p = fork();
			int status;

			MUST(p >= 0);
			if (p == 0)
				child(way, 1000 + i * 37 % 700);
			MUST(waitpid(p, &status, 0) == p && status == 0);
		}
	return 0;
}
