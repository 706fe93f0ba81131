/* io.h - What orders threads through the kernel, for the race detector; each function's hook is in io.c, message.c. */
#ifndef SNARL_HOOKS_IO_H
#define SNARL_HOOKS_IO_H

#include "hooks/interpose.h"

/* Something goes into the descriptor (before the call), or came out of it (after one that succeeded). errno stays. */
COLD void io_goes_slow(int fd);
COLD void io_came_slow(int fd);
/* The same for a key of its own. */
COLD void io_goes_key_slow(uintptr_t key);
COLD void io_came_key_slow(uintptr_t key);

/* cost while races are off: one load and one test. */
HOT void io_goes(int fd)
{
	if (unlikely(race_on))
		io_goes_slow(fd);
}

HOT void io_came(int fd)
{
	if (unlikely(race_on))
		io_came_slow(fd);
}

/* A function that puts something in, and one that takes something out: result negative (or NULL) when there was nothing. */
#define IO_GOES(ret, name, params, args, fd)                                                                         \
	INTERPOSE(ret, name, params)                                                                                 \
	{                                                                                                            \
		io_goes(fd);                                                                                         \
		return REAL(name) args;                                                                              \
	}
#define IO_CAME(ret, name, params, args, fd)                                                                         \
	INTERPOSE(ret, name, params)                                                                                 \
	{                                                                                                            \
		if (likely(!race_on))                                                                                \
			return REAL(name) args;                                                                      \
		ret r_ = REAL(name) args;                                                                            \
		if (r_ >= 0)                                                                                         \
			io_came_slow(fd);                                                                            \
		return r_;                                                                                           \
	}

#endif
