/* handlers.c - What programs do with signals while their accesses are watched: profilers, write barriers, jumps and forks out of handlers,
 * small stacks, traps of their own. */
#include "invisible.h"
#include "start.h"

#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define WORDS 4096

static volatile int seen, depth, in_main;
static sigjmp_buf out;

__attribute__((noinline)) static uint64_t work(uint64_t *p, unsigned n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[seed >> 52] += seed;
		((uint8_t *)p)[seed >> 49 & 0x7fff] ^= (uint8_t)seed;
		seed ^= p[i % WORDS];
	}
	return seed;
}

static void install(int nr, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | flags };
	OK(sigaction(nr, &a, NULL));
}

static void every(int which, long us)
{
	struct itimerval t = { { 0, us }, { 0, us } };
	OK(setitimer(which, &t, NULL));
}

/* ---- a profiler: a thousand times a second, in the middle of everything ---- */

static void profile(int nr, siginfo_t *si, void *context)
{
	void *pc[64];
	(void)nr, (void)si, (void)context;
	/* It leads to main or to where threads begin: the whole way up. */
	if (backtrace(pc, 64) >= 4)
		__atomic_store_n(&depth, 4, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
}

static void *worker(void *arg)
{
	uint64_t *p = calloc(WORDS, sizeof *p), sum = (uint64_t)(uintptr_t)arg;
	for (int k = 0; k < 150; k++)
		sum = work(p, 20000, sum + (uint64_t)k);
	free(p);
	return (void *)sum;
}

static void profiler(void)
{
	void *r[2], *first[2] = { NULL, NULL };
	pthread_t t[2];
	bool same = true;
	install(SIGPROF, profile, SA_RESTART);
	every(ITIMER_PROF, 1000);
	while (__atomic_load_n(&seen, __ATOMIC_SEQ_CST) < 50) {
		for (long i = 0; i < 2; i++)
			t[i] = start_with(worker, (void *)(i + 1));
		for (int i = 0; i < 2; i++) {
			OK(pthread_join(t[i], &r[i]));
			same &= !first[i] || r[i] == first[i];
			first[i] = r[i];
		}
	}
	every(ITIMER_PROF, 0);
	printf("profiler: %p %p, the same each time %d, deep enough %d\n", r[0], r[1], same, depth >= 4);
}

__attribute__((noinline)) static int middle(int nr) { return raise(nr) + (in_main = 1); }
static void how_deep(int nr, siginfo_t *si, void *context)
{
	void *pc[64];
	int n = backtrace(pc, 64);
	(void)nr, (void)si, (void)context;
	seen = 0;
	for (int i = 0; i < n; i++)
		seen |= (uintptr_t)pc[i] - (uintptr_t)middle < 100;
}

/* ---- a write barrier ---- */

static char *heap;
#define PAGES 64
static void unprotect(int nr, siginfo_t *si, void *context)
{
	uintptr_t page = (uintptr_t)si->si_addr & ~4095ul;
	(void)nr, (void)context;
	if (page - (uintptr_t)heap >= PAGES * 4096)
		_exit(3);
	__atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
	mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
}

static void *barriers(void *arg)
{
	char *mine = heap + (long)arg * PAGES / 2 * 4096;
	for (int k = 0; k < 40; k++) {
		mprotect(mine, PAGES / 2 * 4096, k % 2 ? PROT_READ : PROT_NONE);
		for (int i = 0; i < PAGES / 2; i++) {
			if (i % 4 == 0)
				memset(mine + i * 4096 + 100, k, 50);
			else if (i % 4 == 1)
				__asm__ volatile("lock incq %0" : "+m"(*(long *)(mine + i * 4096 + 8)));
			else
				mine[i * 4096 + k] = (char)(k + mine[i * 4096 + 1]);
		}
	}
	return NULL;
}

static void write_barrier(void)
{
	uint64_t sum = 0;
	heap = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(heap != MAP_FAILED);
	__atomic_store_n(&seen, 0, __ATOMIC_SEQ_CST);
	install(SIGSEGV, unprotect, 0);
	pthread_t t = start_with(barriers, (void *)1);
	barriers(NULL);
	finish(t);
	for (unsigned i = 0; i < PAGES * 512; i++)
		sum = sum * 31 + ((uint64_t *)heap)[i];
	printf("write barrier: %016lx, %d\n", sum, seen > 2000);
	signal(SIGSEGV, SIG_DFL);
}

/* ---- out of handlers ---- */

static void jump(int nr) { siglongjmp(out, nr); }

static void jumps(void)
{
	static uint64_t p[WORDS];
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	struct sigaction a = { .sa_handler = jump };
	volatile int n = 0;
	OK(sigaction(SIGALRM, &a, NULL));
	every(ITIMER_REAL, 1000);
	while (n < 200) {
		if (sigsetjmp(out, 1)) {
			n++;
			continue;
		}
		for (uint64_t k = 0;; k++)
			work(p, 1000, k);
	}
	every(ITIMER_REAL, 0);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	printf("jumps: %d\n", n);
}

static ucontext_t back;
static void set_back(int nr, siginfo_t *si, void *context)
{
	(void)nr, (void)si, (void)context;
	setcontext(&back);
}

static void contexts(void)
{
	static uint64_t p[WORDS];
	volatile int n = 0;
	sigset_t now;
	install(SIGALRM, set_back, 0);
	MUST(getcontext(&back) == 0);
	if (n++ < 20) {
		struct itimerval once = { { 0, 0 }, { 0, 1000 } };
		OK(setitimer(ITIMER_REAL, &once, NULL));
		for (uint64_t k = 0;; k++)
			work(p, 1000, k);
	}
	OK(sigprocmask(SIG_BLOCK, NULL, &now));
	printf("contexts: %d, blocked %d\n", n, sigismember(&now, SIGALRM));
}

static void forks(int nr)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		uint64_t p[WORDS] = { 0 };
		_exit(work(p, 100, 1) != 0);
	}
	waitpid(pid, &status, 0);
	seen += WEXITSTATUS(status) + (nr == SIGALRM);
}

static void fork_in_handler(void)
{
	static uint64_t p[WORDS];
	struct sigaction a = { .sa_handler = forks };
	OK(sigaction(SIGALRM, &a, NULL));
	seen = 0;
	every(ITIMER_REAL, 5000);
	for (uint64_t k = 0; seen < 20; k++)
		work(p, 1000, k);
	every(ITIMER_REAL, 0);
	printf("forks: %d\n", seen >= 20);
}

/* ---- stacks and flags ---- */

static char *alternative;
static size_t alternative_bytes;
static void on_small_stack(int nr, siginfo_t *si, void *context)
{
	static uint64_t p[WORDS];
	char here;
	(void)si, (void)context;
	seen = nr;
	depth = (size_t)(&here - alternative) < alternative_bytes;
	work(p, 100, 5);
}

static void small_stack(void)
{
	struct sigaction now;
	size_t least = getauxval(51 /* AT_MINSIGSTKSZ */);
	alternative_bytes = (least > 2048 ? least : 2048) + 2048;
	alternative = malloc(alternative_bytes);
	stack_t s = { alternative, 0, alternative_bytes }, old;
	OK(sigaltstack(&s, NULL));
	install(SIGUSR1, on_small_stack, SA_ONSTACK);
	raise(SIGUSR1);
	printf("small stack: %d %d\n", seen == SIGUSR1, depth);
	install(SIGUSR1, on_small_stack, SA_RESETHAND);
	raise(SIGUSR1);
	OK(sigaction(SIGUSR1, NULL, &now));
	printf("reset: not there %d, default %d\n", !depth, now.sa_handler == SIG_DFL);
	install(SIGSEGV, on_small_stack, SA_RESETHAND | SA_ONSTACK);
	raise(SIGSEGV);
	OK(sigaction(SIGSEGV, NULL, &now));
	printf("reset: there %d, default %d\n", depth, now.sa_handler == SIG_DFL);
	s.ss_flags = SS_DISABLE;
	OK(sigaltstack(&s, &old));
	printf("it was %d\n", old.ss_sp == alternative && old.ss_size == alternative_bytes);
	free(alternative);
}

static void nest(int nr, siginfo_t *si, void *context)
{
	(void)si, (void)context;
	if (++seen < 20)
		raise(nr == SIGUSR1 ? SIGUSR2 : SIGUSR1);
	depth--;
}

static void nested(void)
{
	seen = depth = 0;
	install(SIGUSR1, nest, SA_NODEFER);
	install(SIGUSR2, nest, SA_NODEFER);
	raise(SIGUSR1);
	printf("nested: %d %d\n", seen, depth);
}

/* Stack overflow, told on another stack. */
static void overflowed(int nr)
{
	siglongjmp(out, nr);
}
__attribute__((noinline)) static int deeper(volatile char *p)
{
	volatile char here[4096];
	here[0] = p[0];
	return p[0] == 77 ? 0 : deeper(here) + here[0];
}
static void overflow(void)
{
	struct sigaction a = { .sa_handler = overflowed, .sa_flags = SA_ONSTACK };
	char *room = malloc(65536);
	stack_t s = { room, 0, 65536 };
	OK(sigaltstack(&s, NULL));
	OK(sigaction(SIGSEGV, &a, NULL));
	for (volatile int k = 0; k < 3; k++) {
		char c = 1;
		int nr = sigsetjmp(out, 1);
		if (!nr)
			deeper(&c);
		printf("overflow: %d\n", nr);
	}
	s.ss_flags = SS_DISABLE;
	OK(sigaltstack(&s, NULL));
	free(room);
	signal(SIGSEGV, SIG_DFL);
}
static void *overflow_of_thread(void *arg)
{
	overflow();
	return arg;
}

/* ---- traps ---- */

static void trap(int nr, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	(void)nr, (void)si;
	seen++;
	if (uc->uc_mcontext.gregs[REG_EFL] & 0x100 && seen > 40)
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void traps(void)
{
	static uint64_t p[WORDS];
	install(SIGTRAP, trap, 0);
	seen = 0;
	__asm__ volatile("int3");
	printf("own trap: %d\n", seen);
	__asm__ volatile("pushf; orq $0x100, (%%rsp); popf" : : : "memory", "cc");
	uint64_t sum = work(p, 1000, 3);
	printf("stepped: %016lx %d\n", sum, seen > 40);
	signal(SIGTRAP, SIG_DFL);
}

static void traced(void)
{
	int status = 0, stops = 0;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		static uint64_t p[WORDS];
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		__asm__ volatile("int3");
		_exit((int)(work(p, 1000, 4) & 0x7f));
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		stops++;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	printf("traced: %d stops, %d\n", stops, WEXITSTATUS(status));
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = how_deep, .sa_flags = SA_SIGINFO };
	void *pc[4];
	start_engine();
	backtrace(pc, 4);
	OK(sigaction(SIGUSR1, &a, NULL));
	middle(SIGUSR1);
	printf("backtrace of a handler shows whom it interrupted: %d\n", seen);
	seen = 0;
	profiler();
	write_barrier();
	jumps();
	contexts();
	fork_in_handler();
	small_stack();
	nested();
	overflow();
	finish(start(overflow_of_thread));
	traps();
	traced();
	return 0;
}
