/*
 * download_nojoin.c - The teaching notes' downloads as in their exercise: "download finished" is said right after
 * start.
 *
 * Nothing has been joined then, so nothing is finished: it prints 0, not 500. On a slow day it prints 200, and after a
 * long enough sleep it would print 500 and still be wrong: a sleep orders nothing. download.c is its repair.
 *
 * snarl says: data-race on took, between the thread's write and the main thread's read (once the race engine watches
 * memory accesses).
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct download {
	const char *film_name;
	int needs; /* ms; a random number in the notes */
	int took;  /* ms; 0 until it is there */
};

static void *run(void *arg)
{
	struct download *d = arg;

	printf("开始下载:%s\n", d->film_name);
	usleep((useconds_t)d->needs * 1000);
	d->took = d->needs; // EXPECT data-race
	printf("%s下载结束 耗时%d毫秒\n", d->film_name, d->needs);
	return NULL;
}

int main(void)
{
	static struct download film[2] = { { .film_name = "小黄人", .needs = 300 },
					   { .film_name = "地心游记", .needs = 200 } };
	pthread_t t1, t2;

	pthread_create(&t1, NULL, run, &film[0]);
	pthread_create(&t2, NULL, run, &film[1]);
	printf("下载完成\n");
	printf("%d\n", film[0].took + film[1].took); // EXPECT data-race
	pthread_join(t1, NULL);
	pthread_join(t2, NULL);
	return 0;
}
