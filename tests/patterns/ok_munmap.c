/* EXPECT: nothing */
/* A lock in mapped memory; the page is unmapped, and another one mapped at the same place: another lock. */
#include "basics.h"
#include "invisible.h"
#include <sys/mman.h>

#define BYTES 8192

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;
static struct gate mapped_again;
static char *map;

static void inside(pthread_mutex_t *m)
{
	pthread_mutex_lock(&global);
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
	pthread_mutex_unlock(&global);
}

static void *owner(void *arg)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
	MUST(map != MAP_FAILED);
	inside((pthread_mutex_t *)map);
	munmap(map, 4096);
	MUST(mmap(map, 4096, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0) == map);
	gate_open(&mapped_again);
	return arg;
}

static void *around(void *arg)
{
	gate_wait(&mapped_again);
	pthread_mutex_lock((pthread_mutex_t *)map);
	pthread_mutex_lock(&global);
	pthread_mutex_unlock(&global);
	pthread_mutex_unlock((pthread_mutex_t *)map);
	return arg;
}

int main(void)
{
	run_two(owner, around);
	munmap(map, BYTES);
	return 0;
}
