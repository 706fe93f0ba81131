/*
 * step_cfi.h - Call frame information, parsed: from an address to the row of rules that holds there.
 *
 * The input is whatever a file holds: every read is bounds-checked, every loop bounded, and anything not understood
 * makes the answer "no". Nothing here allocates, locks or, but for DW_EH_PE_indirect, makes a system call. source: LSB
 * core 5.0 chapter 10, DWARF 5 sections 2.5 and 6.4.
 */
#ifndef SNARL_CORE_STEP_CFI_H
#define SNARL_CORE_STEP_CFI_H

#include "core/step.h"

/* Bytes that may be read; at their run-time address, since encodings are relative to it. */
struct cfi_span {
	const uint8_t *lo, *hi;
};

struct cfi_fde {
	struct cfi_span span;     /* where both lie */
	struct cfi_span cie, fde; /* their instructions */
	uintptr_t start, end;     /* the code they speak of */
	uint64_t code_align;
	int64_t data_align;
	uint8_t ra;  /* column of the return address */
	uint8_t enc; /* of DW_CFA_set_loc */
	uint8_t lsda_enc;
	uintptr_t lsda; /* language-specific data, 0 none */
	bool signal;    /* 'S': the frame's caller was interrupted, not calling */
};

enum cfi_how {
	CFI_UNSET,     /* nothing said */
	CFI_SAME,      /* not changed */
	CFI_UNDEFINED, /* lost; of the return address: there is no caller */
	CFI_AT_OFFSET, /* at CFA + value */
	CFI_IS_OFFSET, /* is CFA + value */
	CFI_REGISTER,  /* is in register `value` */
	CFI_AT_EXPR,   /* at the address an expression gives */
	CFI_IS_EXPR,   /* is what an expression gives */
};

struct cfi_rule {
	uint8_t how;
	int32_t value; /* of the *_EXPR: where its length stands, from span.lo, as uint32_t */
};

struct cfi_row {
	struct cfi_rule reg[STEP_REGS];
	bool cfa_expr;
	uint8_t cfa_reg;
	int32_t cfa_value; /* offset, or where the expression's length stands */
};

/* Looks pc up in an .eh_frame_hdr that begins at hdr->lo. *at: address of the FDE, or where there is no table (*linear)
 * of the whole .eh_frame. */
bool cfi_search(const struct cfi_span *hdr, uintptr_t pc, uintptr_t *at, bool *linear);

/* Reads the FDE at `at` (linear: the one for pc among those from `at` on). False also if it is not pc's. */
bool cfi_fde_at(const struct cfi_span *span, uintptr_t at, uintptr_t pc, bool linear, struct cfi_fde *out);

/* Number of entries in an .eh_frame_hdr's table, 0 where it has none; and one of them: start of code, address of FDE.
 * For who wants all functions instead of one. */
uint64_t cfi_entries(const struct cfi_span *hdr);
bool cfi_entry(const struct cfi_span *hdr, uint64_t i, uintptr_t *start, uintptr_t *fde);

/* Runs its instructions up to pc. */
bool cfi_row_at(const struct cfi_fde *fde, uintptr_t pc, struct cfi_row *out);

/* The bytes of an expression whose length stands at span.lo + where. */
bool cfi_expr_bytes(const struct cfi_span *span, uint32_t where, struct cfi_span *out);

enum expr_end {
	EXPR_OK,
	EXPR_BAD,     /* not understood, or memory that cannot be read */
	EXPR_LACKING, /* wants a register whose value is not known */
};

struct expr_env {
	const uintptr_t *reg;
	uint32_t known;
	bool (*read)(void *arg, uintptr_t addr, uintptr_t *value);
	void *arg;
	uintptr_t last_read; /* out: address of the last word it fetched, 0 none */
	uint32_t used;       /* out: bit i: register i was looked at */
};

/* Evaluates with `push` (if not NULL) on the stack to begin with; the result is the top. */
enum expr_end expr_eval(const struct cfi_span *bytes, struct expr_env *env, const uintptr_t *push, uintptr_t *result);

/* A reader that never leaves its span: past the end it gives zeros and says so in `bad`. */
struct cfi_cur {
	const uint8_t *p, *hi;
	bool bad;
};

uint64_t cfi_fixed(struct cfi_cur *c, unsigned bytes);
uint64_t cfi_uleb(struct cfi_cur *c);
int64_t cfi_sleb(struct cfi_cur *c);
void cfi_skip(struct cfi_cur *c, uint64_t bytes);
/* A DW_EH_PE pointer. datarel: what DW_EH_PE_datarel is relative to, 0 where it may not occur. */
uintptr_t cfi_encoded(struct cfi_cur *c, uint8_t enc, uintptr_t datarel);

#endif
