/* TSAN: none: it sees what the compiler writes, not assembly */
/* Instructions that are not plain moves: string operations, vectors, x87, bit tests, pushes, calls through memory, and
 * lock. */
#include <stdint.h>

#include "race.h"

static union {
	uint8_t byte[128];
	uint64_t word[16];
	void (*function)(void);
	double d;
	long double x;
} w __attribute__((aligned(64)));

static void look(void)
{
	LOOK(w.byte[9]); /* EXPECT: data-race in stosb, movsb_to, sse, rmw, misaligned_sse */
}

static void look_quad(void)
{
	LOOK(w.word[0]); /* EXPECT: data-race in x87, popped, bit_set, setcc, non_temporal */
}

static void write_it(void)
{
	w.byte[9] = 1; /* EXPECT: data-race in movsb_from, scasb, sse_read, compared */
}

static void write_quad(void)
{
	w.word[0] = 0x1234; /* EXPECT: data-race in called_through, bit_tested, cmov_read, pushed */
}

static void look_far(void)
{
	LOOK(w.byte[29]); /* EXPECT: data-race in bit_far, bit_back */
}

static void look_beside(void)
{
	LOOK(w.byte[40]);
}

#define ASM(name, ...)                         \
	static void name(void)                 \
	{                                      \
		__asm__ volatile(__VA_ARGS__); \
	}

static void do_stosb(void)
{
	void *to = w.byte;
	long n = 16;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(1) : "memory"); /* EXPECT: data-race in stosb */
}

static void do_movsb_to(void)
{
	static char other[16];
	void *to = w.byte, *from = other;
	long n = 2;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); /* EXPECT: data-race in movsb_to */
}

static void do_movsb_from(void)
{
	static char other[16];
	void *to = other, *from = w.byte;
	long n = 16;

	/* clang-format off */
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); /* EXPECT: data-race in movsb_from */
	/* clang-format on */
}

static void do_scasb(void)
{
	void *at = w.byte;
	long n = 16;

	__asm__ volatile("repe scasb" : "+D"(at), "+c"(n) : "a"(0) : "memory", "cc"); /* EXPECT: data-race in scasb */
}

/* Backwards: from byte 39 down to 32. */
static void do_backwards(void)
{
	void *to = w.byte + 39;
	long n = 8;

	__asm__ volatile("std\n\trep stosb\n\tcld" : "+D"(to), "+c"(n) : "a"(1) : "memory");
}

/* clang-format off */
ASM(do_sse, "pxor %%xmm0, %%xmm0\n\tmovaps %%xmm0, %0" : "=m"(w) : : "xmm0") /* EXPECT: data-race in sse */
ASM(do_sse_askew, "pxor %%xmm0, %%xmm0\n\tmovups %%xmm0, 3+%0" : "+m"(w) : : "xmm0") /* EXPECT: data-race in misaligned_sse */
ASM(do_sse_beside, "pxor %%xmm0, %%xmm0\n\tmovups %%xmm0, 16+%0" : "+m"(w) : : "xmm0")
ASM(do_sse_read, "movdqu %0, %%xmm0" : : "m"(w) : "xmm0") /* EXPECT: data-race in sse_read */
ASM(do_non_temporal, "movntiq %%rax, %0" : "=m"(w) : "a"(1L)) /* EXPECT: data-race in non_temporal */
ASM(do_x87, "fld1\n\tfstpl %0" : "=m"(w)) /* EXPECT: data-race in x87 */
ASM(do_x87_ten, "fld1\n\tfstpt 16+%0" : "+m"(w))
ASM(do_rmw, "incb 9+%0" : "+m"(w) : : "cc") /* EXPECT: data-race in rmw */
ASM(do_compare, "cmpb $3, 9+%0" : : "m"(w) : "cc") /* EXPECT: data-race in compared */
ASM(do_setcc, "sete %0" : "+m"(w.byte[3])) /* EXPECT: data-race in setcc */
ASM(do_bts, "btsq %1, %0" : "+m"(w.word[0]) : "r"(5L) : "cc") /* EXPECT: data-race in bit_set */
ASM(do_bt, "btq %1, %0" : : "m"(w.word[0]), "r"(5L) : "cc") /* EXPECT: data-race in bit_tested */
ASM(do_bts_far, "btsq %1, %0" : "+m"(w.word[0]) : "r"(200L) : "cc", "memory") /* EXPECT: data-race in bit_far */
ASM(do_btc_back, "btcl %1, 40+%0" : "+m"(w.word[0]) : "r"(-65) : "cc", "memory") /* EXPECT: data-race in bit_back */
ASM(do_cmov, "cmpb $0, %%al\n\tcmovneq %0, %%rdx" : : "m"(w.word[0]), "a"(1) : "rdx", "cc") /* EXPECT: data-race in cmov_read */

/* push and pop with an operand in memory, below the red zone. */
#define PUSHING(what) "lea -128(%%rsp), %%rsp\n\t" what "\n\tlea 128(%%rsp), %%rsp"
ASM(do_push, PUSHING("pushq (%0)\n\tpopq %%rax") : : "r"(&w) : "rax", "memory")
ASM(do_pop, PUSHING("pushq $1\n\tpopq (%0)") : : "r"(&w) : "memory") /* EXPECT: data-race in popped */
ASM(do_push_race, PUSHING("pushq (%0)\n\tpopq %%rax") : : "r"(&w) : "rax", "memory") /* EXPECT: data-race in pushed */
/* clang-format on */

static void nothing(void) {}

static void *pass_through(void *arg)
{
	return arg;
}

static void do_call(void)
{
	w.function(); /* EXPECT: data-race in called_through */
}

static void stosb(void)
{
	in_turn(do_stosb, look);
}

static void movsb_to(void)
{
	in_turn(look, do_movsb_to);
}

static void movsb_from(void)
{
	in_turn(do_movsb_from, write_it);
}

static void scasb(void)
{
	in_turn(write_it, do_scasb);
}

static void backwards(void) /* EXPECT: silence in backwards */
{
	in_turn3(do_backwards, look, look_beside);
}

static void sse(void)
{
	in_turn(do_sse, look);
}

static void misaligned_sse(void)
{
	in_turn(do_sse_askew, look);
}

static void sse_beside(void) /* EXPECT: silence in sse_beside */
{
	in_turn3(do_sse_beside, look, look);
}

static void sse_read(void)
{
	in_turn(write_it, do_sse_read);
}

static void non_temporal(void)
{
	in_turn(do_non_temporal, look_quad);
}

static void x87(void)
{
	in_turn(do_x87, look_quad);
}

/* Ten bytes, from 16 to 25: not the ones before, and not 40. */
static void x87_beside(void) /* EXPECT: silence in x87_beside */
{
	in_turn3(do_x87_ten, look, look_beside);
}

static void rmw(void)
{
	in_turn(look, do_rmw);
}

static void compared(void)
{
	in_turn(do_compare, write_it);
}

static void setcc(void)
{
	in_turn(do_setcc, look_quad);
}

static void bit_set(void)
{
	in_turn(do_bts, look_quad);
}

static void bit_tested(void)
{
	in_turn(write_quad, do_bt);
}

/* Bit 200 is in bytes 24 to 31; so is the one 65 before byte 40. */
static void bit_far(void)
{
	in_turn(do_bts_far, look_far);
}

static void bit_back(void)
{
	in_turn(do_btc_back, look_far);
}

static void bit_beside(void) /* EXPECT: silence in bit_beside */
{
	in_turn3(do_bts_far, look_quad, look_beside);
}

static void bit_back_beside(void) /* EXPECT: silence in bit_back_beside */
{
	in_turn3(do_btc_back, look_quad, look_beside);
}

/* The flags and the register are the program's all the same: a carry from before goes through a loop of them. */
static void bits_kept(void) /* EXPECT: silence in bits_kept */
{
	static uint64_t set[4];
	long seen = 0;

	finish(start(pass_through)); /* accesses are watched from now on */
	for (long i = 0; i < 256; i++) {
		unsigned char before, bit;

		__asm__ volatile("btsq %3, %0\n\tsetc %1\n\tbtq %3, %0\n\tsetc %2"
				 : "+m"(set), "=&r"(before), "=&r"(bit)
				 : "a"(i)
				 : "cc", "memory");
		MUST(!before && bit);
		seen += bit;
	}
	MUST(seen == 256 && (set[0] & set[1] & set[2] & set[3]) == ~0ul);
}

static void cmov_read(void)
{
	in_turn(do_cmov, write_quad);
}

static void pushed(void)
{
	in_turn(do_push_race, write_quad);
}

static void pushed_only(void) /* EXPECT: silence in pushed_only */
{
	in_turn3(do_push, look_quad, do_push);
}

static void popped(void)
{
	in_turn(do_pop, look_quad);
}

static void called_through(void)
{
	w.function = nothing;
	in_turn(do_call, write_quad);
}

/* A lock of sixteen bytes. */
static struct {
	long a, b;
} wide __attribute__((aligned(16)));
int data;

static void swap_wide(void)
{
	long a = 0, b = 0; /* wrong the second time: then it loads, and is a barrier all the same */

	__asm__ volatile("lock cmpxchg16b %0" : "+m"(wide), "+a"(a), "+d"(b) : "b"(a + 1), "c"(b + 1) : "memory", "cc");
}

static void write_then_swap(void)
{
	data = 1;
	swap_wide();
}

static void swap_then_look(void)
{
	swap_wide();
	LOOK(data);
}

static void cmpxchg16b(void) /* EXPECT: silence in cmpxchg16b */
{
	in_turn(write_then_swap, swap_then_look);
}

/* A lock made of a bit far from the operand. */
static void bit_lock_tested(void)
{
	static uint64_t lock[8];
	unsigned char was;

	do {
		__asm__ volatile("lock btsq %2, %0\n\tsetc %1" : "+m"(lock), "=r"(was) : "r"(333L) : "memory", "cc");
	} while (was);
	data++;
	__asm__ volatile("lock btrq %1, %0" : "+m"(lock) : "r"(333L) : "memory", "cc");
}

static void bit_lock(void) /* EXPECT: silence in bit_lock */
{
	in_turn3(bit_lock_tested, bit_lock_tested, bit_lock_tested);
}

/* xchg locks by itself. */
static void xchg_both(void)
{
	static long word;
	long mine = 1;

	__asm__ volatile("xchgq %0, %1" : "+r"(mine), "+m"(word) : : "memory");
	data++;
	__asm__ volatile("xchgq %0, %1" : "+r"(mine), "+m"(word) : : "memory");
}

static void xchg(void) /* EXPECT: silence in xchg */
{
	in_turn3(xchg_both, xchg_both, xchg_both);
}

CASES(CASE(stosb), CASE(movsb_to), CASE(movsb_from), CASE(scasb), CASE(backwards), CASE(sse), CASE(misaligned_sse),
      CASE(sse_beside), CASE(sse_read), CASE(non_temporal), CASE(x87), CASE(x87_beside), CASE(rmw), CASE(compared),
      CASE(setcc), CASE(bit_set), CASE(bit_tested), CASE(bit_far), CASE(bit_back), CASE(bit_beside), CASE(bit_back_beside),
      CASE(bits_kept), CASE(bit_lock), CASE(cmov_read), CASE(pushed), CASE(pushed_only), CASE(popped),
      CASE(called_through), CASE(cmpxchg16b), CASE(xchg))
