/*
 * code_timer_locked.c - code_timer.c with the code under the lock, to change it and to look at it.
 *
 * Only whole codes are seen: it prints 0. The innocent twin: snarl says "no problems found".
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LETTERS 4

static struct code {
	char cache[LETTERS + 1];
	pthread_mutex_t lock; /* of cache and cancelled */
	pthread_cond_t wake;
	bool cancelled;
} code = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

/* Random ones in the notes; these have no letter in common with the one before. */
static const char made[][LETTERS + 1] = { "3F7K", "Q0Z8", "7M2D", "X4B9" };

static void make_cache(int n)
{
	pthread_mutex_lock(&code.lock);
	for (int i = 0; i < LETTERS; i++) {
		code.cache[i] = made[n % 4][i];
		usleep(10 * 1000);
	}
	pthread_mutex_unlock(&code.lock);
}

/* False when cancelled. */
static bool wait_interval(void)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (until.tv_nsec + 200000000) / 1000000000;
	until.tv_nsec = (until.tv_nsec + 200000000) % 1000000000;
	pthread_mutex_lock(&code.lock);
	while (!code.cancelled && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&code.wake, &code.lock, &until);
	bool go_on = !code.cancelled;
	pthread_mutex_unlock(&code.lock);
	return go_on;
}

static void *timer(void *arg)
{
	for (int n = 1; wait_interval(); n++)
		make_cache(n);
	return arg;
}

static void cancel(void)
{
	pthread_mutex_lock(&code.lock);
	code.cancelled = true;
	pthread_cond_signal(&code.wake);
	pthread_mutex_unlock(&code.lock);
}

static void look(char *seen)
{
	pthread_mutex_lock(&code.lock);
	for (int i = 0; i < LETTERS; i++)
		seen[i] = code.cache[i];
	pthread_mutex_unlock(&code.lock);
	seen[LETTERS] = 0;
	printf("看到: %s\n", seen);
}

static bool valid(const char *typed)
{
	pthread_mutex_lock(&code.lock);
	bool same = strcmp(typed, code.cache) == 0;
	pthread_mutex_unlock(&code.lock);
	return same;
}

static void check(char *typed)
{
	look(typed);
	while (valid(typed)) /* types too slowly: it expires */
		usleep(1000);
	look(typed);
	cancel();
}

int main(void)
{
	char typed[LETTERS + 1];
	int never_was = 1;
	pthread_t t;

	make_cache(0);
	pthread_create(&t, NULL, timer, NULL);
	check(typed);
	pthread_join(t, NULL);
	for (int i = 0; i < 4; i++)
		if (strcmp(typed, made[i]) == 0)
			never_was = 0;
	printf("%s\n%d\n", never_was ? "从来没有这个验证码" : "验证成功", never_was);
	return 0;
}
