/*
 * worker.c - Two threads, an inversion of two locks, much memory of each kind, a checksum. Whatever is missing for watching its accesses,
 * it prints the same and ends with 7, and the inversion is found.
 */
#include "basics.h"
#include "invisible.h"

#include <asm/prctl.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static uint64_t own[8] = { 0x1234567 }; /* what %gs leads to, where the program uses it */
static uint64_t table[4096], sum;
static const char *mode;

static bool is(const char *s) { return strcmp(mode, s) == 0; }

/* Made at run time, where no decoder sees it: `mov %gs:0, %rax; ret` and `wrgsbase %rdi; ret`. */
static const unsigned char code[] = { 0x65, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0xc3, 0xf3, 0x48, 0x0f, 0xae, 0xdf, 0xc3 };
static uint64_t (*by_gs)(void);

static void set_gs(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(p != MAP_FAILED);
	memcpy(p, code, sizeof code);
	MUST(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
	by_gs = (uint64_t(*)(void))(uintptr_t)p;
	if (is("wrgsbase") || is("wrgsbase_after"))
		((void (*)(uint64_t *))(uintptr_t)(p + 10))(own);
	else
		MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, own) == 0);
	MUST(by_gs() == own[0]);
}

/* The same for a decoder to see; not for running. */
__attribute__((used)) static uint64_t visible(void)
{
	uint64_t v = 0;
#ifdef USES_GS
	__asm__ volatile("mov %%gs:0, %0" : "=r"(v));
#endif
	return v;
}

static void work(uint64_t seed)
{
	for (unsigned k = 0; k < 20; k++) {
		uint64_t *p = malloc(65536 * sizeof *p);
		MUST(p);
		memset(p, 0, 65536 * sizeof *p);
		for (unsigned i = 0; i < 65536; i++)
			p[i * 7919 % 65536] += seed += i ^ seed >> 7;
		pthread_mutex_lock(&a);
		for (unsigned i = 0; i < 65536; i++)
			table[i % 4096] += p[i];
		pthread_mutex_unlock(&a);
		free(p);
	}
}

static struct gate one_was_there;

static void *first(void *arg)
{
	if (is("gs_of_thread"))
		set_gs();
	work(1);
	if (is("gs_of_thread"))
		MUST(by_gs() == own[0]);
	return arg;
}

static void *third(void *arg)
{
	gate_wait(&one_was_there);
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	work(4);
	return arg;
}

static void *second(void *arg)
{
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	gate_open(&one_was_there);
	work(2);
	return arg;
}

/* The processor's features as somebody without FSGSBASE sees them. */
static void no_fsgsbase(void)
{
	uint64_t auxv[64];
	int fd = open("/proc/self/auxv", O_RDONLY);
	long n = read(fd, auxv, sizeof auxv);
	MUST(n > 0);
	close(fd);
	for (long i = 0; i + 1 < n / 8; i += 2)
		if (auxv[i] == AT_HWCAP2)
			auxv[i + 1] &= ~2ul;
	if (prctl(PR_SET_MM, PR_SET_MM_AUXV, auxv, n, 0) != 0)
		exit(77);
}

/* Touches a little of much: its record takes address space. */
static void scatter(void)
{
	enum { PIECES = 24 };
	char *p[PIECES];
	for (unsigned i = 0; i < PIECES; i++) {
		p[i] = mmap(NULL, 128u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		MUST(p[i] != MAP_FAILED);
		p[i][1] = p[i][64u << 20] = (char)i;
	}
	for (unsigned i = 0; i < PIECES; i++) {
		sum += (uint64_t)p[i][1] + (uint64_t)p[i][64u << 20];
		munmap(p[i], 128u << 20);
	}
}

int main(int argc, char **argv)
{
	bool gs = false;
	mode = argc > 1 ? argv[1] : "plain";
	if (is("fsgsbase"))
		no_fsgsbase();
	if (is("cpuid") && syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0)
		return 77;
	if (is("gs_before") || is("wrgsbase")) {
		if (is("wrgsbase") && !(getauxval(AT_HWCAP2) & 2))
			return 77;
		set_gs();
		gs = true;
	}
	pthread_t t = start(first);
	finish(t);
	if (is("wrgsbase_after") && !(getauxval(AT_HWCAP2) & 2))
		return 77;
	if (is("gs_after") || is("wrgsbase_after")) {
		set_gs();
		gs = true;
	}
	t = start(second);
	pthread_t u = start(third);
	work(3);
	finish(t);
	finish(u);
	if (is("scatter"))
		scatter();
	if (gs)
		MUST(by_gs() == own[0]);
	for (unsigned i = 0; i < 4096; i++)
		sum = sum * 31 + table[i];
	printf("sum %016lx\n", sum);
	return 7;
}
