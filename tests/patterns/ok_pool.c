/* EXPECT: nothing */
/* A thread pool: queue lock, per-task lock, result lock; tasks put new tasks; shut down by broadcast. */
#include "basics.h"

#define WORKERS 4
#define TASKS   300

struct task {
	pthread_mutex_t lock;
	struct task *next;
	int depth;
};

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t result_lock = PTHREAD_MUTEX_INITIALIZER;
static struct task *queue;
static int outstanding, stopping;
static long result;

static void put(int depth)
{
	struct task *t = malloc(sizeof(*t));

	MUST(t);
	OK(pthread_mutex_init(&t->lock, NULL));
	t->depth = depth;
	pthread_mutex_lock(&queue_lock);
	t->next = queue;
	queue = t;
	outstanding++;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&queue_lock);
}

static void run_task(struct task *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->depth)
		put(t->depth - 1);
	pthread_mutex_lock(&result_lock);
	result++;
	pthread_mutex_unlock(&result_lock);
	pthread_mutex_unlock(&t->lock);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static void *worker(void *arg)
{
	pthread_mutex_lock(&queue_lock);
	for (;;) {
		struct task *t;

		while (!queue && !stopping)
			pthread_cond_wait(&more, &queue_lock);
		if (!queue)
			break;
		t = queue;
		queue = t->next;
		pthread_mutex_unlock(&queue_lock);
		run_task(t);
		pthread_mutex_lock(&queue_lock);
		if (--outstanding == 0)
			pthread_cond_broadcast(&idle);
	}
	pthread_mutex_unlock(&queue_lock);
	return arg;
}

int main(void)
{
	pthread_t thread[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		thread[i] = start(worker);
	for (int i = 0; i < TASKS; i++)
		put(i % 3);
	pthread_mutex_lock(&queue_lock);
	while (outstanding)
		pthread_cond_wait(&idle, &queue_lock);
	stopping = 1;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&queue_lock);
	for (int i = 0; i < WORKERS; i++)
		finish(thread[i]);
	MUST(result == TASKS * 2);
	return 0;
}
