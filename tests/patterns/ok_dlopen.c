/* EXPECT: nothing */
/*
 * A library with locks is opened and closed over and over, by a thread that changes. Its locks are new ones each time,
 * also when they lie where the last ones lay: the order of the last round says nothing about this one.
 */
#include "basics.h"
#include "invisible.h"
#include <dlfcn.h>
#include <limits.h>
#include <unistd.h>

#define ROUNDS 20

static pthread_mutex_t outside = PTHREAD_MUTEX_INITIALIZER;
static struct gate done[ROUNDS + 1];
static char path[PATH_MAX];

static void one_round(int round)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	int (*work)(pthread_mutex_t *, int);

	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(TEST_BROKEN);
	}
	*(void **)&work = dlsym(lib, "plugin_work");
	MUST(work && work(&outside, round % 2) == round % 2);
	MUST(dlclose(lib) == 0);
}

static void *loader(void *arg)
{
	for (int i = arg ? 1 : 0; i < ROUNDS; i += 2) {
		gate_wait(&done[i]);
		one_round(i);
		gate_open(&done[i + 1]);
	}
	return NULL;
}

int main(void)
{
	pthread_t odd;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	MUST(n > 0);
	path[n] = 0;
	strcpy(strrchr(path, '/'), "/plugin.so");
	gate_open(&done[0]);
	odd = start_with(loader, path);
	loader(NULL);
	finish(odd);
	return 0;
}
