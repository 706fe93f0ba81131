/* compiler.h - The few compiler facts every floor of the runtime uses. */
#ifndef SNARL_BASE_COMPILER_H
#define SNARL_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The cold half of something: out of line, out of the way of the hot half. */
#define COLD __attribute__((cold, noinline))
/* The hot half: no lock, no call; its budget stands in the comment above it. */
#define HOT static inline __attribute__((always_inline))
/* Calls functions of libc that need an aligned stack (movaps), where the program perhaps called one that does not. */
#define ALIGNS __attribute__((force_align_arg_pointer, noinline))
#define EXPORT __attribute__((visibility("default")))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What pthread_self() says, also before libc can be called. Source: psABI, the word at %fs:0 is its own address. */
static inline uintptr_t thread_pointer(void)
{
	uintptr_t tcb;
	__asm__("mov %%fs:0, %0" : "=r"(tcb));
	return tcb;
}

/*
 * Internal invariant. A CHECK=1 build stops at a broken one, because there it is
 * a test that failed; a release build does not look, because the target comes first.
 */
#ifdef SNARL_CHECK
_Noreturn void check_failed(const char *what, const char *file, int line);
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
#else
#define CHECK(cond) ((void)sizeof(cond))
#endif

#endif
