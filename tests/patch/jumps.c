/* jumps.c - Control flow that a planner may get wrong: tables, label differences, nested functions, setjmp, alloca. */
#include "start.h"

#include <alloca.h>
#include <setjmp.h>

#pragma GCC diagnostic ignored "-Winfinite-recursion" /* it ends by longjmp */

static long memory[64];

/* Threaded code by differences of labels: the targets stand nowhere as addresses. */
__attribute__((noinline)) static long interpret(const unsigned char *code, long n)
{
	static const int table[] = { &&add - &&add, &&sub - &&add, &&store - &&add, &&load - &&add, &&stop - &&add };
	long acc = n;
	goto *(&&add + table[*code++]);
add:
	acc += memory[acc & 31];
	goto *(&&add + table[*code++]);
sub:
	acc -= memory[(acc + 1) & 31];
	goto *(&&add + table[*code++]);
store:
	memory[acc & 31] = acc;
	goto *(&&add + table[*code++]);
load:
	acc ^= memory[(acc + 3) & 31];
	goto *(&&add + table[*code++]);
stop:
	return acc;
}

/* The same by addresses. */
__attribute__((noinline)) static long interpret2(const unsigned char *code, long n)
{
	static const void *const table[] = { &&add, &&sub, &&store, &&load, &&stop };
	long acc = n;
	goto *table[*code++];
add:
	acc += memory[acc & 31];
	goto *table[*code++];
sub:
	acc -= memory[(acc + 1) & 31];
	goto *table[*code++];
store:
	memory[acc & 31] = acc;
	goto *table[*code++];
load:
	acc ^= memory[(acc + 3) & 31];
	goto *table[*code++];
stop:
	return acc;
}

__attribute__((noinline)) static long cases(long v)
{
	switch (v & 15) {
	case 0: return memory[1]++;
	case 1: return memory[2] += v;
	case 2: memory[3] ^= v; return memory[4];
	case 3: return memory[5]-- + v;
	case 4: memory[6] = v; return 4;
	case 5: return memory[7] * 3;
	case 6: memory[8] |= v; return memory[8];
	case 7: return memory[9] + memory[10];
	case 8: memory[11] = memory[12]; return v;
	case 9: return ++memory[13];
	default: return memory[v & 31];
	}
}

__attribute__((noinline)) static void each(long n, void (*f)(long))
{
	for (long i = 0; i < n; i++)
		f(i);
}

#ifndef __clang__ /* which has no functions within functions */
static long nested(long n)
{
	long sum = 0;
	void add(long i) { sum += i * memory[i & 31]; }
	each(n, add);
	return sum;
}
#else
static long total;

static void add(long i) { total += i * memory[i & 31]; }

static long nested(long n)
{
	total = 0;
	each(n, add);
	return total;
}
#endif

static jmp_buf env;

__attribute__((noinline)) static void deep(long n)
{
	char *p = alloca((size_t)(n % 7 + 1) * 24);
	memset(p, (int)n, 24);
	memory[20] += p[5];
	if (n > 0)
		deep(n - 1);
	else
		longjmp(env, (int)(memory[20] & 127) + 1);
	memory[21] += p[3];
}

int main(void)
{
	static const unsigned char code[] = { 0, 2, 1, 3, 2, 0, 0, 3, 1, 2, 4 };
	volatile long all = 0;
	for (int i = 0; i < 32; i++)
		memory[i] = i * 17 % 23;
	start_engine();
	for (long i = 0; i < 1000; i++) {
		all = all * 31 + interpret(code, i);
		all = all * 31 + interpret2(code, i);
		all = all * 31 + cases(i * 7);
		all += nested(i % 40);
		int r = setjmp(env);
		if (r)
			all += r;
		else
			deep(i % 20);
	}
	printf("%ld\n", all);
	return 0;
}
