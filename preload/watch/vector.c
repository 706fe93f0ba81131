/* vector.c - See vector.h. source: Intel SDM volume 1, 13.4 and 13.5 (the layout of what xsave writes). */
#include "watch/vector.h"

#include <string.h>

enum { XMM = 160, HEADER = 512, YMM_HIGH = 2, OPMASK = 5, ZMM_HIGH = 6, ZMM_MORE = 7 };

static uint32_t component_at[8];

void vector_component(unsigned component, uint32_t offset)
{
	if (component < ARRAY_SIZE(component_at))
		component_at[component] = offset;
}

/* A component of the area, or NULL when all of it is zero. */
static const uint8_t *component(const void *area, unsigned which)
{
	uint64_t there;
	memcpy(&there, (const char *)area + HEADER, sizeof there);
	return (there >> which & 1) && component_at[which] ? (const uint8_t *)area + component_at[which] : NULL;
}

/* Bytes [at, at + n) of a vector register, n at most 8 and not across 16. */
static uint64_t element(const void *area, unsigned reg, unsigned at, unsigned n)
{
	const uint8_t *p;
	uint64_t v = 0;
	if (reg >= 16) {
		p = component(area, ZMM_MORE);
		p = p ? p + 64 * (reg - 16) + at : NULL;
	} else if (at >= 32) {
		p = component(area, ZMM_HIGH);
		p = p ? p + 32 * reg + at - 32 : NULL;
	} else if (at >= 16) {
		p = component(area, YMM_HIGH);
		p = p ? p + 16 * reg + at - 16 : NULL;
	} else {
		p = (const uint8_t *)area + XMM + 16 * reg + at;
		uint64_t there;
		memcpy(&there, (const char *)area + HEADER, sizeof there);
		p = there & 2 ? p : NULL; /* the SSE component */
	}
	if (p)
		memcpy(&v, p, n);
	return v;
}

static uint64_t mask_of(const struct watch_site *site, const void *area, unsigned elements, unsigned bytes)
{
	unsigned reg = SITE_VECTOR_MASK(site->op);
	uint64_t mask = 0;
	if (!SITE_VECTOR_BY_K(site->op)) {
		for (unsigned i = 0; i < elements; i++)
			mask |= (element(area, reg, i * bytes + bytes - 1, 1) >> 7) << i;
		return mask;
	}
	const uint8_t *k = component(area, OPMASK);
	if (k)
		memcpy(&mask, k + 8 * (reg & 7), sizeof mask);
	return mask;
}

static unsigned add(struct vector_part *parts, unsigned n, uintptr_t addr, unsigned bytes)
{
	struct vector_part *before = n ? &parts[n - 1] : NULL;
	if (before && before->addr + before->bytes == addr && before->bytes + bytes <= 64) {
		before->bytes = (uint8_t)(before->bytes + bytes);
		return n;
	}
	parts[n] = (struct vector_part){ addr, (uint8_t)bytes };
	return n + 1;
}

unsigned vector_parts(const struct watch_site *site, uintptr_t addr, const void *area,
		      struct vector_part parts[VECTOR_PARTS])
{
	unsigned elements = site->size & (VECTOR_INDEXED - 1), bytes = 1u << SITE_VECTOR_ELEMENT(site->op), n = 0;
	unsigned reg = SITE_VECTOR_INDEX(site->op), shift = SITE_VECTOR_SHIFT(site->op);
	bool indexed = site->size & VECTOR_INDEXED;
	if (!indexed && shift == VECTOR_ANY) {
		uint64_t wanted = reg < 6 ? (1ull << (1u << reg)) - 1 : ~0ull;
		return mask_of(site, area, 0, 0) & wanted ? add(parts, 0, addr, elements) : 0;
	}
	uint64_t mask = mask_of(site, area, elements, bytes);
	for (unsigned i = 0; i < elements && i < VECTOR_PARTS; i++) {
		if (!(mask >> i & 1))
			continue;
		uintptr_t at = addr + i * bytes;
		if (indexed && SITE_VECTOR_WIDE(site->op))
			at = addr + (element(area, reg, i * 8, 8) << shift);
		else if (indexed)
			at = addr + ((uintptr_t)(intptr_t)(int32_t)element(area, reg, i * 4, 4) << shift);
		n = add(parts, n, at, bytes);
	}
	return n;
}
