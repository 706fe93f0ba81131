/*
 * pool_callback.c - The teaching notes' thread pool with a result callback (get_page, parse_page, db.txt).
 *
 * The pool's threads take addresses from a queue under its lock; that part is right. When a page is there, the thread
 * that fetched it runs the callback, which appends a line to one file, at an offset that all callbacks share without a
 * lock. All five append at the same place, so lines overwrite each other. It prints the number of lines in the file:
 * not 5. The network is played by a barrier: all five pages arrive at the same time.
 *
 * snarl says: data-race on end_of_db, between the write of one callback and the read or write of another (once the race
 * engine watches memory accesses).
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define URLS 5

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *url[URLS];
	int submitted, taken;
	bool shut_down;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static pthread_barrier_t network;
static int db;         /* the file */
static long end_of_db; /* where the next line goes */

static size_t get_page(const char *url)
{
	printf("get :%s\n", url);
	pthread_barrier_wait(&network);
	return strlen(url) * 1000; /* the page's size */
}

static void parse_page(const char *url, size_t size)
{
	char res[100];
	int n = snprintf(res, sizeof(res), "url:%s size:%zu\n", url, size);

	printf("parse :%s\n", url);
	long at = end_of_db;
	usleep(50 * 1000);
	if (pwrite(db, res, (size_t)n, at) != n)
		perror("db");
	end_of_db = at + n; // EXPECT data-race
}

static void *worker(void *arg)
{
	for (;;) {
		const char *url = NULL;

		pthread_mutex_lock(&pool.lock);
		while (pool.taken == pool.submitted && !pool.shut_down)
			pthread_cond_wait(&pool.changed, &pool.lock);
		if (pool.taken < pool.submitted)
			url = pool.url[pool.taken++];
		pthread_mutex_unlock(&pool.lock);
		if (!url)
			return arg;
		parse_page(url, get_page(url));
	}
}

static void submit(const char *url)
{
	pthread_mutex_lock(&pool.lock);
	pool.url[pool.submitted++] = url;
	pthread_cond_signal(&pool.changed);
	pthread_mutex_unlock(&pool.lock);
}

static void shut_down(pthread_t *thread)
{
	pthread_mutex_lock(&pool.lock);
	pool.shut_down = true;
	pthread_cond_broadcast(&pool.changed);
	pthread_mutex_unlock(&pool.lock);
	for (int i = 0; i < URLS; i++)
		pthread_join(thread[i], NULL);
}

int main(void)
{
	static const char *const urls[URLS] = { "https://www.baidu.com", "https://www.python.org",
						"https://www.openstack.org", "https://help.github.com/",
						"http://www.sina.com.cn/" };
	pthread_t thread[URLS];
	FILE *file = tmpfile(); /* db.txt in the notes */
	int lines = 0, c;

	if (!file) {
		perror("tmpfile");
		return 1;
	}
	db = fileno(file);
	pthread_barrier_init(&network, NULL, URLS);
	for (int i = 0; i < URLS; i++)
		pthread_create(&thread[i], NULL, worker, NULL);
	for (int i = 0; i < URLS; i++)
		submit(urls[i]);
	shut_down(thread);
	pthread_barrier_destroy(&network);
	while ((c = getc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	printf("%d\n", lines);
	return 0;
}
