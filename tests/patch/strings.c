/* strings.c - String instructions in both directions, vectors, x87, exchanges: the same results, to the bit. */
#include "start.h"

static unsigned char a[256], b[256];

static void rep(void)
{
	void *d = b, *s = a;
	long n = 100, v = 0x5a;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	d = b + 200, n = 5;
	__asm__ volatile("rep stosl" : "+D"(d), "+c"(n) : "a"(v) : "memory");
	d = b + 255, s = a + 99, n = 30;
	__asm__ volatile("std\n\trep movsb\n\tcld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	d = b, n = 256;
	__asm__ volatile("repne scasb" : "+D"(d), "+c"(n) : "a"(77) : "memory", "cc");
	printf("scas %ld\n", (long)((unsigned char *)d - b));
	d = b, s = a, n = 256;
	__asm__ volatile("repe cmpsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory", "cc");
	printf("cmps %ld left\n", n);
}

static void sums(void)
{
	static double x[64];
	static float f[64];
	long double ld = 0;
	for (int i = 0; i < 64; i++)
		x[i] = i * 1.25, f[i] = (float)i / 3;
	for (int i = 0; i < 64; i++)
		ld += (long double)x[i] * f[63 - i];
	printf("%.12Lf\n", ld);
	long v = 5, w = 9;
	__asm__ volatile("xchg %0, %1" : "+r"(v), "+m"(w));
	__asm__ volatile("lock xadd %0, %1" : "+r"(v), "+m"(w));
	__asm__ volatile("lock btsq $3, %0" : "+m"(w) : : "cc");
	printf("%ld %ld\n", v, w);
	unsigned __int128 big = 1, want = 1;
	(void)want;
	big <<= 70;
	printf("%lu\n", (unsigned long)(big >> 64));
}

/* Flags and every register live across a watched access. */
static void live(void)
{
	unsigned long sum = 0;
	for (int i = 0; i < 200; i++) {
		unsigned long c, r[4] = { 0, 0, 0, 0 };
		__asm__ volatile("mov $0x7fffffffffffffff, %%rax\n\t"
				 "add %5, %%rax\n\t"		/* overflow, carry, sign */
				 "mov (%4), %%rcx\n\t"		/* an access that keeps them */
				 "setc %b0\n\tseto %b1\n\tsets %b2\n\tsetz %b3\n\t"
				 : "=q"(r[0]), "=q"(r[1]), "=q"(r[2]), "=q"(r[3])
				 : "r"(a + i), "r"((unsigned long)i * 0x123456789abcdef)
				 : "rax", "rcx", "cc", "memory");
		c = (r[0] & 1) | (r[1] & 1) << 1 | (r[2] & 1) << 2 | (r[3] & 1) << 3;
		sum = sum * 31 + c;
	}
	printf("%lu\n", sum);
}

int main(void)
{
	start_engine();
	for (int i = 0; i < 256; i++)
		a[i] = (unsigned char)(i * 13 + 1), b[i] = (unsigned char)i;
	rep();
	sums();
	live();
	unsigned long h = 0;
	for (int i = 0; i < 256; i++)
		h = h * 131 + b[i];
	printf("%lu\n", h);
	return 0;
}
