/* searched.c - dlopen by name and by $ORIGIN finds what the library that calls it would find. HOST in the environment: its path. */
#include "start.h"

#include <dlfcn.h>
#include <stdlib.h>

int main(void)
{
	const char *path = getenv("HOST");
	if (!path)
		return 77;
	start_engine();
	void *host = dlopen(path, RTLD_NOW);
	int (*which)(const char *) = host ? (int (*)(const char *))dlsym(host, "host_which") : NULL;
	MUST(which != NULL);
	int in_b = which("libwhich.so"), in_a = which("$ORIGIN/a/libwhich.so");
	void *none = dlopen("libwhich_not.so", RTLD_NOW), *self = dlopen(NULL, RTLD_NOW);
	printf("%d %d %d %d\n", in_b, in_a, none != NULL, self != NULL);
	return 0;
}
