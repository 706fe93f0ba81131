/*
 * plugins.c - A library loaded and unloaded 5,000 times, while signals find the program in it, before it and behind it.
 * PLUGIN in the environment: its path.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "start.h"

#define LOADS 5000

static int ticks; /* of both threads */

static void tick(int sig)
{
	(void)sig;
	__atomic_fetch_add(&ticks, 1, __ATOMIC_RELAXED);
}

static void *other(void *stop)
{
	while (!__atomic_fetch_add((int *)stop, 0, __ATOMIC_SEQ_CST))
		raise(SIGUSR1); /* its handler reads where patched code lies, all the time */
	return NULL;
}

int main(void)
{
	int sums[8] = { 0 }, stop = 0, failed = 0;
	const char *path = getenv("PLUGIN");
	pthread_t t;
	if (!path)
		return 77;
	start_engine();
	signal(SIGUSR1, tick);
	signal(SIGALRM, tick);
	pthread_create(&t, NULL, other, &stop);
	struct itimerval often = { { 0, 700 }, { 0, 700 } };
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < LOADS; i++) {
		void *h = dlopen(path, RTLD_NOW);
		int (*add)(int *, int) = h ? (int (*)(int *, int))dlsym(h, "plugin_add") : NULL;
		if (!add || add(sums, 1) != i + 1)
			failed++;
		if (h)
			dlclose(h);
	}
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
	__atomic_fetch_add(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(t, NULL);
	printf("%d loads, %d failed, sums %d to %d, signals %s\n", LOADS, failed, sums[0], sums[7], ticks > 100 ? "many" : "few");
	return 0;
}
