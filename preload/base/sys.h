/*
 * sys.h - Raw system calls, made by an inline instruction.
 *
 * The runtime lives inside somebody else's process: libc's wrappers touch errno, are
 * cancellation points and may themselves be interposed. These do none of it.
 * errors: a negative errno as the kernel returns it; errno itself is never touched.
 */
#ifndef SNARL_BASE_SYS_H
#define SNARL_BASE_SYS_H

#include "base/compiler.h"

#include <errno.h>
#include <sys/syscall.h>

#if !defined(__x86_64__)
#error "snarl's runtime knows x86-64 only so far"
#endif

/*
 * The program has shut itself in (seccomp): a system call that it does not make itself may kill it. All of ours but the two that no
 * program with threads can do without fail with EPERM then, before they reach the kernel.
 */
struct sys_confined {
	bool on;
	int pid;          /* ours, as it was or as fork told */
	int (*tid)(void); /* the calling thread's, without a system call */
};
extern struct sys_confined sys_confined;

/* Sets memory for the time after aside; tid: see above. Undone by sys_release, when the program's attempt failed. */
void sys_confine(int (*tid)(void));
void sys_release(void);

/* Not held back by sys_confined: for what the program itself asked for. */
static inline long sys_raw6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	if (unlikely(sys_confined.on) && nr != SYS_futex && nr != SYS_exit_group)
		return -EPERM;
	return sys_raw6(nr, a, b, c, d, e, f);
}

#define sys0(nr) sys6((nr), 0, 0, 0, 0, 0, 0)
#define sys1(nr, a) sys6((nr), (long)(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b) sys6((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c) sys6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) sys6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define sys5(nr, a, b, c, d, e) sys6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static inline int sys_gettid(void) { return unlikely(sys_confined.on) ? sys_confined.tid() : (int)sys0(SYS_gettid); }
static inline int sys_getpid(void) { return unlikely(sys_confined.on) ? sys_confined.pid : (int)sys0(SYS_getpid); }

/* Anonymous private zeroed pages, or NULL. */
void *sys_map(size_t bytes);
void sys_unmap(void *p, size_t bytes);
/* The same for a big table of which little will be touched: nothing is set aside, no huge pages, not in core files. */
void *sys_map_sparse(size_t bytes);

/* Writes all of it, resuming after EINTR and short writes. 0 or a negative errno. */
int sys_write_all(int fd, const void *buf, size_t len);

/* Reads a whole small file (as in /proc) into buf, always NUL-terminated.
 * Returns the length without the NUL, truncated to cap - 1, or a negative errno. */
long sys_read_file(const char *path, char *buf, size_t cap);

/* The main thread's stack: frames lie below argv and envp (top), down to the lowest address its limit allows. */
void sys_main_stack(uintptr_t top, uintptr_t *lo, uintptr_t *hi);

/* CLOCK_MONOTONIC in nanoseconds, through the vdso (about 20 ns). */
uint64_t sys_clock_ns(void);
/* CLOCK_REALTIME in nanoseconds. */
uint64_t sys_wall_ns(void);

/* Sleeps while *word == value; at most timeout_ns (0: no limit). Result as futex(2). */
long sys_futex_wait(const void *word, uint32_t value, uint64_t timeout_ns);
long sys_futex_wake(const void *word, int how_many);

#endif
