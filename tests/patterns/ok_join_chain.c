/* EXPECT: nothing */
/* Threads that join each other in a line, and tryjoin and timedjoin that come too early: everybody ends. */
#include "basics.h"
#include "invisible.h"

#define LINE 10

static pthread_t line[LINE];
static struct gate go;

static void *one_link(void *arg)
{
	long i = (long)arg;

	gate_wait(&go);
	if (i)
		finish(line[i - 1]);
	return NULL;
}

int main(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	for (long i = 0; i < LINE; i++)
		line[i] = start_with(one_link, (void *)i);
	MUST(pthread_tryjoin_np(line[LINE - 1], NULL) == EBUSY);
	MUST(pthread_timedjoin_np(line[LINE - 1], NULL, &t) == ETIMEDOUT);
	gate_open(&go);
	finish(line[LINE - 1]);
	return 0;
}
