/* sys.c - See sys.h. */
#include "base/sys.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

struct sys_confined sys_confined;

#define RESERVE ((size_t)64 << 20) /* address space; pages come as they are touched */

static char *reserve;
static _Atomic size_t reserve_used = RESERVE;

void sys_confine(int (*tid)(void))
{
	long p = reserve ? (long)reserve
			 : sys6(SYS_mmap, 0, (long)RESERVE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!reserve && !(p < 0 && p > -4096)) {
		reserve = (char *)p;
		atomic_store(&reserve_used, 0);
	}
	sys_confined.pid = sys_getpid();
	sys_confined.tid = tid;
	__atomic_store_n(&sys_confined.on, true, __ATOMIC_SEQ_CST);
}

void sys_release(void) { __atomic_store_n(&sys_confined.on, false, __ATOMIC_SEQ_CST); }

static void *from_reserve(size_t bytes)
{
	size_t at = atomic_load(&reserve_used);
	bytes = (bytes + 4095) & ~(size_t)4095;
	do
		if (bytes > RESERVE - at)
			return NULL;
	while (!atomic_compare_exchange_weak(&reserve_used, &at, at + bytes));
	return reserve + at;
}

void *sys_map(size_t bytes)
{
	if (unlikely(sys_confined.on))
		return from_reserve(bytes);
	long p = sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p < 0 && p > -4096 ? NULL : (void *)p;
}

void *sys_map_sparse(size_t bytes)
{
	long p = sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p < 0 && p > -4096)
		return NULL;
	sys3(SYS_madvise, p, bytes, MADV_DONTDUMP);
	sys3(SYS_madvise, p, bytes, MADV_NOHUGEPAGE);
	return (void *)p;
}

void sys_unmap(void *p, size_t bytes)
{
	sys2(SYS_munmap, p, bytes);
}

int sys_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	while (len) {
		long n = sys3(SYS_write, fd, p, len);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

long sys_read_file(const char *path, char *buf, size_t cap)
{
	if (cap == 0)
		return -EINVAL;
	buf[0] = '\0';
	long fd = sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	if (fd < 0)
		return fd;
	size_t len = 0;
	long n = 0;
	while (len < cap - 1) {
		n = sys3(SYS_read, fd, buf + len, cap - 1 - len);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	sys1(SYS_close, fd);
	buf[len] = '\0';
	return n < 0 && len == 0 ? n : (long)len;
}

void sys_main_stack(uintptr_t top, uintptr_t *lo, uintptr_t *hi)
{
	struct rlimit limit = { 8u << 20, 0 };
	sys4(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &limit);
	size_t bytes = limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 1u << 30 ? 1u << 30 : limit.rlim_cur;
	*hi = top;
	*lo = top > bytes ? top - bytes : 0;
}

typedef int clock_fn(clockid_t, struct timespec *);

/* Symbols in a vdso that has no DT_HASH (Linux dropped it): the last one any GNU hash chain reaches. */
static uint32_t gnu_hash_symbols(const uint32_t *h)
{
	uint32_t nr_buckets = h[0], base = h[1], bloom = h[2], last = 0;
	const uint32_t *bucket = h + 4 + 2 * bloom, *chain = bucket + nr_buckets;
	for (uint32_t i = 0; i < nr_buckets; i++)
		if (bucket[i] > last)
			last = bucket[i];
	if (last < base)
		return base;
	while (!(chain[last - base] & 1))
		last++;
	return last + 1;
}

/*
 * Looked up by hand, since libc's clock_gettime may be somebody's replacement (a fake clock that takes locks) and
 * dlvsym is not ours to call.
 */
static COLD clock_fn *vdso_find(const char *name)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	if (!image)
		return NULL;
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)image;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(image + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const char *bias = NULL;
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !bias)
			bias = image + ph[i].p_offset - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(image + ph[i].p_offset);
	}
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	uint32_t nr = 0;
	for (; bias && dyn && dyn->d_tag != DT_NULL; dyn++) {
		const void *p = bias + dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_SYMTAB)
			sym = p;
		else if (dyn->d_tag == DT_STRTAB)
			str = p;
		else if (dyn->d_tag == DT_HASH)
			nr = ((const uint32_t *)p)[1];
		else if (dyn->d_tag == DT_GNU_HASH && !nr)
			nr = gnu_hash_symbols(p);
	}
	for (uint32_t i = 0; sym && str && i < nr; i++)
		if (sym[i].st_shndx != SHN_UNDEF && strcmp(str + sym[i].st_name, name) == 0)
			return (clock_fn *)(bias + sym[i].st_value);
	return NULL;
}

static int clock_raw(clockid_t id, struct timespec *t)
{
	return (int)sys2(SYS_clock_gettime, id, t);
}

static uint64_t clock_read(clockid_t id)
{
	static clock_fn *_Atomic found;
	clock_fn *fn = atomic_load_explicit(&found, memory_order_relaxed);
	if (unlikely(!fn)) {
		fn = vdso_find("__vdso_clock_gettime");
		if (!fn)
			fn = clock_raw;
		atomic_store_explicit(&found, fn, memory_order_relaxed);
	}
	struct timespec t = { 0, 0 };
	if (fn(id, &t) != 0)
		clock_raw(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t sys_clock_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}
uint64_t sys_wall_ns(void)
{
	return clock_read(CLOCK_REALTIME);
}

long sys_futex_wait(const void *word, uint32_t value, uint64_t timeout_ns)
{
	struct timespec t = { (time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u) };
	return sys4(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns ? &t : NULL);
}

long sys_futex_wake(const void *word, int how_many)
{
	return sys3(SYS_futex, word, FUTEX_WAKE_PRIVATE, how_many);
}
