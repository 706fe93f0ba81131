/* storms.c - Many threads, come and gone, cancelled, switched between stacks; memory that moves under them. */
#include "invisible.h"
#include "start.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define WORDS 1024

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static uint64_t total;
static __thread uint64_t own[64];

__attribute__((noinline)) static uint64_t work(uint64_t *p, unsigned n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[seed >> 54] += seed;
		seed ^= p[i % WORDS];
		own[i % 64] += seed;
	}
	return seed;
}

static void *brief(void *arg)
{
	uint64_t p[WORDS] = { 0 }, sum = work(p, 50, (uint64_t)(uintptr_t)arg);
	pthread_mutex_lock(&m);
	total += sum;
	pthread_mutex_unlock(&m);
	return arg;
}

static void come_and_go(void)
{
	enum { AT_ONCE = 8, ALL = 1000 };
	pthread_t t[AT_ONCE];
	total = 0;
	for (long i = 0; i < ALL; i++) {
		if (i >= AT_ONCE)
			finish(t[i % AT_ONCE]);
		t[i % AT_ONCE] = start_with(brief, (void *)i);
	}
	for (int i = 0; i < AT_ONCE; i++)
		finish(t[i]);
	printf("come and gone: %016lx\n", total);
}

static struct meeting all_there;
#define LIVE 500
static void *together(void *arg)
{
	uint64_t *p = malloc(WORDS * sizeof *p), sum = 0;
	memset(p, 0, WORDS * sizeof *p);
	meet(&all_there, LIVE);
	for (int k = 0; k < 5; k++) {
		sum += work(p, 200, (uint64_t)(uintptr_t)arg + (uint64_t)k);
		pthread_mutex_lock(&m);
		total += sum;
		pthread_mutex_unlock(&m);
	}
	free(p);
	return arg;
}

static void live_together(void)
{
	static pthread_t t[LIVE];
	pthread_attr_t a;
	total = 0;
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, 64 << 10));
	for (long i = 0; i < LIVE; i++)
		OK(pthread_create(&t[i], &a, together, (void *)i));
	for (int i = 0; i < LIVE; i++)
		finish(t[i]);
	printf("together: %016lx\n", total);
}

/* ---- cancelled anywhere ---- */

static void count(void *arg) { ++*(int *)arg; }

static void *until_cancelled(void *arg)
{
	uint64_t p[WORDS] = { 0 };
	int old;
	pthread_cleanup_push(count, arg);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	for (uint64_t k = 0;; k++) {
		void *at = p + k % 512;
		uint64_t n = 64;
		if (k % 16 == 0)
			work(p, 100, k);
		/* Of those that take the slow way each time. */
		__asm__ volatile("rep stosq" : "+D"(at), "+c"(n) : "a"(k) : "memory");
		__asm__ volatile("lock incq %0" : "+m"(total));
	}
	pthread_cleanup_pop(0);
	return arg;
}

static void cancelled(void)
{
	int n = 0;
	for (int i = 0; i < 100; i++) {
		void *r;
		pthread_t t = start_with(until_cancelled, &n);
		invisible_sleep_ms(i % 3);
		OK(pthread_cancel(t));
		OK(pthread_join(t, &r));
		if (r != PTHREAD_CANCELED)
			printf("%d ended with %p\n", i, r);
	}
	printf("cancelled: %d\n", n);
}

/* ---- fibers that change threads ---- */

#define FIBERS 16
static ucontext_t fiber[FIBERS];
static __thread ucontext_t thread_context;
static uint64_t fiber_sum[FIBERS], fiber_memory[FIBERS][WORDS];
static int fiber_rounds[FIBERS], fiber_taken[FIBERS];

static ucontext_t *here(void); /* not to be remembered over a switch */
__attribute__((noinline)) static ucontext_t *here(void) { __asm__ volatile(""); return &thread_context; }

static void in_fiber(int i)
{
	for (;;) {
		fiber_sum[i] += work(fiber_memory[i], 100, fiber_sum[i]);
		swapcontext(&fiber[i], here());
	}
}

static void *runs_fibers(void *arg)
{
	for (int left = 1; left;) {
		left = 0;
		for (int i = 0; i < FIBERS; i++) {
			bool mine = false;
			pthread_mutex_lock(&m);
			if (fiber_rounds[i] < 300) {
				left = 1;
				mine = !fiber_taken[i];
				if (mine)
					fiber_taken[i] = 1;
			}
			pthread_mutex_unlock(&m);
			if (!mine)
				continue;
			swapcontext(here(), &fiber[i]);
			pthread_mutex_lock(&m);
			fiber_taken[i] = 0;
			fiber_rounds[i]++;
			pthread_mutex_unlock(&m);
		}
	}
	return arg;
}

static void fibers(void)
{
	static char stack[FIBERS][16384];
	volatile uint64_t sum = 0;
	pthread_t t[3];
	for (volatile int i = 0; i < FIBERS; i++) {
		MUST(getcontext(&fiber[i]) == 0);
		fiber[i].uc_stack.ss_sp = stack[i];
		fiber[i].uc_stack.ss_size = sizeof stack[i];
		makecontext(&fiber[i], (void (*)(void))in_fiber, 1, i);
	}
	for (int i = 0; i < 3; i++)
		t[i] = start(runs_fibers);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	for (int i = 0; i < FIBERS; i++)
		sum += fiber_sum[i] + (uint64_t)fiber_rounds[i];
	printf("fibers: %016lx\n", sum);
}

/* ---- libraries come and go while others run ---- */

static const char *library;
static int stop_working; /* stored by an exchange: that is known to be an atomic */
static void *opens(void *arg)
{
	long ok = 0;
	for (int i = 0; i < 60; i++) {
		void *l = dlopen(library, RTLD_NOW | RTLD_LOCAL);
		pthread_mutex_lock(&m); /* the library has one table */
		long (*sum)(long) = l ? (long (*)(long))(uintptr_t)dlsym(l, "library_sum") : NULL;
		ok += sum && sum(3);
		pthread_mutex_unlock(&m);
		if (l)
			dlclose(l);
	}
	return (void *)(ok + (arg != NULL));
}
static void *works_on(void *arg)
{
	uint64_t p[WORDS] = { 0 };
	for (uint64_t k = 0; !__atomic_load_n(&stop_working, __ATOMIC_ACQUIRE); k++)
		work(p, 100, k);
	return arg;
}
static void libraries(void)
{
	pthread_t t[3], u = start(works_on);
	void *r;
	long sum = 0;
	for (int i = 0; i < 3; i++)
		t[i] = start(opens);
	for (int i = 0; i < 3; i++) {
		OK(pthread_join(t[i], &r));
		sum += (long)r;
	}
	__atomic_store_n(&stop_working, 1, __ATOMIC_SEQ_CST);
	finish(u);
	printf("libraries: %ld\n", sum);
}

/* ---- memory ---- */

static void *touches(void *arg)
{
	char *p = arg;
	for (unsigned i = 0; i < 1u << 16; i += 64)
		p[i]++;
	return arg;
}

static void memory(void)
{
	size_t big = (size_t)2 << 30;
	char *p = mmap(NULL, big, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(p != MAP_FAILED);
	memset(p, 1, (size_t)16 << 20);
	memcpy(p + ((size_t)1 << 30), p, (size_t)8 << 20);
	printf("big: %d %d\n", p[((size_t)1 << 30) + 12345], p[big - 1]);
	MUST(madvise(p, (size_t)16 << 20, MADV_DONTNEED) == 0);
	printf("not needed: %d\n", p[100]);
	p = mremap(p, big, (size_t)3 << 30, MREMAP_MAYMOVE);
	MUST(p != MAP_FAILED);
	printf("moved: %d\n", p[((size_t)1 << 30) + 12345]);
	munmap(p, (size_t)3 << 30);
	char *shared = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	finish(start_with(touches, shared));
	char *twin = mremap(shared, 0, 1 << 16, MREMAP_MAYMOVE); /* the same pages a second time */
	MUST(twin != MAP_FAILED);
	finish(start_with(touches, twin));
	printf("twins: %d\n", shared[64]);
	/* The end of the address space, as far as it goes. */
	char *end = mmap((void *)0x7fffffffe000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (end == (char *)0x7fffffffe000) {
		*(volatile uint64_t *)(end + 4088) = 7;
		end[0] = 1;
		for (volatile int i = 4095; i > 4000; i--)
			end[i] = (char)(end[i] + 1);
		munmap(end, 4096);
	}
	char *low = mmap((void *)0x10000, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (low == (char *)0x10000) {
		touches(low);
		touches(low);
		munmap(low, 1 << 16);
	}
	char *brk0 = sbrk(0);
	MUST(sbrk(1 << 20) == brk0);
	touches(brk0);
	MUST(sbrk(-(1 << 20)) == brk0 + (1 << 20));
	MUST(sbrk(1 << 20) == brk0);
	printf("break: %d\n", brk0[64]);
	MUST(mlockall(MCL_CURRENT) == 0 || errno == ENOMEM || errno == EPERM);
	munlockall();
}

/* ---- out of anywhere ---- */

static sigjmp_buf out;
static void jump(int nr) { siglongjmp(out, nr); }

static void *locks_and_allocates(void *arg)
{
	pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;
	while (!__atomic_load_n(&stop_working, __ATOMIC_ACQUIRE)) {
		pthread_mutex_lock(&mine);
		free(malloc(100));
		pthread_mutex_unlock(&mine);
	}
	return arg;
}

static void out_of_hooks(void)
{
	static pthread_mutex_t lock[64];
	struct sigaction a = { .sa_handler = jump };
	struct itimerval t = { { 0, 700 }, { 0, 700 } }, none = { { 0, 0 }, { 0, 0 } };
	volatile int n = 0;
	sigset_t alarm_only;
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	__atomic_store_n(&stop_working, 0, __ATOMIC_SEQ_CST);
	OK(pthread_sigmask(SIG_BLOCK, &alarm_only, NULL));
	pthread_t u = start(locks_and_allocates);
	OK(pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL));
	OK(sigaction(SIGALRM, &a, NULL));
	OK(setitimer(ITIMER_REAL, &t, NULL));
	while (n < 150) {
		if (sigsetjmp(out, 1)) {
			n++;
			continue;
		}
		for (unsigned k = 0;; k++) {
			/* New orders all the time: the slow ways. What is left locked stays so. */
			pthread_mutex_t *x = &lock[k * 7 % 64], *y = &lock[(k * 13 + 1) % 64];
			if (pthread_mutex_trylock(x) == 0) {
				if (pthread_mutex_trylock(y) == 0)
					pthread_mutex_unlock(y);
				pthread_mutex_unlock(x);
			}
		}
	}
	OK(setitimer(ITIMER_REAL, &none, NULL));
	__atomic_store_n(&stop_working, 1, __ATOMIC_SEQ_CST);
	finish(u);
	printf("out of hooks: %d\n", n);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*f)(void);
	} all[] = { { "come", come_and_go }, { "together", live_together }, { "cancel", cancelled }, { "fibers", fibers },
		    { "libraries", libraries }, { "memory", memory }, { "out", out_of_hooks } };
	library = getenv("TEST_LIBRARY"); /* patch.test makes it */
	start_engine();
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
		if (argc < 2 || strcmp(argv[1], all[i].name) == 0)
			all[i].f();
	return 0;
}
