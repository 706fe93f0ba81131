/* EXPECT: nothing */
/* The new thread detaches itself and unmaps the memory that its own handle was stored in, before pthread_create returns. */
#include "basics.h"
#include "invisible.h"
#include <sched.h>
#include <sys/mman.h>

static int gone;

static void *work(void *arg)
{
	pthread_detach(pthread_self());
	munmap(arg, 4096);
	__atomic_add_fetch(&gone, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	for (int i = 0; i < 500; i++) {
		void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		pthread_t *handle = place;

		MUST(place != MAP_FAILED);
		OK(pthread_create(handle, NULL, work, place));
		while (__atomic_load_n(&gone, __ATOMIC_SEQ_CST) <= i)
			sched_yield();
	}
	return 0;
}
