/* without.c - Takes something away and becomes the program. 77: this cannot be taken away here. */
#include "basics.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SKIPPED 77

#define LOAD(field)        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS(value, n)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n)
#define NO(error)          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define YES                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void filter(struct sock_filter *f, size_t n)
{
	struct sock_fprog all = { (unsigned short)n, f };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0) != 0)
		exit(SKIPPED);
}
#define FILTER(...)                                        \
	do {                                               \
		struct sock_filter f[] = { __VA_ARGS__ };  \
		filter(f, sizeof f / sizeof f[0]);         \
	} while (0)

int main(int argc, char **argv)
{
	if (argc < 3)
		return TEST_BROKEN;
	const char *what = argv[1];
	if (strncmp(what, "space:", 6) == 0) { /* MiB of address space */
		struct rlimit l = { (rlim_t)atol(what + 6) << 20, (rlim_t)atol(what + 6) << 20 };
		MUST(setrlimit(RLIMIT_AS, &l) == 0);
	} else if (strncmp(what, "data:", 5) == 0) {
		struct rlimit l = { (rlim_t)atol(what + 5) << 20, (rlim_t)atol(what + 5) << 20 };
		MUST(setrlimit(RLIMIT_DATA, &l) == 0);
	} else if (strcmp(what, "record") == 0) { /* nothing of 256 MiB to 4 GiB: as parts of the record are */
		FILTER(LOAD(nr), UNLESS(SYS_mmap, 5), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
		       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3), LOAD(args[1]), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 256u << 20, 0, 1),
		       NO(ENOMEM), YES);
	} else if (strcmp(what, "mdwe") == 0) {
		if (prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) != 0)
			return SKIPPED;
	} else if (strcmp(what, "mprotect") == 0) {
		FILTER(LOAD(nr), UNLESS(SYS_mprotect, 3), LOAD(args[2]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), NO(EACCES), YES);
	} else if (strcmp(what, "code") == 0) { /* nor by a file in memory */
		FILTER(LOAD(nr), UNLESS(SYS_memfd_create, 1), NO(EPERM), UNLESS(SYS_mprotect, 3), LOAD(args[2]),
		       BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), NO(EACCES), YES);
	} else if (strcmp(what, "overcommit") == 0) { /* nothing of 4 GiB and more */
		struct sock_filter f[] = { LOAD(nr), UNLESS(SYS_mmap, 3), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
					   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), NO(ENOMEM), YES };
		filter(f, sizeof f / sizeof f[0]);
	} else if (strcmp(what, "membarrier") == 0) {
		FILTER(LOAD(nr), UNLESS(SYS_membarrier, 1), NO(ENOSYS), YES);
	} else if (strcmp(what, "nothing") != 0) {
		return TEST_BROKEN;
	}
	execv(argv[2], argv + 2);
	return TEST_BROKEN;
}
