/* EXPECT: nothing */
/* A library whose constructor starts a thread and whose destructor cancels and joins it, in the middle of its condition wait. */
#include "basics.h"
#include <dlfcn.h>
#include <limits.h>
#include <unistd.h>

int main(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	MUST(n > 0);
	path[n] = 0;
	strcpy(strrchr(path, '/'), "/service.so");
	for (int i = 0; i < 3; i++) {
		void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

		if (!lib) {
			fprintf(stderr, "%s\n", dlerror());
			return TEST_BROKEN;
		}
		MUST(dlclose(lib) == 0);
	}
	return 0;
}
