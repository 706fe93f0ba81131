/* journal_file.c - See journal_file.h. */
#include "core/journal_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/fmt.h"
#include "base/sys.h"

#define BLOCK         4096
#define HEADER_SEARCH ((long)64 << 20) /* how far back the last header is looked for */
#define KEEP_FLAGS    (O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static char block[BLOCK + 1];

static long pread_full(int fd, char *to, size_t len, long at)
{
	size_t got = 0;
	while (got < len) {
		long n = sys4(SYS_pread64, fd, to + got, len - got, at + (long)got);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (long)got;
}

long journal_file_size(int fd)
{
	struct stat st;
	long r = sys2(SYS_fstat, fd, &st);
	return r < 0 ? r : st.st_size;
}

long journal_file_end(int fd, bool *torn)
{
	long end = journal_file_size(fd);
	*torn = false;
	while (end > 0) {
		long from = (end - 1) & ~(long)(BLOCK - 1);
		long n = pread_full(fd, block, (size_t)(end - from), from);
		if (n < 0)
			return n;
		while (n > 0 && block[n - 1] == '\0')
			n--;
		end = from + n;
		if (n == 0)
			continue;
		*torn = block[n - 1] != '\n';
		return end;
	}
	return end;
}

/* ---- whose it is ------------------------------------------------------------------------------------------------ */

/* Whether text[at] begins the word "header" of a "type" member. */
static bool header_at(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] == ' ')
		at--;
	if (at == 0 || text[--at] != ':')
		return false;
	while (at > 0 && text[at - 1] == ' ')
		at--;
	return at >= 6 && memcmp(text + at - 6, "\"type\"", 6) == 0;
}

static int pid_in(const char *text)
{
	const char *p = strstr(text, "\"pid\":");
	if (!p)
		return 0;
	for (p += 6; *p == ' '; p++)
		;
	int pid = 0;
	for (; *p >= '0' && *p <= '9' && pid < 100000000; p++)
		pid = pid * 10 + (*p - '0');
	return pid;
}

/* The pid of the last header before `end`, 0 when there is none within reach. */
static int last_header_pid(int fd, long end)
{
	static const char word[] = "\"header\"";
	long low = end > HEADER_SEARCH ? end - HEADER_SEARCH : 0;
	/* Blocks overlap, so that a header across two of them is whole in one. */
	for (long stop = end; stop > low; stop -= BLOCK - 64) {
		long from = stop > BLOCK ? stop - BLOCK : 0;
		long n = pread_full(fd, block, (size_t)(stop - from), from);
		if (n <= 0)
			return 0;
		long found = -1;
		for (char *p = block; (p = memmem(p, (size_t)(block + n - p), word, sizeof word - 1)); p++)
			if (header_at(block, (size_t)(p - block)))
				found = from + (p - block);
		if (found < 0)
			continue;
		n = pread_full(fd, block, BLOCK, found);
		if (n <= 0)
			return 0;
		block[n] = '\0';
		char *line_end = strchr(block, '\n');
		if (line_end)
			*line_end = '\0';
		return pid_in(block);
	}
	return 0;
}

static bool lives(int pid)
{
	if (sys2(SYS_kill, pid, 0) == -ESRCH)
		return false;
	char path[32], text[512];
	struct fmt f = fmt_on(path, sizeof path);
	fmt_str(&f, "/proc/");
	fmt_i64(&f, pid);
	fmt_str(&f, "/stat");
	if (sys_read_file(fmt_end(&f), text, sizeof text) <= 0)
		return true;
	const char *p = strrchr(text, ')'); /* the name before it may hold anything */
	return !(p && p[1] == ' ' && (p[2] == 'Z' || p[2] == 'X'));
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int make_absolute(struct journal_file *f, const char *path)
{
	size_t len = 0;
	if (path[0] != '/') {
		long n = sys2(SYS_getcwd, f->path, sizeof f->path);
		if (n < 0)
			return (int)n;
		if (f->path[0] != '/')
			return -ENOENT; /* "(unreachable)...": below another root */
		len = (size_t)n - 1;
		if (len > 1)
			f->path[len++] = '/';
	}
	size_t add = strlen(path) + 1;
	if (add > sizeof f->path - len)
		return -ENAMETOOLONG;
	memcpy(f->path + len, path, add);
	return 0;
}

static int open_path(struct journal_file *f)
{
	long fd = sys4(SYS_openat, AT_FDCWD, f->path, KEEP_FLAGS | O_CREAT | O_EXCL, 0600);
	if (fd >= 0)
		sys2(SYS_fchmod, fd, 0600); /* an umask such as 0777 would keep us out ourselves */
	else if (fd == -EEXIST)
		fd = sys4(SYS_openat, AT_FDCWD, f->path, KEEP_FLAGS, 0);
	if (fd < 0)
		return (int)fd;
	struct stat st;
	long r = sys2(SYS_fstat, fd, &st);
	if (r == 0 && !S_ISREG(st.st_mode))
		r = -EBADF;
	if (r < 0) {
		sys1(SYS_close, fd);
		return (int)r;
	}
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return (int)fd;
}

/* 0: ours. -EBUSY: somebody lives by it. -EEXIST: it is something else than a journal. */
static int claim_fd(int fd)
{
	if (sys2(SYS_flock, fd, LOCK_EX | LOCK_NB) == -EWOULDBLOCK)
		return -EBUSY; /* anything else: this file system has no flock, and the header must do */
	bool torn;
	long end = journal_file_end(fd, &torn);
	if (end <= 0)
		return (int)end;
	char first;
	long n = pread_full(fd, &first, 1, 0);
	if (n < 0)
		return (int)n;
	/* A slip of the pen must not append to somebody's database. */
	if (first != '{' && first != '\n' && first != ' ' && first != '\0')
		return -EEXIST;
	int pid = last_header_pid(fd, end);
	return pid > 0 && pid != sys_getpid() && lives(pid) ? -EBUSY : 0;
}

static int open_and_claim(struct journal_file *f)
{
	int fd = open_path(f);
	if (fd < 0)
		return fd;
	int r = claim_fd(fd);
	if (r < 0) {
		sys1(SYS_close, fd);
		return r;
	}
	return fd;
}

int journal_file_claim(struct journal_file *f, const char *path)
{
	int fd = make_absolute(f, path);
	if (fd < 0)
		return fd;
	fd = open_and_claim(f);
	if (fd != -EBUSY)
		return fd;
	size_t len = strlen(f->path);
	struct fmt more = fmt_on(f->path + len, sizeof f->path - len);
	fmt_c(&more, '.');
	fmt_i64(&more, sys_getpid());
	fmt_c(&more, '\0');
	if (more.cut) {
		f->path[len] = '\0';
		return -ENAMETOOLONG;
	}
	return open_and_claim(f);
}

int journal_file_reopen(const struct journal_file *f)
{
	long fd = sys4(SYS_openat, AT_FDCWD, f->path, KEEP_FLAGS, 0);
	if (fd < 0)
		return (int)fd;
	struct stat st;
	long r = sys2(SYS_fstat, fd, &st);
	if (r == 0 && (st.st_dev != f->dev || st.st_ino != f->ino))
		r = -ESTALE;
	if (r == 0)
		return (int)fd;
	sys1(SYS_close, fd);
	return (int)r;
}

/* ---- room ------------------------------------------------------------------------------------------------------- */

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
	memset(block, 0, BLOCK);
	while (from < to) {
		size_t len = to - from < BLOCK ? (size_t)(to - from) : BLOCK;
		long n = sys4(SYS_pwrite64, fd, block, len, from);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		from += (uint64_t)n;
	}
	return 0;
}

int journal_file_extend(int fd, uint64_t from, uint64_t to)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };
	sys4(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &lim);
	if (to > lim.rlim_cur)
		return -EFBIG; /* the kernel would say it with SIGXFSZ */
	long before = journal_file_size(fd);
	if (before < 0)
		return (int)before;
	long r;
	do
		r = sys4(SYS_fallocate, fd, 0, from, to - from);
	while (r == -EINTR);
	if (r == -EOPNOTSUPP || r == -ENOSYS)
		r = write_zeros(fd, from, to);
	if (r < 0 && journal_file_size(fd) > before)
		sys2(SYS_ftruncate, fd, before); /* what a full disk left half done */
	return (int)r;
}
