/* EXPECT: join-misuse:confirmed */
/* A detached thread joined. */
#include "basics.h"
#include "invisible.h"

static struct gate end;

static void *wait_for_end(void *arg)
{
	gate_wait(&end);
	return arg;
}

int main(void)
{
	pthread_t t = start(wait_for_end);

	OK(pthread_detach(t));
	MUST(pthread_join(t, NULL) == EINVAL); // EXPECT join-misuse
	gate_open(&end);
	return 0;
}
