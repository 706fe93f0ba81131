/* To free is to write: who still uses the block races with it. Fresh memory is clean, whoever had it before. */
#include <malloc.h>
#include <sys/mman.h>

#include "race.h"

#define SIZE 5000 /* too big for a thread's own cache */

static int *block;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void look(void)
{
	LOOK(block[7]); /* EXPECT: data-race in read_then_freed, read_after_free, reallocated, unmapped,
			   freed_and_reused */
}

static void write_it(void)
{
	block[7] = 1; /* EXPECT: data-race in written_then_freed */
}

static void free_it(void)
{
	free(block); /* EXPECT: data-race in read_then_freed, written_then_freed, read_after_free */
}

static void realloc_it(void)
{
	block = (int *)realloc(block, 400 * SIZE); /* EXPECT: data-race in reallocated */
}

static void look_at(int *p)
{
	LOOK(p[7]);
}

static void look_locked(void)
{
	pthread_mutex_lock(&m);
	look_at(block);
	pthread_mutex_unlock(&m);
}

static void free_locked(void)
{
	pthread_mutex_lock(&m);
	free(block);
	pthread_mutex_unlock(&m);
}

static void get(void)
{
	block = (int *)calloc(1, SIZE);
	MUST(block);
}

static void read_then_freed(void)
{
	get();
	in_turn(look, free_it);
}

static void written_then_freed(void)
{
	get();
	in_turn(write_it, free_it);
}

/* The memory stays mapped, so natively it is "only" wrong. */
static void read_after_free(void)
{
	get();
	in_turn(free_it, look);
}

static void freed_under_lock(void) /* EXPECT: silence in freed_under_lock */
{
	get();
	in_turn3(look_locked, look_locked, free_locked);
}

static void *look_and_end(void *arg)
{
	look_at(block);
	return arg;
}

static void freed_after_join(void) /* EXPECT: silence in freed_after_join */
{
	get();
	finish(start(look_and_end));
	free(block);
}

static void reallocated(void)
{
	get();
	in_turn(look, realloc_it);
	free(block);
}

/* Freed and handed out again to the one who freed it, all in one go: the earlier read still races with the free. */
static void free_and_get_again(void)
{
	int *was = block;

	free(was); /* EXPECT: data-race in freed_and_reused */
	was = (int *)malloc(SIZE);
	was[7] = 2; /* MAY: data-race in freed_and_reused */
	free(was);  /* MAY: data-race in freed_and_reused */
}

static void freed_and_reused(void)
{
	get();
	in_turn(look, free_and_get_again);
}

/* One writes and frees, the next gets the same memory: nothing orders the two but the allocator. */
static void use_up(void)
{
	for (int i = 0; i < 20; i++) {
		int *p = (int *)malloc(SIZE);

		for (int k = 0; k < 100; k++)
			p[k] = k;
		free(p);
	}
}

static void use_up_small(void)
{
	int *p[50];

	for (int i = 0; i < 50; i++) {
		p[i] = (int *)malloc(40);
		*p[i] = i;
	}
	for (int i = 0; i < 50; i++)
		free(p[i]);
}

static void reuse(void) /* EXPECT: silence in reuse */
{
	mallopt(M_ARENA_MAX, 1);
	in_turn3(use_up, use_up, use_up);
}

static void reuse_small(void) /* EXPECT: silence in reuse_small */
{
	mallopt(M_ARENA_MAX, 1);
	in_turn3(use_up_small, use_up_small, use_up_small);
}

static void grow(void)
{
	int *p = NULL;

	for (int n = 1; n < 3000; n += n / 2 + 1) {
		p = (int *)realloc(p, (size_t)n * sizeof(*p));
		p[n - 1] = n;
		p[0] = n;
	}
	free(p);
}

static void grown_by_realloc(void) /* EXPECT: silence in grown_by_realloc */
{
	mallopt(M_ARENA_MAX, 1);
	in_turn3(grow, use_up, grow);
}

static volatile size_t too_much = (size_t)1 << 62;

static void ask_too_much(void)
{
	int *had = block;

	MUST(realloc(had, too_much) == NULL);
	MUST(munmap((char *)had + 1, SIZE) == -1);
}

/* Neither call took anything away. TSAN: cries in refused: it stops at the size */
static void refused(void) /* EXPECT: silence in refused */
{
	get();
	in_turn(ask_too_much, look);
}

static void aligned(void)
{
	void *p;

	OK(posix_memalign(&p, 4096, SIZE));
	((char *)p)[100] = 1;
	free(p);
	p = aligned_alloc(64, 6400);
	((char *)p)[100] = 1;
	free(p);
	p = memalign(256, SIZE);
	((char *)p)[100] = 1;
	free(p);
}

static void reuse_aligned(void) /* EXPECT: silence in reuse_aligned */
{
	mallopt(M_ARENA_MAX, 1);
	in_turn3(aligned, use_up, aligned);
}

/* ---- mappings ---- */

static char *page;

static char *map_at(void *at)
{
	char *p =
	    (char *)mmap(at, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	MUST(p != MAP_FAILED);
	return p;
}

static void write_and_unmap(void)
{
	page[100] = 1;
	MUST(munmap(page, 8192) == 0);
}

static void map_same_place(void)
{
	map_at(page);
	page[100] = 2;
}

static void remapped(void) /* EXPECT: silence in remapped */
{
	page = map_at(NULL);
	in_turn(write_and_unmap, map_same_place);
}

static void write_page(void)
{
	page[100] = 1;
}

static void renew(void)
{
	MUST(madvise(page, 8192, MADV_DONTNEED) == 0);
}

static void over_it(void)
{
	map_at(page);
	page[100] = 3;
}

/* Who maps over it, writes to new memory: whether that is a race is a matter of taste; that it works is not. */
static void mapped_over(void) /* EXPECT: silence in mapped_over */
{
	page = map_at(NULL);
	in_turn3(renew, renew, over_it);
}

static void unmap_it(void)
{
	MUST(munmap(block, SIZE) == 0); /* EXPECT: data-race in unmapped */
}

/* TSAN: misses unmapped: for it, munmap is no write */
static void unmapped(void)
{
	block = (int *)(void *)map_at(NULL);
	in_turn(look, unmap_it);
}

static void moved_by_mremap(void)
{
	char *p = map_at(NULL);

	p[1] = 1;
	p = (char *)mremap(p, 8192, 1 << 20, MREMAP_MAYMOVE);
	MUST(p != MAP_FAILED && p[1] == 1);
	p[1 << 19] = 1;
	MUST(munmap(p, 1 << 20) == 0);
}

static void remap(void) /* EXPECT: silence in remap */
{
	page = map_at(NULL);
	in_turn3(moved_by_mremap, moved_by_mremap, write_page);
}

CASES(CASE(read_then_freed), CASE(written_then_freed), CASE(read_after_free), CASE(freed_under_lock),
      CASE(freed_after_join), CASE(reallocated), CASE(freed_and_reused), CASE(reuse), CASE(reuse_small),
      CASE(grown_by_realloc), CASE(refused), CASE(reuse_aligned), CASE(remapped), CASE(mapped_over), CASE(unmapped), CASE(remap))
