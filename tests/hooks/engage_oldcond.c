/*
 * engage_oldcond.c - A program linked to the oldest condition calls, pthread_cond_*@GLIBC_2.2.5, whose pthread_cond_t
 * is a pointer to an allocated one. Interposing only the newest version would hand it to the wrong function.
 */
#include "show.h"

__asm__(".symver pthread_cond_init,pthread_cond_init@GLIBC_2.2.5");
__asm__(".symver pthread_cond_destroy,pthread_cond_destroy@GLIBC_2.2.5");
__asm__(".symver pthread_cond_wait,pthread_cond_wait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_timedwait,pthread_cond_timedwait@GLIBC_2.2.5");
__asm__(".symver pthread_cond_signal,pthread_cond_signal@GLIBC_2.2.5");
__asm__(".symver pthread_cond_broadcast,pthread_cond_broadcast@GLIBC_2.2.5");

/* As large as it was then; what lies behind it must stay as it is. */
static struct {
	void *old_cond;
	char canary[64];
} c = { .canary = "untouched" };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int ready;

static pthread_cond_t *cond(void)
{
	return (pthread_cond_t *)(void *)&c;
}

static void *signaller(void *arg)
{
	track = "signaller";
	OK(pthread_mutex_lock(&m));
	ready = 1;
	SHOW_AS("signal or broadcast", arg ? pthread_cond_broadcast(cond()) : pthread_cond_signal(cond()));
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

int main(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	SHOW(pthread_cond_init(cond(), NULL));
	OK(pthread_mutex_lock(&m));
	SHOW(pthread_cond_timedwait(cond(), &m, &t));
	for (int i = 0; i < 2; i++) {
		pthread_t other = start_with(signaller, i ? &m : NULL);

		for (ready = 0; !ready;)
			SHOW_AS("wait", pthread_cond_wait(cond(), &m));
		finish(other);
	}
	OK(pthread_mutex_unlock(&m));
	SHOW(strcmp(c.canary, "untouched"));
	SHOW(pthread_cond_destroy(cond()));
	return 0;
}
