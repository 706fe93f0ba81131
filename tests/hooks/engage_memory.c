/* engage_memory.c - The malloc family and mappings, alone and beside a second thread; hooks.test compares with a run without snarl. */
#include "show.h"
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

/* The compiler must not know. */
static volatile size_t huge = (size_t)1 << 40;
static char *volatile refused;

#define KEPT(call) SHOW((call) != NULL)

static int zeros(const char *p, size_t n)
{
	while (n && !*p)
		p++, n--;
	return n == 0;
}

static int filled(const char *p, int c, size_t n)
{
	while (n && *p == (char)c)
		p++, n--;
	return n == 0;
}

static void blocks(void)
{
	char *p, *q;
	void *r = NULL;

	KEPT(p = malloc(100));
	memset(p, 7, 100);
	SHOW_AS("free", (free(p), 0));
	SHOW_AS("free(NULL)", (free(NULL), 0));
	KEPT(p = calloc(30, 10));
	SHOW(zeros(p, 300));
	memset(p, 8, 300);
	KEPT(p = realloc(p, 100000));
	SHOW(filled(p, 8, 300));
	KEPT(p = realloc(p, 50));
	SHOW(filled(p, 8, 50));
	refused = p;
	SHOW(realloc(p, huge << 22) == NULL);
	p = refused;
	SHOW(filled(p, 8, 50));
	SHOW(reallocarray(p, huge, huge) == NULL);
	p = refused;
	KEPT(p = reallocarray(p, 20, 10));
	SHOW(filled(p, 8, 50));
	SHOW(realloc(p, 0) == NULL);
	KEPT(p = realloc(NULL, 10));
	free(p);
	KEPT(p = malloc(0));
	KEPT(q = malloc(0));
	SHOW(p != q);
	free(p);
	free(q);
	SHOW(malloc(huge << 22) == NULL);
	SHOW(calloc(huge, huge) == NULL);
	KEPT(p = malloc(33));
	SHOW(malloc_usable_size(p) >= 33);
	memset(p, 9, malloc_usable_size(p));
	free(p);
	SHOW(malloc_usable_size(NULL));
	SHOW(posix_memalign(&r, 256, 1000));
	SHOW((uintptr_t)r % 256);
	free(r);
	SHOW(posix_memalign(&r, 3, 1000));
	SHOW(posix_memalign(&r, 16, huge << 22));
	KEPT(r = aligned_alloc(4096, 8192));
	SHOW((uintptr_t)r % 4096);
	free(r);
	KEPT(r = memalign(64, 100));
	SHOW((uintptr_t)r % 64);
	free(r);
	KEPT(r = valloc(100));
	SHOW((uintptr_t)r % 4096);
	free(r);
	KEPT(r = pvalloc(100));
	SHOW((uintptr_t)r % 4096);
	free(r);
	KEPT(p = strdup("a copy"));
	say(p);
	free(p);
	KEPT(p = malloc((size_t)200 << 20));
	p[0] = p[((size_t)200 << 20) - 1] = 1;
	KEPT(p = realloc(p, (size_t)300 << 20));
	SHOW(p[0] + p[((size_t)200 << 20) - 1]);
	free(p);
}

static void mappings(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p, *q;

	KEPT(p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, flags, -1, 0));
	memset(p, 5, 16384);
	SHOW(madvise(p, 4096, MADV_DONTNEED));
	SHOW(zeros(p, 4096));
	SHOW(filled(p + 4096, 5, 4096));
	SHOW(madvise(p, 4096, 12345));
	SHOW(mmap(p + 4096, 4096, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) == p + 4096);
	SHOW(zeros(p + 4096, 4096));
	SHOW(mmap(p + 1, 4096, PROT_READ, flags | MAP_FIXED, -1, 0) == MAP_FAILED);
	SHOW(mmap(p + 8192, 4096, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
	SHOW(filled(p + 8192, 5, 8192));
	SHOW((q = mremap(p, 16384, 1 << 20, MREMAP_MAYMOVE)) != MAP_FAILED);
	SHOW(filled(q + 8192, 5, 8192) && zeros(q + 16384, 4096));
	SHOW(mremap(q, 1 << 20, 16384, 0) == q);
	SHOW(filled(q + 8192, 5, 8192));
	SHOW(munmap(q, 4096));
	SHOW(munmap(q + 1, 4096));
	SHOW(munmap(q + 4096, 12288));
	SHOW(mmap(NULL, 0, PROT_READ, flags, -1, 0) == MAP_FAILED);
}

static void *thread(void *kept)
{
	char *p = kept;
	track = "second";
	SHOW(filled(p, 3, 100));
	blocks();
	mappings();
	free(p); /* what another thread allocated */
	return malloc(50);
}

int main(void)
{
	track = "first";
	blocks();
	mappings();
	char *p = malloc(100);
	memset(p, 3, 100);
	pthread_t t = start_with(thread, p);
	void *left = NULL;
	OK(pthread_join(t, &left));
	free(left);
	blocks();
	return 0;
}
