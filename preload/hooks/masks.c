/* masks.c - Whatever sets a signal mask: see base/masks.h. */
#include "base/masks.h"

#include "hooks/interpose.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/select.h>
#include <ucontext.h>

static int change(int (*real)(int, const sigset_t *, sigset_t *), int how, const sigset_t *set, sigset_t *old)
{
	struct masks_step s;
	uint64_t word, ask;
	if (!masks_on || (set && (uintptr_t)set < 4096))
		return real(how, set, old);
	if (set)
		memcpy(&word, set, sizeof word);
	if (!masks_before(&s, how, set ? &word : NULL, &ask))
		return real(how, set, old);
	sigset_t local;
	if (set) {
		local = *set;
		memcpy(&local, &ask, sizeof ask);
	}
	int r = real(how, set ? &local : NULL, old);
	if (r == 0 && old)
		memcpy(&word, old, sizeof word);
	masks_after(&s, r == 0, old ? &word : NULL);
	if (r == 0 && old)
		memcpy(old, &word, sizeof word);
	return r;
}

INTERPOSE(int, pthread_sigmask, (int how, const sigset_t *restrict set, sigset_t *restrict old))
{
	return change(REAL(pthread_sigmask), how, set, old);
}

INTERPOSE(int, sigprocmask, (int how, const sigset_t *restrict set, sigset_t *restrict old))
{
	return change(REAL(sigprocmask), how, set, old);
}

/* The old ways, by the new ones as libc has them. source: glibc 2.36, signal/sigblock.c, sigsetmsk.c, sighold.c, sigrelse.c */
static int change_word(int how, int mask)
{
	sigset_t set, old;
	uint32_t word = (uint32_t)mask;
	sigemptyset(&set);
	memcpy(&set, &word, sizeof word);
	if (change(REAL(sigprocmask), how, &set, &old) < 0)
		return -1;
	memcpy(&word, &old, sizeof word);
	return (int)word;
}

int sigblock(int mask); /* deprecated where they are declared */
int sigsetmask(int mask);
int sighold(int nr);
int sigrelse(int nr);
EXPORT int sigblock(int mask) { return change_word(SIG_BLOCK, mask); }
EXPORT int sigsetmask(int mask) { return change_word(SIG_SETMASK, mask); }

static int change_one(int how, int nr)
{
	sigset_t set;
	sigemptyset(&set);
	return sigaddset(&set, nr) < 0 ? -1 : change(REAL(sigprocmask), how, &set, NULL);
}
EXPORT int sighold(int nr) { return change_one(SIG_BLOCK, nr); }
EXPORT int sigrelse(int nr) { return change_one(SIG_UNBLOCK, nr); }

INTERPOSE(int, sigpending, (sigset_t *set))
{
	uint64_t word;
	int r = REAL(sigpending)(set);
	if (r == 0 && masks.held) {
		memcpy(&word, set, sizeof word);
		word |= masks.held;
		memcpy(set, &word, sizeof word);
	}
	return r;
}

/* ---- waiting under a mask ---------------------------------------------------------------------------------------- */

INTERPOSE(int, sigsuspend, (const sigset_t *mask))
{
	MASKS_UNDER(mask);
	return REAL(sigsuspend)(mask);
}

INTERPOSE(int, pselect,
	  (int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e, const struct timespec *restrict limit, const sigset_t *restrict mask))
{
	MASKS_UNDER(mask);
	return REAL(pselect)(n, r, w, e, limit, mask);
}

/* ---- jumps ---------------------------------------------------------------------------------------------------------
 *
 * A saved mask has room for 1024 signals, of which the kernel knows 64: our words go where the last ones would be.
 */
#define MARK  14 /* words of a saved mask */
#define WORD  15
#define MAGIC 0x736e61726c6d6b73ull

static void restored(uint64_t *saved)
{
	uint64_t blocked = saved[MARK] == MAGIC ? saved[WORD] : 0;
	masks.blocked = (blocked | saved[0]) & MASKS_FAULTS;
	masks.waiting = false;
	saved[0] = (saved[0] & ~MASKS_FAULTS) | (masks.really & masks.blocked);
	masks.really &= masks.blocked;
	if (saved[MARK] == MAGIC)
		saved[WORD] = masks.blocked; /* saved before they were kept out */
	masks_let_go();
}

#define JUMP(name)                                                                                                   \
	INTERPOSE(void, name, (struct __jmp_buf_tag env[1], int value))                                                                 \
	{                                                                                                            \
		if (masks_on && env[0].__mask_was_saved)                                                             \
			restored((uint64_t *)(void *)&env[0].__saved_mask);                                          \
		REAL(name)(env, value);                                                                              \
		__builtin_unreachable();                                                                             \
	}
void __longjmp_chk(struct __jmp_buf_tag env[1], int value) __attribute__((noreturn));
JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)

/* These return twice: libc's are entered by a jump. */
INTERPOSE_ROW(__sigsetjmp, __sigsetjmp, NULL)
INTERPOSE_ROW(getcontext, getcontext, NULL)
__attribute__((used)) static COLD void resolve_jumps(void)
{
	hook_resolve_slow(&row___sigsetjmp);
	hook_resolve_slow(&row_getcontext);
}

#define MARKED(name, at)                                                                                            \
	"mov $0x736e61726c6d6b73, %%rax\n\t"                                                                        \
	"mov %%rax, " at "+8*14(%%rdi)\n\t"                                                                         \
	"mov masks@gottpoff(%%rip), %%rax\n\t"                                                                      \
	"mov %%fs:(%%rax), %%rax\n\t"                                                                               \
	"mov %%rax, " at "+8*15(%%rdi)\n"                                                                           \
	"1:\tmov real_" #name "(%%rip), %%rax\n\t"                                                                  \
	"test %%rax, %%rax\n\t"                                                                                     \
	"jz 2f\n\t"                                                                                                 \
	"jmp *%%rax\n"                                                                                              \
	"2:\tpush %%rdi\n\t"                                                                                        \
	"push %%rsi\n\t"                                                                                            \
	"sub $8, %%rsp\n\t"                                                                                         \
	"call resolve_jumps\n\t"                                                                                    \
	"add $8, %%rsp\n\t"                                                                                         \
	"pop %%rsi\n\t"                                                                                             \
	"pop %%rdi\n\t"                                                                                             \
	"jmp 1b"

EXPORT __attribute__((naked)) int __sigsetjmp(struct __jmp_buf_tag env[1] __attribute__((unused)), int save __attribute__((unused)))
{
	__asm__("test %%esi, %%esi\n\t"
		"jz 1f\n\t" MARKED(__sigsetjmp, "72")
		:
		:);
}
_Static_assert(offsetof(struct __jmp_buf_tag, __saved_mask) == 72, "the assembly above");

EXPORT __attribute__((naked)) int getcontext(ucontext_t *c __attribute__((unused)))
{
	__asm__(MARKED(getcontext, "296") : :);
}
_Static_assert(offsetof(ucontext_t, uc_sigmask) == 296, "the assembly above");

/* A handler's context has no room: what it is told there is the truth (watch/signals.c), which restored() takes. */
INTERPOSE(int, setcontext, (const ucontext_t *c))
{
	if (masks_on)
		restored((uint64_t *)(void *)(uintptr_t)&c->uc_sigmask);
	return REAL(setcontext)(c);
}

INTERPOSE(int, swapcontext, (ucontext_t *restrict old, const ucontext_t *restrict c))
{
	uint64_t mine = masks.blocked;
	if (masks_on) {
		uint64_t *saved = (uint64_t *)(void *)&old->uc_sigmask;
		saved[MARK] = MAGIC;
		saved[WORD] = mine;
		restored((uint64_t *)(void *)(uintptr_t)&c->uc_sigmask);
	}
	int r = REAL(swapcontext)(old, c);
	if (masks_on) { /* come back, perhaps by the end of another one, which libc sees to */
		masks.blocked = mine;
		masks_let_go();
	}
	return r;
}
