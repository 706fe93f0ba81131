/* EXPECT: destroy-waited:confirmed */
/* A semaphore destroyed while a thread waits for it. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static sem_t s;
static struct gate there;

static void *waiter(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 200);

	gate_open(&there);
	MUST(sem_timedwait(&s, &t) == -1);
	return arg;
}

int main(void)
{
	pthread_t t;

	MUST(sem_init(&s, 0, 0) == 0);
	t = start(waiter);
	gate_wait(&there);
	invisible_sleep_ms(50); /* it is asleep by now */
	sem_destroy(&s);        // EXPECT destroy-waited
	finish(t);
	return 0;
}
