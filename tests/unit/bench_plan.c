/* bench_plan.c FILE ... - How long planning takes, and what it can watch. Not a test: built by make
 * build/tests/unit/bench_plan. */
#include <stdio.h>
#include <time.h>

#include "watch/decode.h"
#include "watch_elf.h"

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const struct decoder *d;
	const char *why = decoder_open(&d);
	if (why) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	struct emit_abi abi = { -64, -128, 1, 2, 3, true, 0 };
	for (int i = 1; i < argc; i++) {
		struct elf_map m;
		struct plan p;
		if (!elf_open(&m, argv[i])) {
			printf("%s: cannot be used\n", argv[i]);
			continue;
		}
		abi.direct = m.view.pie;
		abi.shift = 20;
		double t = now();
		int r = plan_module(&m.view, &abi, d, &p);
		double t1 = now();
		r |= plan_place(&p, (uintptr_t)m.lo + ((m.bytes + 4095) & ~4095ul));
		double t2 = now();
		const struct plan_counts *c = &p.counts;
		printf("%s: %d, %u functions, %u instructions, %.0f + %.0f ms, %.0f ns an instruction\n", argv[i], r,
		       c->functions, c->instructions, (t1 - t) * 1e3, (t2 - t1) * 1e3,
		       (t2 - t) * 1e9 / c->instructions);
		printf("  %u accesses, %.2f %% watched, %u windows, %u moved, image %u KB; %u private, %u constant\n",
		       c->accesses, 100.0 * c->reason[0] / (c->accesses ? c->accesses : 1), p.nr_windows, p.nr_moved,
		       p.image_bytes >> 10, c->private_slots, c->constant);
		printf("  checks %u, elided %u, register saved %u, flags saved %u, traps %u, gs %d;", c->checks,
		       c->elided, c->saves_register, c->saves_flags, c->traps, p.uses_gs);
		for (unsigned k = 1; k < PLAN_REASONS; k++)
			if (c->reason[k])
				printf(" %s %u", plan_reason(k), c->reason[k]);
		for (unsigned k = 0; k < PLAN_GAPS; k++)
			if (p.gaps[k].accesses)
				printf(" gap %#x..%#x: %u", p.gaps[k].lo, p.gaps[k].hi, p.gaps[k].accesses);
		printf("\n");
		plan_free(&p);
		elf_close(&m);
	}
	return 0;
}
