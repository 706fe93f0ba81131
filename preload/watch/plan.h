/*
 * plan.h - The planner: a module's bytes in, what to write where out. Pure: no process state, nothing is patched here.
 *
 * plan_module looks at all code of a module and builds the trampolines without knowing yet where they will lie;
 * plan_place then fixes them to an address. The caller copies `image` there, and afterwards writes each window's patch
 * over the program. Only the bytes of a patch change: whoever jumps behind it finds the program as it was.
 *
 * errors: -1 when memory is refused; what cannot be watched is counted by reason and left alone.
 * locks: none but the arena's.
 */
#ifndef SNARL_WATCH_PLAN_H
#define SNARL_WATCH_PLAN_H

#include <elf.h>

#include "base/compiler.h"
#include "watch/site.h"

struct decoder;

struct code_span {
	uintptr_t lo, hi;
};

struct code_data {
	uintptr_t lo, hi;
	bool constant; /* nobody but the loader ever writes there: read-only segments, RELRO, .got.plt */
};

/* One module as it lies in memory, at the addresses it runs at; everything named here must be readable. */
struct code_view {
	const struct code_span *text; /* executable segments, ascending; all within 2 GB */
	unsigned nr_text;
	const struct code_data
	    *data; /* readable segments that are not executable, ascending, cut where `constant` changes */
	unsigned nr_data;
	const void *eh_frame_hdr; /* NULL: nothing is watched */
	size_t eh_frame_hdr_bytes;
	const Elf64_Rela *rela; /* those of type R_X86_64_RELATIVE are looked at; may be NULL */
	size_t nr_rela;
	const Elf64_Sym *symbols; /* the dynamic ones; may be NULL */
	size_t nr_symbols;
	uintptr_t bias;
	bool pie; /* ET_DYN; false: code addresses may also stand in immediates */
	bool only_sync; /* nothing but `lock`ed instructions and xchg with memory */
};

/* How emitted code finds what the runtime owns. */
struct emit_abi {
	int32_t fs_write_tag;     /* %fs:disp32 of race_tls.write_tag */
	int32_t fs_save;          /* %fs:disp32 of race_tls.save[0] */
	uint64_t miss, sync, rep; /* entries; called through words in the arena */
	bool direct; /* %gs:OPERAND is the plane; false: %gs:(address shifted left, then right, by `shift`) */
	unsigned shift;
};

enum plan_how {
	PLAN_JMP5,   /* jmp rel32 */
	PLAN_JMP2,   /* jmp rel8 to an island, where no more room is */
	PLAN_ISLAND, /* the jmp rel32 in bytes that nobody runs; whoever stands there stands at `to` */
	PLAN_INT3,   /* a trap: the handler goes on at `to`. May be left out, its accesses are then not watched. */
};

struct plan_window {
	uint32_t at; /* from plan.base: the first byte to overwrite */
	uint32_t to; /* offset in the arena */
	uint8_t how; /* enum plan_how */
	uint8_t len; /* bytes of patch */
	uint8_t patch[6];
};

/* A moved instruction: from where (from plan.base) to where (offset in the arena): to its check, if it has one. Between
 * this `to` and the next the program stands before or in this instruction, stubs aside. */
struct plan_moved {
	uint32_t from, to;
};

enum plan_reason {
	PLAN_WATCHED,
	PLAN_NO_FUNCTION,  /* outside all functions with unwind information, and not understood without */
	PLAN_UNDECODABLE,  /* in a function that does not decode */
	PLAN_DATA_IN_TEXT, /* in a function that reads its own bytes */
	PLAN_RSEQ,         /* in a function with a restartable sequence */
	PLAN_USES_GS,      /* in a function that uses %gs */
	PLAN_PINNED,       /* an instruction that must stay where it is */
	PLAN_OPERAND,      /* an operand that is not emitted: gather, masks, saved state */
	PLAN_UNREACHED,    /* nothing seems to lead there */
	PLAN_REASONS
};

/* In a few words. */
const char *plan_reason(enum plan_reason r);

struct plan_counts {
	uint32_t accesses;                /* all that ought to be watched */
	uint32_t reason[PLAN_REASONS];    /* they add up to `accesses` */
	uint32_t private_slots, constant; /* not among them: stack slots nobody else can see; reads of constant data */
	uint32_t instructions, functions;
	uint32_t traps;                       /* windows of the kind PLAN_INT3 */
	uint32_t checks, elided;              /* emitted; saved because one before it covers the same bytes */
	uint32_t saves_register, saves_flags; /* checks that had to save one */
};

/* Not understood, but with accesses in it that count: all of them lie in [lo, hi). */
struct plan_gap {
	uint32_t lo, hi, accesses;
};
#define PLAN_GAPS 4u

struct plan {
	uintptr_t base;              /* what uint32_t places in the program count from: text[0].lo */
	struct plan_window *windows; /* ascending by `at` */
	uint32_t nr_windows;
	uint8_t *image; /* code and sites, to be copied to the arena; NULL after plan_drop_image */
	uint32_t image_bytes;
	uint32_t
	    sites_at; /* offset of struct watch_site[nr_sites] in the image; ways[nr_sites] is beside it, not in it */
	uint32_t nr_sites;
	struct watch_way *ways;
	struct plan_moved *moved; /* ascending by `from` and by `to` */
	uint32_t nr_moved;
	struct plan_counts counts;
	struct plan_gap gaps[PLAN_GAPS]; /* those with the most, in no order */
	bool uses_gs; /* some function uses %gs: planes cannot be had */
	/* private */
	uint32_t *fix;
	uint32_t nr_fix;
	size_t image_cap, windows_cap, moved_cap, fix_cap, ways_cap;
};

/* Plans the whole module. 0 or -1 (out of memory; *out is empty then). cost: some 100 ns per instruction of the module.
 */
int plan_module(const struct code_view *view, const struct emit_abi *abi, const struct decoder *decoder,
		struct plan *out);

/* Fixes image and windows to the arena's address; once. -1 if it is too far: within 1 GB of the text it never is. */
int plan_place(struct plan *p, uintptr_t arena);

/* Gives back what is not needed once the image has been copied. */
void plan_drop_image(struct plan *p);
void plan_free(struct plan *p);

/* Translate: the window, moved instruction or site that holds a place; NULL: none. cost: O(log n). */
const struct plan_window *plan_window_at(const struct plan *p, uintptr_t pc);
/* The last moved instruction that begins at or before this offset in the arena. */
const struct plan_moved *plan_moved_to(const struct plan *p, uint32_t arena_offset);
/* The copy of the instruction at this address of the program. */
const struct plan_moved *plan_moved_from(const struct plan *p, uintptr_t pc);

#endif
