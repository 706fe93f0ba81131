/* topo.c - See topo.h. The ordered list itself is in topo_list.c. */
#include "detect/topo_list.h"

#include "base/arena.h"

#include <string.h>

struct order_pool topo_vertices = ORDER_POOL_INIT(struct topo_vertex), topo_comps = ORDER_POOL_INIT(struct topo_comp);

enum { SEEN_F = 1, SEEN_B = 2, SEEN_S = 4 };

static struct order_vec fore, back, ring;
static uint32_t limbo, nr_limbo, sweep_stamp;
static uint64_t nr_entries;

/* ---- adjacency ---- */

/* Drops what is gone, what has come into the same component, and what stands there twice. A lock gone from a component
 * that lives on is replaced by one that is still there: both ends must know of an edge, or the order would break. */
static void vec_tidy(struct topo_vec *s, uint32_t own)
{
	uint32_t nr = 0;
	sweep_stamp++;
	for (uint32_t i = 0; i < s->nr; i++) {
		uint32_t id = s->v[i], comp = topo_vertex(id)->comp;
		if (!comp || comp == own)
			continue;
		if (!topo_vertex(id)->lock)
			id = topo_comp(comp)->member;
		struct topo_vertex *v = topo_vertex(id);
		if (v->stamp == sweep_stamp)
			continue;
		v->stamp = sweep_stamp;
		s->v[nr++] = id;
	}
	nr_entries -= s->nr - nr;
	s->nr = nr;
}

static bool vec_reserve(struct topo_vec *s, uint32_t nr)
{
	uint32_t room = s->room ? s->room : 4;
	while (room < nr)
		room *= 2;
	if (room == s->room)
		return true;
	uint32_t *v = arena_realloc(s->v, (size_t)room * sizeof *v);
	if (!v)
		return false;
	s->v = v;
	s->room = room;
	return true;
}

/* Edges are not looked up before they are added: doubles go when the room is used up, and if that does not help, it
 * doubles. */
static bool vec_push(struct topo_vec *s, uint32_t v, uint32_t own)
{
	if (s->nr == s->room) {
		vec_tidy(s, own);
		if (s->nr + 1 > s->room - s->room / 4 && !vec_reserve(s, s->room + 1))
			return false;
	}
	s->v[s->nr++] = v;
	nr_entries++;
	return true;
}

/* There is room for it. */
static void vec_append(struct topo_vec *s, const struct topo_vec *more)
{
	if (!more->nr)
		return;
	memcpy(s->v + s->nr, more->v, more->nr * sizeof *s->v);
	s->nr += more->nr;
	nr_entries += more->nr;
}

static void vec_free(struct topo_vec *s)
{
	nr_entries -= s->nr;
	if (s->v)
		arena_free(s->v);
	*s = (struct topo_vec){ 0 };
}

/* ---- vertices ---- */

static void comp_free(uint32_t c)
{
	struct topo_comp *k = topo_comp(c);
	vec_free(&k->out);
	vec_free(&k->in);
	if (k->tag)
		topo_list_remove(c);
	order_pool_put(&topo_comps, c);
}

uint32_t topo_add(uint32_t lock)
{
	uint32_t v = order_pool_get(&topo_vertices), c = v ? order_pool_get(&topo_comps) : 0;
	if (!c) {
		if (v)
			order_pool_put(&topo_vertices, v);
		return 0;
	}
	*topo_vertex(v) = (struct topo_vertex){ .lock = lock, .comp = c, .next = v, .prev = v };
	topo_comp(c)->member = v;
	topo_comp(c)->nr = 1;
	return v;
}

static void ring_add(uint32_t *head, uint32_t v)
{
	struct topo_vertex *x = topo_vertex(v);
	uint32_t h = *head ? *head : v, last = *head ? topo_vertex(h)->prev : v;
	x->next = h;
	x->prev = last;
	topo_vertex(last)->next = v;
	topo_vertex(h)->prev = v;
	*head = h;
}

static void ring_remove(uint32_t *head, uint32_t v)
{
	const struct topo_vertex *x = topo_vertex(v);
	topo_vertex(x->next)->prev = x->prev;
	topo_vertex(x->prev)->next = x->next;
	if (*head == v)
		*head = x->next == v ? 0 : x->next;
}

/* All of `from` go over to the ring of `to`, members of comp from now on. */
static void ring_join(uint32_t *to, uint32_t from, uint32_t comp)
{
	if (!from)
		return;
	uint32_t v = from, last = topo_vertex(from)->prev;
	do {
		topo_vertex(v)->comp = comp;
		v = topo_vertex(v)->next;
	} while (v != from);
	if (!*to) {
		*to = from;
		return;
	}
	uint32_t end = topo_vertex(*to)->prev;
	topo_vertex(end)->next = from;
	topo_vertex(from)->prev = end;
	topo_vertex(last)->next = *to;
	topo_vertex(*to)->prev = last;
}

/* Gone vertices may still stand in their neighbours' lists: all lists are tidied once that is worth it. */
static void sweep(void)
{
	for (uint32_t c = topo_list_first(); c; c = topo_comp(c)->next) {
		vec_tidy(&topo_comp(c)->out, c);
		vec_tidy(&topo_comp(c)->in, c);
	}
	while (limbo) {
		uint32_t v = limbo, c = topo_vertex(v)->comp;
		limbo = topo_vertex(v)->limbo;
		if (c)
			ring_remove(&topo_comp(c)->ghost, v);
		order_pool_put(&topo_vertices, v);
	}
	nr_limbo = 0;
}

void topo_remove(uint32_t v)
{
	struct topo_vertex *x = topo_vertex(v);
	uint32_t c = x->comp;
	struct topo_comp *k = topo_comp(c);
	ring_remove(&k->member, v);
	ring_add(&k->ghost, v);
	x->lock = 0;
	x->limbo = limbo;
	limbo = v;
	if (!--k->nr) {
		for (uint32_t g = k->ghost, n; topo_vertex(g)->comp; g = n) {
			n = topo_vertex(g)->next;
			topo_vertex(g)->comp = 0;
		}
		comp_free(c);
	}
	if (++nr_limbo > 1024 + nr_entries / 16)
		sweep();
}

/* ---- edges ---- */

/* One search's place: the component looked at, and how far through its edges. */
struct scan {
	struct order_vec *seen;
	uint32_t at, edge;
	bool forward;
};

/* Looks at one edge. Returns false when there are none left. */
static bool scan_step(struct scan *s, uint64_t bound, uint8_t mark, uint8_t other, bool *met, bool *room)
{
	for (; s->at < s->seen->nr; s->at++, s->edge = 0) {
		const struct topo_comp *k = topo_comp(s->seen->v[s->at]);
		const struct topo_vec *e = s->forward ? &k->out : &k->in;
		if (s->edge == e->nr)
			continue;
		uint32_t c = topo_vertex(e->v[s->edge++])->comp;
		struct topo_comp *to = topo_comp(c);
		if (!c || to->mark & mark || (s->forward ? to->tag > bound : to->tag < bound))
			return true;
		*met |= to->mark & other;
		if (!order_vec_push(s->seen, c)) {
			*room = false;
			return false;
		}
		to->mark |= mark;
		return true;
	}
	return false;
}

static void unmark(struct order_vec *s)
{
	for (uint32_t i = 0; i < s->nr; i++)
		topo_comp(s->v[i])->mark = 0;
}

static void move_all(struct order_vec *s, uint32_t where, bool after)
{
	topo_list_sort(s->v, s->nr);
	for (uint32_t i = 0; i < s->nr; i++) {
		topo_list_remove(s->v[i]);
		if (after)
			where = topo_list_after(where, s->v[i]);
		else
			topo_list_before(where, s->v[i]);
	}
}

/* Makes the components of `ring` one, which stands where `last`, the last of them, stands. 0 when out of memory. */
static uint32_t merge(uint32_t last)
{
	uint32_t big = last;
	uint64_t nr_out = 0, nr_in = 0;
	for (uint32_t i = 0; i < ring.nr; i++) {
		const struct topo_comp *k = topo_comp(ring.v[i]);
		nr_out += k->out.nr;
		nr_in += k->in.nr;
		if (k->nr > topo_comp(big)->nr)
			big = ring.v[i];
	}
	struct topo_comp *b = topo_comp(big);
	if (nr_out > UINT32_MAX / 2 || nr_in > UINT32_MAX / 2 || !vec_reserve(&b->out, (uint32_t)nr_out) ||
	    !vec_reserve(&b->in, (uint32_t)nr_in))
		return 0;
	if (big != last) {
		topo_list_remove(big);
		topo_list_after(last, big);
	}
	for (uint32_t i = 0; i < ring.nr; i++) {
		uint32_t c = ring.v[i];
		struct topo_comp *k = topo_comp(c);
		if (c == big)
			continue;
		vec_append(&b->out, &k->out);
		vec_append(&b->in, &k->in);
		ring_join(&b->member, k->member, big);
		ring_join(&b->ghost, k->ghost, big);
		b->nr += k->nr;
		for (unsigned t = 0; t < k->nr_threads; t++)
			topo_thread(b->member, k->thread[t]);
		comp_free(c);
	}
	return big;
}

/* The edge low -> high against the order (high stands before low). */
static bool turn(uint32_t low, uint32_t high)
{
	uint64_t top = topo_comp(low)->tag, bottom = topo_comp(high)->tag;
	bool met = false, room = true, more_f = true, more_b = true;
	struct scan f = { &fore, 0, 0, true }, b = { &back, 0, 0, false };
	fore.nr = back.nr = ring.nr = 0;
	if (!order_vec_push(&fore, high) || !order_vec_push(&back, low))
		return false;
	topo_comp(high)->mark = SEEN_F;
	topo_comp(low)->mark = SEEN_B;
	while (!met && more_f && more_b && room) {
		more_f = scan_step(&f, top, SEEN_F, SEEN_B, &met, &room);
		if (!met && more_f)
			more_b = scan_step(&b, bottom, SEEN_B, SEEN_F, &met, &room);
	}
	if (!met || !room) {
		unmark(&fore);
		unmark(&back);
		if (room && !more_f)
			move_all(&fore, low, true);
		else if (room)
			move_all(&back, high, false);
		return room;
	}
	/* A cycle: all that is both after `high` and before `low` is in it; what is only after it must go behind it. */
	for (uint32_t i = 0; i < back.nr; i++)
		topo_comp(back.v[i])->mark &= (uint8_t)~SEEN_B;
	while (scan_step(&f, top, SEEN_F, 0, &met, &room))
		;
	struct scan r = { &ring, 0, 0, false };
	room = room && order_vec_push(&ring, low);
	topo_comp(low)->mark |= SEEN_S;
	for (; room && r.at < ring.nr; r.at++) {
		const struct topo_vec *in = &topo_comp(ring.v[r.at])->in;
		for (uint32_t i = 0; i < in->nr; i++) {
			uint32_t c = topo_vertex(in->v[i])->comp;
			if (!c || !(topo_comp(c)->mark & SEEN_F) || topo_comp(c)->mark & SEEN_S)
				continue;
			topo_comp(c)->mark |= SEEN_S;
			room = order_vec_push(&ring, c) && room;
		}
	}
	/* Only what is to go behind it stays in `fore`. */
	uint32_t nr = 0;
	for (uint32_t i = 0; i < fore.nr; i++) {
		bool in_ring = topo_comp(fore.v[i])->mark & SEEN_S;
		topo_comp(fore.v[i])->mark = 0;
		if (!in_ring)
			fore.v[nr++] = fore.v[i];
	}
	topo_comp(low)->mark = 0;
	fore.nr = nr;
	uint32_t big = room ? merge(low) : 0;
	if (big)
		move_all(&fore, big, true);
	return big;
}

bool topo_edge(uint32_t lower, uint32_t upper)
{
	uint32_t low = topo_vertex(lower)->comp, high = topo_vertex(upper)->comp;
	if (low == high)
		return true;
	bool new_low = !topo_comp(low)->tag, new_high = !topo_comp(high)->tag;
	if (new_low && new_high)
		topo_list_last(low);
	else if (new_low)
		topo_list_before(high, low);
	if (new_high)
		topo_list_after(low, high);
	if (topo_comp(low)->tag > topo_comp(high)->tag && !turn(low, high))
		return false;
	low = topo_vertex(lower)->comp;
	high = topo_vertex(upper)->comp;
	if (low == high)
		return true;
	if (!vec_push(&topo_comp(low)->out, upper, low))
		return false;
	if (vec_push(&topo_comp(high)->in, lower, high))
		return true;
	topo_comp(low)->out.nr--;
	nr_entries--;
	return false;
}

bool topo_same(uint32_t a, uint32_t b)
{
	return topo_vertex(a)->comp == topo_vertex(b)->comp;
}

void topo_thread(uint32_t v, uint32_t thread)
{
	struct topo_comp *k = topo_comp(topo_vertex(v)->comp);
	for (unsigned i = 0; i < k->nr_threads; i++)
		if (k->thread[i] == thread)
			return;
	if (k->nr_threads < ARRAY_SIZE(k->thread))
		k->thread[k->nr_threads++] = thread;
}

unsigned topo_threads(uint32_t v)
{
	return topo_comp(topo_vertex(v)->comp)->nr_threads;
}
uint32_t topo_locks(uint32_t v)
{
	return topo_comp(topo_vertex(v)->comp)->nr;
}
uint64_t topo_many = 1 << 25;
uint64_t topo_edges(void)
{
	return nr_entries / 2;
}
uint32_t topo_nr(void)
{
	return topo_vertices.used - nr_limbo;
}
uint32_t topo_limbo(void)
{
	return nr_limbo;
}

void topo_check(void)
{
	uint32_t locks = 0, loose = 0;
	for (uint32_t c = topo_list_first(); c; c = topo_comp(c)->next) {
		const struct topo_comp *k = topo_comp(c);
		CHECK(!k->next || topo_comp(k->next)->tag > k->tag);
		CHECK(k->mark == 0);
		for (uint32_t i = 0; i < k->out.nr; i++) {
			uint32_t to = topo_vertex(k->out.v[i])->comp;
			CHECK(!to || to == c || topo_comp(to)->tag > k->tag);
		}
		for (uint32_t i = 0; i < k->in.nr; i++) {
			uint32_t from = topo_vertex(k->in.v[i])->comp;
			CHECK(!from || from == c || topo_comp(from)->tag < k->tag);
		}
		uint32_t v = k->member;
		for (uint32_t i = 0; i < k->nr; i++, v = topo_vertex(v)->next) {
			CHECK(topo_vertex(v)->comp == c && topo_vertex(v)->lock);
			CHECK(topo_vertex(topo_vertex(v)->next)->prev == v);
		}
		CHECK(v == k->member);
		locks += k->nr;
	}
	/* Vertices without an edge are in no list. */
	loose = topo_nr() - locks;
	CHECK(loose <= topo_nr());
	(void)loose;
}
