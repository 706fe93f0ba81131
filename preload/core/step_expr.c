/* step_expr.c - DWARF expressions as they occur in call frame information (DWARF 5 section 2.5). */
#include "core/step_cfi.h"

#define STACK_WORDS 32
#define STEPS_MAX   1000 /* branches may loop */

struct expr {
	struct cfi_cur c;
	const struct cfi_span *bytes;
	struct expr_env *env;
	uintptr_t word[STACK_WORDS];
	unsigned nr;
	enum expr_end end;
};

static void push(struct expr *x, uintptr_t v)
{
	if (x->nr == STACK_WORDS)
		x->end = EXPR_BAD;
	else
		x->word[x->nr++] = v;
}

static uintptr_t pop(struct expr *x)
{
	if (x->nr == 0) {
		x->end = EXPR_BAD;
		return 0;
	}
	return x->word[--x->nr];
}

static uintptr_t pick(struct expr *x, unsigned depth)
{
	if (depth >= x->nr) {
		x->end = EXPR_BAD;
		return 0;
	}
	return x->word[x->nr - 1 - depth];
}

static uintptr_t reg(struct expr *x, uint64_t nr)
{
	if (nr >= STEP_REGS || !(x->env->known >> nr & 1)) {
		x->end = nr < STEP_REGS ? EXPR_LACKING : EXPR_BAD;
		return 0;
	}
	x->env->used |= 1u << nr;
	return x->env->reg[nr];
}

static void deref(struct expr *x, unsigned bytes)
{
	uintptr_t addr = pop(x), v = 0;
	if (x->end != EXPR_OK)
		return;
	if (bytes == 0 || bytes > 8 || !x->env->read(x->env->arg, addr, &v)) {
		x->end = EXPR_BAD;
		return;
	}
	x->env->last_read = addr;
	push(x, bytes == 8 ? v : v & (((uintptr_t)1 << 8 * bytes) - 1));
}

static void branch(struct expr *x, bool taken)
{
	int64_t by = (int16_t)cfi_fixed(&x->c, 2);
	if (!taken)
		return;
	if (by < x->bytes->lo - x->c.p || by > x->bytes->hi - x->c.p)
		x->end = EXPR_BAD;
	else
		x->c.p += by;
}

static void binary(struct expr *x, uint8_t op)
{
	uintptr_t b = pop(x), a = pop(x), v = 0;
	intptr_t sb = (intptr_t)b, sa = (intptr_t)a;
	switch (op) {
	case 0x1a:
		v = a & b;
		break;
	case 0x1b: /* div, signed; INTPTR_MIN / -1 traps */
		if (b == 0)
			x->end = EXPR_BAD;
		else
			v = sb == -1 ? -a : (uintptr_t)(sa / sb);
		break;
	case 0x1c:
		v = a - b;
		break;
	case 0x1d: /* mod, unsigned */
		if (b == 0)
			x->end = EXPR_BAD;
		else
			v = a % b;
		break;
	case 0x1e:
		v = a * b;
		break;
	case 0x21:
		v = a | b;
		break;
	case 0x22:
		v = a + b;
		break;
	case 0x24:
		v = b < 64 ? a << b : 0;
		break;
	case 0x25:
		v = b < 64 ? a >> b : 0;
		break;
	case 0x26:
		v = (uintptr_t)(sa >> (b < 63 ? b : 63));
		break;
	case 0x27:
		v = a ^ b;
		break;
	case 0x29:
		v = a == b;
		break;
	case 0x2a:
		v = sa >= sb;
		break;
	case 0x2b:
		v = sa > sb;
		break;
	case 0x2c:
		v = sa <= sb;
		break;
	case 0x2d:
		v = sa < sb;
		break;
	case 0x2e:
		v = a != b;
		break;
	}
	push(x, v);
}

static void shuffle(struct expr *x, uint8_t op)
{
	uintptr_t a, b, c;
	switch (op) {
	case 0x12: /* dup */
		push(x, pick(x, 0));
		break;
	case 0x13: /* drop */
		pop(x);
		break;
	case 0x14: /* over */
		push(x, pick(x, 1));
		break;
	case 0x15: /* pick */
		push(x, pick(x, (unsigned)cfi_fixed(&x->c, 1)));
		break;
	case 0x16: /* swap */
		a = pop(x);
		b = pop(x);
		push(x, a);
		push(x, b);
		break;
	default: /* rot: the top becomes the third */
		a = pop(x);
		b = pop(x);
		c = pop(x);
		push(x, a);
		push(x, c);
		push(x, b);
	}
}

static void other(struct expr *x, uint8_t op)
{
	struct cfi_cur *c = &x->c;
	uintptr_t a;
	switch (op) {
	case 0x03: /* addr */
	case 0x0e: /* const8u */
	case 0x0f: /* const8s */
		push(x, cfi_fixed(c, 8));
		break;
	case 0x06:
		deref(x, 8);
		break;
	case 0x08:
		push(x, cfi_fixed(c, 1));
		break;
	case 0x09:
		push(x, (uintptr_t)(int64_t)(int8_t)cfi_fixed(c, 1));
		break;
	case 0x0a:
		push(x, cfi_fixed(c, 2));
		break;
	case 0x0b:
		push(x, (uintptr_t)(int64_t)(int16_t)cfi_fixed(c, 2));
		break;
	case 0x0c:
		push(x, cfi_fixed(c, 4));
		break;
	case 0x0d:
		push(x, (uintptr_t)(int64_t)(int32_t)cfi_fixed(c, 4));
		break;
	case 0x10:
		push(x, cfi_uleb(c));
		break;
	case 0x11:
		push(x, (uintptr_t)cfi_sleb(c));
		break;
	case 0x19: /* abs */
		a = pop(x);
		push(x, (intptr_t)a < 0 ? -a : a);
		break;
	case 0x1f:
		push(x, -pop(x));
		break;
	case 0x20:
		push(x, ~pop(x));
		break;
	case 0x23: /* plus_uconst */
		a = pop(x);
		push(x, a + cfi_uleb(c));
		break;
	case 0x28: /* bra */
		a = pop(x);
		branch(x, a != 0);
		break;
	case 0x2f: /* skip */
		branch(x, true);
		break;
	case 0x90: /* regx */
		push(x, reg(x, cfi_uleb(c)));
		break;
	case 0x92: /* bregx */
		a = reg(x, cfi_uleb(c));
		push(x, a + (uintptr_t)cfi_sleb(c));
		break;
	case 0x94: /* deref_size */
		deref(x, (unsigned)cfi_fixed(c, 1));
		break;
	case 0x96: /* nop */
		break;
	default:
		x->end = EXPR_BAD;
	}
}

enum expr_end expr_eval(const struct cfi_span *bytes, struct expr_env *env, const uintptr_t *first, uintptr_t *result)
{
	struct expr x;
	x.c = (struct cfi_cur){ bytes->lo, bytes->hi, false };
	x.bytes = bytes;
	x.env = env;
	x.nr = 0;
	x.end = EXPR_OK;
	env->last_read = 0;
	env->used = 0;
	if (first)
		push(&x, *first);
	for (unsigned steps = 0; x.c.p < x.c.hi; steps++) {
		if (steps == STEPS_MAX)
			return EXPR_BAD;
		uint8_t op = (uint8_t)cfi_fixed(&x.c, 1);
		if (op >= 0x30 && op <= 0x4f) /* lit */
			push(&x, op - 0x30u);
		else if (op >= 0x50 && op <= 0x6f) /* reg: its contents, as every unwinder reads it */
			push(&x, reg(&x, op - 0x50u));
		else if (op >= 0x70 && op <= 0x8f) /* breg */
			push(&x, reg(&x, op - 0x70u) + (uintptr_t)cfi_sleb(&x.c));
		else if (op >= 0x12 && op <= 0x17)
			shuffle(&x, op);
		else if ((op >= 0x1a && op <= 0x1e) || op == 0x21 || op == 0x22 || (op >= 0x24 && op <= 0x27) ||
			 (op >= 0x29 && op <= 0x2e))
			binary(&x, op);
		else
			other(&x, op);
		if (x.c.bad)
			return EXPR_BAD;
		if (x.end != EXPR_OK)
			return x.end;
	}
	*result = pop(&x);
	return x.end;
}
