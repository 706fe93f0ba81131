/* EXPECT: nothing */
/* A lock in mapped memory; the page is unmapped and mapped again, or just replaced by MAP_FIXED: other locks. */
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
	inside((pthread_mutex_t *)(map + 4096));
	munmap(map, 4096);
	MUST(mmap(map, 4096, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0) == map);
	MUST(mmap(map + 4096, 4096, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) == map + 4096);
	gate_open(&mapped_again);
	return arg;
}

static void *around(void *arg)
{
	gate_wait(&mapped_again);
	for (int i = 0; i < 2; i++) {
		pthread_mutex_t *m = (pthread_mutex_t *)(map + i * 4096);

		pthread_mutex_lock(m);
		pthread_mutex_lock(&global);
		pthread_mutex_unlock(&global);
		pthread_mutex_unlock(m);
	}
	return arg;
}

int main(void)
{
	run_two(owner, around);
	munmap(map, BYTES);
	return 0;
}
