/*
 * fuzz_plan.c - The planner on anybody's bytes: code, data and unwind information.
 *
 * Input: a byte of options (1: ET_EXEC; 2: %gs:(register) instead of %gs:OPERAND; 4: the data is unwind information of
 * its own; 16: symbols say where two functions begin), a byte that says how often a function begins, then three quarters code, one quarter data.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/watch_fde.h"
#include "watch/decode.h"
#include "watch/plan.h"

#define FUNCTIONS 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define insist(what)                                                               \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #what); \
			abort();                                                   \
		}                                                                  \
	} while (0)

#define must(what) insist(what)
#include "../unit/watch_holds.h"

/* Whatever the bytes: patches apart and in the text, everything ascending, every place in the image. */
static void look_at(const struct plan *p, const struct code_span *text)
{
	uintptr_t end = text->lo;
	for (uint32_t n = 0; n < p->nr_windows; n++) {
		const struct plan_window *w = &p->windows[n];
		insist(p->base + w->at >= end && w->len >= 1 && w->len <= 5);
		end = p->base + w->at + w->len;
		insist(end <= text->hi && w->to < p->image_bytes);
		insist(plan_window_at(p, p->base + w->at) == w && plan_window_at(p, end - 1) == w);
	}
	for (uint32_t n = 0; n < p->nr_moved; n++) {
		const struct plan_moved *m = &p->moved[n];
		insist(n == 0 || (m[0].from > m[-1].from && m[0].to >= m[-1].to));
		insist(plan_moved_from(p, p->base + m->from) == m);
	}
	uint32_t sum = 0;
	for (unsigned r = 0; r < PLAN_REASONS; r++)
		sum += p->counts.reason[r];
	insist(sum == p->counts.accesses);
	for (uint32_t n = 0; n < p->nr_sites; n++)
		insist(p->ways[n].stub < p->image_bytes && p->ways[n].resume <= p->image_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct decoder *decoder;
	if (!decoder && decoder_open(&decoder))
		exit(0);
	if (size < 16 || size > 65536)
		return 0;
	uint8_t options = data[0], every = data[1] | 1;
	size_t code = (size - 2) * 3 / 4, rest = size - 2 - code;
	/* Of these sizes exactly, so that a byte too far is seen; near each other, as segments are. */
	uint8_t *block = malloc(code + rest), *unwind = malloc(FUNCTIONS * 32 + 64);
	memcpy(block, data + 2, code + rest);
	struct code_span text = { (uintptr_t)block, (uintptr_t)block + code };
	uintptr_t lo[FUNCTIONS], hi[FUNCTIONS];
	unsigned nr = 0;
	for (size_t at = 0; at + every < code && nr < FUNCTIONS; at += every + 7u, nr++) {
		lo[nr] = text.lo + at;
		hi[nr] = lo[nr] + every;
	}
	size_t hdr = fde_write(unwind, nr, lo, hi);
	struct code_data parts[2] = { { text.hi, text.hi + rest, options & 8 },
				      { (uintptr_t)unwind, (uintptr_t)unwind + FUNCTIONS * 32 + 64, true } };
	struct code_view view = { .text = &text,
				  .nr_text = 1,
				  .data = parts,
				  .nr_data = 2,
				  .eh_frame_hdr = options & 4 ? (const void *)text.hi : unwind,
				  .eh_frame_hdr_bytes = options & 4 ? rest : hdr,
				  .pie = !(options & 1) };
	struct emit_abi abi = { -64, -128, 1, 2, 3, !(options & 2), 20 };
	struct plan p;
	struct code c;
	/* With symbols: a function where the unwind information knows of none. */
	Elf64_Sym symbols[2] = { { .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = text.lo + every },
				 { .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = text.lo + code / 2 } };
	if (options & 16) {
		view.symbols = symbols;
		view.nr_symbols = 2;
	}
	uintptr_t arena = (text.hi + rest + 0xffff) & ~(uintptr_t)0xffff;
	if (code_open(&c, &view, decoder) == 0) {
		if (plan_module(&view, &abi, decoder, &p) == 0) {
			insist(plan_place(&p, arena) == 0);
			check_windows(&c, &p);
			check_branches(&c, &p);
			check_moved(decoder, &p, arena);
			check_sites(decoder, &p);
			plan_free(&p);
		}
		code_close(&c);
	}
	if (plan_module(&view, &abi, decoder, &p) == 0) {
		insist(plan_place(&p, arena) == 0);
		look_at(&p, &text);
		plan_free(&p);
	}
	free(unwind);
	free(block);
	return 0;
}
