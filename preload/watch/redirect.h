/*
 * redirect.h - What libc does to the memory of watched code: memcpy, strlen, read and their like.
 *
 * libc itself is not watched. Instead the watched modules' own entries for these functions (their GOT, nobody else's) lead to
 * wrappers that check the ranges the function touches, no byte more, and go on to the real one. So a program without races on,
 * libc, and libraries that are not watched do not pay. Pointers to these functions in data are left alone.
 */
#ifndef SNARL_WATCH_REDIRECT_H
#define SNARL_WATCH_REDIRECT_H

#include "core/module.h"

/* Redirects what is there to be redirected: entries that lead to libc or to our own hooks, or have not been bound yet. Entries
 * the loader has not filled in are left alone, so call it again later. Cheap when there is nothing new. The gate is shut. */
void redirect_module(const struct module *m);

/* ---- for the wrappers (redirect_mem.c, redirect_str.c, redirect_io.c, redirect_print.c) ------------------------------ */

struct redirect_row {
	const char *name;
	void *real, *wrapper;
};

/* REDIRECT(void *, memchr, (const void *p, int c, size_t n)) { body }: the body may call the function by its name. */
#define REDIRECT(ret, name, params)                                                                                  \
	static ret wrap_##name params;                                                                               \
	static const struct redirect_row row_##name __attribute__((section("snarl_redirects"), used, aligned(8))) = { \
		#name, (void *)(uintptr_t)&name, (void *)(uintptr_t)&wrap_##name                                      \
	};                                                                                                           \
	static ret wrap_##name params

#endif
