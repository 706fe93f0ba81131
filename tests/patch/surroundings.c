/* surroundings.c - What happens to a process from outside and around its accesses: other programs started by threads while others run, stacks of
 * many megabytes, pages that come by userfaultfd, other rights. */
#include "start.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 1024
#define PAGES 16

static int over; /* stored by an exchange: that is known to be an atomic */

__attribute__((noinline)) static uint64_t work(uint64_t *p, unsigned n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[seed >> 54] += seed;
		seed ^= p[i % WORDS];
	}
	return seed;
}

static void *busy(void *arg)
{
	uint64_t p[WORDS] = { 0 };
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		work(p, 100, 3);
	return arg;
}

static char name[] = "/bin/true", *args[] = { name, NULL };
__attribute__((noinline)) static pid_t by_vfork(void)
{
	pid_t pid = vfork();
	if (pid == 0) {
		execv(name, args);
		_exit(1);
	}
	return pid;
}

static void *spawns(void *arg)
{
	extern char **environ;
	for (int i = 0; i < 12; i++) {
		pid_t pid;
		int status = -1;
		if (i % 3 == 2)
			pid = by_vfork();
		else
			OK(posix_spawn(&pid, name, NULL, NULL, args, environ));
		MUST(waitpid(pid, &status, 0) == pid && status == 0);
	}
	return arg;
}

__attribute__((noinline)) static long deep(long n, char *p)
{
	volatile char here[64];
	here[n & 63] = (char)n;
	p[n & 4095]++;
	return n ? deep(n - 1, p) + here[n & 63] : 0;
}
static void *goes_deep(void *arg)
{
	char *p = calloc(1, 4096);
	long sum = deep(200000, p) + p[5];
	free(p);
	return (void *)(sum + (arg != NULL));
}

static void *counts(void *arg)
{
	uint64_t p[WORDS] = { 0 };
	return (void *)(work(p, 10000, 3) + (arg != NULL));
}

static int faults = -1;
static void *serves(void *arg)
{
	char *page = aligned_alloc(4096, 4096);
	for (int n = 0; n < PAGES; n++) {
		struct uffd_msg m;
		struct pollfd pf = { faults, POLLIN, 0 };
		MUST(poll(&pf, 1, -1) == 1 && read(faults, &m, sizeof m) == sizeof m);
		memset(page, n + 1, 4096);
		struct uffdio_copy c = { .dst = m.arg.pagefault.address & ~4095ul, .src = (uintptr_t)page, .len = 4096 };
		MUST(ioctl(faults, UFFDIO_COPY, &c) == 0);
	}
	free(page);
	return arg;
}
static long by_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	long sum = 0;
	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1);
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) != 0)
		return -1; /* not for everybody */
	char *p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register r = { .range = { (uintptr_t)p, PAGES * 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	MUST(p != MAP_FAILED && ioctl(faults, UFFDIO_REGISTER, &r) == 0);
	pthread_t t = start(serves);
	for (int i = 0; i < PAGES; i++) {
		p[i * 4096 + 5]++;
		sum += p[i * 4096 + 5] + p[i * 4096 + 6];
	}
	finish(t);
	munmap(p, PAGES * 4096);
	close(faults);
	return sum;
}

int main(void)
{
	pthread_attr_t a;
	pthread_t t[3], b;
	void *r;
	start_engine();
	b = start(busy);
	for (int i = 0; i < 3; i++)
		t[i] = start(spawns);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	__atomic_exchange_n(&over, 1, __ATOMIC_SEQ_CST);
	finish(b);
	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstacksize(&a, (size_t)128 << 20));
	for (int i = 0; i < 2; i++)
		OK(pthread_create(&t[i], &a, goes_deep, NULL));
	for (int i = 0; i < 2; i++) {
		OK(pthread_join(t[i], &r));
		printf("deep: %ld\n", (long)r);
	}
	printf("by userfaultfd: %ld\n", by_userfaultfd());
	if (getuid() == 0) {
		MUST(chroot("/proc") == 0 && chdir("/") == 0 && setgid(65534) == 0 && setuid(65534) == 0);
		b = start(counts);
		OK(pthread_join(b, &r));
		printf("elsewhere, as nobody: %ld\n", (long)r);
	}
	return 0;
}
