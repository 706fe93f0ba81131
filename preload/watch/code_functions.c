/* code_functions.c - Function ranges and landing pads from the unwind information, present in stripped binaries too. */
#include "core/step_cfi.h"
#include "watch/code.h"
#include "watch/grow.h"

/* The readable bytes around an address. */
static bool span_of(const struct code_view *v, uintptr_t addr, struct cfi_span *out)
{
	for (unsigned i = 0; i < v->nr_data; i++)
		if (addr >= v->data[i].lo && addr < v->data[i].hi) {
			*out = (struct cfi_span){ (const uint8_t *)v->data[i].lo, (const uint8_t *)v->data[i].hi };
			return true;
		}
	for (unsigned i = 0; i < v->nr_text; i++)
		if (addr >= v->text[i].lo && addr < v->text[i].hi) {
			*out = (struct cfi_span){ (const uint8_t *)v->text[i].lo, (const uint8_t *)v->text[i].hi };
			return true;
		}
	return false;
}

int code_functions(struct code *c)
{
	const struct code_view *v = c->view;
	struct cfi_span span, head = { v->eh_frame_hdr, (const uint8_t *)v->eh_frame_hdr + v->eh_frame_hdr_bytes };
	if (!v->eh_frame_hdr || !span_of(v, (uintptr_t)v->eh_frame_hdr, &span))
		return 0;
	uint64_t n = cfi_entries(&head);
	uint32_t end = 0;
	for (uint64_t i = 0; i < n; i++) {
		uintptr_t start, at;
		struct cfi_fde fde;
		if (!cfi_entry(&head, i, &start, &at))
			break;
		/* .eh_frame is mostly in the same segment as its table. */
		struct cfi_span frame = span;
		if ((at < (uintptr_t)span.lo || at >= (uintptr_t)span.hi) && !span_of(v, at, &frame))
			continue;
		if (!cfi_fde_at(&frame, at, start, false, &fde) || fde.start != start)
			continue;
		uint32_t lo = code_place(c, fde.start), last = code_place(c, fde.end - 1);
		if (lo == UINT32_MAX || last == UINT32_MAX || last < lo)
			continue; /* not code */
		if (lo < end) { /* it overlaps its neighbour: nobody's then, but somebody enters it */
			bit_set(c->target, lo);
			code_landing_pads(c, &(struct code_function){ .lo = lo, .hi = last + 1, .lsda = fde.lsda });
			continue;
		}
		if (!grow(&c->fn, &c->fn_cap, c->nr_fn, (size_t)c->nr_fn + 1, sizeof(*c->fn)))
			return -1;
		struct cfi_row row;
		bool whole = cfi_row_at(&fde, start, &row) && !row.cfa_expr && row.cfa_reg == 7 && row.cfa_value == 8;
		c->fn[c->nr_fn++] =
		    (struct code_function){ .lo = lo, .hi = last + 1, .is = whole ? 0 : FN_PART, .lsda = fde.lsda };
		end = last + 1;
	}
	return 0;
}

void code_landing_pads(struct code *c, const struct code_function *f)
{
	enum { PE_OMIT = 0xff, PE_ULEB = 1 };
	struct cfi_span span;
	if (!f->lsda || !span_of(c->view, f->lsda, &span))
		return;
	struct cfi_cur cur = { (const uint8_t *)f->lsda, span.hi, false };
	uintptr_t pad_base = c->base + f->lo;
	uint8_t enc = (uint8_t)cfi_fixed(&cur, 1);
	if (enc != PE_OMIT)
		pad_base = cfi_encoded(&cur, enc & 0x7f, 0);
	if ((uint8_t)cfi_fixed(&cur, 1) != PE_OMIT)
		cfi_uleb(&cur); /* where the types are */
	enc = (uint8_t)cfi_fixed(&cur, 1);
	uint64_t bytes = cfi_uleb(&cur);
	if (cur.bad || bytes > (uint64_t)(cur.hi - cur.p))
		return;
	cur.hi = cur.p + bytes;
	while (cur.p < cur.hi && !cur.bad) {
		cfi_encoded(&cur, enc, 0);
		cfi_encoded(&cur, enc, 0);
		uintptr_t pad = cfi_encoded(&cur, enc, 0);
		cfi_uleb(&cur); /* what to do there */
		uint32_t at = pad ? code_place(c, pad_base + pad) : UINT32_MAX;
		if (!cur.bad && at != UINT32_MAX)
			bit_set(c->target, at);
	}
}
