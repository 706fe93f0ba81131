/*
 * download.c - The teaching notes' two films ("the join function"): each downloads in a thread of its own, the main
 * thread joins both and then says how long it took.
 *
 * The downloads are sleeps, as in the notes. The total time is that of the longer one, not the sum; the sum of what
 * both say they took is the number printed: 500. What a thread writes is the main thread's to read after join, without
 * a lock.
 *
 * snarl says: no problems found.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
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
	d->took = d->needs;
	printf("%s下载结束 耗时%d毫秒\n", d->film_name, d->needs);
	return NULL;
}

int main(void)
{
	static struct download film[2] = { { .film_name = "小黄人", .needs = 300 },
					   { .film_name = "地心游记", .needs = 200 } };
	struct timespec time1, time2;
	pthread_t t1, t2;

	clock_gettime(CLOCK_MONOTONIC, &time1);
	pthread_create(&t1, NULL, run, &film[0]);
	pthread_create(&t2, NULL, run, &film[1]);
	pthread_join(t1, NULL);
	pthread_join(t2, NULL);
	clock_gettime(CLOCK_MONOTONIC, &time2);
	printf("总共时间: %.3f\n",
	       (double)(time2.tv_sec - time1.tv_sec) + (double)(time2.tv_nsec - time1.tv_nsec) / 1e9);
	printf("%d\n", film[0].took + film[1].took);
	return 0;
}
