/*
 * plan_world.h - A made-up module of which it is known, because it was made so, where it may be jumped to.
 *
 * The planner is not asked: `entry` is written down as code and data are. The input decides everything: functions, with
 * unwind information or without, that may overlap; branches, switches, labels as values, an interpreter; beside them words,
 * relocations, symbols and landing pads that point anywhere, and tables that run on into rubbish.
 */
#ifndef TESTS_FUZZ_PLAN_WORLD_H
#define TESTS_FUZZ_PLAN_WORLD_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORLD_TEXT      16384u
#define WORLD_DATA      16384u
#define WORLD_UNWIND    8192u
#define WORLD_BLOCKS    160u
#define WORLD_FUNCTIONS 40u
#define WORLD_FIXES     1024u
#define WORLD_RELOCS    256u
#define INTERPRETER     20u /* blocks of one */

enum world_fix { REL8, REL32, ADDRESS, DIFFERENCE, OFFSET16, HERE };

struct world {
	const uint8_t *in, *in_end;
	uint8_t *text, *data, *unwind; /* one behind the other, as segments are */
	uint32_t text_at, data_at, unwind_hdr;
	uint64_t entry[WORLD_TEXT / 64], start[WORLD_TEXT / 64];
	uint32_t block[WORLD_BLOCKS + 1]; /* where each begins */
	bool stops[WORLD_BLOCKS + 1]; /* nothing runs on from it into the next */
	unsigned nr_blocks, now;
	struct {
		uint32_t lo, hi, pads[2];
		unsigned first, end; /* blocks */
		bool bare, anywhere, interpreter, switches, over; /* over: its unwind information reaches into the next one */
		unsigned nr_pads;
	} fn[WORLD_FUNCTIONS];
	unsigned nr_fn;
	struct {
		uint8_t *field;
		uintptr_t base;
		uint32_t to; /* once it is settled */
		uint16_t block;
		uint8_t kind, owner; /* owner: the block that goes there */
	} fix[WORLD_FIXES];
	unsigned nr_fix, owner;
	Elf64_Rela rela[WORLD_RELOCS];
	unsigned nr_rela;
	Elf64_Sym symbol[2 * WORLD_FUNCTIONS];
	unsigned nr_symbols;
};

static inline unsigned next(struct world *w, unsigned below)
{
	return (w->in < w->in_end ? *w->in++ : 0) % below;
}

static inline void world_bit(uint64_t *bits, uint32_t at) { bits[at / 64] |= (uint64_t)1 << at % 64; }
static inline bool world_has(const uint64_t *bits, uint32_t at) { return bits[at / 64] >> at % 64 & 1; }

/* Whoever jumps there jumps into the text. */
static inline void world_entry(struct world *w, uint32_t at)
{
	if (at < w->text_at)
		world_bit(w->entry, at);
}

static inline uint8_t *put_insn(struct world *w, const char *bytes, size_t n)
{
	uint8_t *p = w->text + w->text_at;
	if (w->text_at + n + 64 > WORLD_TEXT)
		return p; /* full: written over each other from here on would be wrong, so nothing is */
	world_bit(w->start, w->text_at);
	memcpy(p, bytes, n);
	w->text_at += (uint32_t)n;
	return p;
}
#define PUT(bytes) put_insn(w, bytes, sizeof(bytes) - 1)
#define FULL(w)	   ((w)->text_at + 512 > WORLD_TEXT || (w)->data_at + 512 > WORLD_DATA)

static inline void later(struct world *w, uint8_t *field, enum world_fix kind, uintptr_t base, unsigned block)
{
	if (w->nr_fix < WORLD_FIXES) {
		w->fix[w->nr_fix].field = field;
		w->fix[w->nr_fix].base = base;
		w->fix[w->nr_fix].block = (uint16_t)block;
		w->fix[w->nr_fix].owner = (uint8_t)w->owner;
		w->fix[w->nr_fix++].kind = (uint8_t)kind;
	}
}

static inline void write32(uint8_t *field, uintptr_t v) { memcpy(field, &(uint32_t){ (uint32_t)v }, 4); }

/* %reg gets the address of what lies in the data; which: 15 rdx, 0d rcx, 05 rax */
static inline void put_lea_data(struct world *w, const uint8_t *what, char reg)
{
	uint8_t *p = PUT("\x48\x8d\x00\0\0\0\0");
	p[2] = (uint8_t)reg;
	write32(p + 3, (uintptr_t)(what - (p + 7)));
}

static inline void put_plain(struct world *w)
{
#define I(bytes) { bytes, sizeof(bytes) - 1 }
	static const struct {
		const char *bytes;
		size_t n;
	} insns[] = { I("\x89\x07"), I("\x8b\x46\x08"), I("\x48\x89\x47\xd8"), I("\x48\x8b\x06"), I("\xc7\x07\1\0\0\0"),
		      I("\x48\xc7\x46\x10\1\2\0\0"), I("\x50"), I("\x58"), I("\x90"), I("\x66\x90"), I("\x0f\x1f\x44\0\0"),
		      I("\xf0\x01\x07"), I("\x87\x07"), I("\xa4"), I("\xf3\x48\xa5"), I("\x85\xc0"), I("\x01\xc8"),
		      I("\xf3\x0f\x6f\x07"), I("\x0f\x11\x07"), I("\xf3\x0f\x1e\xfa"), I("\xff\x07"), I("\x80\x0f\1"),
		      I("\x48\x89\xd8"), I("\x88\x07"), I("\x8a\x06"), I("\x48\x83\xec\x18"), I("\x48\x83\xc4\x18"),
		      I("\x48\x89\x44\x24\x08"), I("\x48\x8b\x84\x24\0\1\0\0") };
	unsigned k = next(w, sizeof insns / sizeof *insns + 3);
	if (k < sizeof insns / sizeof *insns) {
		put_insn(w, insns[k].bytes, insns[k].n);
		return;
	}
	uint8_t *p = k & 1 ? PUT("\x8b\x05\0\0\0\0") : PUT("\x89\x05\0\0\0\0");
	write32(p + 2, (uintptr_t)(w->data + 4 * next(w, 256) - (p + 6)));
}

static inline uint8_t *take_data(struct world *w, unsigned bytes, unsigned align)
{
	w->data_at = (w->data_at + align - 1) & ~(align - 1);
	uint8_t *p = w->data + w->data_at;
	w->data_at += bytes;
	return p;
}

/* A word of data with an address; the loader's, if there is one to relocate it. */
static inline void put_word(struct world *w, uint8_t *at, unsigned block)
{
	later(w, at, ADDRESS, 0, block);
}

/* What stands behind a table: anything. */
static inline void put_rubbish(struct world *w)
{
	uint8_t *p = take_data(w, 4 * next(w, 4), 4);
	while (p < w->data + w->data_at)
		*p++ = (uint8_t)next(w, 256);
}

static inline unsigned some_block(struct world *w, unsigned f)
{
	if (w->fn[f].interpreter)
		return w->fn[f].first;
	return w->fn[f].first + next(w, w->fn[f].end - w->fn[f].first);
}

/* A switch in any of the ways compilers write one. */
static inline void put_switch(struct world *w, unsigned f)
{
	/* How far the others reach is said by unwind information alone; without it the planner may not even see the jump. */
	unsigned how = next(w, w->fn[f].bare ? 2 : 4), n = 2 + next(w, 6);
	w->fn[f].switches |= how != 1;
	uint8_t *table = take_data(w, (how == 1 ? 8 : 4) * n, 8), *p;
	if (how == 0) { /* offsets from the table */
		put_lea_data(w, table, 0x15);
		PUT("\x48\x63\x04\xba"), PUT("\x48\x01\xd0"), PUT("\xff\xe0");
	} else if (how == 1) { /* addresses */
		put_lea_data(w, table, 0x15);
		PUT("\xff\x24\xfa");
	} else if (how == 2) { /* differences of labels: GNU C's */
		unsigned label = some_block(w, f);
		p = PUT("\x48\x8d\x15\0\0\0\0");
		later(w, p + 3, REL32, 0, label);
		put_lea_data(w, table, 0x0d);
		PUT("\x48\x63\x04\xb9"), PUT("\x48\x01\xd0"), PUT("\xff\xe0");
		for (unsigned k = 0; k < n; k++)
			later(w, table + 4 * k, DIFFERENCE, label, some_block(w, f));
		put_rubbish(w);
		return;
	} else { /* computed: to any instruction of it */
		p = PUT("\x48\x8d\x15\0\0\0\0");
		later(w, p + 3, REL32, 0, some_block(w, f));
		PUT("\x48\x8d\x04\xfa"), PUT("\xff\xe0");
		w->fn[f].anywhere = true;
		return;
	}
	for (unsigned k = 0; k < n; k++)
		how ? put_word(w, table + 8 * k, some_block(w, f)) :
		      later(w, table + 4 * k, DIFFERENCE, (uintptr_t)table, some_block(w, f));
	put_rubbish(w);
}

static inline void put_end(struct world *w, unsigned f)
{
	uint8_t *p;
	switch (next(w, 10)) {
	case 0:
		p = PUT("\x74\0");
		later(w, p + 1, REL8, 0, some_block(w, f));
		break;
	case 1:
		p = PUT("\x0f\x85\0\0\0\0");
		later(w, p + 2, REL32, 0, some_block(w, f));
		break;
	case 2:
		w->stops[w->owner] = true;
		p = PUT("\xeb\0");
		later(w, p + 1, REL8, 0, some_block(w, f));
		break;
	case 3:
		w->stops[w->owner] = true;
		p = PUT("\xe9\0\0\0\0");
		later(w, p + 1, REL32, 0, some_block(w, next(w, 4) ? f : next(w, w->nr_fn)));
		break;
	case 4:
		w->stops[w->owner] = true;
		PUT("\xc3");
		break;
	case 5:
		p = PUT("\xe8\0\0\0\0");
		later(w, p + 1, REL32, 0, w->fn[next(w, w->nr_fn)].first);
		later(w, NULL, HERE, w->text_at, 0); /* back from there, by longjmp perhaps */
		break;
	case 6:
		p = PUT("\x48\x8d\x05\0\0\0\0");
		later(w, p + 3, REL32, 0, some_block(w, next(w, 2) ? f : next(w, w->nr_fn)));
		break;
	case 7:
		w->stops[w->owner] = true;
		put_switch(w, f);
		break;
	case 8:
		p = PUT("\xe2\0"); /* loop */
		later(w, p + 1, REL8, 0, some_block(w, f));
		break;
	default: /* on to the next */
		break;
	}
}

/* Handlers that nothing but a table of 16-bit offsets leads to; some run on into the next. */
static inline void put_interpreter(struct world *w, unsigned f)
{
	uint8_t *table = take_data(w, 2 * INTERPRETER, 2);
	for (unsigned k = 0; k < INTERPRETER; k++) {
		w->owner = w->now;
		w->block[w->now++] = w->text_at;
		later(w, table + 2 * k, OFFSET16, w->fn[f].lo, w->now - 1);
		for (unsigned n = 1 + next(w, 4); n--;)
			put_plain(w);
		if (k % 4 || next(w, 4) == 0)
			PUT("\xff\x24\xc3");
	}
	PUT("\xff\x24\xc3");
}

static inline void put_function(struct world *w, unsigned f)
{
	w->text_at = (w->text_at + 15) & ~15u;
	w->fn[f].lo = w->text_at;
	if (!w->fn[f].bare) /* else it is entered if somebody says so */
		world_bit(w->entry, w->text_at);
	if (w->fn[f].interpreter && !FULL(w)) {
		put_interpreter(w, f);
	} else {
		while (w->now < w->fn[f].end) {
			w->owner = w->now;
			w->block[w->now++] = w->text_at;
			for (unsigned n = next(w, 6); n-- && !FULL(w);)
				put_plain(w);
			if (!FULL(w))
				put_end(w, f);
		}
		PUT("\xc3");
	}
	w->fn[f].hi = w->text_at;
	/* Unwind information that parts a jump table's user from the code it leads to is beyond what can be asked. */
	if (f > 0 && (w->fn[f].switches || w->fn[f].interpreter))
		w->fn[f - 1].over = false;
	for (uint32_t at = w->fn[f].lo; w->fn[f].anywhere && at < w->fn[f].hi; at++)
		if (world_has(w->start, at))
			world_bit(w->entry, at);
	for (unsigned n = next(w, 8); n--;) /* behind it: padding or data */
		w->text[w->text_at++] = w->fn[f].over || next(w, 3) ? 0x90 : (uint8_t)next(w, 256);
	while (w->fn[f].over && w->text_at % 16)
		w->text[w->text_at++] = 0x90;
}

static inline void settle(struct world *w)
{
	for (unsigned k = 0; k < w->nr_fix; k++) {
		uint8_t *field = w->fix[k].field;
		uint32_t to = w->block[w->fix[k].block];
		uintptr_t addr = (uintptr_t)w->text + to;
		switch (w->fix[k].kind) {
		case REL8:
			if ((intptr_t)(addr - (uintptr_t)(field + 1)) == (int8_t)(addr - (uintptr_t)(field + 1)))
				*field = (uint8_t)(addr - (uintptr_t)(field + 1)); /* else to what comes next */
			to = (uint32_t)((uintptr_t)(field + 1) + (uintptr_t)(intptr_t)(int8_t)*field - (uintptr_t)w->text);
			break;
		case REL32:
			write32(field, addr - (uintptr_t)(field + 4));
			break;
		case DIFFERENCE:
			write32(field, addr - (w->fix[k].base < WORLD_BLOCKS ? (uintptr_t)w->text + w->block[w->fix[k].base] :
									       w->fix[k].base));
			break;
		case ADDRESS:
			memcpy(field, &addr, 8);
			break;
		case HERE:
			to = (uint32_t)w->fix[k].base;
			break;
		case OFFSET16:
			memcpy(field, &(uint16_t){ (uint16_t)(to - w->fix[k].base) }, 2);
			break;
		}
		w->fix[k].to = to;
	}
}

/* What blocks lead to that are entered themselves. In a function with unwind information each is; else somebody leads there, or
 * the one above runs on. */
static inline void spread(struct world *w)
{
	bool entered[WORLD_BLOCKS + 1] = { false }, changed = true;
	while (changed) {
		changed = false;
		for (unsigned f = 0; f < w->nr_fn; f++)
			for (unsigned b = w->fn[f].first; b < w->fn[f].end; b++) {
				bool was = entered[b];
				uint32_t end = b + 1 < w->fn[f].end ? w->block[b + 1] : w->fn[f].hi;
				entered[b] |= !w->fn[f].bare || (b > w->fn[f].first && entered[b - 1] && !w->stops[b - 1]);
				for (uint32_t at = w->block[b]; at < end; at++)
					entered[b] |= world_has(w->entry, at);
				changed |= was != entered[b];
			}
		for (unsigned k = 0; k < w->nr_fix; k++)
			if (entered[w->fix[k].owner])
				world_entry(w, w->fix[k].to);
	}
}

/* Addresses that somebody wrote down, right or wrong: nobody can know which. */
static inline void put_lies(struct world *w)
{
	for (unsigned n = next(w, 24); n-- && w->data_at + 64 < WORLD_DATA;) {
		uint32_t to = (next(w, 256) << 8 | next(w, 256)) % (w->text_at + 1);
		switch (next(w, 4)) {
		case 0:
			memcpy(take_data(w, 8, 8), &(uint64_t){ (uintptr_t)w->text + to }, 8);
			world_entry(w, to);
			break;
		case 1:
			w->rela[w->nr_rela++] = (Elf64_Rela){ .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE),
							      .r_addend = (int64_t)((uintptr_t)w->text + to) };
			world_entry(w, to);
			break;
		case 2: {
			unsigned f = next(w, w->nr_fn);
			if (w->fn[f].nr_pads < 2 && !w->fn[f].bare && to > w->fn[f].lo)
				w->fn[f].pads[w->fn[f].nr_pads++] = to;
			break;
		}
		default: {
			unsigned f = next(w, w->nr_fn);
			if (w->nr_symbols == 2 * WORLD_FUNCTIONS)
				break;
			to = next(w, 2) ? w->block[some_block(w, f)] : w->fn[f].lo;
			w->symbol[w->nr_symbols++] = (Elf64_Sym){ .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
								  .st_shndx = 1, .st_value = (uintptr_t)w->text + to };
			world_entry(w, to);
		}
		}
	}
}

static inline uint8_t *put_uleb(uint8_t *p, uint32_t v)
{
	for (; v > 127; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *put32(uint8_t *p, uintptr_t v)
{
	write32(p, v);
	return p + 4;
}

/* .eh_frame_hdr, .eh_frame with LSDAs, and these; functions may reach over the next one's beginning. */
static inline void put_unwind(struct world *w)
{
	uint8_t *hdr = w->unwind, *cie, *p, *table = hdr + 12, *lsda = w->unwind + WORLD_UNWIND / 2;
	unsigned n = 0;
	for (unsigned f = 0; f < w->nr_fn; f++)
		n += !w->fn[f].bare;
	memcpy(hdr, "\x01\x1b\x03\x3b", 4);
	cie = table + 8 * (size_t)n;
	put32(hdr + 4, (uintptr_t)(cie - (hdr + 4)));
	put32(hdr + 8, n);
	w->unwind_hdr = 12 + 8 * n;
	p = put32(cie, 20);
	memcpy(p, "\0\0\0\0\x01zLR\0\x01\x78\x10\x02\x1b\x1b\x0c\x07\x08\x90\x01", 20);
	p += 20;
	for (unsigned f = 0; f < w->nr_fn; f++) {
		if (w->fn[f].bare)
			continue;
		uint32_t hi = w->fn[f].hi;
		if (w->fn[f].over)
			hi = w->block[w->fn[f + 1].first + next(w, w->fn[f + 1].end - w->fn[f + 1].first)];
		table = put32(table, (uintptr_t)w->text + w->fn[f].lo - (uintptr_t)hdr);
		table = put32(table, (uintptr_t)(p - hdr));
		p = put32(p, 20);
		p = put32(p, (uintptr_t)(p - cie));
		p = put32(p, (uintptr_t)w->text + w->fn[f].lo - (uintptr_t)p);
		p = put32(p, hi - w->fn[f].lo);
		*p++ = 4;
		p = put32(p, w->fn[f].nr_pads ? (uintptr_t)(lsda - p) : 0);
		memset(p, 0, 3);
		p += 3;
		if (!w->fn[f].nr_pads)
			continue;
		memcpy(lsda, "\xff\xff\x01", 3);
		uint8_t *length = lsda + 3;
		lsda += 4;
		for (unsigned k = 0; k < w->fn[f].nr_pads; k++) {
			lsda = put_uleb(put_uleb(lsda, 1), 2);
			lsda = put_uleb(lsda, w->fn[f].pads[k] - w->fn[f].lo);
			*lsda++ = 0;
			world_entry(w, w->fn[f].pads[k]);
		}
		*length = (uint8_t)(lsda - length - 1);
	}
	put32(p, 0);
}

/* Makes it in `room`, of WORLD_TEXT + WORLD_DATA + WORLD_UNWIND bytes, zeroed. constant: its data are. */
static inline void world_make(struct world *w, uint8_t *room, const uint8_t *in, size_t bytes, bool constant)
{
	memset(w, 0, sizeof *w);
	w->in = in, w->in_end = in + bytes;
	w->text = room, w->data = room + WORLD_TEXT, w->unwind = w->data + WORLD_DATA;
	w->data_at = 64;
	w->nr_fn = 1 + next(w, 12);
	for (unsigned f = 0; f < w->nr_fn; f++) {
		unsigned kind = next(w, 16);
		bool interpreter = kind == 15 && constant; /* nobody's table of offsets is writable */
		w->fn[f].first = w->nr_blocks;
		w->nr_blocks += interpreter ? INTERPRETER : 1 + kind % 10;
		if (w->nr_blocks > WORLD_BLOCKS) {
			w->nr_fn = f + (f == 0);
			w->nr_blocks = w->fn[f].first;
			break;
		}
		w->fn[f].end = w->nr_blocks;
		w->fn[f].interpreter = interpreter;
		w->fn[f].bare = !interpreter && next(w, 6) == 0;
	}
	for (unsigned f = 0; f + 1 < w->nr_fn; f++)
		w->fn[f].over = !w->fn[f].bare && next(w, 8) == 0;
	for (unsigned f = 0; f < w->nr_fn; f++)
		put_function(w, f);
	settle(w);
	put_lies(w);
	put_unwind(w);
	spread(w);
}

#endif
