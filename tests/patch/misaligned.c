/* misaligned.c - Programs with hand-written code, or of old compilers, call on a stack that is eight bytes off. libc's functions do not
 * mind, so ours must not. */
#include "start.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <threads.h>
#include <unistd.h>

/* Calls f with the stack pointer off by eight. */
long off_by_eight(void *f, long a, long b, long c, long d, long e, long g);
__asm__(".text\n.globl off_by_eight\n.type off_by_eight, @function\n"
	"off_by_eight:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n	.cfi_def_cfa_offset 16\n	.cfi_offset %rbp, -16\n"
	"	mov %rsp, %rbp\n	.cfi_def_cfa_register %rbp\n"
	"	and $-16, %rsp\n"
	"	push 16(%rbp)\n" /* g; it stays there: this is what puts the stack off */
	"	mov %rdi, %r11\n"
	"	mov %rsi, %rdi\n	mov %rdx, %rsi\n	mov %rcx, %rdx\n	mov %r8, %rcx\n	mov %r9, %r8\n	mov (%rsp), %r9\n"
	"	xor %eax, %eax\n"
	"	call *%r11\n"
	"	leave\n	.cfi_def_cfa %rsp, 8\n"
	"	ret\n"
	"	.cfi_endproc\n.size off_by_eight, . - off_by_eight\n");

#define CALL1(f, a, ...) off_by_eight((void *)(uintptr_t)(f), (long)(a), __VA_ARGS__)
#define PICK(_1, _2, _3, _4, _5, _6, n, ...) n
#define PAD(...) PICK(__VA_ARGS__, PAD6, PAD5, PAD4, PAD3, PAD2, PAD1, )(__VA_ARGS__)
#define PAD1(a) (long)(a), 0, 0, 0, 0, 0
#define PAD2(a, b) (long)(a), (long)(b), 0, 0, 0, 0
#define PAD3(a, b, c) (long)(a), (long)(b), (long)(c), 0, 0, 0
#define PAD4(a, b, c, d) (long)(a), (long)(b), (long)(c), (long)(d), 0, 0
#define PAD5(a, b, c, d, e) (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0
#define PAD6(a, b, c, d, e, f) (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)
#define CALL(f, ...) off_by_eight((void *)(uintptr_t)(f), PAD(__VA_ARGS__))
#define SHOW(f, ...) (fprintf(stderr, ""), printf(#f " %ld\n", (long)(int)CALL(f, __VA_ARGS__)))

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, m2 = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_spinlock_t spin;
static pthread_barrier_t barrier;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;
static mtx_t mtx;
static cnd_t cnd;

static void once_only(void) {}
static void on_signal(int nr) { (void)nr; }

static void *other(void *arg)
{
	struct timespec past = { 1, 0 };
	SHOW(pthread_mutex_trylock, &m);
	SHOW(pthread_mutex_timedlock, &m, &past);
	SHOW(pthread_mutex_unlock, &m2); /* nobody's: a report is made here */
	return arg;
}

static void *waits(void *arg)
{
	CALL(pthread_mutex_lock, &m);
	CALL(pthread_mutex_unlock, &m);
	return arg;
}

static void locks(void)
{
	struct timespec past = { 1, 0 };
	pthread_t t;
	SHOW(pthread_mutex_init, &m, 0);
	SHOW(pthread_mutex_lock, &m);
	SHOW(pthread_mutex_lock, &m2);
	SHOW(pthread_mutex_unlock, &m2);
	OK(pthread_create(&t, NULL, other, NULL)); /* libc itself cannot be called so here */
	SHOW(pthread_join, t, 0);
	OK(pthread_create(&t, NULL, waits, NULL));
	SHOW(pthread_cond_timedwait, &c, &m, &past);
	SHOW(pthread_cond_clockwait, &c, &m, CLOCK_MONOTONIC, &past);
	SHOW(pthread_mutex_unlock, &m);
	SHOW(pthread_join, t, 0);
	/* The other order: an inversion is found and told. */
	SHOW(pthread_mutex_lock, &m2);
	SHOW(pthread_mutex_lock, &m);
	SHOW(pthread_mutex_unlock, &m);
	SHOW(pthread_mutex_unlock, &m2);
	SHOW(pthread_cond_signal, &c);
	SHOW(pthread_cond_broadcast, &c);
	SHOW(pthread_cond_init, &c, 0);
	SHOW(pthread_cond_destroy, &c);
	SHOW(pthread_mutex_destroy, &m2);
	SHOW(pthread_rwlock_rdlock, &rw);
	SHOW(pthread_rwlock_tryrdlock, &rw);
	SHOW(pthread_rwlock_unlock, &rw);
	SHOW(pthread_rwlock_unlock, &rw);
	SHOW(pthread_rwlock_wrlock, &rw);
	SHOW(pthread_rwlock_timedrdlock, &rw, &past);
	SHOW(pthread_rwlock_timedwrlock, &rw, &past);
	SHOW(pthread_rwlock_unlock, &rw);
	SHOW(pthread_rwlock_destroy, &rw);
	SHOW(pthread_spin_init, &spin, 0);
	SHOW(pthread_spin_lock, &spin);
	SHOW(pthread_spin_trylock, &spin);
	SHOW(pthread_spin_unlock, &spin);
	SHOW(pthread_spin_destroy, &spin);
	SHOW(pthread_barrier_init, &barrier, 0, 1);
	SHOW(pthread_barrier_wait, &barrier);
	SHOW(pthread_barrier_destroy, &barrier);
	SHOW(pthread_once, &once, once_only);
	SHOW(sem_init, &sem, 0, 1);
	SHOW(sem_wait, &sem);
	SHOW(sem_trywait, &sem);
	SHOW(sem_timedwait, &sem, &past);
	SHOW(sem_post, &sem);
	SHOW(sem_destroy, &sem);
	SHOW(mtx_init, &mtx, mtx_plain);
	SHOW(mtx_lock, &mtx);
	SHOW(mtx_trylock, &mtx);
	SHOW(cnd_init, &cnd);
	SHOW(cnd_timedwait, &cnd, &mtx, &past);
	SHOW(cnd_signal, &cnd);
	SHOW(mtx_unlock, &mtx);
	CALL(mtx_destroy, &mtx);
	CALL(cnd_destroy, &cnd);
}

static void memory(void)
{
	char *p = (char *)CALL(malloc, 100), *q = (char *)CALL(calloc, 10, 10), from[32] = "abc";
	CALL(memcpy, p, "some bytes to copy", 19);
	CALL(memmove, p + 1, p, 19);
	CALL(memset, q, 'x', 99);
	printf("%s %s\n", p, q);
	printf("strlen %ld strcmp %d\n", CALL(strlen, p), (int)CALL(strcmp, p, p));
	CALL(strcpy, p, from);
	p = (char *)CALL(realloc, p, 100000);
	puts(p);
	CALL(free, p);
	CALL(free, q);
	p = (char *)CALL(mmap, 0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	printf("mmap %d\n", p != MAP_FAILED);
	SHOW(munmap, p, 1 << 20);
}

static void rest(void)
{
	int fd[2];
	char b[8];
	struct sigaction a = { .sa_handler = on_signal }, old;
	sigset_t set;
	SHOW(pipe, fd);
	SHOW(write, fd[1], "hello", 5);
	SHOW(read, fd[0], b, 5);
	SHOW(close, fd[0]);
	SHOW(close, fd[1]);
	SHOW(sigaction, SIGUSR1, &a, &old);
	printf("signal %d\n", (void *)CALL(signal, SIGUSR1, on_signal) == (void *)on_signal);
	CALL(sigemptyset, &set);
	CALL(sigaddset, &set, SIGUSR2);
	SHOW(pthread_sigmask, SIG_BLOCK, &set, 0);
	SHOW(sigprocmask, SIG_UNBLOCK, &set, 0);
	SHOW(raise, SIGUSR1);
	void *lib = dlopen("libdl.so.2", RTLD_NOW);
	printf("dlopen %d\n", lib != NULL);
	if (lib)
		SHOW(dlclose, lib);
	fflush(stdout);
	int status = 1;
	pid_t pid = (pid_t)CALL(fork, 0);
	if (pid == 0)
		CALL(_exit, 5);
	extern pid_t waitpid(pid_t, int *, int);
	waitpid(pid, &status, 0);
	printf("child %x\n", status);
}

int main(void)
{
	locks();
	memory();
	rest();
	return 0;
}
