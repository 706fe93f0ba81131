/*
 * code.h - A module's code, decoded once: functions, instructions, and every place that may be jumped to.
 *
 * Places are uint32_t, counted from the first byte of the first text segment.
 */
#ifndef SNARL_WATCH_CODE_H
#define SNARL_WATCH_CODE_H

#include "watch/decode.h"
#include "watch/plan.h"

enum function_is {
	FN_STACK_TAKEN = 1, /* forms an address in its own stack frame, so its slots may be others' as well */
	FN_FRAME = 2,       /* %rbp is the frame pointer wherever it is a base */
	FN_JUMPS = 4,       /* an indirect jump may lead to any of its instructions */
	FN_OWN_LEA = 8,     /* forms the address of an instruction of its own */
	FN_LEA = 16,        /* forms any address relative to %rip */
	FN_TABLE = 32,      /* a jump table of it was found */
	FN_COMPUTED = 64,   /* an indirect jump whose target was computed, not loaded */
	FN_PART = 128,      /* not entered by a call: its frame is another's, as of a .cold part */
	FN_BARE = 256,      /* written by hand, without unwind information: keeps to no convention */
	FN_CLEAN = 512,     /* and nothing in it is not code */
	FN_ARITHMETIC = 1024, /* FN_COMPUTED, and not by adding something loaded */
};

struct code_function {
	uint32_t lo, hi;
	uint32_t first, count; /* its instructions */
	uint16_t is;           /* enum function_is */
	uint8_t alone;         /* enum plan_reason why it is left alone; PLAN_WATCHED: it is not */
	uint8_t tables;        /* jump tables of it that were found, up to 255 */
	uintptr_t lsda;
};

struct code {
	const struct code_view *view;
	uintptr_t base;
	uint32_t span; /* from base to the end of the last text segment */
	struct code_function *fn;
	uint32_t nr_fn;
	struct insn *insn;
	uint32_t nr_insn;
	uint64_t *start;       /* bit per byte: an instruction of a function begins here */
	uint64_t *target;      /* bit per byte: this may be jumped to */
	uint32_t gap_accesses; /* outside all functions, as far as those bytes can be decoded */
	struct plan_gap gaps[PLAN_GAPS];
	bool uses_gs;
	/* private */
	size_t fn_cap, insn_cap;
	uint64_t *formed;    /* bit per four bytes from low to high, text and data: an instruction forms its address */
	uintptr_t low, high;
};

/* Decodes all functions and finds all targets. 0 or -1: out of memory. */
int code_open(struct code *c, const struct code_view *view, const struct decoder *d);
void code_close(struct code *c);

/* The function that holds this place, or NULL. O(log n). */
struct code_function *code_function_at(const struct code *c, uint32_t at);
/* Index of the first instruction at or after a place. O(log n). */
uint32_t code_insn_from(const struct code *c, uint32_t at);

/* The place of an address, or UINT32_MAX when it lies in no text segment. */
uint32_t code_place(const struct code *c, uintptr_t addr);
static inline const uint8_t *code_bytes(const struct code *c, uint32_t at)
{
	return (const uint8_t *)(c->base + at);
}

static inline uint32_t read32(const void *p)
{
	return ((const struct { uint32_t v; } __attribute__((packed)) *)p)->v;
}
static inline uint64_t read64(const void *p)
{
	return ((const struct { uint64_t v; } __attribute__((packed)) *)p)->v;
}
static inline bool bit_get(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}
static inline void bit_set(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= (uint64_t)1 << i % 64;
}

/* Any bit in [lo, hi), which is at most 64 wide. */
static inline bool bit_any(const uint64_t *bits, uint32_t lo, uint32_t hi)
{
	uint64_t word = bits[lo / 64] >> lo % 64;
	if (lo % 64)
		word |= bits[lo / 64 + 1] << (64 - lo % 64);
	return hi > lo && (word << (64 - (hi - lo))) != 0;
}

/* Address of a rip-relative operand, or target of a direct branch. */
static inline uintptr_t insn_goal(const struct code *c, const struct insn *i)
{
	return c->base + i->at + i->len + (uintptr_t)(intptr_t)i->disp;
}

/* A span of text that belongs to no function; counted: not what merely shares a segment with code. */
typedef void (*gap_visitor)(struct code *c, void *arg, uint32_t lo, uint32_t hi, bool counted);
void code_each_gap(struct code *c, gap_visitor visit, void *arg);

/* ---- for code.c alone ---- */
/* Fills fn from the unwind information, ascending and without overlap. 0 or -1. */
int code_functions(struct code *c);
/* Marks the landing pads of a function with an LSDA. */
void code_landing_pads(struct code *c, const struct code_function *f);
/* Adds the functions found in gaps, and their instructions. 0 or -1. */
int code_bare(struct code *c, const struct decoder *d);
/* Sets FN_JUMPS where one of them jumps who knows where. */
void code_bare_jumps(struct code *c);
/* Refers to what might be out of a copy's reach: no linker does that, but bytes that are not really code do. */
bool code_too_far(const struct code *c, const struct insn *i);
/* Notes which addresses are formed, where tables may begin. 0 or -1. */
int code_formed(struct code *c);
/* Marks what instructions and data point to. */
void code_targets(struct code *c, const struct decoder *decoder);
/* Marks what tables of 16-bit offsets lead to, once all other targets are known. */
void code_offsets(struct code *c);
/* Marks what a jump table at this address leads to, if there is one. */
void code_table(struct code *c, uintptr_t addr);
/* Sets FN_STACK_TAKEN and FN_FRAME. */
void code_stacks(struct code *c);

#endif
