/* rep.c - See rep.h. */
#include "watch/rep.h"

#include "detect/race.h"
#include "watch/vector.h"

#define DIRECTION (1u << 10)

static void range(struct thread *t, uintptr_t first, uint64_t count, unsigned width, bool down, bool write,
		  uint32_t stack)
{
	if (!count || count > (1ull << 46) / width)
		return; /* it will fault before it gets there */
	uintptr_t lo = down ? first - (count - 1) * width : first;
	access_seen(t, lo, count * width, write, stack);
}

/* Elements looked at by a comparison that stops early; reads what the instruction is about to read, in its order. */
static uint64_t compared(const struct watch_frame *f, unsigned what, unsigned width, unsigned repeat, bool down)
{
	intptr_t step = down ? -(intptr_t)width : (intptr_t)width;
	const uint8_t *a = (const uint8_t *)f->rdi,
		      *b = what == STRING_CMPS ? (const uint8_t *)f->rsi : (const uint8_t *)&f->rax;
	uint64_t n = 0;
	while (n < f->rcx) {
		bool equal = true;
		for (unsigned i = 0; i < width; i++)
			equal &= ((const volatile uint8_t *)a)[i] == ((const volatile uint8_t *)b)[i];
		n++;
		if (equal != (repeat == REPEAT_WHILE_EQUAL))
			break;
		a += step;
		if (what == STRING_CMPS)
			b += step;
	}
	return n;
}

static uint64_t register_of(const struct watch_frame *f, unsigned reg)
{
	const uint64_t regs[16] = { f->rax, f->rcx, f->rdx, f->rbx, watch_frame_sp(f), f->rbp, f->rsi, f->rdi,
				    f->r8,  f->r9,  f->r10, f->r11, f->r12, f->r13, f->r14, f->r15 };
	return regs[reg & 15];
}

/* source: Intel SDM volume 2, BT: the register counts bits from the operand, signed, and whole operands are touched. */
static void bits_seen(struct thread *t, const struct watch_site *site, const struct watch_frame *f, uint32_t stack)
{
	unsigned width = SITE_STRING_WIDTH(site->op), shift = 3 + (unsigned)__builtin_ctz(width);
	int64_t bit = (int64_t)register_of(f, SITE_BITS_REG(site->op));
	bit = width == 2 ? (int16_t)bit : width == 4 ? (int32_t)bit : bit;
	uintptr_t addr = f->addr + (uintptr_t)(bit >> shift) * width;
	if (site->flags & SITE_SYNC)
		access_sync(t, addr, width, !(site->flags & SITE_NORETURNVALUE), stack);
	else
		access_seen(t, addr, width, site->flags & SITE_WRITE, stack);
}

static void vector_seen(struct thread *t, const struct watch_site *site, const struct watch_frame *f, const void *vectors,
			uint32_t stack)
{
	struct vector_part parts[VECTOR_PARTS];
	unsigned n = vector_parts(site, f->addr, vectors, parts);
	for (unsigned i = 0; i < n; i++)
		access_seen(t, parts[i].addr, parts[i].bytes, site->flags & SITE_WRITE, stack);
}

void rep_seen(struct thread *t, const struct watch_site *site, const struct watch_frame *f, const void *vectors,
	      uint32_t stack)
{
	if (site->flags & SITE_VECTOR) {
		vector_seen(t, site, f, vectors, stack);
		return;
	}
	unsigned what = SITE_STRING_WHAT(site->op), width = SITE_STRING_WIDTH(site->op),
		 repeat = SITE_STRING_REPEAT(site->op);
	bool down = f->flags & DIRECTION;
	uint64_t n = repeat == REPEAT_NONE ? 1 : f->rcx;
	if (!what || !width)
		return;
	if (what == STRING_BITS) {
		bits_seen(t, site, f, stack);
		return;
	}
	if (repeat == REPEAT_WHILE_EQUAL || repeat == REPEAT_WHILE_NOT_EQUAL)
		n = compared(f, what, width, repeat, down);
	if (what == STRING_MOVS || what == STRING_LODS || what == STRING_CMPS)
		range(t, f->rsi, n, width, down, false, stack);
	if (what != STRING_LODS)
		range(t, f->rdi, n, width, down, what == STRING_MOVS || what == STRING_STOS, stack);
}
