/* topo_list.c - See topo_list.h. */
#include "detect/topo_list.h"

#define LAST_TAG ((uint64_t)1 << 62)
#define STRIDE   ((uint64_t)1 << 32) /* between neighbours at the ends, where there is room */

static uint32_t first, last;

uint32_t topo_list_first(void)
{
	return first;
}

/* Makes room around x: spreads the smallest range of labels around it that is not too full for its size. */
static void spread(uint32_t x)
{
	uint64_t tag = topo_comp(x)->tag, nr = 1;
	uint32_t left = x, right = x;
	double allowed = 1;
	for (unsigned bits = 1; bits <= 62; bits++) {
		uint64_t lo = tag & ~(((uint64_t)1 << bits) - 1), hi = lo + ((uint64_t)1 << bits) - 1;
		for (uint32_t p; (p = topo_comp(left)->prev) && topo_comp(p)->tag >= lo; nr++)
			left = p;
		for (uint32_t n; (n = topo_comp(right)->next) && topo_comp(n)->tag <= hi; nr++)
			right = n;
		allowed *= 2 / 1.4;
		uint64_t step = ((uint64_t)1 << bits) / nr;
		if ((double)nr > allowed || step < 8)
			continue;
		uint64_t t = lo + step / 2;
		for (uint32_t c = left;; c = topo_comp(c)->next, t += step) {
			topo_comp(c)->tag = t;
			if (c == right)
				return;
		}
	}
}

static void insert(uint32_t prev, uint32_t next, uint32_t c)
{
	struct topo_comp *k = topo_comp(c);
	for (;;) {
		uint64_t lo = prev ? topo_comp(prev)->tag : 0, hi = next ? topo_comp(next)->tag : LAST_TAG;
		uint64_t half = (hi - lo) / 2;
		if (!half) {
			spread(prev ? prev : next);
			continue;
		}
		if (!prev && next && half > STRIDE)
			k->tag = hi - STRIDE;
		else if (prev && !next && half > STRIDE)
			k->tag = lo + STRIDE;
		else
			k->tag = lo + half;
		break;
	}
	k->prev = prev;
	k->next = next;
	*(prev ? &topo_comp(prev)->next : &first) = c;
	*(next ? &topo_comp(next)->prev : &last) = c;
}

void topo_list_last(uint32_t c)
{
	insert(last, 0, c);
}

uint32_t topo_list_after(uint32_t where, uint32_t c)
{
	insert(where, topo_comp(where)->next, c);
	return c;
}

void topo_list_before(uint32_t where, uint32_t c)
{
	insert(topo_comp(where)->prev, where, c);
}

void topo_list_remove(uint32_t c)
{
	struct topo_comp *k = topo_comp(c);
	*(k->prev ? &topo_comp(k->prev)->next : &first) = k->next;
	*(k->next ? &topo_comp(k->next)->prev : &last) = k->prev;
	k->tag = 0;
}

/* Heap sort: no recursion, no memory. */
void topo_list_sort(uint32_t *c, uint32_t nr)
{
	for (uint32_t heap = nr / 2, n = nr; n > 1;) {
		uint32_t x;
		if (heap) {
			x = c[--heap];
		} else {
			x = c[--n];
			c[n] = c[0];
			if (n == 1) {
				c[0] = x;
				return;
			}
		}
		uint32_t i = heap;
		for (uint32_t k; (k = 2 * i + 1) < n; i = k) {
			if (k + 1 < n && topo_comp(c[k + 1])->tag > topo_comp(c[k])->tag)
				k++;
			if (topo_comp(c[k])->tag <= topo_comp(x)->tag)
				break;
			c[i] = c[k];
		}
		c[i] = x;
	}
}
