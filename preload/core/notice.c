/* notice.c - The saved stderr, and one line to it: see reporter.h. */
#include "core/reporter.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "base/sys.h"

#define PATIENCE_MS 1000

static _Atomic int saved = -1;
static dev_t dev;
static ino_t ino;
static _Atomic bool is_quiet;

void notice_quiet(bool quiet)
{
	atomic_store_explicit(&is_quiet, quiet, memory_order_relaxed);
}

static bool leads_there(int fd)
{
	struct stat st;
	return fd >= 0 && sys2(SYS_fstat, fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int dup_high(int fd)
{
	/* Programs loop over the low numbers, and RLIMIT_NOFILE may be small. */
	for (int from = 1000; from >= 3; from /= 4) {
		long high = sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, from);
		if (high >= 0)
			return (int)high;
	}
	return -1;
}

void notice_save(void)
{
	struct stat st;
	if (sys2(SYS_fstat, 2, &st) != 0)
		return;
	dev = st.st_dev;
	ino = st.st_ino;
	atomic_store_explicit(&saved, dup_high(2), memory_order_relaxed);
}

int notice_fd(void)
{
	int fd = atomic_load_explicit(&saved, memory_order_relaxed);
	if (leads_there(fd))
		return fd;
	/* The program has closed our number (daemons close them all) but may have left its own stderr alone. */
	if (!ino || !leads_there(2))
		return -1;
	fd = dup_high(2);
	atomic_store_explicit(&saved, fd, memory_order_relaxed);
	return fd;
}

#define BIT(sig) (1ull << ((sig)-1))

/* Writes without any signal reaching the program: no reader, background terminal, file size limit. */
static void write_unseen(int fd, const struct iovec *iov, int nr)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	struct timespec patience = { PATIENCE_MS / 1000, PATIENCE_MS % 1000 * 1000000 };
	if (sys5(SYS_ppoll, &p, 1, &patience, NULL, 0) == 0)
		return; /* a stopped terminal, a pipe that nobody reads: not worth holding the program up */
	const uint64_t mine = BIT(SIGPIPE) | BIT(SIGTTOU) | BIT(SIGXFSZ);
	uint64_t old, before = 0;
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &mine, &old, sizeof old);
	sys2(SYS_rt_sigpending, &before, sizeof before);
	long n;
	do
		n = sys3(SYS_writev, fd, iov, nr);
	while (n == -EINTR);
	uint64_t raised = n == -EPIPE ? BIT(SIGPIPE) : n == -EFBIG ? BIT(SIGXFSZ) : 0;
	raised &= ~before;
	struct timespec now = { 0, 0 };
	if (raised)
		sys4(SYS_rt_sigtimedwait, &raised, NULL, &now, sizeof raised);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof old);
}

void notice(const char *text)
{
	if (atomic_load_explicit(&is_quiet, memory_order_relaxed))
		return;
	int fd = notice_fd();
	if (fd < 0)
		return;
	struct iovec iov[3] = { { (char *)"snarl: ", 7 }, { (char *)text, strlen(text) }, { (char *)"\n", 1 } };
	write_unseen(fd, iov, 3);
}
