/* test_borrow.c - libunwind as a guest: right answers, and no trace of it in the process. */
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sys.h"
#include "core/borrow.h"
#include "core/module.h"
#include "core/step.h"

#define NOINLINE __attribute__((noinline))
#define KEEP()   __asm__ volatile("" ::: "memory")

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

/* The program's own malloc, which takes a mutex that is not recursive, as some do. */
static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned heap_calls;
#ifndef SANITIZED
void *__libc_malloc(size_t n);
void __libc_free(void *p);
void *malloc(size_t n)
{
	pthread_mutex_lock(&heap);
	heap_calls++;
	void *p = __libc_malloc(n);
	pthread_mutex_unlock(&heap);
	return p;
}
void free(void *p)
{
	pthread_mutex_lock(&heap);
	heap_calls++;
	__libc_free(p);
	pthread_mutex_unlock(&heap);
}
#endif

static void *theirs[200], *glibcs[200];
static unsigned nr_theirs, nr_glibc;

static NOINLINE void look(void)
{
	nr_theirs = borrow_backtrace(theirs, 200);
	nr_glibc = (unsigned)backtrace(glibcs, 200);
	KEEP();
}

static NOINLINE void deep(unsigned n)
{
	if (n)
		deep(n - 1);
	else
		look();
	KEEP();
}

/* Theirs begins with a place in look, glibc's too (or, under a sanitizer, one further in). */
static bool agree(void)
{
	unsigned skip = 0;
	while (skip < 3 && skip + 1 < nr_glibc && glibcs[skip + 1] != theirs[1])
		skip++;
	for (unsigned i = 1; i < nr_theirs; i++)
		if (i + skip >= nr_glibc || theirs[i] != glibcs[i + skip])
			return false;
	return nr_theirs > 5 && nr_theirs + skip == nr_glibc;
}

/* Runs f in a forked child; its exit status. */
static int in_child(int (*f)(void))
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		_exit(f());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int already_loaded(void)
{
	void *h = dlopen("libunwind.so.8", RTLD_NOW);
	const char *why = borrow_start();
	return h && why && strstr(why, "itself") && !borrow_available() && borrow_backtrace(theirs, 10) == 0 ? 0 : 1;
}

static void test_step_aside(void **state)
{
	(void)state;
	assert_false(borrow_available());
	assert_int_equal(borrow_backtrace(theirs, 10), 0);
	assert_int_equal(in_child(already_loaded), 0);
}

static void test_agreement(void **state)
{
	(void)state;
	const char *why = borrow_start();
	if (why)
		printf("# %s\n", why);
	assert_null(why);
	assert_null(borrow_start());
	assert_true(borrow_available());
	backtrace(glibcs, 10);
	for (unsigned i = 0; i < 30; i += 3) {
		deep(i);
		assert_true(agree());
	}
	for (unsigned max = 0; max < 5; max++)
		assert_int_equal(borrow_backtrace(theirs, max), max);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static NOINLINE void look_astray(void) /* glibc's would fault here */
{
	nr_theirs = borrow_backtrace(theirs, 200);
	KEEP();
}

/* Frames that cannot be trusted, so that it probes memory. */
static NOINLINE void astray(void (*f)(void), uintptr_t rbp)
{
	__asm__ volatile("pushq %%rbp; movq %1, %%rbp; call *%0; popq %%rbp" ::"r"(f), "r"(rbp)
			 : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
	KEEP();
}

static int closed_descriptors(void)
{
	char name[] = "/tmp/snarl-borrow-XXXXXX";
	syscall(SYS_close_range, 3, ~0u, 0);
	int fd = mkstemp(name), bad = fd != 3;
	unlink(name);
	/* On all numbers where it would have had its pipes; with something to read. */
	char text[4096];
	memset(text, 'x', sizeof(text));
	bad |= write(fd, text, sizeof(text)) != sizeof(text) || lseek(fd, 100, SEEK_SET) != 100;
	while (dup(fd) < 9)
		;
	unsigned before = open_descriptors();
	for (unsigned i = 0; i < 50; i++) {
		uintptr_t bp[] = { 0, 8, (uintptr_t)&bp, (uintptr_t)look, (uintptr_t)1 << 40, ~(uintptr_t)0 };
		deep(i);
		bad |= !agree();
		astray(look_astray, bp[i % 6]);
	}
	struct stat st, first;
	fstat(fd, &first);
	for (int i = fd; i <= 9; i++)
		bad |= fstat(i, &st) != 0 || st.st_ino != first.st_ino || st.st_size != sizeof(text);
	bad |= open_descriptors() != before || lseek(fd, 0, SEEK_CUR) != 100;
	for (unsigned i = 0; i < sizeof(text); i++) {
		char c;
		bad |= pread(fd, &c, 1, i) != 1 || c != 'x';
	}
	return bad;
}

static void test_descriptors(void **state)
{
	(void)state;
	assert_int_equal(in_child(closed_descriptors), 0);
}

/* The kernel as witness: every call that it is not to make kills. */
static int watched(void)
{
	static const int forbidden[] = { SYS_open,  SYS_openat,   SYS_close, SYS_pipe,
					 SYS_pipe2, SYS_read,     SYS_fstat, SYS_newfstatat,
					 SYS_stat,  SYS_mincore,  SYS_msync, SYS_process_vm_readv,
					 SYS_futex, SYS_mprotect, SYS_fcntl };
	struct sock_filter f[2 * ARRAY_SIZE(forbidden) + 8];
	unsigned n = 0;
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < ARRAY_SIZE(forbidden); i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)forbidden[i], 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	/* A signal mask may be asked about, not changed. */
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 0, 3);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ~0u, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = { (unsigned short)n, f };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 77;
	for (unsigned i = 0; i < 20; i++) {
		nr_theirs = borrow_backtrace(theirs, 200);
		if (nr_theirs < 5)
			return 1;
		astray(look_astray, (uintptr_t)&i);
	}
	return 0;
}

static void test_system_calls(void **state)
{
	(void)state;
	int status = in_child(watched);
	if (status != 77) /* no seccomp here */
		assert_int_equal(status, 0);
}

static int malloc_held(void)
{
	alarm(20);
	pthread_mutex_lock(&heap);
	unsigned before = heap_calls;
	for (unsigned i = 0; i < 10; i++) {
		nr_theirs = borrow_backtrace(theirs, 200);
		if (nr_theirs < 5)
			return 1;
		astray(look_astray, 0);
	}
	return heap_calls != before;
}

static void test_malloc_with_mutex(void **state)
{
	(void)state;
	assert_int_equal(in_child(malloc_held), 0);
}

static void *thread(void *arg)
{
	(void)arg;
	void *mine[100];
	for (unsigned i = 0; i < 300; i++)
		if (borrow_backtrace(mine, 100) < 2)
			return (void *)1;
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 4; i++) {
		void *bad;
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
}

/* The target opens the same library later and gets the copy that was redirected: it must work for it. */
static int shared(void)
{
	void *h = dlopen("libunwind.so.8", RTLD_NOW);
	int (*unwind)(void **, int) = h ? (int (*)(void **, int))dlsym(h, "unw_backtrace") : NULL;
	void *mine[100];
	for (unsigned i = 0; i < 20; i++) {
		if (!unwind || unwind(mine, 100) < 5)
			return 1;
		deep(i);
		if (!agree())
			return 2;
	}
	return 0;
}

static void test_shared(void **state)
{
	(void)state;
	assert_int_equal(in_child(shared), 0);
}

static int after_fork(void)
{
	borrow_fork_child();
	deep(3);
	return !agree();
}

static void test_fork_and_errno(void **state)
{
	(void)state;
	assert_int_equal(in_child(after_fork), 0);
	errno = 4711;
	nr_theirs = borrow_backtrace(theirs, 200);
	assert_int_equal(errno, 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_step_aside),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_system_calls),
		cmocka_unit_test(test_malloc_with_mutex),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_fork_and_errno),
	};
	module_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
