/* EXPECT-LATER: signal-unsafe:confirmed */
/* A signal handler that locks a mutex and allocates memory. It goes well as long as it interrupts neither. */
#include "basics.h"
#include <signal.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void *volatile kept;

static void handler(int sig)
{
	(void)sig;
	pthread_mutex_lock(&m); // EXPECT signal-unsafe
	kept = malloc(10);
	pthread_mutex_unlock(&m);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = handler };

	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	raise(SIGUSR1);
	free(kept);
	return 0;
}
