/* emit_fields.h - Pieces of a journal line. */
#ifndef SNARL_DETECT_EMIT_FIELDS_H
#define SNARL_DETECT_EMIT_FIELDS_H

#include "base/fmt.h"
#include "core/object.h"
#include "detect/emit.h"

static inline const char *mode_word(uint32_t key) { return key & ORDER_READ ? "read" : "write"; }
static inline const char *how_word(uint32_t key) { return key & ORDER_TIMED ? "timed" : key & ORDER_TRY ? "try" : "block"; }

/* Each name comes with its punctuation: ",\"id\":". */
static inline void field_u(struct fmt *f, const char *name, uint64_t v)
{
	fmt_str(f, name);
	fmt_u64(f, v);
}

static inline void field_x(struct fmt *f, const char *name, uint64_t v)
{
	fmt_str(f, name);
	fmt_str(f, "\"0x");
	fmt_hex(f, v);
	fmt_c(f, '"');
}

/* Readers have no use for the family bits. */
static inline void field_lock(struct fmt *f, const char *name, uint32_t id)
{
	field_u(f, name, id & ((1u << OBJECT_FAMILY_SHIFT) - 1));
}

static inline void field_s(struct fmt *f, const char *name, const char *v)
{
	fmt_str(f, name);
	fmt_json(f, v);
}

void emit_put_access(struct fmt *f, const struct finding_access *a);
void emit_put_place(struct fmt *f, const struct finding_place *p);

#endif
