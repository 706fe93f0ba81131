/* EXPECT-LATER: lock-order:possible */
/* dlopen with a lock held in one thread; the lock inside a dl_iterate_phdr callback (under the loader's lock) in the
 * other. */
#include "basics.h"
#include "invisible.h"
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;
static char path[PATH_MAX];

static int callback(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info, (void)size, (void)arg;
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	return 1;
}

static void *loader_then_a(void *arg)
{
	dl_iterate_phdr(callback, NULL);
	gate_open(&first_done);
	return arg;
}

static void *a_then_loader(void *arg)
{
	void *lib;

	gate_wait(&first_done);
	pthread_mutex_lock(&a);
	lib = dlopen(path, RTLD_NOW);
	pthread_mutex_unlock(&a);
	if (!lib)
		fprintf(stderr, "%s\n", dlerror());
	MUST(lib && dlclose(lib) == 0);
	return arg;
}

int main(void)
{
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	MUST(n > 0);
	path[n] = 0;
	strcpy(strrchr(path, '/'), "/plugin.so");
	run_two(loader_then_a, a_then_loader);
	return 0;
}
