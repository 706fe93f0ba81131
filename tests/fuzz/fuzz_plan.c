/*
 * fuzz_plan.c - The planner on anybody's bytes: code, data and unwind information.
 *
 * Input: a byte of options (1: ET_EXEC; 2: %gs:(register) instead of %gs:OPERAND; 4: the data is unwind information of
 * its own; 16: symbols say where two functions begin; 32: a module is made up, see plan_world.h), a byte that says how often a
 * function begins, then three quarters code, one quarter data.
 *
 * Where may be jumped to is worked out here once more, without the planner: see plan_world.h and written_down().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/watch_fde.h"
#include "watch/decode.h"
#include "watch/plan.h"

#define FUNCTIONS 64u
#define UNWIND	  (FUNCTIONS * 32 + 64)

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
#include "plan_world.h"

#define BYTES 65536u

/* No patch lies over a place that may be jumped to, but for its first byte: that is where the copy is entered. */
static void patches_apart(const struct plan *p, const uint64_t *entry, const struct code_span *text)
{
	for (uint32_t n = 0; n < p->nr_windows; n++) {
		const struct plan_window *w = &p->windows[n];
		uint32_t at = (uint32_t)(p->base + w->at - text->lo);
		for (uint32_t k = w->how != PLAN_ISLAND; k < w->len; k++)
			if (world_has(entry, at + k)) {
				fprintf(stderr, "place %#x, patch of %u from %#x on, kind %u\n", at + k, w->len, at, w->how);
				insist(!"a patch covers a place that may be jumped to");
			}
	}
}

/* What instructions of functions lead to, and what words outside of them say. */
static void written_down(const struct decoder *d, const struct code_view *v, unsigned nr, const uintptr_t *lo,
			 const uintptr_t *hi, uint64_t *entry)
{
	uintptr_t base = v->text->lo, bytes = v->text->hi - base;
#define ENTRY(addr)                                               \
	do {                                                      \
		if ((uintptr_t)(addr) - base < bytes)             \
			world_bit(entry, (uint32_t)((addr)-base)); \
	} while (0)
	uintptr_t gap = base;
	for (unsigned f = 0; f <= nr; f++) {
		uintptr_t end = f < nr ? lo[f] : v->text->hi;
		for (uintptr_t at = (gap + 7) & ~(uintptr_t)7; at + 8 <= end; at += 8)
			ENTRY(read64((const void *)at));
		if (f == nr)
			break;
		gap = hi[f];
		for (uintptr_t at = lo[f]; at < hi[f];) {
			struct insn i = { .at = 0 };
			if (!d->decode(d, (const uint8_t *)at, v->text->hi - at, &i) || i.len > hi[f] - at) {
				at++;
				continue;
			}
			at += i.len;
			if (i.kind == INSN_JCC || i.kind == INSN_JMP || i.kind == INSN_CALL || i.kind == INSN_LOOP ||
			    ((i.is & INSN_LEA) && i.base == BASE_RIP))
				ENTRY(at + (uintptr_t)(intptr_t)i.disp);
			if (i.kind == INSN_CALL || i.kind == INSN_CALL_FAR)
				ENTRY(at);
		}
	}
	for (unsigned k = 0; k < v->nr_data; k++)
		for (uintptr_t at = (v->data[k].lo + 7) & ~(uintptr_t)7; at + 8 <= v->data[k].hi; at += 8)
			ENTRY(read64((const void *)at));
	for (size_t k = 0; k < v->nr_symbols; k++)
		ENTRY(v->symbols[k].st_value);
#undef ENTRY
}

/* Instructions that were moved are some: those of a function follow each other from its beginning. */
static void moved_whole(const struct world *w, const struct plan *p)
{
	for (uint32_t n = 0; n < p->nr_moved; n++)
		for (unsigned f = 0; f < w->nr_fn; f++)
			if (!w->fn[f].bare && p->moved[n].from >= w->fn[f].lo && p->moved[n].from < w->fn[f].hi)
				insist(world_has(w->start, p->moved[n].from));
}

static void check_plan(const struct decoder *decoder, const struct code_view *view, const struct emit_abi *abi,
		       const uint64_t *entry, const struct world *w, unsigned functions)
{
	struct plan p;
	struct code c;
	uintptr_t arena = (view->data[1].hi + 0xffff) & ~(uintptr_t)0xffff;
	if (code_open(&c, view, decoder) < 0)
		return;
	insist(c.nr_fn >= functions);
	if (plan_module(view, abi, decoder, &p) == 0) {
		insist(plan_place(&p, arena) == 0);
		check_windows(&c, &p);
		check_branches(&c, &p);
		check_moved(decoder, &p, arena);
		check_sites(decoder, &p);
		patches_apart(&p, entry, view->text);
		if (w)
			moved_whole(w, &p);
		plan_free(&p);
	}
	code_close(&c);
}

static void made_up(const struct decoder *decoder, uint8_t options, const uint8_t *data, size_t size)
{
	static uint8_t room[WORLD_TEXT + WORLD_DATA + WORLD_UNWIND] __attribute__((aligned(4096)));
	static struct world w;
	memset(room, 0, sizeof room);
	world_make(&w, room, data, size, options & 8);
	struct code_span text = { (uintptr_t)w.text, (uintptr_t)w.text + w.text_at };
	struct code_data parts[2] = { { (uintptr_t)w.data, (uintptr_t)w.data + w.data_at, options & 8 },
				      { (uintptr_t)w.unwind, (uintptr_t)w.unwind + WORLD_UNWIND, true } };
	struct code_view view = { .text = &text,
				  .nr_text = 1,
				  .data = parts,
				  .nr_data = 2,
				  .eh_frame_hdr = w.unwind,
				  .eh_frame_hdr_bytes = w.unwind_hdr,
				  .rela = w.rela,
				  .nr_rela = w.nr_rela,
				  .symbols = w.symbol,
				  .nr_symbols = w.nr_symbols,
				  .pie = !(options & 1) };
	struct emit_abi abi = { -64, -128, 1, 2, 3, !(options & 2), 20 };
	check_plan(decoder, &view, &abi, w.entry, &w, 0);
}

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
	if (options & 32) {
		made_up(decoder, options, data + 1, size - 1);
		return 0;
	}
	size_t code = (size - 2) * 3 / 4, rest = size - 2 - code;
	/* Of these sizes exactly, so that a byte too far is seen; in one block, for ASAN's others are too far off for offsets. */
	uint8_t *unwind = malloc(UNWIND + code + rest), *block = unwind + UNWIND;
	memcpy(block, data + 2, code + rest);
	struct code_span text = { (uintptr_t)block, (uintptr_t)block + code };
	uintptr_t lo[FUNCTIONS], hi[FUNCTIONS];
	unsigned nr = 0;
	for (size_t at = 0; at + every < code && nr < FUNCTIONS; at += every + 7u, nr++) {
		lo[nr] = text.lo + at;
		hi[nr] = lo[nr] + every;
	}
	size_t hdr = fde_write(unwind, nr, lo, hi);
	struct code_data parts[2] = { { (uintptr_t)unwind, (uintptr_t)unwind + UNWIND, true },
				      { text.hi, text.hi + rest, options & 8 } };
	struct code_view view = { .text = &text,
				  .nr_text = 1,
				  .data = parts,
				  .nr_data = 2,
				  .eh_frame_hdr = options & 4 ? (const void *)text.hi : unwind,
				  .eh_frame_hdr_bytes = options & 4 ? rest : hdr,
				  .pie = !(options & 1) };
	struct emit_abi abi = { -64, -128, 1, 2, 3, !(options & 2), 20 };
	struct plan p;
	/* With symbols: a function where the unwind information knows of none. */
	Elf64_Sym symbols[2] = { { .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = text.lo + every },
				 { .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = 1, .st_value = text.lo + code / 2 } };
	if (options & 16) {
		view.symbols = symbols;
		view.nr_symbols = 2;
	}
	uintptr_t arena = (text.hi + rest + 0xffff) & ~(uintptr_t)0xffff;
	static uint64_t entry[BYTES / 64 + 1];
	memset(entry, 0, sizeof entry);
	if (!(options & 4)) /* else what functions there are nobody knows */
		written_down(decoder, &view, nr, lo, hi, entry);
	check_plan(decoder, &view, &abi, entry, NULL, options & 4 ? 0 : nr);
	if (plan_module(&view, &abi, decoder, &p) == 0) {
		insist(plan_place(&p, arena) == 0);
		look_at(&p, &text);
		plan_free(&p);
	}
	free(unwind);
	return 0;
}
