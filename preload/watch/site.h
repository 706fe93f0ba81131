/*
 * site.h - What the emitted code hands to the engine: one record for each watched instruction.
 *
 * The records lie in the module's arena beside the code; a stub passes the address of its own in %rsi and the address
 * of the operand in %rdi (SITE_REP without an operand of its own: the program's %rdi, as it is).
 */
#ifndef SNARL_WATCH_SITE_H
#define SNARL_WATCH_SITE_H

#include "base/compiler.h"

enum site_flag {
	SITE_WRITE = 1,         /* writes; not set: reads only. A read-modify-write is a write. */
	SITE_SYNC = 2,          /* `lock`ed or xchg with memory */
	SITE_REP = 4,           /* the entry works out the extent itself, see enum site_string; writes only if SITE_WRITE says so */
	SITE_NORETURNVALUE = 8, /* SITE_SYNC whose result and flags nobody looks at: it releases, it does not acquire */
	SITE_STORE_ONLY = 16,   /* with SITE_NORETURNVALUE: an xchg that is in effect a store */
	SITE_VECTOR = 64,       /* with SITE_REP: the entry needs the vector registers as the program has them */
	SITE_HOISTED = 32,      /* the check stands before instructions that precede it in the program */
	SITE_READS = 128,       /* with SITE_WRITE: it reads first, or stands for a read before it as well */
};

struct watch_site {
	uintptr_t pc;   /* of the instruction in the program */
	uint8_t size;   /* bytes of the access; 0 with SITE_REP; elements with SITE_VECTOR */
	uint8_t flags;  /* enum site_flag */
	uint16_t op;    /* SITE_REP: SITE_STRING(...); SITE_VECTOR: SITE_VECTOR_OP(...) */
	uint32_t check; /* offset in the arena of the first instruction of the check */
};
_Static_assert(sizeof(struct watch_site) == 16, "an array of these is read by emitted code's callees");

/* A fault between [check, resume) is the plane's: go on at stub. With SITE_SYNC and SITE_REP check and stub are the
 * same. */
struct watch_way {
	uint32_t stub;   /* offset in the arena: calls the entry, then jumps to resume */
	uint32_t resume; /* offset in the arena */
};

/* op of a SITE_REP: which string instruction, bytes of one element, prefix. */
enum site_string { STRING_MOVS = 1, STRING_STOS, STRING_LODS, STRING_CMPS, STRING_SCAS, STRING_BITS };
enum site_repeat { REPEAT_NONE, REPEAT_RCX, REPEAT_WHILE_EQUAL, REPEAT_WHILE_NOT_EQUAL };

#define SITE_STRING(what, width, repeat) ((uint16_t)((what) | (width) << 4 | (repeat) << 8))
/* One bit, told by a register, of the string of bits that begins at the operand: not REP at all, but its extent is worked
 * out in the same way. With SITE_SYNC it is `lock`ed. */
#define SITE_BITS(width, reg)            ((uint16_t)(STRING_BITS | (width) << 4 | (reg) << 10))
#define SITE_BITS_REG(op)                ((op) >> 10 & 15)
#define SITE_STRING_WHAT(op)             ((op)&15)
#define SITE_STRING_WIDTH(op)            ((op) >> 4 & 15)
#define SITE_STRING_REPEAT(op)           ((op) >> 8 & 3)

/*
 * op of a SITE_VECTOR, whose size says how many elements it has at most. Which of them are touched says a mask: in bits of
 * an opmask register (by_k), else in the highest bit of each element of a vector register.
 * VECTOR_INDEXED in size: each lies at operand + an element of vector register `index` << shift; else one behind the other,
 * but with VECTOR_ANY for the shift `size` bytes are touched if one of the first 1 << index bits is set.
 */
#define VECTOR_INDEXED 0x80u
#define VECTOR_ANY     3u
#define SITE_VECTOR_OP(index, mask, shift, wide, element, by_k)                                                   \
	((uint16_t)((index) | (mask) << 5 | (shift) << 10 | (wide) << 12 | (element) << 13 | (unsigned)(by_k) << 15))
#define SITE_VECTOR_INDEX(op)   ((op)&31u)
#define SITE_VECTOR_MASK(op)    ((op) >> 5 & 31u)
#define SITE_VECTOR_SHIFT(op)   ((op) >> 10 & 3u)
#define SITE_VECTOR_WIDE(op)    ((op) >> 12 & 1u) /* elements of `index` have eight bytes, not four */
#define SITE_VECTOR_ELEMENT(op) ((op) >> 13 & 3u) /* log2 of its bytes */
#define SITE_VECTOR_BY_K(op)    ((op) >> 15 & 1u)

#endif
