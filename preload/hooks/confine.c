/*
 * confine.c - A program that shuts itself in by seccomp. What is not on its list may kill it, and the list knows
 * nothing of us: from then on we make no system calls (base/sys.h). A filter that came with the process, from whoever
 * started it, is not noticed. And a program that sets %gs: it is ours where accesses are watched.
 */
#include "base/sys.h"
#include "hooks/interpose.h"
#include "hooks/process.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

REAL_OF(pthread_mutex_lock);
REAL_OF(pthread_mutex_unlock);

/* libc knows it, and writes it into a mutex that it takes. */
static int tid_by_heart(void)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	real_pthread_mutex_lock(&m);
	int tid = m.__data.__owner;
	real_pthread_mutex_unlock(&m);
	return tid;
}

static bool before(void)
{
	if (sys_confined.on || !hook_thread())
		return false;
	int saved = errno;
	hook_skip_first_thread();
	if (process_events.confining)
		process_events.confining();
	sys_confine(tid_by_heart);
	errno = saved;
	return true;
}

static void after(bool ours, bool ok)
{
	if (ours && !ok)
		sys_release();
}

INTERPOSE(int, prctl, (int option, ...))
{
	va_list ap;
	unsigned long arg[4];
	va_start(ap, option);
	for (unsigned i = 0; i < 4; i++)
		arg[i] = va_arg(ap, unsigned long);
	va_end(ap);
	/* Without a filter it is a question whether filters are known here. */
	bool ours = option == PR_SET_SECCOMP && (arg[0] == SECCOMP_MODE_STRICT || arg[1]) && before();
	int r = REAL(prctl)(option, arg[0], arg[1], arg[2], arg[3]);
	after(ours, r == 0);
	return r;
}

static void setting_gs(int what)
{
	if (what == ARCH_SET_GS && hook_thread() && process_events.gs_wanted)
		process_events.gs_wanted();
}

int arch_prctl(int what, unsigned long addr); /* no header declares it */

INTERPOSE(int, arch_prctl, (int what, unsigned long addr))
{
	setting_gs(what);
	return REAL(arch_prctl)(what, addr);
}

INTERPOSE_ROW(syscall, syscall, NULL)

__attribute__((used)) static COLD long confining_slow(long nr, long a, long b, long c, long d, long e, long f)
{
	bool filter = nr == SYS_seccomp && (a == SECCOMP_SET_MODE_STRICT || (a == SECCOMP_SET_MODE_FILTER && c));
	bool mode = nr == SYS_prctl && a == PR_SET_SECCOMP && (b == SECCOMP_MODE_STRICT || c);
	bool ours = (filter || mode) && before();
	if (nr == SYS_arch_prctl)
		setting_gs((int)a);
	long r = REAL(syscall)(nr, a, b, c, d, e, f);
	after(ours, r >= 0); /* a listener's descriptor; a thread that could not follow is no success, but no harm either */
	return r;
}

/* Everything else goes to libc's by a jump: some of these calls return twice, or on another stack. */
EXPORT __attribute__((naked)) long syscall(long nr __attribute__((unused)), ...)
{
	__asm__("cmp %0, %%rdi\n\t"
		"je 1f\n\t"
		"cmp %1, %%rdi\n\t"
		"je 1f\n\t"
		"cmp %2, %%rdi\n\t"
		"je 1f\n\t"
		"mov real_syscall(%%rip), %%rax\n\t"
		"test %%rax, %%rax\n\t"
		"jz 1f\n\t"
		"jmp *%%rax\n"
		"1:\tjmp confining_slow"
		:
		: "i"(SYS_seccomp), "i"(SYS_prctl), "i"(SYS_arch_prctl));
}
