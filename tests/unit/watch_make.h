/*
 * watch_make.h - Random machine instructions of all kinds that touch memory, for test_watch_exec.c.
 *
 * Some registers hold pointers, others small numbers, so that most operands are good; what goes astray is taken out
 * when it does.
 */
#ifndef TESTS_UNIT_WATCH_MAKE_H
#define TESTS_UNIT_WATCH_MAKE_H

#include "watch_run.h"

static uint64_t rng;

static uint32_t rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 20) % below);
}

/* The memory operand of the last instruction that had one, to be met again: its bits of REX, its bytes from modrm on.
 */
static struct {
	uint8_t rex, bytes[8];
	unsigned len;
} last;

/* Set while an operand relative to %fs is made: %r15 is how far the data are from there. */
static bool fs_relative;

/* modrm, sib and displacement behind an opcode; at: the instruction so far, of n bytes, its REX at at[rex]. */
static unsigned put_modrm(uint8_t *at, unsigned n, unsigned rex, unsigned reg, bool memory)
{
	static const uint8_t pointers[] = { 3, 6, 7, 8, 9, 12, 5, 4, 4, 14 }, numbers[] = { 1, 10, 13, 2 };
	at[rex] |= reg & 8 ? 4 : 0;
	if (!memory && rnd(4) == 0) {
		unsigned rm = rnd(16);
		at[rex] |= rm & 8 ? 1 : 0;
		at[n++] = (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7));
		return n;
	}
	if (last.len && !fs_relative && rnd(5) < 2) {
		at[rex] |= last.rex;
		memcpy(at + n, last.bytes, last.len);
		at[n] = (uint8_t)((at[n] & 0xc7) | (reg & 7) << 3);
		return n + last.len;
	}
	unsigned base = pointers[rnd(sizeof(pointers))], kind = rnd(11), from = n;
	if (kind == 10 && !fs_relative) { /* absolute: data below 4 GB */
		at[n++] = (uint8_t)((reg & 7) << 3 | 4);
		at[n++] = 0x25;
		return (unsigned)(fde_put32(at + n, (int64_t)(uintptr_t)lab.data + rnd(0x1000)) - at);
	}
	if (fs_relative) {
		base = 15;
		kind = 2 + rnd(8);
	}
	int disp = base == 4 ? (int)rnd(256) - 128 : (int)rnd(512) - 256;
	if (kind == 0) { /* rip: into data; the immediate behind it, if any, does not matter much */
		at[n++] = (uint8_t)((reg & 7) << 3 | 5);
		return (unsigned)(fde_put32(at + n, (int64_t)(TEXT_BYTES + ARENA_BYTES + rnd(0x1000))) - at);
	}
	at[rex] |= base & 8 ? 1 : 0;
	bool sib = kind < 4 || (base & 7) == 4;
	unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp >= -128 && disp < 128 && rnd(4) ? 1 : 2;
	at[n++] = (uint8_t)(mod << 6 | (reg & 7) << 3 | (sib ? 4 : base & 7));
	if (sib) {
		unsigned index = kind < 4 ? numbers[rnd(4)] : 4;
		at[rex] |= index & 8 ? 2 : 0;
		at[n++] = (uint8_t)(rnd(4) << 6 | (index & 7) << 3 | (base & 7));
	}
	if (mod == 1)
		at[n++] = (uint8_t)disp;
	else if (mod == 2)
		n = (unsigned)(fde_put32(at + n, disp) - at);
	if (fs_relative)
		return n;
	last.rex = at[rex] & 3;
	last.len = n - from;
	memcpy(last.bytes, at + from, last.len);
	return n;
}

static unsigned put_random(uint8_t *at, unsigned n, unsigned bytes)
{
	while (bytes--)
		at[n++] = (uint8_t)(rnd(3) ? rnd(8) : rnd(256));
	return n;
}

/* AVX and AVX-512: prefixes of random fields before an opcode and a memory operand. */
static unsigned make_vector(uint8_t *at)
{
	static const uint8_t op1[] = { 0x10, 0x11, 0x12, 0x16, 0x17, 0x28, 0x29, 0x2e, 0x51, 0x54, 0x58, 0x59, 0x5a, 0x5b,
				       0x5c, 0x6e, 0x6f, 0x7e, 0x7f, 0xd4, 0xd6, 0xef, 0xfe, 0xe7, 0x2b, 0x70, 0xc2, 0x64 };
	static const uint8_t op2[] = { 0x18, 0x19, 0x1a, 0x58, 0x59, 0x5a, 0x78, 0x79, 0x2c, 0x2d, 0x2e, 0x2f, 0x8c, 0x8e,
				       0x90, 0x91, 0x92, 0x93, 0xa0, 0xa1, 0xa2, 0xa3, 0x20, 0x21, 0x25, 0x30, 0x33, 0x35,
				       0xf2, 0xf5, 0xf6, 0xf7, 0x00, 0x36, 0x40, 0x98, 0xb8, 0x31, 0x22, 0x8b, 0x63, 0x90 };
	static const uint8_t op3[] = { 0x0f, 0x14, 0x15, 0x16, 0x17, 0x19, 0x39, 0x18, 0x20, 0x38, 0x06, 0x46, 0x3f, 0x25 };
	unsigned map = 1 + rnd(3), n, reg = rnd(8);
	uint8_t op = map == 1 ? op1[rnd(sizeof(op1))] : map == 2 ? op2[rnd(sizeof(op2))] : op3[rnd(sizeof(op3))];
	uint8_t rex = 0x40, tail[16] = { 0 };
	bool gather = map == 2 && op >= 0x90 && op <= 0xa3;
	unsigned vvvv = gather && !rnd(3) ? 3 + 4 * rnd(2) : rnd(16);
	unsigned len;
	if (gather) { /* the index is a vector: small numbers */
		static const uint8_t pointers[] = { 3, 6, 7, 5 }, index[] = { 0, 1, 4, 5 };
		unsigned base = pointers[rnd(4)];
		tail[0] = (uint8_t)(0x44 | reg << 3);
		tail[1] = (uint8_t)(rnd(4) << 6 | index[rnd(4)] << 3 | base);
		tail[2] = (uint8_t)rnd(64);
		len = 3;
	} else {
		len = put_modrm(tail, 1, 0, reg, rnd(2)) - 1;
		rex |= tail[0] & 7;
		memmove(tail, tail + 1, sizeof(tail) - 1);
	}
	uint8_t not_rxb = (uint8_t)(~rex & 7) << 5, w = (uint8_t)(rnd(2) << 7), pp = (uint8_t)(rnd(5) ? 1 : rnd(4));
	if (rnd(2)) {
		at[0] = 0xc4;
		at[1] = (uint8_t)(not_rxb | map);
		at[2] = (uint8_t)(w | (~vvvv & 15) << 3 | rnd(2) << 2 | pp);
		n = 3;
		if (!gather && rnd(3) == 0)
			at[2] |= 0x78; /* no second source */
	} else {
		at[0] = 0x62;
		at[1] = (uint8_t)(not_rxb | 0x10 | map);
		at[2] = (uint8_t)(w | (gather || !rnd(3) ? 15 : ~vvvv & 15) << 3 | 4 | pp);
		at[3] = (uint8_t)((rnd(16) == 0) << 7 | rnd(3) << 5 | (rnd(6) == 0) << 4 | 8 | (rnd(4) ? 1 + rnd(7) : 0));
		n = 4;
	}
	at[n++] = op;
	memcpy(at + n, tail, len);
	n += len;
	if (map == 3 || (map == 1 && (op == 0x70 || op == 0xc2)))
		n = put_random(at, n, 1);
	return n;
}

/* One instruction; it may be nonsense, which the decoder then refuses. */
static unsigned make_insn(uint8_t *at)
{
	static const uint8_t two[] = { 0xaf, 0xb6, 0xb7, 0xbe, 0xbf, 0xb0, 0xb1, 0xc0, 0xc1, 0xa3, 0xab, 0xb3, 0xbb,
				       0xa5, 0xad, 0x40, 0x42, 0x44, 0x4c, 0x4f, 0x90, 0x92, 0x94, 0x9c, 0xc3 };
	static const uint8_t sse[] = { 0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x28, 0x29, 0x2a, 0x2c, 0x2d,
				       0x2e, 0x2f, 0x51, 0x54, 0x57, 0x58, 0x59, 0x5a, 0x5c, 0x5e, 0x60,
				       0x6e, 0x6f, 0x7e, 0x7f, 0xd6, 0xd4, 0xef, 0xf4, 0xfe, 0xe7, 0x2b };
	static const uint8_t x87[][2] = { { 0xd9, 0 }, { 0xd9, 2 }, { 0xd9, 3 }, { 0xdd, 0 }, { 0xdd, 2 }, { 0xdd, 3 },
					  { 0xdb, 0 }, { 0xdb, 2 }, { 0xdb, 5 }, { 0xdb, 7 }, { 0xd8, 0 }, { 0xdc, 1 },
					  { 0xdf, 5 }, { 0xdf, 7 }, { 0xd9, 7 }, { 0xd9, 5 } };
	static const uint8_t single[] = { 0x9f, 0x9e, 0xf5, 0xf8, 0xf9, 0x98, 0x99, 0x90 };
	static const uint8_t strings[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xa6, 0xa7, 0xae, 0xaf };
	unsigned n = 0, reg = rnd(16), kind = rnd(24);
	if (kind >= 20 && kind < 23)
		return make_vector(at);
	if (kind == 23)
		kind = rnd(2) ? 16 : 15; /* bits, cmov, set, shld: many of them */
	if (kind == 0) { /* a good pointer or number again */
		unsigned r = rnd(8);
		r = r == 4 ? 8 : r;
		at[0] = r & 8 ? 0x49 : 0x48;
		at[1] = (uint8_t)(0xb8 | (r & 7));
		uint64_t v = r == 1 || r == 2 ? rnd(8) : (uintptr_t)lab.data + 0x800 + 16 * rnd(0x80);
		memcpy(at + 2, &v, 8);
		return 10;
	}
	if (kind == 1) {
		at[n++] = single[rnd(sizeof(single))];
		return n;
	}
	if (kind == 2) {
		if (rnd(2))
			at[n++] = rnd(2) ? 0xf3 : 0xf2;
		if (rnd(2))
			at[n++] = 0x48;
		at[n++] = strings[rnd(sizeof(strings))];
		return n;
	}
	if (kind == 3) {
		at[n++] = 0x40 | rnd(2);
		at[n++] = (uint8_t)(0x50 | rnd(16));
		return at[1] == 0x54 || at[1] == 0x5c ? 0 : n; /* push %rsp and pop %rsp */
	}
	if (rnd(12) == 0)
		at[n++] = 0x66;
	if (kind == 4 || kind == 5) {
		static const uint8_t prefix[] = { 0, 0x66, 0xf2, 0xf3 };
		n = 0;
		uint8_t p = prefix[rnd(4)];
		if (p)
			at[n++] = p;
		at[n] = rnd(4) ? 0x40 : 0x48;
		at[n + 1] = 0x0f;
		at[n + 2] = sse[rnd(sizeof(sse))];
		return put_modrm(at, n + 3, n, reg, false);
	}
	if (kind == 6) {
		unsigned k = rnd(ARRAY_SIZE(x87));
		at[0] = 0x40;
		at[1] = x87[k][0];
		return put_modrm(at, 2, 0, x87[k][1], true);
	}
	if (rnd(12) == 0)
		at[n++] = 0xf0;
	if (kind == 16 && rnd(2))
		at[n++] = 0xf3; /* popcnt and the like */
	unsigned rex = n++;
	at[rex] = (uint8_t)(rnd(2) ? 0x48 : 0x40);
	switch (kind) {
	case 7:
		at[n++] = (uint8_t)(0x80 + rnd(2)); /* imm8 to r/m8, imm32 to r/m */
		n = put_modrm(at, n, rex, rnd(8), false);
		return put_random(at, n, at[rex + 1] == 0x80 ? 1 : n > 1 && at[0] == 0x66 ? 2 : 4);
	case 8:
		at[n++] = 0x83;
		n = put_modrm(at, n, rex, rnd(8), false);
		return put_random(at, n, 1);
	case 9:
		at[n++] = (uint8_t)(0x84 + rnd(4)); /* test, xchg */
		return put_modrm(at, n, rex, reg, false);
	case 10:
		at[n++] = (uint8_t)(0xc6 + rnd(2));
		n = put_modrm(at, n, rex, 0, false);
		return put_random(at, n, at[rex + 1] == 0xc6 ? 1 : at[0] == 0x66 ? 2 : 4);
	case 11: {
		unsigned ext = rnd(6);
		at[n++] = (uint8_t)(0xf6 + rnd(2));
		n = put_modrm(at, n, rex, ext, false);
		return ext > 1 ? n : put_random(at, n, at[rex + 1] == 0xf6 ? 1 : at[0] == 0x66 ? 2 : 4);
	}
	case 12:
		at[n++] = rnd(3) ? (uint8_t)(0xfe + rnd(2)) : rnd(2) ? 0xff : 0x8f;
		return put_modrm(at, n, rex,
				 at[n - 1] == 0x8f              ? 0
				 : at[n - 1] == 0xff && !rnd(4) ? 6
								: rnd(2),
				 at[n - 1] == 0x8f);
	case 13:
		at[n++] = (uint8_t)(0xc0 + rnd(2));
		n = put_modrm(at, n, rex, rnd(8), false);
		return put_random(at, n, 1);
	case 14:
		at[n++] = (uint8_t)(0xd0 + rnd(4));
		return put_modrm(at, n, rex, rnd(8), false);
	case 15:
	case 16:
		at[n++] = 0x0f;
		at[n++] = kind == 16 && at[0] == 0xf3 ? 0xb8 : two[rnd(sizeof(two))];
		return put_modrm(at, n, rex, reg, false);
	case 17:
		at[n++] = 0x0f;
		at[n++] = 0xba;
		n = put_modrm(at, n, rex, 4 + rnd(4), false);
		return put_random(at, n, 1);
	case 18:
		at[n++] = rnd(3) ? (uint8_t)(0x88 + rnd(4)) : 0x8d;
		return put_modrm(at, n, rex, reg, at[n - 1] == 0x8d);
	default:
		at[n++] = (uint8_t)(8 * rnd(8) + rnd(4));
		return put_modrm(at, n, rex, reg, false);
	}
}

/* ---- a block of them ---- */

#define INSNS_MAX 40u

static const struct decoder *decoder;

static struct {
	uint8_t code[16];
	unsigned len;
	unsigned skip; /* a jcc rel8 over so many instructions */
	unsigned call; /* 1: call rel32, 2: call *disp(%rip) */
} block[INSNS_MAX];
static unsigned nr_block;

static bool usable(const uint8_t *code, unsigned len)
{
	struct insn i = { .at = 0 };
	if (!len || !decoder->decode(decoder, code, len, &i) || i.len != len || i.kind != INSN_PLAIN ||
	    (i.is & (INSN_PINNED | INSN_GS)))
		return false;
	unsigned n = code[0] == 0x66;
	/* %rsp moves by push and pop alone: elsewhere the stubs may have left their traces. */
	return !(i.changes >> RSP & 1) || (code[0] >> 1 == 0x20 && len == 2) ||
	       ((i.is & (INSN_READS | INSN_WRITES)) && (code[n + 1] == 0x8f || code[n + 1] == 0xff));
}

static void make_block(void)
{
	unsigned want = 3 + rnd(INSNS_MAX - 4);
	for (nr_block = 0; nr_block < want;) {
		uint8_t code[32] = { 0 };
		if (rnd(12) == 0) {
			block[nr_block].code[0] = (uint8_t)(0x70 | rnd(16));
			block[nr_block].len = 2;
			block[nr_block].call = 0;
			block[nr_block++].skip = 1 + rnd(4);
			continue;
		}
		if (rnd(24) == 0) { /* one that returns at once */
			bool far = rnd(2);
			memcpy(block[nr_block].code, far ? "\xff\x15" : "\xe8", 2);
			block[nr_block].len = far ? 6 : 5;
			block[nr_block].skip = 0;
			block[nr_block++].call = 1 + far;
			continue;
		}
		/* %fs: and 32-bit addresses as a prefix of anything. */
		unsigned prefix = rnd(10);
		code[0] = prefix == 0 ? 0x64 : 0x67;
		fs_relative = prefix == 0;
		unsigned len = make_insn(code + (prefix < 2)) + (prefix < 2);
		fs_relative = false;
		if (len > 15 || !usable(code, len))
			continue;
		block[nr_block].call = 0;
		memcpy(block[nr_block].code, code, len);
		block[nr_block].skip = 0;
		block[nr_block++].len = len;
	}
}

#endif
