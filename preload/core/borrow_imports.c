/* borrow_imports.c - See borrow_imports.h. */
#include "core/borrow_imports.h"

#include <link.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/sys.h"
#include "core/module.h"
#include "core/step.h"

_Atomic uintptr_t import_owner;
void *import_way_out[5];

static bool ours(void)
{
	return atomic_load_explicit(&import_owner, memory_order_relaxed) == thread_pointer();
}

/* errno is the target's. */
static int own_errno;

#define REAL(ret, name, ...) static ret (*real_##name)(__VA_ARGS__)
REAL(int, pipe, int *);
REAL(int, pipe2, int *, int);
REAL(ssize_t, read, int, void *, size_t);
REAL(ssize_t, write, int, const void *, size_t);
REAL(int, open, const char *, int, int);
REAL(int, close, int);
REAL(int, fcntl, int, int, long);
REAL(int, fstat, int, struct stat *);
REAL(int, stat, const char *, struct stat *);
REAL(long, syscall, long, long, long, long, long, long, long);
REAL(int, mincore, void *, size_t, unsigned char *);
REAL(int, msync, void *, size_t, int);
REAL(int, sigprocmask, int, const sigset_t *, sigset_t *);
REAL(int, dl_iterate_phdr, int (*)(struct dl_phdr_info *, size_t, void *), void *);
REAL(int, key_create, unsigned *, void (*)(void *));
REAL(int, setspecific, unsigned, const void *);
REAL(int *, errno_location, void);
REAL(void, abort, void);
REAL(void *, tls_get_addr, const size_t *);

/*
 * libunwind 1.6 asks whether memory may be read by mincore or msync first, then by writing one byte of it into a pipe.
 * The pipe is never made; the write is answered by looking.
 */
static int fake_pipe2(int *fds, int flags)
{
	if (!ours())
		return real_pipe2 ? real_pipe2(fds, flags) : real_pipe(fds);
	fds[0] = fds[1] = 1 << 30; /* no descriptor of anybody's */
	return 0;
}
static int fake_pipe(int *fds)
{
	return ours() || !real_pipe ? fake_pipe2(fds, 0) : real_pipe(fds);
}

static ssize_t fake_read(int fd, void *buf, size_t len)
{
	if (!ours())
		return real_read(fd, buf, len);
	own_errno = EAGAIN; /* "the pipe is there and empty" */
	return -1;
}

static bool range_readable(uintptr_t addr, size_t len)
{
	for (uintptr_t page = addr & ~(uintptr_t)4095; page < addr + len; page += 4096)
		if (!step_readable(page))
			return false;
	return true;
}

static ssize_t fake_write(int fd, const void *buf, size_t len)
{
	if (!ours())
		return real_write(fd, buf, len);
	if (range_readable((uintptr_t)buf, len))
		return (ssize_t)len;
	own_errno = EFAULT;
	return -1;
}

static long fake_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	if (!ours())
		return real_syscall(nr, a, b, c, d, e, f);
	if (nr == SYS_write)
		return fake_write((int)a, (const void *)b, (size_t)c);
	if (nr == SYS_gettid)
		return sys_gettid();
	own_errno = ENOSYS;
	return -1;
}

static int fake_mincore(void *addr, size_t len, unsigned char *vec)
{
	if (!ours())
		return real_mincore(addr, len, vec);
	if (!range_readable((uintptr_t)addr, len)) {
		own_errno = ENOMEM;
		return -1;
	}
	memset(vec, 1, (len + 4095) / 4096);
	return 0;
}

static int fake_msync(void *addr, size_t len, int flags)
{
	if (!ours())
		return real_msync(addr, len, flags);
	own_errno = ENOMEM;
	return range_readable((uintptr_t)addr, len) ? 0 : -1;
}

/* Files: none of it is needed to step, only for names. */
static int fake_open(const char *path, int flags, int mode)
{
	if (!ours())
		return real_open(path, flags, mode);
	own_errno = ENOENT;
	return -1;
}
static int fake_close(int fd)
{
	return ours() ? 0 : real_close(fd);
}
static int fake_fcntl(int fd, int cmd, long arg)
{
	return ours() ? 0 : real_fcntl(fd, cmd, arg);
}
static int fake_fstat(int fd, struct stat *st)
{
	if (!ours())
		return real_fstat(fd, st);
	own_errno = EBADF;
	return -1;
}
static int fake_stat(const char *path, struct stat *st)
{
	if (!ours())
		return real_stat(path, st);
	own_errno = ENOENT;
	return -1;
}

static void *fake_mmap(void *addr, size_t len, int prot, int flags, int fd, long off)
{
	long p = sys6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, off);
	return p < 0 && p > -4096 ? (void *)-1 : (void *)p;
}
static int fake_munmap(void *addr, size_t len)
{
	return sys2(SYS_munmap, addr, len) < 0 ? -1 : 0;
}

static int fake_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	if (!ours())
		return real_sigprocmask(how, set, old);
	if (old)
		sigemptyset(old);
	return 0;
}

/* The first word of the mutex, all zero at rest, as a lock of our own: also against the target's own use of the
 * library. */
static int fake_lock(void *mutex)
{
	_Atomic uint32_t *w = mutex;
	while (atomic_exchange_explicit(w, 1, memory_order_acquire))
		sys0(SYS_sched_yield);
	return 0;
}
static int fake_unlock(void *mutex)
{
	atomic_store_explicit((_Atomic uint32_t *)mutex, 0, memory_order_release);
	return 0;
}
static int fake_mutex_init(void *mutex, const void *attr)
{
	(void)attr;
	return fake_unlock(mutex);
}
static int fake_once(_Atomic int *once, void (*f)(void))
{
	if (!atomic_exchange(once, 1))
		f();
	return 0;
}

/* A per-thread cache: ours is one for all, since one call is under way at a time; nobody's is freed by a key. */
static int fake_key_create(unsigned *key, void (*destroy)(void *))
{
	if (!ours())
		return real_key_create(key, destroy);
	*key = ~0u; /* pthread_setspecific refuses it */
	return 0;
}
static int fake_setspecific(unsigned key, const void *v)
{
	return ours() ? 0 : real_setspecific(key, v);
}

static char tls_block[256] __attribute__((aligned(16)));
static void *fake_tls_get_addr(const size_t *index)
{
	if (!ours() || index[1] >= sizeof(tls_block))
		return real_tls_get_addr(index);
	return tls_block + index[1];
}

static int *fake_errno_location(void)
{
	return ours() ? &own_errno : real_errno_location();
}

static void fake_abort(void)
{
	if (!ours())
		real_abort();
	__builtin_longjmp(import_way_out, 1);
}

static void fake_assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
	(void)what, (void)file, (void)line, (void)function;
	if (!ours())
		__builtin_trap();
	__builtin_longjmp(import_way_out, 1);
}

/* The loader's list without the loader's lock. */
static int fake_dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *arg)
{
	if (!ours())
		return real_dl_iterate_phdr(callback, arg);
	int ret = 0;
	uint32_t n = module_count();
	for (uint32_t id = 1; id <= n && ret == 0; id++) {
		const struct module *m = module_by_id(id);
		unsigned nr;
		if (!m || atomic_load_explicit(&m->gone, memory_order_relaxed))
			continue;
		/* It will read this without asking, and the list may be older than a dlclose. */
		if (!m->eh_frame_hdr || !step_readable((uintptr_t)m->eh_frame_hdr))
			continue;
		struct dl_phdr_info info = { .dlpi_addr = m->bias, .dlpi_name = m->path };
		info.dlpi_phdr = module_phdr(m, &nr);
		info.dlpi_phnum = (ElfW(Half))nr;
		info.dlpi_adds = n;
		info.dlpi_subs = module_epoch();
		ret = callback(&info, sizeof(info), arg);
	}
	return ret;
}

static const struct import {
	const char *name;
	void *to;
	void *keep;
} imports[] = {
#define KEPT(name)                                               \
	{                                                        \
#name, (void *)fake_##name, (void *)&real_##name \
	}
#define GIVEN(name, fake)                \
	{                                \
		name, (void *)fake, NULL \
	}
	KEPT(pipe),
	KEPT(pipe2),
	KEPT(read),
	KEPT(write),
	KEPT(open),
	{ "open64", (void *)fake_open, (void *)&real_open },
	KEPT(close),
	KEPT(fcntl),
	{ "fcntl64", (void *)fake_fcntl, (void *)&real_fcntl },
	KEPT(fstat),
	KEPT(stat),
	KEPT(syscall),
	KEPT(mincore),
	KEPT(msync),
	KEPT(sigprocmask),
	{ "pthread_sigmask", (void *)fake_sigprocmask, (void *)&real_sigprocmask },
	KEPT(dl_iterate_phdr),
	{ "pthread_key_create", (void *)fake_key_create, (void *)&real_key_create },
	{ "pthread_setspecific", (void *)fake_setspecific, (void *)&real_setspecific },
	{ "__errno_location", (void *)fake_errno_location, (void *)&real_errno_location },
	{ "__tls_get_addr", (void *)fake_tls_get_addr, (void *)&real_tls_get_addr },
	KEPT(abort),
	GIVEN("__assert_fail", fake_assert_fail),
	GIVEN("mmap", fake_mmap),
	GIVEN("mmap64", fake_mmap),
	GIVEN("munmap", fake_munmap),
	GIVEN("malloc", arena_malloc),
	GIVEN("calloc", arena_calloc),
	GIVEN("realloc", arena_realloc),
	GIVEN("free", arena_free),
	GIVEN("pthread_mutex_init", fake_mutex_init),
	GIVEN("pthread_mutex_destroy", fake_unlock),
	GIVEN("pthread_mutex_lock", fake_lock),
	GIVEN("pthread_mutex_unlock", fake_unlock),
	GIVEN("pthread_once", fake_once),
};

/* Neither locks nor memory nor descriptors nor signals. lzma_* is reached from a file only, and none is ever opened. */
static const char *const harmless[] = {
	"getpagesize", "sysconf", "getpid",         "sigfillset",     "sigemptyset",      "sigaddset",
	"memchr",      "memcpy",  "memmove",        "memset",         "memcmp",           "strcmp",
	"strncmp",     "strcpy",  "stpcpy",         "strncpy",        "strlen",           "strchr",
	"strrchr",     "strstr",  "strcat",         "strtol",         "strtoul",          "strerror",
	"snprintf",    "getenv",  "__cxa_finalize", "__gmon_start__", "__stack_chk_fail",
};

enum import_kind import_classify(const char *name, void **to, void ***keep)
{
	for (unsigned i = 0; i < ARRAY_SIZE(imports); i++)
		if (strcmp(name, imports[i].name) == 0) {
			*to = imports[i].to;
			*keep = imports[i].keep;
			return IMPORT_REPLACED;
		}
	for (unsigned i = 0; i < ARRAY_SIZE(harmless); i++)
		if (strcmp(name, harmless[i]) == 0)
			return IMPORT_HARMLESS;
	if (strncmp(name, "lzma_", 5) == 0 || strncmp(name, "_ITM_", 5) == 0)
		return IMPORT_HARMLESS;
	return IMPORT_UNKNOWN;
}
