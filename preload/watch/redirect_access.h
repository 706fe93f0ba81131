/* redirect_access.h - How the wrappers of redirect.h tell which bytes are touched. */
#ifndef SNARL_WATCH_REDIRECT_ACCESS_H
#define SNARL_WATCH_REDIRECT_ACCESS_H

#include "detect/verbs.h"
#include "watch/miss.h"
#include "watch/redirect.h"

struct toucher {
	struct thread *t; /* NULL: nothing is to be told */
	struct site site;
};

/* In the wrapper itself: its return address is the program's. */
#define TOUCHER()                                                                                                    \
	{                                                                                                            \
		tls.gate == 0 && tls.thread &&tls.thread->race ? tls.thread : NULL,                                   \
		{                                                                                                    \
			(uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *) \
		}                                                                                                    \
	}

/* A range is read or written. Ranges whose every byte this thread has touched so in this epoch cost 0.1 ns a byte, others what
 * the rule costs. errno stays. */
COLD void touch_slow(const struct toucher *c, uintptr_t addr, size_t bytes, bool write);

HOT void touch(const struct toucher *c, const void *p, size_t bytes, bool write)
{
	if (c->t && bytes)
		touch_slow(c, (uintptr_t)p, bytes, write);
}

#define READS(p, bytes)  touch(&c, (p), (bytes), false)
#define WRITES(p, bytes) touch(&c, (p), (bytes), true)

#endif
