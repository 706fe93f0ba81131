/* places.c - Memory where no plane expects it: below 2 GiB, at 0xc000000000, above the stack's reach, and it comes and goes. */
#include "start.h"

#include <sys/mman.h>

static long work(unsigned char *p, size_t bytes)
{
	long sum = 0;
	for (size_t i = 0; i < bytes; i += 61)
		p[i] = (unsigned char)(i * 7);
	for (size_t i = 0; i < bytes; i += 61)
		sum += p[i];
	return sum;
}

static void *run(void *arg)
{
	static const unsigned long at[] = { 0xc000000000, 0x10000000, 0x200000000000, 0x3fff00000000, 0x600000000000 };
	size_t bytes = 256 << 10;
	long all = 0;
	(void)arg;
	for (int round = 0; round < 3; round++) {
		void *low = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		if (low == MAP_FAILED)
			exit(TEST_BROKEN);
		all += work(low, bytes);
		for (unsigned i = 0; i < sizeof at / sizeof at[0]; i++) {
			/* Only a hint: the place itself is nobody's business. */
			void *p = mmap((void *)at[i], bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p == MAP_FAILED)
				exit(TEST_BROKEN);
			all += work(p, bytes);
			OK(munmap(p, bytes));
		}
		OK(munmap(low, bytes));
	}
	printf("%ld\n", all);
	return NULL;
}

int main(void)
{
	pthread_t t;
	OK(pthread_create(&t, NULL, run, NULL));
	OK(pthread_join(t, NULL));
	return 0;
}
