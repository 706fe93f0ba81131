/* step_cfi.c - See step_cfi.h. */
#include "core/step_cfi.h"

#include <string.h>

/* LSB 10.5.1 */
enum {
	PE_ABS = 0x00,
	PE_ULEB = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_ALIGNED = 0x50,
	PE_INDIRECT = 0x80,
	PE_OMIT = 0xff,
};

uint64_t cfi_fixed(struct cfi_cur *c, unsigned bytes)
{
	uint64_t v = 0;
	if (unlikely((size_t)(c->hi - c->p) < bytes)) {
		c->bad = true;
		c->p = c->hi;
		return 0;
	}
	memcpy(&v, c->p, bytes); /* x86-64 is little-endian, as its CFI */
	c->p += bytes;
	return v;
}

void cfi_skip(struct cfi_cur *c, uint64_t bytes)
{
	if ((uint64_t)(c->hi - c->p) < bytes) {
		c->bad = true;
		c->p = c->hi;
	} else {
		c->p += bytes;
	}
}

uint64_t cfi_uleb(struct cfi_cur *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0;; shift += 7) {
		uint8_t b = (uint8_t)cfi_fixed(c, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
}

int64_t cfi_sleb(struct cfi_cur *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0;;) {
		uint8_t b = (uint8_t)cfi_fixed(c, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
		if (b & 0x80)
			continue;
		if (shift < 64 && (b & 0x40))
			v |= ~(uint64_t)0 << shift;
		return (int64_t)v;
	}
}

uintptr_t cfi_encoded(struct cfi_cur *c, uint8_t enc, uintptr_t datarel)
{
	if (enc == PE_ALIGNED) {
		cfi_skip(c, -(uintptr_t)c->p & 7);
		return cfi_fixed(c, 8);
	}
	uintptr_t here = (uintptr_t)c->p, v;
	switch (enc & 0x0f) {
	case PE_ABS:
	case PE_UDATA8:
	case PE_SDATA8:
		v = cfi_fixed(c, 8);
		break;
	case PE_ULEB:
		v = cfi_uleb(c);
		break;
	case PE_SLEB:
		v = (uintptr_t)cfi_sleb(c);
		break;
	case PE_UDATA2:
		v = cfi_fixed(c, 2);
		break;
	case PE_SDATA2:
		v = (uintptr_t)(int64_t)(int16_t)cfi_fixed(c, 2);
		break;
	case PE_UDATA4:
		v = cfi_fixed(c, 4);
		break;
	case PE_SDATA4:
		v = (uintptr_t)(int64_t)(int32_t)cfi_fixed(c, 4);
		break;
	default:
		c->bad = true;
		return 0;
	}
	switch (enc & 0x70) {
	case PE_ABS:
		break;
	case PE_PCREL:
		if (v) /* a null pointer stays one */
			v += here;
		break;
	case PE_DATAREL:
		c->bad |= datarel == 0;
		v += datarel;
		break;
	default:
		c->bad = true;
	}
	if ((enc & PE_INDIRECT) && !c->bad && !step_probe(v, &v))
		c->bad = true;
	return v;
}

/* Size of one table field, 0 where it has no fixed one. */
static unsigned field_bytes(uint8_t enc)
{
	static const uint8_t bytes[16] = { 8, 0, 2, 4, 8, 0, 0, 0, 0, 0, 2, 4, 8, 0, 0, 0 };
	return enc & PE_INDIRECT ? 0 : bytes[enc & 0x0f];
}

/* The table of an .eh_frame_hdr: *field bytes each for start and FDE. False: no header, or one not understood. */
static bool open_table(const struct cfi_span *hdr, uintptr_t *frame, struct cfi_cur *table, uint8_t *enc,
		       unsigned *field, uint64_t *count)
{
	struct cfi_cur c = { hdr->lo, hdr->hi, false };
	uintptr_t base = (uintptr_t)hdr->lo;
	uint8_t version = (uint8_t)cfi_fixed(&c, 1), frame_enc = (uint8_t)cfi_fixed(&c, 1);
	uint8_t count_enc = (uint8_t)cfi_fixed(&c, 1), table_enc = (uint8_t)cfi_fixed(&c, 1);
	if (c.bad || version != 1 || frame_enc == PE_OMIT)
		return false;
	*frame = cfi_encoded(&c, frame_enc, base);
	*field = 0;
	if (c.bad || count_enc == PE_OMIT || table_enc == PE_OMIT)
		return !c.bad;
	*count = cfi_encoded(&c, count_enc, base);
	*field = field_bytes(table_enc);
	if (c.bad)
		return false;
	if (*field && *count > (uint64_t)(c.hi - c.p) / (2 * *field))
		*count = (uint64_t)(c.hi - c.p) / (2 * *field);
	*table = c;
	*enc = table_enc;
	return true;
}

bool cfi_search(const struct cfi_span *hdr, uintptr_t pc, uintptr_t *at, bool *linear)
{
	struct cfi_cur c;
	uintptr_t base = (uintptr_t)hdr->lo;
	unsigned field;
	uint8_t table_enc;
	uint64_t count;
	if (!open_table(hdr, at, &c, &table_enc, &field, &count))
		return false;
	*linear = field == 0;
	if (*linear)
		return true;
	const uint8_t *table = c.p;
	uint64_t low = 0, high = count; /* entry[low - 1] begins at or before pc, entry[high] after it */
	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct cfi_cur e = { table + mid * 2 * field, c.hi, false };
		if (cfi_encoded(&e, table_enc, base) <= pc)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return false;
	struct cfi_cur e = { table + (low - 1) * 2 * field + field, c.hi, false };
	*at = cfi_encoded(&e, table_enc, base);
	return !e.bad;
}

uint64_t cfi_entries(const struct cfi_span *hdr)
{
	struct cfi_cur c;
	uintptr_t frame;
	unsigned field;
	uint8_t enc;
	uint64_t count;
	return open_table(hdr, &frame, &c, &enc, &field, &count) && field ? count : 0;
}

bool cfi_entry(const struct cfi_span *hdr, uint64_t i, uintptr_t *start, uintptr_t *fde)
{
	struct cfi_cur c;
	uintptr_t frame;
	unsigned field;
	uint8_t enc;
	uint64_t count;
	if (!open_table(hdr, &frame, &c, &enc, &field, &count) || !field || i >= count)
		return false;
	cfi_skip(&c, i * 2 * field);
	*start = cfi_encoded(&c, enc, (uintptr_t)hdr->lo);
	*fde = cfi_encoded(&c, enc, (uintptr_t)hdr->lo);
	return !c.bad;
}

/* Length field of an entry; *end is where it ends. False: terminator or nonsense. */
static bool entry_length(struct cfi_cur *c, const uint8_t **end)
{
	uint64_t len = cfi_fixed(c, 4);
	if (len == 0xffffffff)
		len = cfi_fixed(c, 8);
	if (c->bad || len == 0 || len > (uint64_t)(c->hi - c->p))
		return false;
	*end = c->p + len;
	return true;
}

static bool read_cie(const struct cfi_span *span, const uint8_t *at, struct cfi_fde *f, bool *sized)
{
	struct cfi_cur c = { at, span->hi, false };
	const uint8_t *end;
	if (!entry_length(&c, &end))
		return false;
	c.hi = end;
	if (cfi_fixed(&c, 4) != 0)
		return false;
	uint8_t version = (uint8_t)cfi_fixed(&c, 1);
	const uint8_t *aug = c.p;
	while (cfi_fixed(&c, 1) != 0)
		;
	if (c.bad || (version != 1 && version != 3 && version != 4))
		return false;
	bool eh = aug[0] == 'e' && aug[1] == 'h'; /* gcc 2 */
	if (eh) {
		cfi_skip(&c, 8);
		aug += 2;
	}
	if (version == 4)
		cfi_skip(&c, 2); /* address and segment selector sizes */
	f->code_align = cfi_uleb(&c);
	f->data_align = cfi_sleb(&c);
	uint64_t ra = version == 1 ? cfi_fixed(&c, 1) : cfi_uleb(&c);
	if (c.bad || ra >= STEP_REGS)
		return false;
	f->ra = (uint8_t)ra;
	f->enc = PE_ABS;
	f->lsda_enc = PE_OMIT;
	f->signal = false;
	*sized = aug[0] == 'z';
	if (*sized) {
		uint64_t bytes = cfi_uleb(&c);
		if (c.bad || bytes > (uint64_t)(c.hi - c.p))
			return false;
		struct cfi_cur d = { c.p, c.p + bytes, false };
		c.p = d.hi;
		bool more = true;
		while (more && *++aug)
			switch (*aug) {
			case 'L':
				f->lsda_enc = (uint8_t)cfi_fixed(&d, 1);
				break;
			case 'P': {
				/* Only to be skipped: do not follow it. */
				uint8_t enc = (uint8_t)cfi_fixed(&d, 1);
				if (enc != PE_OMIT)
					cfi_encoded(&d, (uint8_t)(enc == PE_ALIGNED ? enc : enc & 0x0f), 0);
				break;
			}
			case 'R':
				f->enc = (uint8_t)cfi_fixed(&d, 1);
				break;
			case 'S':
				f->signal = true;
				break;
			default:
				more = false; /* the size says where the rest begins */
			}
		if (d.bad)
			return false;
	} else if (aug[0] != 0) {
		return false;
	}
	f->cie = (struct cfi_span){ c.p, c.hi };
	return !c.bad;
}

bool cfi_fde_at(const struct cfi_span *span, uintptr_t at, uintptr_t pc, bool linear, struct cfi_fde *out)
{
	if (at < (uintptr_t)span->lo || at >= (uintptr_t)span->hi)
		return false;
	struct cfi_cur c = { span->lo + (at - (uintptr_t)span->lo), span->hi, false };
	do {
		const uint8_t *end;
		if (!entry_length(&c, &end))
			return false;
		struct cfi_cur e = { c.p, end, false };
		c.p = end;
		const uint8_t *here = e.p;
		uint64_t back = cfi_fixed(&e, 4);
		bool sized = false;
		if (e.bad || back == 0 || back > (uint64_t)(here - span->lo))
			continue; /* a CIE, or nonsense */
		if (!read_cie(span, here - back, out, &sized))
			continue;
		out->start = cfi_encoded(&e, out->enc, 0);
		out->end = out->start + cfi_encoded(&e, out->enc & 0x0f, 0);
		out->lsda = 0;
		if (sized) {
			uint64_t more = cfi_uleb(&e);
			struct cfi_cur l = e;
			cfi_skip(&e, more);
			l.hi = e.p;
			if (out->lsda_enc != PE_OMIT && more)
				out->lsda = cfi_encoded(&l, out->lsda_enc & 0x7f, 0);
			if (l.bad)
				out->lsda = 0;
		}
		if (e.bad || pc < out->start || pc >= out->end)
			continue;
		out->fde = (struct cfi_span){ e.p, e.hi };
		out->span = *span;
		return true;
	} while (linear);
	return false;
}

bool cfi_expr_bytes(const struct cfi_span *span, uint32_t where, struct cfi_span *out)
{
	if (where >= (uint64_t)(span->hi - span->lo))
		return false;
	struct cfi_cur c = { span->lo + where, span->hi, false };
	uint64_t bytes = cfi_uleb(&c);
	if (c.bad || bytes > (uint64_t)(c.hi - c.p))
		return false;
	*out = (struct cfi_span){ c.p, c.p + bytes };
	return true;
}
