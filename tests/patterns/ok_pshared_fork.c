/* EXPECT: nothing [stall:advice] */
/* Process-shared mutexes across fork, same order in both processes; one is released only after the other process waits.
 */
#include "basics.h"
#include "invisible.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
	pthread_mutex_t a, b;
	struct gate child_wants;
	int n;
};

static void work(struct shared *s)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&s->a);
		pthread_mutex_lock(&s->b);
		s->n++;
		pthread_mutex_unlock(&s->b);
		pthread_mutex_unlock(&s->a);
	}
}

int main(void)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;
	pid_t child;
	int status;

	MUST(s != MAP_FAILED);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	OK(pthread_mutex_init(&s->a, &attr));
	OK(pthread_mutex_init(&s->b, &attr));
	pthread_mutex_lock(&s->a);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		gate_open(&s->child_wants);
		work(s);
		_exit(0);
	}
	gate_wait(&s->child_wants);
	invisible_sleep_ms(20); /* the child waits for a lock whose owner is no thread of its own */
	pthread_mutex_unlock(&s->a);
	work(s);
	MUST(waitpid(child, &status, 0) == child && status == 0);
	MUST(s->n == 200);
	pthread_mutex_destroy(&s->a);
	pthread_mutex_destroy(&s->b);
	return 0;
}
