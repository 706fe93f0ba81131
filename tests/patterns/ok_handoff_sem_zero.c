/* EXPECT: nothing */
/* Request and answer through two semaphores that start at 0, with a mutex held around the whole exchange on one side.
 */
#include "basics.h"
#include <semaphore.h>

static pthread_mutex_t client_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t server_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t request, answer;
static int question, result;

static void *server(void *arg)
{
	for (int i = 0; i < 40; i++) {
		sem_wait(&request);
		pthread_mutex_lock(&server_lock);
		result = question * 2;
		pthread_mutex_unlock(&server_lock);
		sem_post(&answer);
	}
	return arg;
}

static void *client(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&client_lock);
		question = i;
		sem_post(&request);
		sem_wait(&answer);
		MUST(result == 2 * i);
		pthread_mutex_unlock(&client_lock);
	}
	return arg;
}

int main(void)
{
	pthread_t s;

	sem_init(&request, 0, 0);
	sem_init(&answer, 0, 0);
	s = start(server);
	run_two(client, client);
	finish(s);
	sem_destroy(&request);
	sem_destroy(&answer);
	return 0;
}
