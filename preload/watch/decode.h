/*
 * decode.h - One x86-64 instruction as the planner needs to know it.
 *
 * Everything here errs on the safe side: `reads` and `changes` may name too much, `kills` never does.
 */
#ifndef SNARL_WATCH_DECODE_H
#define SNARL_WATCH_DECODE_H

#include "base/compiler.h"

enum insn_kind {
	INSN_PLAIN,
	INSN_JCC,      /* conditional, can be re-encoded with a rel32 */
	INSN_LOOP,     /* loop, jrcxz: rel8 only */
	INSN_JMP,      /* direct */
	INSN_JMP_FAR,  /* indirect: through a register or memory */
	INSN_CALL,     /* direct */
	INSN_CALL_FAR, /* indirect */
	INSN_RET,
	INSN_STOP, /* ud2, hlt: nothing comes after it */
};

enum insn_is {
	INSN_READS = 1, /* its explicit memory operand, if it has one */
	INSN_WRITES = 2,
	INSN_LOCKED = 4, /* `lock`, or xchg with memory */
	INSN_STRING = 8, /* movs, stos, ...: `op` says which */
	INSN_FS = 0x10,  /* operand relative to %fs */
	INSN_GS = 0x20,  /* touches %gs in any way */
	INSN_ADDR32 = 0x40,
	INSN_LEA = 0x80, /* the operand's address is formed, memory is not touched */
	INSN_ENDBR = 0x100,
	INSN_PINNED = 0x200, /* must stay where it is */
	INSN_ODD = 0x400,    /* touches memory in a way `size` and the operand do not tell */
	INSN_XCHG = 0x800,
	INSN_IMM = 0x1000,        /* ends with an immediate of four bytes or more: in a non-PIE perhaps an address */
	INSN_MOV64 = 0x2000,      /* a plain 64-bit mov into a register, or pop */
	INSN_POP_MEMORY = 0x4000, /* pop with an operand: its %rsp is the one after the pop */
	INSN_SP = 0x8000,         /* an operand is %rsp itself, only read */
	INSN_BP = 0x10000,        /* the same of %rbp */
	INSN_VECTOR = 0x40000,    /* touches some elements of its operand: `op` and `vector` */
	INSN_BITS = 0x20000,      /* bt and its like with a register, `op`, for the bit: that may lie far from the operand */
};

/* Bits of reads and kills: 0-15 rax rcx rdx rbx rsp rbp rsi rdi r8-r15, then the status flags. */
enum {
	FLAG_CF = 1 << 16,
	FLAG_PF = 1 << 17,
	FLAG_AF = 1 << 18,
	FLAG_ZF = 1 << 19,
	FLAG_SF = 1 << 20,
	FLAG_OF = 1 << 21
};
#define FLAGS_ALL 0x3f0000u
#define GPRS_ALL  0x00ffffu
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R15 = 15, BASE_RIP = 16, NO_REG = 0xff };

struct insn {
	uint32_t is; /* enum insn_is */
	uint32_t at; /* where, from the base the caller gave */
	uint8_t len;
	uint8_t kind;        /* enum insn_kind */
	uint16_t vector;     /* INSN_VECTOR: SITE_VECTOR_OP(...) */
	uint32_t reads;      /* registers and flags */
	uint32_t kills;      /* overwritten in full, whatever they held */
	uint16_t changes;    /* registers overwritten at all */
	uint8_t base, index; /* of the explicit memory operand: 0-15, BASE_RIP, NO_REG */
	uint8_t scale;       /* 1 2 4 8 */
	uint8_t size;        /* bytes of it */
	uint8_t disp_at;     /* offset in the instruction of a rip-relative displacement */
	uint8_t op;          /* INSN_STRING: low half enum site_string, high half enum site_repeat; INSN_BITS: register; INSN_VECTOR:
			        elements, VECTOR_INDEXED */
	int32_t disp; /* displacement; of a direct branch: target minus the instruction's end; or the immediate */
};
_Static_assert(sizeof(struct insn) == 32, "a module has millions");

struct decoder {
	/* Decodes the instruction at code, of which `bytes` may be read. False: it is none. `at` is left alone. */
	bool (*decode)(const struct decoder *d, const uint8_t *code, size_t bytes, struct insn *out);
	const void *state;
};

/* Opens libZydis.so.4.0 privately, once. Returns NULL, or why there is no decoder (a static string). Where dlopen is
 * allowed. */
const char *decoder_open(const struct decoder **out);
/* After that: the same without the fast way, for tests. */
const struct decoder *decoder_zydis(void);

#endif
