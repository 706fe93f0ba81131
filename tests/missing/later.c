/*
 * later.c MODE - What was there when watching began is there no longer when a library comes: its accesses are not watched, that is
 * said, and the program goes on. PLUGIN in the environment: its path.
 */
#include "basics.h"
#include "invisible.h"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static void *nothing(void *arg) { return arg; }

/* Nobody is told: by a bare instruction. */
static void no_more_code(void)
{
#define LOAD(what)       BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define UNLESS(nr, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, skip)
	struct sock_filter f[] = {
		LOAD(nr),
		UNLESS(SYS_memfd_create, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		UNLESS(SYS_mprotect, 3),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = { sizeof f / sizeof f[0], f };
	MUST(invisible_syscall6(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) == 0);
	MUST(invisible_syscall6(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&p, 0, 0, 0) == 0);
}

static long (*library_sum)(long);
static void *uses(void *arg) { return (void *)library_sum((long)arg); }

int main(int argc, char **argv)
{
	void *r[2];
	const char *mode = argc > 1 ? argv[1] : "plain", *path = getenv("PLUGIN");
	finish(start(nothing));
	if (strcmp(mode, "mdwe") == 0 && prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) != 0)
		return 77;
	if (strcmp(mode, "code") == 0)
		no_more_code();
	void *l = path ? dlopen(path, RTLD_NOW) : NULL;
	*(void **)&library_sum = l ? dlsym(l, "library_sum") : NULL;
	if (!library_sum)
		return 77;
	for (long i = 0; i < 2; i++) {
		pthread_t t = start_with(uses, (void *)(i + 3));
		OK(pthread_join(t, &r[i]));
	}
	printf("%ld %ld\n", (long)r[0], (long)r[1]);
	return 5;
}
