/*
 * tsan_abi.c - Programs compiled with -fsanitize=thread but not linked with its library: their calls, our rule.
 *
 * Where the compiler has put a call beside each access there is nothing to patch, and what is atomic, and in which
 * order, is known for certain. source: the calls that gcc 12 and clang 14 emit
 * (compiler-rt/include/sanitizer/tsan_interface_atomic.h, lib/tsan/rtl/tsan_interface.h).
 *
 * A fence orders what stands around it by way of relaxed accesses: those that read are acquired from at the fence,
 * those that write after one release.
 */
#include "detect/verbs.h"
#include "watch/miss.h"

#include <stdatomic.h>

/* gcc knows these names itself when it sanitizes us, with void pointers everywhere. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"
#endif

#define LOADED 16u

static __thread struct {
	uint32_t nr;
	bool fenced;              /* there has been a fence that releases */
	uintptr_t loaded[LOADED]; /* read relaxed since the last fence */
} relaxed __attribute__((tls_model("initial-exec")));

#define HERE()                                                  \
	((struct site){ (uintptr_t)__builtin_return_address(0), \
			(uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *) })
/* Declared by nobody: the compiler makes the calls by itself. */
#define ABI(ret, name, params)  \
	EXPORT ret name params; \
	EXPORT ret name params

/* The calling thread, if its accesses count now. */
HOT struct thread *watched(void)
{
	struct thread *t = tls.thread;
	if (unlikely(tls.inside || !t || !t->race)) {
		if (!race_on || !watch_thread_of_caller || tls.inside & ~(uint32_t)GATE_NEW)
			return NULL;
		t = watch_thread_of_caller(); /* created where nobody saw it */
		if (!t || !t->race)
			return NULL;
	}
	if (unlikely(atomic_load_explicit(&tls.poked, memory_order_relaxed) & POKE_FLUSH)) {
		atomic_fetch_and(&tls.poked, ~(uint32_t)POKE_FLUSH);
		stack_cache_reset(&t->stacks, t->stacks.lo, t->stacks.hi);
	}
	return t;
}

static void accessed(uintptr_t addr, size_t bytes, bool write, struct site site)
{
	struct thread *t = watched();
	if (!t)
		return;
	uint32_t stack = site_stack(t, site);
	if (bytes <= 8 && access_fast(t->race, addr, (unsigned)bytes, write, stack))
		return;
	gate_shut();
	access_seen(t, addr, bytes, write, stack);
	gate_open();
}

ABI(void, __tsan_init, (void))
{
	struct thread *t = tls.thread;
	if (tls.inside || !t)
		return;
	gate_shut();
	race_begin(t, NULL);
	gate_open();
}

ABI(void, __tsan_func_entry, (void *pc))
{
	(void)pc;
}
ABI(void, __tsan_func_exit, (void)) {}
ABI(void, __tsan_ignore_thread_begin, (void))
{
	race_ignore(true);
}
ABI(void, __tsan_ignore_thread_end, (void))
{
	race_ignore(false);
}

#define ACCESS(bytes)                                                \
	ABI(void, __tsan_read##bytes, (void *p))                     \
	{                                                            \
		accessed((uintptr_t)p, bytes, false, HERE());        \
	}                                                            \
	ABI(void, __tsan_write##bytes, (void *p))                    \
	{                                                            \
		accessed((uintptr_t)p, bytes, true, HERE());         \
	}                                                            \
	ABI(void, __tsan_read_write##bytes, (void *p))               \
	{                                                            \
		accessed((uintptr_t)p, bytes, true, HERE());         \
	}                                                            \
	ABI(void, __tsan_volatile_read##bytes, (void *p))            \
	{                                                            \
		accessed((uintptr_t)p, bytes, false, HERE());        \
	}                                                            \
	ABI(void, __tsan_volatile_write##bytes, (void *p))           \
	{                                                            \
		accessed((uintptr_t)p, bytes, true, HERE());         \
	}                                                            \
	ABI(void, __tsan_unaligned_read##bytes, (void *p))           \
	{                                                            \
		accessed((uintptr_t)p, bytes, false, HERE());        \
	}                                                            \
	ABI(void, __tsan_unaligned_write##bytes, (void *p))          \
	{                                                            \
		accessed((uintptr_t)p, bytes, true, HERE());         \
	}                                                            \
	ABI(void, __tsan_unaligned_read_write##bytes, (void *p))     \
	{                                                            \
		accessed((uintptr_t)p, bytes, true, HERE());         \
	}                                                            \
	ABI(void, __tsan_unaligned_volatile_read##bytes, (void *p))  \
	{                                                            \
		accessed((uintptr_t)p, bytes, false, HERE());        \
	}                                                            \
	ABI(void, __tsan_unaligned_volatile_write##bytes, (void *p)) \
	{                                                            \
		accessed((uintptr_t)p, bytes, true, HERE());         \
	}
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

ABI(void, __tsan_read_range, (void *p, size_t n))
{
	accessed((uintptr_t)p, n, false, HERE());
}
ABI(void, __tsan_write_range, (void *p, size_t n))
{
	accessed((uintptr_t)p, n, true, HERE());
}
ABI(void, __tsan_vptr_read, (void **p))
{
	accessed((uintptr_t)p, sizeof *p, false, HERE());
}

/* A constructor on the way up stores the same pointer again: not a write. */
ABI(void, __tsan_vptr_update, (void **p, void *now))
{
	if (*p != now)
		accessed((uintptr_t)p, sizeof *p, true, HERE());
}

/* ---- clang's own copies
 * ---------------------------------------------------------------------------------------------- */

ABI(void *, __tsan_memcpy, (void *to, const void *from, size_t n))
{
	accessed((uintptr_t)from, n, false, HERE());
	accessed((uintptr_t)to, n, true, HERE());
	return __builtin_memcpy(to, from, n);
}

ABI(void *, __tsan_memmove, (void *to, const void *from, size_t n))
{
	accessed((uintptr_t)from, n, false, HERE());
	accessed((uintptr_t)to, n, true, HERE());
	return __builtin_memmove(to, from, n);
}

ABI(void *, __tsan_memset, (void *to, int c, size_t n))
{
	accessed((uintptr_t)to, n, true, HERE());
	return __builtin_memset(to, c, n);
}

/* ---- atomics --------------------------------------------------------------------------------------------------------
 */

static bool acquires(int order)
{
	return order != __ATOMIC_RELAXED && order != __ATOMIC_RELEASE;
}
static bool releases(int order)
{
	return order >= __ATOMIC_RELEASE;
}

static struct thread *before_atomic(uintptr_t addr, unsigned bytes, bool write, int order)
{
	struct thread *t = watched();
	if (!t)
		return NULL;
	gate_shut();
	race_sync_mark(t, addr, bytes);
	if (write && (releases(order) || relaxed.fenced))
		sync_send(t, addr & ~7ul);
	gate_open();
	return t;
}

static void after_atomic(struct thread *t, uintptr_t addr, bool read, int order)
{
	if (!t || !read || !t->race)
		return;
	gate_shut();
	if (acquires(order))
		sync_recv(t, addr & ~7ul);
	else if (relaxed.nr < LOADED)
		relaxed.loaded[relaxed.nr++] = addr & ~7ul;
	else
		sync_recv(t, addr & ~7ul); /* more than can be kept for a fence */
	gate_open();
}

#define AROUND(p, bytes, read, write, order, statement)                                 \
	do {                                                                            \
		struct thread *t_ = before_atomic((uintptr_t)(p), bytes, write, order); \
		statement;                                                              \
		after_atomic(t_, (uintptr_t)(p), read, order);                          \
	} while (0)

#define RMW(bits, type, name, expression)                                               \
	ABI(type, __tsan_atomic##bits##_##name, (volatile type * p, type v, int order)) \
	{                                                                               \
		type old;                                                               \
		AROUND(p, bits / 8, true, true, order, old = expression);               \
		return old;                                                             \
	}

#define CAS(bits, type, name)                                                            \
	ABI(int, __tsan_atomic##bits##_compare_exchange_##name,                          \
	    (volatile type * p, type * expected, type v, int order, int failing))        \
	{                                                                                \
		int ok;                                                                  \
		(void)failing;                                                           \
		AROUND(p, bits / 8, true, true, order, ok = CAS_##bits(p, expected, v)); \
		return ok;                                                               \
	}

#define ATOMICS(bits, type)                                                                \
	ABI(type, __tsan_atomic##bits##_load, (const volatile type *p, int order))         \
	{                                                                                  \
		type v;                                                                    \
		AROUND(p, bits / 8, true, false, order, v = LOAD_##bits(p));               \
		return v;                                                                  \
	}                                                                                  \
	ABI(void, __tsan_atomic##bits##_store, (volatile type * p, type v, int order))     \
	{                                                                                  \
		AROUND(p, bits / 8, false, true, order, STORE_##bits(p, v));               \
	}                                                                                  \
	CAS(bits, type, strong)                                                            \
	CAS(bits, type, weak)                                                              \
	ABI(type, __tsan_atomic##bits##_compare_exchange_val,                              \
	    (volatile type * p, type expected, type v, int order, int failing))            \
	{                                                                                  \
		(void)failing;                                                             \
		AROUND(p, bits / 8, true, true, order, (void)CAS_##bits(p, &expected, v)); \
		return expected;                                                           \
	}                                                                                  \
	RMW(bits, type, exchange, RMW_##bits(p, v))                                        \
	RMW(bits, type, fetch_add, RMW_##bits(p, old_ + v))                                \
	RMW(bits, type, fetch_sub, RMW_##bits(p, old_ - v))                                \
	RMW(bits, type, fetch_and, RMW_##bits(p, old_ &v))                                 \
	RMW(bits, type, fetch_or, RMW_##bits(p, old_ | v))                                 \
	RMW(bits, type, fetch_xor, RMW_##bits(p, old_ ^ v))                                \
	RMW(bits, type, fetch_nand, RMW_##bits(p, (__typeof__(v))(~(old_ & v))))

#define ANY_LOAD(p)      __atomic_load_n(p, __ATOMIC_SEQ_CST)
#define ANY_STORE(p, v)  __atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define ANY_CAS(p, e, v) __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define ANY_RMW(p, expression)                                                                                      \
	({                                                                                                          \
		__typeof__(v) old_ = __atomic_load_n(p, __ATOMIC_RELAXED);                                          \
		while (!__atomic_compare_exchange_n(p, &old_, (__typeof__(v))(expression), false, __ATOMIC_SEQ_CST, \
						    __ATOMIC_SEQ_CST))                                              \
			;                                                                                           \
		old_;                                                                                               \
	})
#define LOAD_8   ANY_LOAD
#define LOAD_16  ANY_LOAD
#define LOAD_32  ANY_LOAD
#define LOAD_64  ANY_LOAD
#define STORE_8  ANY_STORE
#define STORE_16 ANY_STORE
#define STORE_32 ANY_STORE
#define STORE_64 ANY_STORE
#define CAS_8    ANY_CAS
#define CAS_16   ANY_CAS
#define CAS_32   ANY_CAS
#define CAS_64   ANY_CAS
#define RMW_8    ANY_RMW
#define RMW_16   ANY_RMW
#define RMW_32   ANY_RMW
#define RMW_64   ANY_RMW

/* libatomic is not ours to need. */
static bool cas16(volatile unsigned __int128 *p, unsigned __int128 *expected, unsigned __int128 v)
{
	uint64_t lo = (uint64_t)*expected, hi = (uint64_t)(*expected >> 64);
	bool ok;
	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(ok), "+m"(*p), "+a"(lo), "+d"(hi)
			 : "b"((uint64_t)v), "c"((uint64_t)(v >> 64))
			 : "memory");
	*expected = (unsigned __int128)hi << 64 | lo;
	return ok;
}

static unsigned __int128 load16(const volatile unsigned __int128 *p)
{
	unsigned __int128 v = 0;
	cas16((volatile unsigned __int128 *)p, &v, 0);
	return v;
}

#define LOAD_128(p)      load16(p)
#define CAS_128(p, e, v) cas16(p, e, v)
#define RMW_128(p, expression)                       \
	({                                           \
		unsigned __int128 old_ = load16(p);  \
		while (!cas16(p, &old_, expression)) \
			;                            \
		old_;                                \
	})
#define STORE_128(p, v) ((void)RMW_128(p, v))

ATOMICS(8, uint8_t)
ATOMICS(16, uint16_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)
ATOMICS(128, unsigned __int128)

ABI(void, __tsan_atomic_thread_fence, (int order))
{
	struct thread *t = watched();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!t)
		return;
	gate_shut();
	for (uint32_t i = 0; acquires(order) && i < relaxed.nr; i++)
		sync_recv(t, relaxed.loaded[i]);
	if (acquires(order))
		relaxed.nr = 0;
	relaxed.fenced |= releases(order);
	gate_open();
}

ABI(void, __tsan_atomic_signal_fence, (int order))
{
	(void)order;
}
