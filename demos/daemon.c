/*
 * daemon.c - The teaching notes' daemon thread: when the last thread that is not one ends, the daemon is killed.
 *
 * alex is the daemon (detached, here), egon is not and is joined. The main thread ends after egon; alex, who has more
 * to do, never gets to say that it is done. It holds no lock and shares nothing when it is killed, so that is well.
 *
 * snarl says: no problems found. A detached thread that is still there at the end is not a leak.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct work {
	const char *name;
	struct timespec needs;
};

static void *work(void *arg)
{
	struct work *w = arg;

	printf("%s%d is running\n", w->name, (int)getpid());
	nanosleep(&w->needs, NULL);
	printf("%s%d is done\n", w->name, (int)getpid());
	return NULL;
}

int main(void)
{
	static struct work alex = { "alex", { .tv_sec = 60 } }, egon = { "egon", { .tv_nsec = 100000000 } };
	pthread_t t1, t2;

	pthread_create(&t1, NULL, work, &alex);
	pthread_detach(t1); /* t1.daemon = True */
	pthread_create(&t2, NULL, work, &egon);
	printf("主\n");
	pthread_join(t2, NULL);
	return 0;
}
