/* EXPECT: nothing */
/* A lock taken before any constructor ran (.preinit_array comes first) and released in main: whose it is cannot be
 * known. */
#include "basics.h"

static pthread_mutex_t early = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t unlocked_early = PTHREAD_MUTEX_INITIALIZER;

static void before_everything(int argc, char **argv, char **env)
{
	(void)argc, (void)argv, (void)env;
	pthread_mutex_lock(&early);
	pthread_mutex_lock(&unlocked_early);
	pthread_mutex_unlock(&unlocked_early);
}

__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **,
									      char **) = before_everything;

static pthread_mutex_t in_constructor = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void construct(void)
{
	pthread_mutex_lock(&in_constructor);
}
__attribute__((destructor)) static void destruct(void)
{
	pthread_mutex_unlock(&in_constructor);
}

static void *other(void *arg)
{
	pthread_mutex_lock(&unlocked_early);
	pthread_mutex_unlock(&unlocked_early);
	return arg;
}

int main(void)
{
	pthread_t t = start(other);

	pthread_mutex_unlock(&early);
	finish(t);
	return 0;
}
