/* cancels.c - Threads that may be cancelled at any instruction: clean-ups of their callers run, and nothing of ours stays taken. */
#include "invisible.h"
#include "start.h"

#include <string.h>

#define WORDS 1024

static uint64_t shared[2];
static int cleaned[2], up;

static void clean(void *arg) { __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST); }

/* What misses each time, what asks each time, what is left to libc. */
static void bytes(uint64_t *p, uint64_t k)
{
	for (unsigned i = 0; i < 64; i++) {
		p[(k * 67 + i * 7) % WORDS] += k;
		k ^= p[i];
	}
}
static void atomics(uint64_t *p, uint64_t k)
{
	__asm__ volatile("lock xaddq %1, %0\n\tlock incq %2" : "+m"(shared[0]), "+r"(k), "+m"(p[3]));
}
static void strings(uint64_t *p, uint64_t k)
{
	void *at = p + k % 512;
	uint64_t n = 64;
	__asm__ volatile("rep stosq" : "+D"(at), "+c"(n) : "a"(k) : "memory");
}
static void library(uint64_t *p, uint64_t k)
{
	memcpy(p, p + 512, 8 * (k % 300));
	memset(p + 512, 3, k % 200);
	p[0] += strlen((const char *)p + 4097);
}

struct how {
	void (*f)(uint64_t *, uint64_t);
	void (*around)(struct how *);
};

static void until_cancelled(struct how *h)
{
	uint64_t p[WORDS + 8] = { 0 };
	int old;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	__atomic_store_n(&up, 1, __ATOMIC_SEQ_CST);
	for (uint64_t k = 0;; k++)
		h->f(p, k);
}

static void *outer(void *arg)
{
	struct how *h = arg;
	pthread_cleanup_push(clean, &cleaned[0]);
	h->around(h);
	pthread_cleanup_pop(0);
	return arg;
}

static void *outermost(void *arg)
{
	pthread_cleanup_push(clean, &cleaned[1]);
	outer(arg);
	pthread_cleanup_pop(0);
	return arg;
}

static void storm(const char *name, void (*f)(uint64_t *, uint64_t))
{
	enum { TIMES = 150 };
	struct how h = { f, until_cancelled };
	int ended = 0;
	cleaned[0] = cleaned[1] = 0;
	for (unsigned i = 0; i < TIMES; i++) {
		void *r;
		__atomic_store_n(&up, 0, __ATOMIC_SEQ_CST);
		pthread_t t = start_with(outermost, &h);
		while (!__atomic_load_n(&up, __ATOMIC_SEQ_CST))
			invisible_sleep_ms(0);
		for (volatile unsigned z = 0; z < i * i % 4999; z++)
			;
		OK(pthread_cancel(t));
		OK(pthread_join(t, &r));
		ended += r == PTHREAD_CANCELED;
	}
	printf("%s: %d cancelled, clean-ups %d and %d\n", name, ended, cleaned[0], cleaned[1]);
}

int main(void)
{
	start_engine();
	storm("bytes", bytes);
	storm("atomics", atomics);
	storm("strings", strings);
	storm("library", library);
	return 0;
}
