/*
 * asleep.c - Is a thread really in the wait that it has published?
 *
 * A wait can be left without our knowing: siglongjmp out of a handler, or a handler that goes on for ever. The record stands until
 * the thread's next wait, and must not be taken for one. The kernel knows who sleeps in a futex call, and on which word.
 */
#include "base/fmt.h"
#include "base/sys.h"
#include "detect/waitfor.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <time.h>

#define JOIN_WORDS 4096 /* glibc's struct pthread, which pthread_t points to: the word a join sleeps on is in it */

_Atomic bool waitfor_blind;

static bool no_proc(void)
{
	return sys4(SYS_faccessat, AT_FDCWD, "/proc/thread-self/syscall", 4, 0) != 0;
}

bool waitfor_in_futex(int tid, uintptr_t *addr)
{
	char path[64], text[256];
	struct fmt f = fmt_on(path, sizeof path - 1);
	if (sys_confined.on)
		waitfor_blind = true;
	if (waitfor_blind)
		return false;
	fmt_str(&f, "/proc/self/task/");
	fmt_u64(&f, (uint64_t)tid);
	fmt_str(&f, "/syscall");
	long n = sys_read_file(fmt_end(&f), text, sizeof text);
	if (n <= 0) {
		/* A thread that has just ended is not there either. */
		if (n == -EACCES || n == -EPERM || (n == -ENOENT && no_proc()))
			waitfor_blind = true;
		return false;
	}
	/* "202 0xADDRESS 0xOPERATION …" while in futex(2); "running" otherwise. One that wakes others is in futex(2), too. */
	uint64_t word[2] = { 0, 0 };
	const char *c = text;
	if (strncmp(text, "202 0x", 6) != 0)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		c = strstr(c, " 0x");
		if (!c)
			return false;
		for (c += 3; *c && *c != ' '; c++)
			word[i] = word[i] << 4 | (uint64_t)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
	}
	*addr = word[0];
	unsigned operation = word[1] & FUTEX_CMD_MASK;
	return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI || operation == FUTEX_LOCK_PI2;
}

static bool within(uintptr_t at, uintptr_t lo, size_t bytes) { return at >= lo && at < lo + bytes; }

bool waitfor_sleeps_on_mutex(int tid, const struct wait *w)
{
	uintptr_t at;
	return w->mutex && waitfor_in_futex(tid, &at) && within(at, w->mutex_addr, eyes.bytes(FAMILY_MUTEX));
}

bool waitfor_sleeps_in(int tid, const struct wait *w)
{
	uintptr_t at;
	enum object_family family = (enum object_family)(w->lock >> OBJECT_FAMILY_SHIFT);
	if (!waitfor_in_futex(tid, &at))
		return false;
	if (w->kind == WAIT_JOIN) {
		if (w->mutex) /* by a semaphore that tells of the end */
			return within(at, w->addr, eyes.bytes(FAMILY_SEM));
		const struct thread_info *target = thread_by_id(w->target);
		return !target || !target->handle || within(at, target->handle, JOIN_WORDS);
	}
	/* stdio keeps a FILE's lock elsewhere. */
	if (!w->lock || family == FAMILY_FILE || within(at, w->addr, eyes.bytes(family)))
		return true;
	return w->kind == WAIT_COND && within(at, w->mutex_addr, eyes.bytes(FAMILY_MUTEX));
}

/*
 * Two who look at the same moment would wait for each other: the one with the higher id takes the other's word for it. Without /proc,
 * one who waits in slices or spins has to show up once more since our own last look.
 */
bool waitfor_lives(struct thread *u, const struct wait *w, uint32_t seq, uint64_t patience_ns)
{
	struct thread *self = tls.thread;
	uint64_t start = sys_clock_ns();
	if (u == self)
		return true;
	for (struct timespec pause = { 0, 20000 };; pause.tv_nsec *= 1 + (pause.tv_nsec < 1000000)) {
		uint64_t beat = atomic_load(&u->wait.beat_ns);
		if (atomic_load(&u->wait.seq) != seq)
			return false;
		if (atomic_load(&u->wait.looking) ? !self || u->id < self->id : beat > start || waitfor_sleeps_in(u->tid, w))
			return true;
		if (waitfor_blind)
			return self && self->wait.looked_ns && beat > self->wait.looked_ns;
		if (sys_clock_ns() - start > patience_ns)
			return false;
		sys2(SYS_nanosleep, &pause, NULL);
	}
}
