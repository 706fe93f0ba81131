/* faults.c - Faults of the program's own: address, place and registers are the program's, and a handler may go on elsewhere. */
#include "start.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

extern char load_here[], load_after[], store_here[], store_after[];
static uintptr_t seen_ip, seen_addr, seen_rax, seen_rcx;
static int skip;
static sigjmp_buf out;

/* Labels mark the instructions; the neighbours make a window. */
__attribute__((noinline)) static long probe(long *p, long *q)
{
	long v = 7;
	__asm__ volatile("mov $0x1234, %%ecx\n\t"
			 "mov (%2), %%rax\n"
			 "load_here: mov (%1), %0\n"
			 "load_after: add %%rax, %0\n"
			 : "+r"(v)
			 : "r"(p), "r"(q)
			 : "rax", "rcx", "memory");
	return v;
}

__attribute__((noinline)) static void poke(long *p, long *q)
{
	__asm__ volatile("mov $0x4321, %%ecx\n\t"
			 "mov (%1), %%rax\n"
			 "store_here: mov %%rax, (%0)\n"
			 "store_after: nop\n"
			 :
			 : "r"(p), "r"(q)
			 : "rax", "rcx", "memory");
}

static void handler(int nr, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	(void)nr;
	seen_ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	seen_rax = (uintptr_t)uc->uc_mcontext.gregs[REG_RAX];
	seen_rcx = (uintptr_t)uc->uc_mcontext.gregs[REG_RCX];
	seen_addr = (uintptr_t)si->si_addr;
	if (!skip)
		siglongjmp(out, 1);
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)(seen_ip == (uintptr_t)load_here ? load_after : store_after);
}

static void tell(const char *what, const char *where)
{
	printf("%s: place %s, address %#lx, rax %#lx, rcx %#lx\n", what, seen_ip == (uintptr_t)where ? "right" : "wrong", (unsigned long)seen_addr,
	       (unsigned long)seen_rax, (unsigned long)seen_rcx);
	seen_ip = seen_addr = 0;
}

int main(void)
{
	long good = 35, *null = NULL;
	struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO }, old;
	OK(sigaction(SIGSEGV, &a, NULL));
	start_engine();
	printf("%ld\n", probe(&good, &good));
	if (!sigsetjmp(out, 1))
		probe(null + 1, &good);
	tell("load from NULL + 8", load_here);
	if (!sigsetjmp(out, 1))
		poke((long *)0x7000, &good);
	tell("store to 0x7000", store_here);
	if (!sigsetjmp(out, 1))
		probe((long *)0x8000000000000000, &good);
	tell("load from no address at all", load_here);
	skip = 1;
	printf("skipped: %ld\n", probe(null, &good));
	tell("skipped load", load_here);
	poke(null + 3, &good);
	tell("skipped store", store_here);
	/* A page that comes when it is touched, as some runtimes do it. */
	OK(sigaction(SIGSEGV, NULL, &old));
	printf("handler is %s, flags %#x\n", old.sa_sigaction == handler ? "the program's" : "somebody else's", (unsigned)old.sa_flags & ~0x04000000u);
	OK(signal(SIGSEGV, SIG_DFL) == SIG_ERR);
	OK(sigaction(SIGSEGV, NULL, &old));
	printf("default again: %d\n", old.sa_handler == SIG_DFL);
	return 0;
}
