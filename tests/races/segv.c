/* A program that lives with its faults: the handler sees where it was and what it touched, goes on behind it, or
 * leaves. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "race.h"

int data;
static char *page;
static __thread sigjmp_buf out;
static __thread uintptr_t seen_rip, seen_address;
static __thread int faults;

/* Places in the code, for the handler to compare with. */
extern const char fault_here[], fault_after[];

/* In assembly, so that its address is known; not inlined, so that there is one. */
static __attribute__((noinline)) void touch(char *p)
{
	__asm__ volatile(".globl fault_here, fault_after\n"
			 "fault_here:\n\tmovb $1, (%0)\n"
			 "fault_after:\n"
			 :
			 : "r"(p)
			 : "memory");
}

static void note(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = (ucontext_t *)context;

	(void)sig;
	seen_rip = (uintptr_t)c->uc_mcontext.gregs[REG_RIP];
	seen_address = (uintptr_t)info->si_addr;
	faults++;
}

/* Makes the page accessible and lets the instruction run again. */
static void unprotect(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void skip(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)fault_after;
}

static void leave(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	siglongjmp(out, 1);
}

static void install(void (*f)(int, siginfo_t *, void *))
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_sigaction = f;
	a.sa_flags = SA_SIGINFO;
	MUST(sigaction(SIGSEGV, &a, NULL) == 0);
	page = (char *)mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(page != MAP_FAILED);
}

static void as_seen(const char *address)
{
	MUST(faults == 1);
	MUST(seen_address == (uintptr_t)address);
	MUST(seen_rip == (uintptr_t)fault_here);
	MUST(seen_rip >= (uintptr_t)touch && seen_rip < (uintptr_t)touch + 64);
}

static void run_again(void) /* EXPECT: silence in run_again */
{
	install(unprotect);
	touch(page + 7);
	as_seen(page + 7);
	MUST(page[7] == 1);
}

static void skipped(void) /* EXPECT: silence in skipped */
{
	install(skip);
	touch(page + 7);
	as_seen(page + 7);
}

static void null_pointer(void) /* EXPECT: silence in null_pointer */
{
	char *null = NULL;

	HIDE(null);
	install(leave);
	if (sigsetjmp(out, 1) == 0)
		touch(null + 8);
	as_seen(null + 8);
}

static int *volatile nowhere;

/* The same by a plain load of the compiler's, in a loop, in two threads; and the work goes on. */
static void fault_often(void)
{
	for (volatile int i = 0; i < 50; i++) {
		if (sigsetjmp(out, 1) == 0)
			LOOK(*nowhere);
	}
}

static void fault_and_race(void)
{
	fault_often();
	data++; /* EXPECT: data-race in race_after_fault */
}

static void left_often(void) /* EXPECT: silence in left_often */
{
	install(leave);
	fault_often();
	MUST(faults == 50);
}

static void race_after_fault(void)
{
	install(leave);
	in_turn(fault_and_race, fault_and_race);
}

/* The default action: it dies of it, as it would have. */
static void dies(void) /* EXPECT: silence in dies */
{
	pid_t pid = fork();
	int status;

	MUST(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		LOOK(*nowhere);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

CASES(CASE(run_again), CASE(skipped), CASE(null_pointer), CASE(left_often), CASE(race_after_fault), CASE(dies))
