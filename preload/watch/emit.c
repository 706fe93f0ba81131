/* emit.c - See emit.h. source: Intel SDM volume 2, chapter 2. */
#include "watch/emit.h"

#include "watch/grow.h"

struct operand emit_operand(const struct code *c, const struct insn *i, int32_t plus)
{
	struct operand m = { i->base,       i->index, i->scale, (i->is & INSN_ADDR32) != 0, (i->is & INSN_FS) != 0,
			     i->disp + plus };
	if (i->base == BASE_RIP)
		m.disp = (int32_t)(insn_goal(c, i) + (uintptr_t)(intptr_t)plus - c->base);
	if ((i->is & INSN_POP_MEMORY) && i->base == RSP)
		m.disp += 8; /* %rsp counts as after the pop */
	return m;
}

void emit_room(struct emit *e)
{
	struct plan *p = e->plan;
	if (!grow(&p->image, &p->image_cap, e->at, (size_t)e->at + EMIT_ROOM, 1) ||
	    !grow(&p->fix, &p->fix_cap, p->nr_fix, (size_t)p->nr_fix + 64, sizeof(*p->fix)) || e->at > INT32_MAX / 2) {
		e->no_memory = true;
		e->at = 0; /* whatever is still emitted has room */
		p->nr_fix = 0;
	}
}

void emit_8(struct emit *e, uint8_t v)
{
	e->plan->image[e->at++] = v;
}

void emit_32(struct emit *e, uint32_t v)
{
	memcpy(e->plan->image + e->at, &v, 4);
	e->at += 4;
}

void emit_bytes(struct emit *e, const void *p, size_t n)
{
	memcpy(e->plan->image + e->at, p, n);
	e->at += (uint32_t)n;
}

void emit_rel(struct emit *e, uint32_t image_place)
{
	emit_32(e, image_place - (e->at + 4));
}

void emit_fix(struct emit *e, int32_t program_place, unsigned tail, bool branch)
{
	e->plan->fix[e->plan->nr_fix++] = e->at | (branch ? FIX_BRANCH : 0);
	emit_32(e, (uint32_t)program_place - 4 - tail);
}

static void opcode_with_rex(struct emit *e, unsigned bytes, uint16_t opcode, uint8_t reg, uint8_t index, uint8_t base)
{
	uint8_t rex = (uint8_t)((bytes == 8 ? 8 : 0) | (reg < 16 && reg & 8 ? 4 : 0) |
				(index < 16 && index & 8 ? 2 : 0) | (base < 16 && base & 8 ? 1 : 0));
	if (rex || (bytes == 1 && ((reg < 16 && reg >= 4) || (base < 16 && base >= 4))))
		emit_8(e, 0x40 | rex); /* also: without one, spl to dil would be ah to bh */
	if (opcode >> 8)
		emit_8(e, (uint8_t)(opcode >> 8));
	emit_8(e, (uint8_t)opcode);
}

void emit_mem(struct emit *e, uint8_t segment, unsigned bytes, uint16_t opcode, uint8_t reg, const struct operand *m)
{
	static const uint8_t scale_bits[9] = { 0, 0, 1, 0, 2, 0, 0, 0, 3 };
	uint8_t r = (uint8_t)((reg & 7) << 3);
	if (segment)
		emit_8(e, segment);
	if (m->addr32)
		emit_8(e, 0x67);
	if (bytes == 2)
		emit_8(e, 0x66);
	opcode_with_rex(e, bytes, opcode, reg, m->index, m->base);
	if (m->base == BASE_RIP) {
		emit_8(e, r | 5);
		emit_fix(e, m->disp, 0, false);
		return;
	}
	bool sib = m->index != NO_REG || m->base == NO_REG || (m->base & 7) == RSP;
	uint8_t mod = m->base == NO_REG                            ? 0
		      : m->disp == 0 && (m->base & 7) != RBP       ? 0
		      : m->disp >= INT8_MIN && m->disp <= INT8_MAX ? 0x40
								   : 0x80;
	emit_8(e, (uint8_t)(mod | r | (sib ? 4 : m->base & 7)));
	if (sib)
		emit_8(e, (uint8_t)(scale_bits[m->scale] << 6 | (m->index == NO_REG ? 4 : m->index & 7) << 3 |
				    (m->base == NO_REG ? 5 : m->base & 7)));
	if (mod == 0x40)
		emit_8(e, (uint8_t)m->disp);
	else if (mod == 0x80 || m->base == NO_REG)
		emit_32(e, (uint32_t)m->disp);
}

void emit_tls(struct emit *e, unsigned bytes, uint8_t opcode, uint8_t reg, int32_t fs_offset)
{
	struct operand m = { NO_REG, NO_REG, 1, false, true, fs_offset };
	emit_mem(e, SEG_FS, bytes, opcode, reg, &m);
}

void emit_flat(struct emit *e, struct operand *m, uint8_t temp)
{
	if (!m->fs)
		return;
	emit_tls(e, 8, 0x8b, temp, 0); /* %fs:0 holds its own address. source: ELF handling for TLS, x86-64 */
	m->fs = false;
	if (m->base == NO_REG) {
		m->base = temp;
	} else if (m->index == NO_REG) {
		m->index = temp;
		m->scale = 1;
	} else {
		struct operand sum = { m->base, temp, 1, false, false, 0 };
		emit_mem(e, 0, 8, 0x8d, temp, &sum);
		m->base = temp;
	}
}

void emit_reg(struct emit *e, unsigned bytes, uint8_t opcode, uint8_t ext, uint8_t reg)
{
	opcode_with_rex(e, bytes, opcode, NO_REG, NO_REG, reg);
	emit_8(e, (uint8_t)(0xc0 | ext << 3 | (reg & 7)));
}

void emit_moved(struct emit *e, const struct insn *i)
{
	const uint8_t *p = code_bytes(e->code, i->at);
	int32_t goal = (int32_t)(insn_goal(e->code, i) - e->code->base);
	if (i->kind == INSN_JCC) {
		uint8_t condition = 0; /* 7x rel8 and 0f 8x rel32, behind prefixes that only hint */
		for (unsigned k = 0; k < i->len; k++)
			if ((p[k] & 0xf0) == 0x70 || (p[k] == 0x0f && (p[k + 1] & 0xf0) == 0x80)) {
				condition = (uint8_t)((p[k] == 0x0f ? p[k + 1] : p[k]) & 15);
				break;
			}
		emit_8(e, 0x0f);
		emit_8(e, 0x80 | condition);
		emit_fix(e, goal, 0, true);
	} else if (i->kind == INSN_JMP) {
		emit_8(e, 0xe9);
		emit_fix(e, goal, 0, true);
	} else if (i->base == BASE_RIP) {
		emit_bytes(e, p, i->disp_at);
		emit_fix(e, goal, i->len - i->disp_at - 4u, false);
		emit_bytes(e, p + i->disp_at + 4, i->len - i->disp_at - 4u);
	} else {
		emit_bytes(e, p, i->len);
	}
}

void emit_call_from(struct emit *e, const struct insn *i)
{
	uint64_t back = e->code->base + i->at + i->len;
	struct operand m = emit_operand(e->code, i, i->base == RSP ? 8 : 0);
	emit_bytes(e, "\x48\x8d\x64\x24\xf8\xc7\x04\x24", 8); /* lea -8(%rsp),%rsp; movl $low,(%rsp) */
	emit_32(e, (uint32_t)back);
	emit_bytes(e, "\xc7\x44\x24\x04", 4); /* movl $high,4(%rsp) */
	emit_32(e, (uint32_t)(back >> 32));
	emit_mem(e, m.fs ? SEG_FS : 0, 4, 0xff, 4, &m); /* jmp *OPERAND */
}
