/*
 * stall.c - Everything asleep: every live thread waits, without a time limit, for something only a sleeper could give.
 *
 * The one who goes to sleep last looks. What it sees in our records is then held against the kernel: each sleeper must sit
 * in a futex call twice, in the same wait; a thread that was just woken is running or runnable and shows as that.
 */
#include "base/arena.h"
#include "base/fmt.h"
#include "base/sys.h"
#include "core/journal.h"
#include "detect/emit.h"
#include "detect/waitfor.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

_Atomic uint32_t waitfor_nr_asleep;
_Atomic uint32_t waitfor_outside;

void outside_seen(enum outside what)
{
	if (!(atomic_load_explicit(&waitfor_outside, memory_order_relaxed) & what))
		atomic_fetch_or(&waitfor_outside, what);
}

struct sleepers {
	struct thread *self;
	bool patient;
	bool all;
	bool doubtful; /* somebody may have been woken, as far as our records tell */
	struct thread **t;
	uint32_t *seq;
	unsigned nr, room;
};

/* May it already have been woken, as far as records tell? */
static bool maybe_woken(struct thread *u)
{
	const struct wait *w = &u->wait;
	if (atomic_load(&u->cancelled))
		return true;
	if (w->kind == WAIT_JOIN) {
		struct thread_info *info = thread_by_id(w->target);
		return !info || info->flags & THREAD_ENDED || semlock_told_end(w->mutex);
	}
	if (w->kind == WAIT_LOCK)
		return false;
	return atomic_load(&object_by_id(w->lock)->wakes) != w->wakes;
}

/* We have published our wait but do not sleep yet: would we, and would we wake somebody by it? */
static bool self_passes(const struct thread *self)
{
	const struct wait *w = &self->wait;
	/* Whose owner died is passed on to the next who asks. */
	if (w->lock && object_by_id(w->lock)->attrs & OBJECT_ROBUST)
		return true;
	return w->kind != WAIT_JOIN && w->kind != WAIT_COND &&
	       eyes.passable((enum object_family)(w->lock >> OBJECT_FAMILY_SHIFT), w->addr, w->key & ORDER_READ);
}

/* A mutex that is free, or the waiter's own by now: its waiter is on its way. */
static bool lock_is_passed_on(const struct thread *u)
{
	const struct wait *w = &u->wait;
	if (w->kind != WAIT_LOCK || w->lock >> OBJECT_FAMILY_SHIFT != FAMILY_MUTEX)
		return false;
	int owner = eyes.owner(FAMILY_MUTEX, w->addr);
	return owner == 0 || owner == u->tid;
}

static bool collect(struct thread *u, void *arg)
{
	struct sleepers *s = arg;
	uint32_t seq = atomic_load(&u->wait.seq);
	if (!(seq & 1) || u->wait.timed || u->wait.reported || s->nr == s->room || atomic_load(&u->cancelled))
		return s->all = false;
	/* A condition wait releases its mutex first. */
	if (s->self && u->wait.kind == WAIT_LOCK && s->self->wait.kind == WAIT_COND && u->wait.lock == s->self->wait.mutex)
		return s->all = false;
	if (u == s->self ? self_passes(u) || maybe_woken(u) : lock_is_passed_on(u))
		return s->all = false;
	if (u->wait.kind == WAIT_JOIN && maybe_woken(u))
		return s->all = false;
	s->doubtful |= u != s->self && maybe_woken(u);
	s->t[s->nr] = u;
	s->seq[s->nr++] = seq;
	return true;
}

/*
 * All of them but ourselves in a futex call, in the wait we know of. One that may have been woken must sleep on the object
 * itself: a woken condition waiter that sleeps on its mutex is another matter (a ring, if anything).
 */
static bool sleeps(struct thread *u, bool woken)
{
	const struct wait *w = &u->wait;
	return waitfor_sleeps_in(u->tid, w) && (w->kind != WAIT_COND || !woken || !waitfor_sleeps_on_mutex(u->tid, w));
}

enum verdict { AWAKE, ON_ITS_WAY, ASLEEP };

/* ON_ITS_WAY: somebody does not sleep yet, though nothing we know of has woken him. */
static enum verdict kernel_says(const struct sleepers *s)
{
	enum verdict v = ASLEEP;
	/* Those who may have been woken first: one of them disagrees most of the time, and each question costs microseconds. */
	for (int woken = 1; woken >= 0; woken--)
		for (unsigned i = 0; i < s->nr && v == ASLEEP; i++)
			if (s->t[i] != s->self && maybe_woken(s->t[i]) == woken && !sleeps(s->t[i], woken))
				v = woken ? AWAKE : ON_ITS_WAY;
	for (unsigned i = 0; i < s->nr; i++)
		if (atomic_load(&s->t[i]->wait.seq) != s->seq[i])
			return AWAKE;
	if (s->self && (self_passes(s->self) || maybe_woken(s->self)))
		return AWAKE;
	return v;
}

static void pause_us(long us)
{
	struct timespec pause = { us / 1000000, us % 1000000 * 1000 };
	sys2(SYS_nanosleep, &pause, NULL);
}

/* The last but one may have published its wait, let us in by it, and not have lain down yet. If that takes long it is something
 * else (a handler that works inside a wait), and is not waited for again in the next second. */
static bool all_lie_down(const struct sleepers *s)
{
	static _Atomic uint64_t next;
	enum verdict v = kernel_says(s);
	if (v != ON_ITS_WAY || sys_clock_ns() < atomic_load(&next))
		return v == ASLEEP;
	for (long us = 50; us < 50000 && v == ON_ITS_WAY; us *= 2) {
		pause_us(us);
		v = kernel_says(s);
	}
	if (v == ON_ITS_WAY)
		atomic_store(&next, sys_clock_ns() + 1000000000u);
	return v == ASLEEP;
}

/*
 * Threads that hand over to each other by signals and posts look asleep to our records for a moment, each time. Asking the kernel
 * each time would cost more than the hand-over: once in 2 ms, with 16 looks saved up for a program that is about to stand still.
 */
static bool worth_asking(void)
{
	static _Atomic uint64_t next;
	const uint64_t each = 2000000, saved = 16 * each;
	uint64_t now = sys_clock_ns(), due = atomic_load(&next), from = due + saved < now ? now - saved : due;
	return now >= due && atomic_compare_exchange_strong(&next, &due, from + each);
}

/*
 * A thread that no hook saw may be the one to wake us. Two links of the directory are its own; counted there are also a thread
 * that is just ending (the caller, then) and the first thread, which stays as a zombie until the process ends.
 */
static bool unknown_threads(const struct sleepers *s)
{
	struct stat st;
	int pid = sys_getpid();
	if (sys4(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) != 0)
		return true;
	return st.st_nlink - 2 != thread_live() + (!s->self && sys_gettid() != pid) + !thread_by_tid(pid);
}

/* Writable memory shared with others: somebody outside may post or unlock there. Our own journal does not count. */
static bool shared_memory(void)
{
	size_t cap = 1 << 20;
	char *text = arena_map(cap);
	if (!text)
		return true;
	/* By thread: the process's own entry reads empty once its first thread has ended. What does not fit may hold anything. */
	long n = sys_read_file("/proc/thread-self/maps", text, cap);
	bool found = n <= 0 || n >= (long)cap - 1;
	const char *own = journal_path();
	for (char *line = text, *end; !found && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		*end = 0;
		const char *perms = strchr(line, ' ');
		const char *name = strchr(line, '/');
		if (perms && perms[2] == 'w' && perms[4] == 's' && !(own && name && strcmp(name, own) == 0))
			found = true;
	}
	arena_unmap(text, cap);
	return found;
}

/* Any handler of the program's own, however it was installed; `except`: these signals apart. 32 and 33 are libc's (cancellation,
 * setuid). */
_Atomic uint64_t outside_own_handlers;

static bool has_handler(uint64_t except)
{
	char text[4096];
	long n = sys_read_file("/proc/thread-self/status", text, sizeof text);
	const char *at = n > 0 ? strstr(text, "\nSigCgt:") : NULL;
	uint64_t mask = 0;
	if (!at)
		return true;
	for (at += 8; *at == '\t' || *at == ' '; at++)
		;
	for (; *at && *at != '\n'; at++)
		mask = mask << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	return (mask & ~0x180000000u & ~except & ~atomic_load_explicit(&outside_own_handlers, memory_order_relaxed)) != 0;
}

/* A child that shares our memory without being a thread of ours may wake us as well. */
static bool has_children(void)
{
	char text[64];
	return sys_read_file("/proc/thread-self/children", text, sizeof text) > 0;
}

/* May anybody outside wake us? Ctrl-C in Python may end a wait, but it does not release a lock that another thread holds. */
static bool has_outside(const struct sleepers *s, bool wait)
{
	uint32_t outside = waitfor_outside;
	bool interrupt = !wait && outside & OUTSIDE_INTERRUPT;
	return (interrupt ? outside & ~(uint32_t)OUTSIDE_INTERRUPT : outside) || has_handler(interrupt ? 1u << (SIGINT - 1) : 0) ||
	       has_children() || unknown_threads(s) || shared_memory();
}

static void report(struct sleepers *s, bool outside)
{
	struct finding_thread *parts = arena_calloc(s->nr, sizeof *parts);
	if (!parts)
		return;
	for (unsigned i = 0; i < s->nr; i++) {
		const struct wait *w = &s->t[i]->wait;
		s->t[i]->wait.reported = true;
		parts[i] = (struct finding_thread){
			.thread = s->t[i]->id,
			.role = "waiter",
			.wants = true,
			.want_lock = w->lock,
			.want_thread = w->target,
			.want_key = w->key,
			.want_stack = w->stack,
			.call = w->call,
		};
	}
	struct finding f = {
		.kind = KIND_STALL,
		.grade = outside ? GRADE_ADVICE : -1,
		.message = outside ? "every thread sleeps; only a signal, a timer or another process can wake them"
				   : "every thread sleeps and nobody is left to wake them",
		.thread = parts,
		.nr_threads = s->nr,
	};
	emit_finding(&f);
	arena_free(parts);
	if (!outside)
		waitfor_hang();
}

/* Ends early when what we are about to wait for has come, from another process perhaps: nobody is to be late for our look. */
static bool pause_ms(const struct sleepers *s, long ms)
{
	for (long nap; ms > 0; ms -= nap) {
		nap = ms < 4 ? ms : 4;
		pause_us(nap * 1000);
		if (s->self && (self_passes(s->self) || maybe_woken(s->self)))
			return false;
	}
	return true;
}

/*
 * Agreed now, and again after 1, 4, 16, 64 and 256 ms. A thread that has been woken can look asleep for as long as its processor
 * takes to hear of it, and a virtual one may be away for a while (measured: 6 of 24 runs of a barrier loop, with two looks in a
 * row). The program stands still if we are right, and at the first disagreement we let it go on.
 */
static bool stays_so(const struct sleepers *s)
{
	if (!all_lie_down(s))
		return false;
	for (long ms = 1; ms <= 256; ms *= 4)
		if (!pause_ms(s, ms) || kernel_says(s) != ASLEEP)
			return false;
	return true;
}

/* A ring that no member could see when it went to sleep says more than "everything sleeps". */
static bool ring_among(const struct sleepers *s, enum ring_trust trust)
{
	for (unsigned i = 0; i < s->nr; i++)
		if (waitfor_ring(s->t[i], s->patient, trust))
			return true;
	return false;
}

bool waitfor_stall(struct thread *t, bool patient)
{
	uint32_t live = thread_live();
	if (!live || (t && t->wait.timed) || atomic_load(&waitfor_nr_asleep) < live || waitfor_blind)
		return false;
	struct sleepers s = { .self = t, .patient = patient, .all = true, .room = live };
	s.t = arena_malloc(live * sizeof *s.t);
	s.seq = arena_malloc(live * sizeof *s.seq);
	bool stalled = false;
	if (s.t && s.seq) {
		thread_each(collect, &s);
		stalled = s.all && s.nr == thread_live() && (!s.doubtful || patient || worth_asking()) && stays_so(&s);
		/* And once more about ourselves, now that the others are known to sleep: one of them may have been the last but one
		 * at our barrier, or have posted before it lay down. */
		stalled = stalled && !(t && (self_passes(t) || maybe_woken(t)));
		bool outside = stalled && has_outside(&s, false);
		if (stalled && (patient || !outside) && ring_among(&s, outside ? RING_PROVEN : RING_ANY))
			;
		else if (stalled)
			report(&s, has_outside(&s, true));
		else if (waitfor_blind)
			emit_note("/proc/self/task/*/syscall cannot be read: whether everything is asleep (stall) is not checked");
	}
	arena_free(s.t);
	arena_free(s.seq);
	return stalled;
}
