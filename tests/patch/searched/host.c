/* host.c - A library whose own RUNPATH says where its libraries are. */
#include <dlfcn.h>

int host_which(const char *name);
int host_which(const char *name)
{
	void *l = dlopen(name, RTLD_NOW);
	int (*f)(void) = l ? (int (*)(void))dlsym(l, "which") : 0;
	return f ? f() : -1;
}
