/* journal.c - See journal.h. */
#include "core/journal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/fmt.h"
#include "base/spin.h"
#include "base/sys.h"
#include "core/journal_file.h"

#define PAGE            4096
#define FIRST_WINDOW    ((size_t)64 << 10)
#define LEAST_ROOM      1024 /* a header's: below it, opening is no use */
#define MAX_WINDOW      ((size_t)16 << 20)
#define CLOSED          ((size_t)1 << 62)
#define TEE_PATIENCE_NS 2000000000u

/*
 * A stretch of the file, mapped. Windows are never unmapped, so that a writer may be anywhere in one without being
 * counted; what has been written is given back to the kernel page by page (MADV_DONTNEED).
 */
struct window {
	char *map;
	uint64_t at;         /* offset of map in the file */
	size_t size;         /* of map, up to the end of the room */
	_Atomic size_t used; /* reserved up to here; with CLOSED: no more, look for the next window */
	struct window *older;
};

static struct journal_file file;
static struct window *_Atomic current;
static struct spin window_lock = SPIN_INIT(RANK_JOURNAL);
/* Under window_lock. */
static uint64_t file_size; /* what we made it; differs when other hands were at it */
static size_t next_size = FIRST_WINDOW;
static struct window *pool;
static size_t nr_pool;

static _Atomic bool plain; /* it is not to be had; store like anybody */

static struct spin tee_lock = SPIN_INIT(RANK_JOURNAL);
static _Atomic int tee_fd = -1;
static dev_t tee_dev;
static ino_t tee_ino;

static _Atomic uint64_t lost;

/*
 * 1 in the process that opened, 0 in a child of a fork that nobody told us of (a raw clone): the page is wiped by the
 * kernel. Such a child shares the file but not our counters, and would write over its parent's lines.
 */
static _Atomic uint32_t no_page = 1;
static _Atomic uint32_t *alive = &no_page;

bool journal_has_file(void)
{
	return atomic_load_explicit(&current, memory_order_acquire) != NULL;
}
bool journal_has_socket(void)
{
	return atomic_load_explicit(&tee_fd, memory_order_relaxed) >= 0;
}
const char *journal_path(void)
{
	return file.path;
}
uint64_t journal_lost(void)
{
	return atomic_load_explicit(&lost, memory_order_relaxed);
}

static void watch_for_forks(void)
{
	if (alive != &no_page) {
		/* Wiped: the file that we seem to have is a parent's, who goes on writing there. */
		if (!atomic_load(alive))
			atomic_store(&current, NULL);
		atomic_store(alive, 1);
		return;
	}
	_Atomic uint32_t *page = sys_map(PAGE);
	if (!page)
		return;
	if (sys3(SYS_madvise, page, PAGE, MADV_WIPEONFORK) < 0) {
		sys_unmap(page, PAGE);
		return;
	}
	atomic_store(page, 1);
	alive = page;
}

/* ---- windows ---------------------------------------------------------------------------------------------------- */

static struct window *window_struct(void)
{
	if (nr_pool == 0) {
		pool = sys_map(PAGE);
		nr_pool = pool ? PAGE / sizeof *pool : 0;
	}
	return nr_pool ? &pool[--nr_pool] : NULL;
}

/*
 * A window on `from` and after, with room for `need` bytes at least. Lines never straddle two windows: a new one begins
 * where the last line of the old one ends, wherever in a page that is.
 */
static int window_open(int fd, uint64_t from, size_t need, bool torn, struct window **out)
{
	size_t room = next_size;
	while (room < need + torn)
		room *= 2;
	int r;
	while ((r = journal_file_extend(fd, from, from + room)) < 0) {
		bool full = r == -ENOSPC || r == -EDQUOT || r == -EFBIG;
		if (!full || room / 2 < need + torn)
			return r;
		room /= 2;
	}
	uint64_t at = from & ~(uint64_t)(PAGE - 1);
	size_t size = (size_t)(from + room - at);
	long map = sys6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (long)at);
	struct window *w = map < 0 && map > -PAGE ? NULL : window_struct();
	if (!w) {
		if (map > 0)
			sys_unmap((void *)map, size);
		sys2(SYS_ftruncate, fd, from);
		file_size = from;
		return -ENOMEM;
	}
	/* The file's flock lives as long as a mapping: a child must not keep it from the next run. */
	if (alive != &no_page)
		sys3(SYS_madvise, map, size, MADV_DONTFORK);
	w->map = (char *)map;
	w->at = at;
	w->size = size;
	size_t used = (size_t)(from - at);
	if (torn)
		w->map[used++] = '\n';
	atomic_store_explicit(&w->used, used, memory_order_relaxed);
	file_size = from + room;
	next_size = next_size < MAX_WINDOW ? next_size * 4 : next_size;
	*out = w;
	return 0;
}

/* window_lock held. */
static bool grow_locked(struct window *old, size_t need)
{
	int fd = journal_file_reopen(&file);
	if (fd < 0)
		return false;
	size_t used = atomic_fetch_or_explicit(&old->used, CLOSED, memory_order_acq_rel);
	uint64_t from = old->at + (used & ~CLOSED);
	bool torn = false;
	long size = journal_file_size(fd);
	if (size < 0 || (uint64_t)size != file_size) {
		/* Emptied or appended to by somebody: go on behind what is there now. */
		long end = journal_file_end(fd, &torn);
		used |= CLOSED;
		from = end > 0 ? (uint64_t)end : 0;
		file_size = size > 0 ? (uint64_t)size : 0;
	}
	struct window *w = NULL;
	window_open(fd, from, need, torn, &w);
	sys1(SYS_close, fd);
	if (!w) {
		/* A shorter line may still fit. */
		if (!(used & CLOSED))
			atomic_store_explicit(&old->used, used, memory_order_release);
		return false;
	}
	w->older = old;
	atomic_store_explicit(&current, w, memory_order_release);
	sys3(SYS_madvise, old->map, old->size, MADV_DONTNEED);
	return true;
}

/* Makes a window with room for `len` bytes the current one, unless somebody else has since `seen` was looked at. */
static COLD bool window_next(struct window *seen, size_t len)
{
	spin_lock(&window_lock);
	struct window *w = atomic_load_explicit(&current, memory_order_relaxed);
	size_t used = w ? atomic_load_explicit(&w->used, memory_order_relaxed) : 0;
	bool ok = w && (w != seen || (!(used & CLOSED) && len <= w->size - used) || grow_locked(w, len));
	spin_unlock(&window_lock);
	return ok;
}

/*
 * The newline first and the first byte last: a line that is cut short by death begins with a NUL and ends at its end.
 * By our own thread id: the process's is gone once its first thread has ended. The kernel does the storing, because it
 * answers EFAULT where we would get SIGBUS: somebody emptied the file, or the file system had promised blocks that it
 * does not have.
 */
static bool store(struct window *w, size_t at, const char *line, size_t len)
{
	char *to = w->map + at;
	if (!atomic_load_explicit(&plain, memory_order_relaxed)) {
		struct iovec from[3] = { { (char *)line + len - 1, 1 },
					 { (char *)line + 1, len - 2 },
					 { (char *)line, 1 } };
		struct iovec dest[3] = { { to + len - 1, 1 }, { to + 1, len - 2 }, { to, 1 } };
		long n = sys6(SYS_process_vm_writev, sys_gettid(), (long)from, 3, (long)dest, 3, 0);
		if (n == (long)len)
			return true;
		if (n != -ENOSYS && n != -EPERM)
			return false;
		atomic_store_explicit(&plain, true, memory_order_relaxed);
	}
	to[len - 1] = '\n';
	memcpy(to + 1, line + 1, len - 2);
	__atomic_store_n(to, line[0], __ATOMIC_RELEASE);
	return true;
}

static bool file_line(const char *line, size_t len)
{
	for (int tries = 0; tries < 2;) {
		struct window *w = atomic_load_explicit(&current, memory_order_acquire);
		size_t used = atomic_load_explicit(&w->used, memory_order_relaxed);
		if ((used & CLOSED) || len > w->size - used) {
			if (!window_next(w, len))
				return false;
			continue;
		}
		if (!atomic_compare_exchange_weak_explicit(&w->used, &used, used + len, memory_order_acq_rel,
							   memory_order_relaxed))
			continue;
		if (store(w, used, line, len))
			return true;
		/* This window has lost its file. The next one looks at what is there. */
		atomic_fetch_or_explicit(&w->used, CLOSED, memory_order_relaxed);
		tries++;
	}
	return false;
}

/* ---- the socket ------------------------------------------------------------------------------------------------- */

static bool tee_is_ours(int fd)
{
	struct stat st;
	return fd >= 0 && sys2(SYS_fstat, fd, &st) == 0 && st.st_dev == tee_dev && st.st_ino == tee_ino;
}

static void tee_drop(void)
{
	int fd = atomic_exchange_explicit(&tee_fd, -1, memory_order_relaxed);
	if (tee_is_ours(fd))
		sys1(SYS_close, fd);
}

static bool tee_send(int fd, const char *line, size_t len)
{
	uint64_t deadline = 0;
	while (len) {
		long n = sys6(SYS_sendto, fd, (long)line, (long)len, MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
		if (n > 0) {
			line += n;
			len -= (size_t)n;
			continue;
		}
		if (n != -EINTR && n != -EAGAIN)
			return false;
		/* Poll with what is left: a program with a profiling timer interrupts us a thousand times a second. */
		uint64_t now = sys_clock_ns();
		if (!deadline)
			deadline = now + TEE_PATIENCE_NS;
		if (now >= deadline)
			return false;
		struct pollfd p = { fd, POLLOUT, 0 };
		struct timespec t = { (time_t)((deadline - now) / 1000000000u),
				      (long)((deadline - now) % 1000000000u) };
		sys5(SYS_ppoll, &p, 1, &t, NULL, 0);
	}
	return true;
}

static bool tee_line(const char *line, size_t len)
{
	spin_lock(&tee_lock);
	int fd = atomic_load_explicit(&tee_fd, memory_order_relaxed);
	bool ok = tee_is_ours(fd) && tee_send(fd, line, len);
	if (!ok)
		tee_drop();
	spin_unlock(&tee_lock);
	return ok;
}

void journal_tee(int fd)
{
	watch_for_forks();
	spin_lock(&tee_lock);
	tee_drop();
	if (fd >= 0) {
		/* High up, where programs do not look for a number that they expect to be free. */
		long high = -1;
		for (long from = 1000; from >= 3 && high < 0; from /= 4)
			high = sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, from);
		if (high >= 0)
			sys1(SYS_close, fd);
		else
			sys3(SYS_fcntl, high = fd, F_SETFD, FD_CLOEXEC);
		struct stat st;
		if (sys2(SYS_fstat, high, &st) == 0) {
			tee_dev = st.st_dev;
			tee_ino = st.st_ino;
			atomic_store_explicit(&tee_fd, (int)high, memory_order_relaxed);
		}
	}
	spin_unlock(&tee_lock);
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

bool journal_line(const char *line, size_t len)
{
	CHECK(len >= 2 && line[len - 1] == '\n');
	bool kept = false, told = false, wanted = false;
	if (likely(len >= 2 && atomic_load_explicit(alive, memory_order_relaxed))) {
		wanted = journal_has_file();
		kept = wanted && file_line(line, len);
		told = journal_has_socket() && tee_line(line, len);
	}
	/* A journal with a hole is worth a word even when the reporter has heard the line. */
	if (unlikely(!kept && (wanted || !told)))
		atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
	return kept || told;
}

bool journal_ahead(size_t bytes)
{
	struct window *w = atomic_load_explicit(&current, memory_order_acquire);
	return w && atomic_load_explicit(alive, memory_order_relaxed) && window_next(w, bytes);
}

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

static const char *why(int r)
{
	switch (-r) {
	case EACCES:
	case EPERM:
		return "permission denied; name a place this program may write to with journal=PATH";
	case ENOENT:
	case ENOTDIR:
		return "its directory does not exist; make it, or name another with journal=PATH";
	case ELOOP:
		return "it is a symbolic link, which snarl never follows; name the file itself with journal=PATH";
	case EISDIR:
	case EBADF:
		return "it is not a regular file; name one with journal=PATH";
	case EEXIST:
		return "a file that is no journal has that name; remove it, or name another with journal=PATH";
	case EBUSY:
		return "another living process writes there; name another with journal=PATH, %p in it is the pid";
	case EROFS:
		return "the file system is read-only; name another place with journal=PATH";
	case ENOSPC:
	case EDQUOT:
		return "the disk or the quota is full; make room, or name another place with journal=PATH";
	case EFBIG:
		return "the limit on file sizes is too low; raise it (ulimit -f)";
	case EMFILE:
	case ENFILE:
		return "no file descriptor is free; raise the limit (ulimit -n)";
	case ENAMETOOLONG:
		return "the path is too long; name a shorter one with journal=PATH";
	default:
		return NULL;
	}
}

static const char *sentence(const char *path, int r)
{
	static char text[JOURNAL_PATH_BYTES + 256];
	struct fmt f = fmt_on(text, sizeof text);
	fmt_str(&f, "cannot write the journal ");
	fmt_str(&f, path);
	fmt_str(&f, ": ");
	if (why(r)) {
		fmt_str(&f, why(r));
	} else {
		fmt_str(&f, "error ");
		fmt_i64(&f, -r);
		fmt_str(&f, "; name another place with journal=PATH");
	}
	return fmt_end(&f);
}

static void drop_windows(void)
{
	for (struct window *w = atomic_exchange(&current, NULL); w; w = w->older)
		sys_unmap(w->map, w->size);
}

const char *journal_open(const char *path)
{
	journal_close();
	/* Nobody else writes at this moment. The mappings go, because their flock would make us avoid ourselves. */
	drop_windows();
	watch_for_forks();
	int fd = journal_file_claim(&file, path);
	if (fd < 0)
		return sentence(file.path[0] == '/' ? file.path : path, fd);
	spin_lock(&window_lock);
	bool torn;
	struct window *w = NULL;
	next_size = FIRST_WINDOW;
	long end = journal_file_end(fd, &torn);
	/* What a killed process left behind it would only be mistaken for our room. */
	int r = end < 0 ? (int)end : (int)sys2(SYS_ftruncate, fd, end);
	if (r == 0) {
		file_size = (uint64_t)end;
		r = window_open(fd, (uint64_t)end, LEAST_ROOM, torn, &w);
	}
	sys1(SYS_close, fd);
	if (w)
		w->older = NULL;
	atomic_store_explicit(&current, w, memory_order_release);
	spin_unlock(&window_lock);
	return w ? NULL : sentence(file.path, r);
}

void journal_trim(void)
{
	if (!atomic_load_explicit(alive, memory_order_relaxed))
		return;
	spin_lock(&window_lock);
	struct window *w = atomic_load_explicit(&current, memory_order_relaxed);
	size_t used = w ? atomic_fetch_or_explicit(&w->used, CLOSED, memory_order_acq_rel) : CLOSED;
	if (!(used & CLOSED)) {
		/* Writers are below `end`; nobody gets beyond it before the next window is made. */
		uint64_t end = w->at + used;
		int fd = journal_file_reopen(&file);
		bool done = fd >= 0 && journal_file_size(fd) == (long)file_size && sys2(SYS_ftruncate, fd, end) == 0;
		if (fd >= 0)
			sys1(SYS_close, fd);
		if (done) {
			file_size = end;
			next_size = FIRST_WINDOW; /* little is to come */
		} else {
			atomic_store_explicit(&w->used, used, memory_order_release);
		}
	}
	spin_unlock(&window_lock);
}

void journal_close(void)
{
	journal_trim();
	spin_lock(&tee_lock);
	tee_drop();
	spin_unlock(&tee_lock);
}

void journal_fork_child(void)
{
	spin_reset(&window_lock);
	spin_reset(&tee_lock);
	/* With a wiped page the windows were left behind as well, and their addresses may be somebody's by now. */
	if (alive == &no_page)
		drop_windows();
	atomic_store(&current, NULL);
	atomic_store(alive, 1);
	tee_drop();
}
