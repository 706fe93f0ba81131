/* island.c - See island.h. */
#include "watch/island.h"

#include "watch/grow.h"

#define ISLAND_BYTES 5u
#define GAP_MAX      64u /* more than that between two functions is not padding */

bool island_is_nop(const uint8_t *p, uint32_t left, uint32_t *len)
{
	uint32_t n = 0;
	if (left && p[0] == 0xcc) {
		*len = 1;
		return true;
	}
	while (n < left && n < 10 && (p[n] == 0x66 || p[n] == 0x2e))
		n++;
	if (n < left && p[n] == 0x90) {
		*len = n + 1;
		return true;
	}
	if (left - n < 3 || p[n] != 0x0f || p[n + 1] != 0x1f)
		return false;
	uint8_t modrm = p[n + 2];
	n += 3;
	if (modrm >> 6 == 3)
		return false;
	if ((modrm & 7) == 4)
		n++;
	n += modrm >> 6 == 1 ? 1 : modrm >> 6 == 2 ? 4 : 0;
	*len = n;
	return n <= left;
}

void islands_free(struct islands *s, const struct code *c, uint32_t lo, uint32_t hi, bool padding)
{
	for (uint32_t at = lo; at < hi; at++)
		if (!bit_get(c->target, at))
			bit_set(padding ? s->padding : s->leftover, at);
}

static void between_functions(struct islands *s, const struct code *c, uint32_t lo, uint32_t hi)
{
	uint32_t at = lo, len;
	if (hi - lo > GAP_MAX)
		return;
	while (at < hi && island_is_nop(code_bytes(c, at), hi - at, &len))
		at += len;
	islands_free(s, c, lo, at, true);
}

int islands_open(struct islands *s, const struct code *c)
{
	s->bytes = c->span / 8 + 16;
	s->padding = arena_map(s->bytes);
	s->leftover = arena_map(s->bytes);
	if (!s->padding || !s->leftover) {
		islands_close(s);
		return -1;
	}
	for (uint32_t f = 0; f + 1 < c->nr_fn; f++)
		if (c->fn[f].hi < c->fn[f + 1].lo && code_place(c, c->base + c->fn[f].hi) != UINT32_MAX)
			between_functions(s, c, c->fn[f].hi, c->fn[f + 1].lo);
	return 0;
}

void islands_close(struct islands *s)
{
	if (s->padding)
		arena_unmap(s->padding, s->bytes);
	if (s->leftover)
		arena_unmap(s->leftover, s->bytes);
	*s = (struct islands){ .bytes = 0 };
}

/* Free bytes that a jump of two bytes at `at` can reach; UINT32_MAX: none. They are taken. */
static uint32_t take(uint64_t *free, size_t bytes, uint32_t at)
{
	uint32_t lo = at > 126 ? at - 126 : 0, hi = at + 2 + 127, row = 0;
	for (uint32_t k = lo; k < hi + ISLAND_BYTES - 1 && k / 8 < bytes - 8; k++) {
		row = bit_get(free, k) ? row + 1 : 0;
		if (row < ISLAND_BYTES)
			continue;
		uint32_t first = k + 1 - ISLAND_BYTES;
		for (uint32_t b = first; b <= k; b++)
			free[b / 64] &= ~((uint64_t)1 << b % 64);
		return first;
	}
	return UINT32_MAX;
}

static void sift(struct plan_window *w, uint32_t root, uint32_t n)
{
	struct plan_window v = w[root];
	for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n && w[child].at < w[child + 1].at)
			child++;
		if (v.at >= w[child].at)
			break;
		w[root] = w[child];
	}
	w[root] = v;
}

static void sort(struct plan_window *w, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift(w, i, n);
	while (n > 1) {
		struct plan_window last = w[--n];
		w[n] = w[0];
		w[0] = last;
		sift(w, 0, n);
	}
}

/* Islands are few: sorted by themselves, then merged in from behind. */
static void merge(struct plan *p, uint32_t old, struct plan_window *add, uint32_t n)
{
	sort(add, n);
	uint32_t to = old + n;
	while (n > 0) {
		if (old > 0 && p->windows[old - 1].at > add[n - 1].at)
			p->windows[--to] = p->windows[--old];
		else
			p->windows[--to] = add[--n];
	}
}

int islands_settle(struct islands *s, struct plan *p)
{
	struct plan_window *add = NULL;
	size_t cap = 0;
	uint32_t n = 0, old = p->nr_windows;
	for (uint32_t i = 0; i < old; i++) {
		struct plan_window *w = &p->windows[i];
		if (w->how != PLAN_JMP2)
			continue;
		uint32_t at = UINT32_MAX;
		if (w->len >= 2)
			at = take(s->padding, s->bytes, w->at);
		if (at == UINT32_MAX && w->len >= 2)
			at = take(s->leftover, s->bytes, w->at);
		if (at == UINT32_MAX) {
			w->how = PLAN_INT3;
			w->len = 1;
			w->patch[0] = 0xcc;
			p->counts.traps++;
			continue;
		}
		w->len = 2;
		w->patch[0] = 0xeb;
		w->patch[1] = (uint8_t)(at - w->at - 2);
		if (!grow(&add, &cap, n, (size_t)n + 1, sizeof(*add)))
			return -1;
		add[n++] = (struct plan_window){ .at = at, .to = w->to, .how = PLAN_ISLAND, .len = ISLAND_BYTES };
	}
	bool room = grow(&p->windows, &p->windows_cap, old, (size_t)old + n, sizeof(*p->windows));
	if (room) {
		p->nr_windows += n;
		merge(p, old, add, n);
	}
	ungrow(&add, &cap, sizeof(*add));
	return room ? 0 : -1;
}
