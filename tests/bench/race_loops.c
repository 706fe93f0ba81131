/*
 * race_loops.c - The loops that tests/bench/races.sh times: what race detectors find cheap and what they find dear.
 * usage: race_loops NAME ROUNDS. Two threads, no race; prints a checksum that must not depend on who watches.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 2

static unsigned rounds;
static pthread_barrier_t barrier;
static uint64_t sum[THREADS][8]; /* a cache line apart */

struct job {
	unsigned me;
};

static uint32_t next_random(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

/* ---- matrix multiply: long inner loops over read-shared doubles ---- */
#define N 192
static double ma[N][N], mb[N][N], mc[N][N];

static void matrix(unsigned me)
{
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = me; i < N; i += THREADS)
			for (unsigned j = 0; j < N; j++) {
				double s = 0;
				for (unsigned k = 0; k < N; k++)
					s += ma[i][k] * mb[k][j];
				mc[i][j] = s;
			}
	for (unsigned i = me; i < N; i += THREADS)
		for (unsigned j = 0; j < N; j++)
			sum[me][0] += (uint64_t)mc[i][j];
}

/* ---- quicksort: each thread its own array ---- */
#define SORT 200000
static int *arrays[THREADS];

static void quick(int *a, int n)
{
	while (n > 1) {
		int p = a[n / 2], i = 0, j = n - 1;
		while (i <= j) {
			while (a[i] < p)
				i++;
			while (a[j] > p)
				j--;
			if (i <= j) {
				int t = a[i];
				a[i++] = a[j];
				a[j--] = t;
			}
		}
		quick(a, j + 1);
		a += i;
		n -= i;
	}
}

static void sorting(unsigned me)
{
	uint32_t s = 17 + me;
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned i = 0; i < SORT; i++)
			arrays[me][i] = (int)(next_random(&s) >> 1);
		quick(arrays[me], SORT);
		sum[me][0] += (uint64_t)arrays[me][r % SORT];
	}
}

/* ---- byte-wise CRC over a shared buffer ---- */
#define CRC_BYTES (1u << 20)
static uint8_t crc_data[CRC_BYTES];
static uint32_t crc_table[256];

static void crc(unsigned me)
{
	for (unsigned r = 0; r < rounds; r++) {
		uint32_t c = ~0u;
		for (unsigned i = 0; i < CRC_BYTES; i++)
			c = crc_table[(c ^ crc_data[i]) & 255] ^ c >> 8;
		sum[me][0] += c;
	}
}

/* ---- a shuffled linked list ---- */
#define NODES 100000
static struct node {
	struct node *next;
	uint64_t value, pad[6];
} *nodes;

static void list(unsigned me)
{
	for (unsigned r = 0; r < rounds; r++)
		for (struct node *n = &nodes[0]; n; n = n->next)
			sum[me][0] += n->value;
}

/* ---- a stencil with a barrier after each step: every access is a first one of its epoch ---- */
#define CELLS 65536
static float grid[2][CELLS + 2];

static void stencil(unsigned me)
{
	unsigned lo = 1 + me * (CELLS / THREADS), hi = lo + CELLS / THREADS;
	for (unsigned r = 0; r < rounds; r++) {
		const float *from = grid[r & 1];
		float *to = grid[!(r & 1)];
		for (unsigned i = lo; i < hi; i++)
			to[i] = 0.25f * from[i - 1] + 0.5f * from[i] + 0.25f * from[i + 1];
		pthread_barrier_wait(&barrier);
	}
	for (unsigned i = lo; i < hi; i++)
		sum[me][0] += (uint64_t)(grid[rounds & 1][i] * 1000);
}

/* ---- a hash table behind 64 mutexes ---- */
#define BUCKETS 4096
#define LOCKS   64
static struct entry {
	struct entry *next;
	uint32_t key, hits;
} *buckets[BUCKETS];
static pthread_mutex_t locks[LOCKS];

static void hash(unsigned me)
{
	uint32_t s = 99 + me;
	for (unsigned r = 0; r < rounds * 1000; r++) {
		uint32_t key = next_random(&s) % 20000, h = key * 2654435761u % BUCKETS;
		pthread_mutex_lock(&locks[h % LOCKS]);
		struct entry *e = buckets[h];
		while (e && e->key != key)
			e = e->next;
		if (e) {
			e->hits++;
		} else {
			e = malloc(sizeof *e);
			*e = (struct entry){ buckets[h], key, 1 };
			buckets[h] = e;
		}
		pthread_mutex_unlock(&locks[h % LOCKS]);
	}
	sum[me][0] = rounds;
}

/* ---- malloc churn ---- */
static void churn(unsigned me)
{
	void *kept[256] = { 0 };
	uint32_t s = 7 + me;
	for (unsigned r = 0; r < rounds * 1000; r++) {
		uint32_t x = next_random(&s), i = x % 256;
		free(kept[i]);
		size_t n = 16 + (x >> 8) % 500;
		uint8_t *p = kept[i] = malloc(n);
		p[0] = (uint8_t)x;
		p[n - 1] = (uint8_t)(x >> 8);
		sum[me][0] += p[0];
	}
	for (unsigned i = 0; i < 256; i++)
		free(kept[i]);
}

/* ---- string handling ---- */
static void strings(unsigned me)
{
	char line[256], word[64];
	uint32_t s = 5 + me;
	for (unsigned r = 0; r < rounds * 100; r++) {
		unsigned n = 0, words = 0;
		while (n < 200) {
			unsigned len = 1 + next_random(&s) % 9;
			for (unsigned i = 0; i < len; i++)
				line[n++] = (char)('a' + (next_random(&s) & 15));
			line[n++] = ' ';
		}
		line[n] = 0;
		for (const char *p = line; *p;) {
			unsigned len = 0;
			while (*p && *p != ' ')
				word[len++] = (char)(*p++ ^ 0x20);
			word[len] = 0;
			if (*p)
				p++;
			words += (unsigned)strlen(word) + (strchr(word, 'A') != NULL);
		}
		sum[me][0] += words;
	}
}

static const struct loop {
	const char *name;
	void (*f)(unsigned me);
	unsigned rounds;
} loops[] = { { "matrix", matrix, 100 },	  { "sort", sorting, 8 }, { "crc", crc, 50 },	 { "list", list, 15 },
	      { "stencil", stencil, 6000 }, { "hash", hash, 6000 }, { "churn", churn, 12000 }, { "strings", strings, 1500 } };
static const struct loop *loop;

static void prepare(void)
{
	uint32_t s = 3;
	for (unsigned i = 0; i < N; i++)
		for (unsigned j = 0; j < N; j++)
			ma[i][j] = i % 7, mb[i][j] = j % 5;
	for (unsigned t = 0; t < THREADS; t++)
		arrays[t] = malloc(SORT * sizeof(int));
	for (unsigned i = 0; i < 256; i++) {
		uint32_t c = i;
		for (unsigned k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
		crc_table[i] = c;
	}
	for (unsigned i = 0; i < CRC_BYTES; i++)
		crc_data[i] = (uint8_t)next_random(&s);
	nodes = calloc(NODES, sizeof *nodes);
	unsigned *order = malloc(NODES * sizeof *order);
	for (unsigned i = 0; i < NODES; i++)
		order[i] = i;
	for (unsigned i = NODES - 1; i > 1; i--) {
		unsigned j = 1 + next_random(&s) % i, t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
	for (unsigned i = 0; i < NODES; i++) {
		nodes[order[i]].value = i;
		nodes[order[i]].next = i + 1 < NODES ? &nodes[order[i + 1]] : NULL;
	}
	free(order);
	for (unsigned i = 0; i < CELLS + 2; i++)
		grid[0][i] = (float)(i % 100);
	for (unsigned i = 0; i < LOCKS; i++)
		pthread_mutex_init(&locks[i], NULL);
	pthread_barrier_init(&barrier, NULL, THREADS);
}

static void *run(void *arg)
{
	loop->f(((struct job *)arg)->me);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	struct job job[THREADS];
	uint64_t all = 0;
	for (unsigned i = 0; argc > 1 && i < sizeof loops / sizeof loops[0]; i++)
		if (strcmp(argv[1], loops[i].name) == 0)
			loop = &loops[i];
	if (!loop) {
		fprintf(stderr, "usage: race_loops NAME [ROUNDS]\n");
		return 2;
	}
	rounds = argc > 2 ? (unsigned)atoi(argv[2]) : loop->rounds;
	prepare();
	for (unsigned i = 0; i < THREADS; i++) {
		job[i].me = i;
		pthread_create(&t[i], NULL, run, &job[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		all += sum[i][0];
	}
	printf("%s %llu\n", loop->name, (unsigned long long)all);
	return 0;
}
