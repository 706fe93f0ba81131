/* EXPECT: nothing [stall:advice] */
/* Two processes in pid namespaces of their own share a mutex. In both, the thread that holds it has the same number. */
#include "basics.h"
#include "invisible.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct shared {
	pthread_mutex_t m;
	struct gate held;
} *s;

static int child(int second)
{
	pid_t p;
	int status;

	if (unshare(CLONE_NEWPID) != 0)
		return 0; /* needs root */
	p = fork();
	MUST(p >= 0);
	if (p == 0) {
		if (second)
			gate_wait(&s->held);
		OK(pthread_mutex_lock(&s->m));
		gate_open(&s->held);
		invisible_sleep_ms(400);
		OK(pthread_mutex_unlock(&s->m));
		return 0;
	}
	MUST(waitpid(p, &status, 0) == p && status == 0);
	gate_open(&s->held);
	return 0;
}

int main(void)
{
	pthread_mutexattr_t attr;
	pid_t p[2];
	int status;

	s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(s != MAP_FAILED);
	pthread_mutexattr_init(&attr);
	OK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	OK(pthread_mutex_init(&s->m, &attr));
	for (int i = 0; i < 2; i++) {
		MUST((p[i] = fork()) >= 0);
		if (p[i] == 0)
			return child(i);
	}
	for (int i = 0; i < 2; i++)
		MUST(waitpid(p[i], &status, 0) == p[i] && status == 0);
	return 0;
}
