/*
 * code_timer.c - The teaching notes' verification code ("timer"): a Timer makes a new code every few moments, while the
 * user types the one he sees and check() compares.
 *
 * The timer's thread changes the code letter by letter, and nothing keeps the reader from looking in between. This user
 * looks as soon as the code begins to change, so he reads half of the new one and half of the old one: a code that
 * never was. The number printed is how many such codes were seen; 0 would be right.
 *
 * snarl says: data-race on code.cache, between the timer's write and a read in check() (once the race engine watches
 * memory accesses).
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
	pthread_mutex_t lock; /* of cancelled */
	pthread_cond_t wake;
	bool cancelled;
} code = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

/* Random ones in the notes; these have no letter in common with the one before. */
static const char made[][LETTERS + 1] = { "3F7K", "Q0Z8", "7M2D", "X4B9" };

static void make_cache(int n)
{
	for (int i = 0; i < LETTERS; i++) {
		code.cache[i] = made[n % 4][i]; // EXPECT data-race
		usleep(50 * 1000);
	}
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
	for (int i = 0; i < LETTERS; i++)
		seen[i] = code.cache[i];
	seen[LETTERS] = 0;
	printf("看到: %s\n", seen);
}

static void check(char *typed)
{
	look(typed);
	while (code.cache[0] == typed[0]) /* types too slowly: it expires */
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
