/* EXPECT: unlock-not-held:confirmed */
/* Children that no fork handler hears of (_Fork, the bare system call) make the same mistake as their parent, in memory that
 * was copied: they must neither fail by it nor damage what the parent writes down. */
#include "basics.h"
#include "invisible.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;

static void mistake(void)
{
	pthread_mutex_unlock(&a); // EXPECT unlock-not-held
}

static void await(pid_t p, int wanted)
{
	int status;

	MUST(p > 0 && waitpid(p, &status, 0) == p && WIFEXITED(status) && WEXITSTATUS(status) == wanted);
}

int main(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t p = _Fork();

		if (p == 0) {
			for (int k = 0; k < 100; k++) {
				pthread_mutex_lock(&b);
				pthread_mutex_lock(&a);
				pthread_mutex_unlock(&a);
				pthread_mutex_unlock(&b);
			}
			mistake();
			_exit(4);
		}
		await(p, 4);
		p = (pid_t)invisible_syscall6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
		if (p == 0) {
			mistake();
			exit(6);
		}
		await(p, 6);
	}
	mistake();
	return 0;
}
