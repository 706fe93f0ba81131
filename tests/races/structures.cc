// Locks, queues and barriers that programs make themselves of C++ atomics, each right: what they guard is plain memory.
#include <atomic>
#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "race.h"

#define ROUNDS 300

static long guarded[4];

static void touch()
{
	for (long &g : guarded)
		g++;
}

// ---- MCS lock: each waits on a word of its own, and hands over by a plain store ----
struct mcs_node {
	std::atomic<mcs_node *> next{nullptr};
	std::atomic<bool> wait{false};
};
static std::atomic<mcs_node *> mcs_tail;

static void mcs_section(mcs_node *me)
{
	me->next.store(nullptr, std::memory_order_relaxed);
	me->wait.store(true, std::memory_order_relaxed);
	mcs_node *before = mcs_tail.exchange(me, std::memory_order_acq_rel);
	if (before) {
		before->next.store(me, std::memory_order_release);
		while (me->wait.load(std::memory_order_acquire))
			;
	}
	touch();
	mcs_node *after = me->next.load(std::memory_order_acquire);
	if (!after) {
		mcs_node *mine = me;
		if (mcs_tail.compare_exchange_strong(mine, nullptr, std::memory_order_release, std::memory_order_relaxed))
			return;
		while (!(after = me->next.load(std::memory_order_acquire)))
			;
	}
	after->wait.store(false, std::memory_order_release);
}

static void *mcs_run(void *arg)
{
	static mcs_node nodes[2];
	static std::atomic<int> taken;
	mcs_node *me = &nodes[taken++];

	for (int i = 0; i < ROUNDS; i++)
		mcs_section(me);
	return arg;
}

static void mcs_lock() // EXPECT: silence in mcs_lock
{
	run_two(mcs_run, mcs_run);
	MUST(guarded[0] == 2 * ROUNDS);
}

// ---- CLH lock: each waits on the word of the one before it, and takes that word for its next turn ----
struct clh_node {
	std::atomic<bool> busy{false};
};
static clh_node clh_first;
static std::atomic<clh_node *> clh_tail{&clh_first};

static void *clh_run(void *arg)
{
	static clh_node nodes[2];
	static std::atomic<int> taken;
	clh_node *mine = &nodes[taken++];

	for (int i = 0; i < ROUNDS; i++) {
		mine->busy.store(true, std::memory_order_relaxed);
		clh_node *before = clh_tail.exchange(mine, std::memory_order_acq_rel);
		while (before->busy.load(std::memory_order_acquire))
			;
		touch();
		mine->busy.store(false, std::memory_order_release);
		mine = before;
	}
	return arg;
}

static void clh_lock() // EXPECT: silence in clh_lock
{
	run_two(clh_run, clh_run);
	MUST(guarded[0] == 2 * ROUNDS);
}

// ---- a lock of a futex, as in Drepper's "Futexes are tricky": 0 free, 1 taken, 2 taken and waited for ----
static std::atomic<int> word;

static void *futex_run(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int seen = 0;
		if (!word.compare_exchange_strong(seen, 1, std::memory_order_acquire)) {
			if (seen != 2)
				seen = word.exchange(2, std::memory_order_acquire);
			while (seen != 0) {
				syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
				seen = word.exchange(2, std::memory_order_acquire);
			}
		}
		touch();
		if (word.exchange(0, std::memory_order_release) == 2)
			syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return arg;
}

static void futex_lock() // EXPECT: silence in futex_lock
{
	run_two(futex_run, futex_run);
	MUST(guarded[0] == 2 * ROUNDS);
}

// ---- a barrier that turns its sense ----
static std::atomic<int> arrived;
static std::atomic<bool> sense;
static long cell[2];

static void sense_wait(bool *mine)
{
	*mine = !*mine;
	if (arrived.fetch_add(1, std::memory_order_acq_rel) == 1) {
		arrived.store(0, std::memory_order_relaxed);
		sense.store(*mine, std::memory_order_release);
	} else {
		while (sense.load(std::memory_order_acquire) != *mine)
			;
	}
}

static void *sense_run(void *arg)
{
	static std::atomic<int> taken;
	int me = taken++;
	bool mine = false;

	for (int i = 0; i < ROUNDS; i++) {
		cell[me] = i;
		sense_wait(&mine);
		MUST(cell[!me] == i);
		sense_wait(&mine);
	}
	return arg;
}

static void sense_barrier() // EXPECT: silence in sense_barrier
{
	run_two(sense_run, sense_run);
}

// ---- Vyukov's bounded queue for many: a cell's number says whose turn it is ----
struct vcell {
	std::atomic<unsigned> turn;
	long value;
};
static vcell cells[8];
static std::atomic<unsigned> put_at, get_at;

static void put(long v)
{
	unsigned at = put_at.load(std::memory_order_relaxed);
	for (;;) {
		vcell *c = &cells[at % 8];
		int ahead = (int)(c->turn.load(std::memory_order_acquire) - at);
		if (ahead == 0 && put_at.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
			c->value = v;
			c->turn.store(at + 1, std::memory_order_release);
			return;
		}
		if (ahead != 0)
			at = put_at.load(std::memory_order_relaxed);
	}
}

static long get()
{
	unsigned at = get_at.load(std::memory_order_relaxed);
	for (;;) {
		vcell *c = &cells[at % 8];
		int ahead = (int)(c->turn.load(std::memory_order_acquire) - (at + 1));
		if (ahead == 0 && get_at.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
			long v = c->value;
			c->turn.store(at + 8, std::memory_order_release);
			return v;
		}
		if (ahead != 0)
			at = get_at.load(std::memory_order_relaxed);
	}
}

static std::atomic<long> total;

static void *putter(void *arg)
{
	for (long i = 1; i <= ROUNDS; i++)
		put(i);
	return arg;
}

static void *getter(void *arg)
{
	long sum = 0;
	for (int i = 0; i < ROUNDS; i++)
		sum += get();
	total += sum;
	return arg;
}

static void bounded_queue() // EXPECT: silence in bounded_queue
{
	for (unsigned i = 0; i < 8; i++)
		cells[i].turn.store(i, std::memory_order_relaxed);
	pthread_t t[4] = { start(putter), start(getter), start(putter), start(getter) };
	for (pthread_t one : t)
		finish(one);
	MUST(total == (long)ROUNDS * (ROUNDS + 1));
}

// ---- Chase and Lev's deque, as Le and others proved it for weak memory: fences, relaxed stores ----
struct task {
	long value;
};
static std::atomic<long> top, bottom;
static std::atomic<task *> slots[512];
static std::atomic<bool> all_pushed;
static std::atomic<long> done;

static void push(task *x)
{
	long b = bottom.load(std::memory_order_relaxed);
	slots[b % 512].store(x, std::memory_order_relaxed);
	std::atomic_thread_fence(std::memory_order_release);
	bottom.store(b + 1, std::memory_order_relaxed);
}

static task *take()
{
	long b = bottom.load(std::memory_order_relaxed) - 1;
	bottom.store(b, std::memory_order_relaxed);
	std::atomic_thread_fence(std::memory_order_seq_cst);
	long t = top.load(std::memory_order_relaxed);
	if (t > b) {
		bottom.store(b + 1, std::memory_order_relaxed);
		return nullptr;
	}
	task *x = slots[b % 512].load(std::memory_order_relaxed);
	if (t == b) {
		if (!top.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst, std::memory_order_relaxed))
			x = nullptr;
		bottom.store(b + 1, std::memory_order_relaxed);
	}
	return x;
}

static task *steal()
{
	long t = top.load(std::memory_order_acquire);
	std::atomic_thread_fence(std::memory_order_seq_cst);
	if (t >= bottom.load(std::memory_order_acquire))
		return nullptr;
	task *x = slots[t % 512].load(std::memory_order_relaxed);
	return top.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst, std::memory_order_relaxed) ? x : nullptr;
}

static void work(task *x)
{
	done += x->value;
	delete x;
}

static void *owner(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		push(new task{ 1 });
		if (i % 3 == 0)
			if (task *x = take())
				work(x);
	}
	while (task *x = take())
		work(x);
	all_pushed = true;
	return arg;
}

static void *thief(void *arg)
{
	while (!all_pushed)
		if (task *x = steal())
			work(x);
	return arg;
}

static void work_stealing() // EXPECT: silence in work_stealing
{
	run_two(owner, thief);
	MUST(done == ROUNDS);
}

// ---- read mostly: the reader says which copy it is in, the writer turns to the other and waits for those who are left behind ----
static long copies[2][4];
static std::atomic<int> now;
static std::atomic<int> readers[2];

static void *reads(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int c;
		for (;;) {
			c = now.load();
			readers[c].fetch_add(1);
			if (now.load() == c)
				break;
			readers[c].fetch_sub(1);
		}
		MUST(copies[c][0] == copies[c][3]);
		readers[c].fetch_sub(1, std::memory_order_release);
	}
	return arg;
}

static void *writes(void *arg)
{
	for (int i = 1; i <= ROUNDS / 4; i++) {
		int next = !now.load(std::memory_order_relaxed);
		while (readers[next].load(std::memory_order_acquire))
			;
		for (long &x : copies[next])
			x = i;
		now.store(next);
	}
	return arg;
}

static void two_copies() // EXPECT: silence in two_copies
{
	run_two(writes, reads);
}

// ---- a stack whose head carries a count (no ABA); nodes are used again ----
struct node {
	std::atomic<unsigned> next;
	long value;
};
static node nodes[16]; // 0 is none
static std::atomic<unsigned long> full, empty;

static void node_push(std::atomic<unsigned long> &head, unsigned n)
{
	unsigned long h = head.load(std::memory_order_relaxed);
	do
		nodes[n].next.store((unsigned)h, std::memory_order_relaxed);
	while (!head.compare_exchange_weak(h, ((h >> 32) + 1) << 32 | n, std::memory_order_release, std::memory_order_relaxed));
}

static unsigned node_pop(std::atomic<unsigned long> &head)
{
	unsigned long h = head.load(std::memory_order_acquire);
	while ((unsigned)h) {
		unsigned long next = nodes[(unsigned)h].next.load(std::memory_order_relaxed);
		if (head.compare_exchange_weak(h, ((h >> 32) + 1) << 32 | next, std::memory_order_acquire))
			return (unsigned)h;
	}
	return 0;
}

static void *fills(void *arg)
{
	for (int i = 0; i < ROUNDS;) {
		unsigned n = node_pop(empty);
		if (!n)
			continue;
		nodes[n].value = 1;
		node_push(full, n);
		i++;
	}
	return arg;
}

static void *drains(void *arg)
{
	for (int i = 0; i < ROUNDS;) {
		unsigned n = node_pop(full);
		if (!n)
			continue;
		total += nodes[n].value;
		nodes[n].value = 0;
		node_push(empty, n);
		i++;
	}
	return arg;
}

static void counted_stack() // EXPECT: silence in counted_stack
{
	for (unsigned n = 1; n < 16; n++)
		node_push(empty, n);
	pthread_t t[4] = { start(fills), start(drains), start(fills), start(drains) };
	for (pthread_t one : t)
		finish(one);
	MUST(total == 2 * ROUNDS);
}

CASES(CASE(mcs_lock), CASE(clh_lock), CASE(futex_lock), CASE(sense_barrier), CASE(bounded_queue), CASE(work_stealing),
      CASE(two_copies), CASE(counted_stack))
