/* coverage.c - See coverage.h. */
#include "watch/coverage.h"

#include "base/fmt.h"
#include "watch/signals.h"

#include <stdatomic.h>
#include <string.h>

static struct coverage sum;
static uint64_t refused[PLAN_REASONS], unpatched;

void coverage_add(const struct plan_counts *c, bool patched)
{
	sum.accesses += c->accesses;
	sum.watched += patched ? c->reason[PLAN_WATCHED] : 0;
	unpatched += patched ? 0 : c->accesses;
	for (unsigned r = 0; patched && r < PLAN_REASONS; r++)
		refused[r] += c->reason[r];
}

#define GAPS 64u

static struct gap {
	uintptr_t lo, hi;
	uint64_t offset;
	uint32_t accesses;
	_Atomic bool elsewhere;
} gaps[GAPS];
static _Atomic uint32_t nr_gaps;
static _Atomic uint64_t elsewhere;

void coverage_gap(uintptr_t lo, uintptr_t hi, uint64_t offset, uint32_t accesses)
{
	uint32_t n = atomic_load(&nr_gaps);
	if (n == GAPS || !accesses)
		return;
	gaps[n] = (struct gap){ lo, hi, offset, accesses, false };
	atomic_store(&nr_gaps, n + 1);
}

void coverage_gaps(const struct module *m, const struct plan_gap all[PLAN_GAPS], uintptr_t base)
{
	unsigned nr;
	const Elf64_Phdr *ph = module_phdr(m, &nr);
	for (unsigned k = 0; k < PLAN_GAPS; k++)
		for (unsigned i = 0; i < nr; i++) {
			uintptr_t at = m->bias + ph[i].p_vaddr, lo = base + all[k].lo, hi = base + all[k].hi;
			if (ph[i].p_type == PT_LOAD && lo >= at && hi <= at + ph[i].p_filesz)
				coverage_gap(lo, hi, ph[i].p_offset + (lo - at), all[k].accesses);
		}
}

void coverage_mapped(uintptr_t addr, size_t bytes, uint64_t offset)
{
	for (uint32_t n = atomic_load(&nr_gaps); n-- > 0;) {
		struct gap *g = &gaps[n];
		size_t size = g->hi - g->lo;
		if (g->offset < offset || size > bytes || g->offset - offset > bytes - size ||
		    memcmp((const void *)(addr + (g->offset - offset)), (const void *)g->lo, size) != 0)
			continue;
		if (!atomic_exchange(&g->elsewhere, true))
			atomic_fetch_add(&elsewhere, g->accesses);
	}
}

struct coverage coverage_counts(void)
{
	struct coverage c = sum;
	c.elsewhere = atomic_load(&elsewhere);
	c.accesses -= c.elsewhere;
	uint32_t gone = signals_traps_taken_away();
	c.watched -= gone < c.watched ? gone : c.watched;
	return c;
}

static const char *put(struct fmt *f, const char *before, const char *what, uint64_t n)
{
	if (!n)
		return before;
	fmt_str(f, before);
	fmt_str(f, what);
	fmt_c(f, ' ');
	fmt_u64(f, n);
	return ", ";
}

const char *coverage_refused(void)
{
	static char text[COVERAGE_TEXT];
	struct fmt f = fmt_on(text, sizeof text - 1);
	const char *before = "";
	for (unsigned r = PLAN_WATCHED + 1; r < PLAN_REASONS; r++)
		before = put(&f, before, plan_reason(r), refused[r] - (r == PLAN_NO_FUNCTION ? atomic_load(&elsewhere) : 0));
	before = put(&f, before, "module not patched", unpatched);
	put(&f, before, "trap too costly", signals_traps_taken_away());
	return fmt_end(&f);
}

const char *coverage_tell(char text[COVERAGE_TEXT], const struct plan_counts *c, uint64_t ns)
{
	struct fmt f = fmt_on(text, COVERAGE_TEXT - 1);
	fmt_str(&f, ": ");
	fmt_u64(&f, c->reason[PLAN_WATCHED]);
	fmt_str(&f, " of ");
	fmt_u64(&f, c->accesses);
	fmt_str(&f, " accesses, ");
	fmt_u64(&f, c->instructions);
	fmt_str(&f, " instructions, ");
	fmt_u64(&f, ns / 1000000);
	fmt_str(&f, " ms");
	const char *before = "; not: ";
	for (unsigned r = PLAN_WATCHED + 1; r < PLAN_REASONS; r++)
		before = put(&f, before, plan_reason(r), c->reason[r]);
	return fmt_end(&f);
}
