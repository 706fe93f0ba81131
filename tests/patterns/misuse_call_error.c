/* EXPECT: call-error:confirmed */
/* A call that only fails when something is wrong: a clock that mutexes do not have. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

int main(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	MUST(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &t) == EINVAL); // EXPECT call-error
	return 0;
}
