/*
 * step_rule.h - Rules in one word: what most rows of call frame information come down to, cached by pc for all threads.
 *
 * A rule is found by the address that is looked up (a return address - 1, or an exact pc) and says where the CFA is and
 * where rbp was saved; the return address is at CFA - 8. What does not fit has no rule and is worked out anew each
 * time.
 */
#ifndef SNARL_CORE_STEP_RULE_H
#define SNARL_CORE_STEP_RULE_H

#include "core/module.h"
#include "core/step_cfi.h"

#include <stdatomic.h>

/*
 * kind (3 bits) | moving | rbp (8 bits) | cfa (19 bits): 31 bits.
 * SP, BP: CFA = rsp or rbp + 8 * cfa; rbp was saved at CFA - 8 - 8 * rbp, 0 not at all.
 * DRAP:   CFA = *(rbp - 8 * cfa); rbp was saved at rbp (gcc's frames realigned by a dynamic argument pointer).
 */
enum rule_kind { RULE_NONE, RULE_SP, RULE_BP, RULE_DRAP, RULE_BOTTOM };

#define RULE_MAKE(kind, moving, rbp, cfa) \
	((uint32_t)(kind) | (uint32_t)(moving) << 3 | (uint32_t)(rbp) << 4 | (uint32_t)(cfa) << 12)
#define RULE_KIND(rule)   ((rule)&7)
#define RULE_MOVING(rule) ((rule) >> 3 & 1) /* the CFA is not at a fixed distance from rsp */
#define RULE_RBP(rule)    ((rule) >> 4 & 0xff)
#define RULE_CFA(rule)    ((rule) >> 12)
#define RULE_CFA_MAX      0x7ffff

/*
 * One word an entry, so that it is read and written whole: address >> 15 (32 bits) | odd | rule (31 bits). The place in
 * the table gives the address' low 15 bits; `odd` says that it stands in its second place, which is the first's
 * neighbour.
 */
#define RULE_BITS 15
extern _Atomic uint64_t rule_table[1u << RULE_BITS];

HOT uint32_t rule_cached(uintptr_t addr)
{
	uint64_t tag = addr >> RULE_BITS;
	uint32_t i = (uint32_t)(addr ^ tag) & ((1u << RULE_BITS) - 1);
	uint64_t e = atomic_load_explicit(&rule_table[i], memory_order_relaxed) ^ tag << 32;
	if (likely(e >> 31 == 0))
		return (uint32_t)e;
	e = atomic_load_explicit(&rule_table[i ^ 1], memory_order_relaxed) ^ tag << 32;
	return e >> 31 == 1 ? (uint32_t)e & 0x7fffffff : RULE_NONE;
}

/* Remembers; `epoch` is module_epoch() from before the rule was read. */
void rule_add(uintptr_t addr, uint32_t rule, uint32_t epoch);
void rule_flush(void);

/* The row for an address in module m. */
bool rule_row(const struct module *m, uintptr_t addr, struct cfi_fde *fde, struct cfi_row *row);
/* The same as one word, or RULE_NONE. */
uint32_t rule_pack(const struct module *m, const struct cfi_fde *fde, const struct cfi_row *row);

/* Whether code may change rsp by an amount that is not the same each time it comes by. Errs towards true. */
bool rule_code_moves(const uint8_t *code, size_t bytes);

#endif
