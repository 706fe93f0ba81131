/*
 * io.c - What is written comes before what is read: descriptors order threads, for the race detector.
 *
 * The key is what the descriptor stands for, asked of the kernel each time, so that dup, fork, passing and closing need not be
 * followed: a pipe, file or terminal by device and inode (both ends of a pipe have one inode); all sockets are one, because what
 * goes into one may come out of another, through another process as well; all event descriptors are one, having one inode. More
 * order than there is loses races and invents none.
 *
 * What libc does inside (stdio's buffers) does not come here: the streams' own functions do, at the end.
 */
#include "base/masks.h"
#include "hooks/io.h"

#include "base/sys.h"

#include <errno.h>
#undef __USE_EXTERN_INLINES /* getline has a body in the header, under clang */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ANY_SOCKET = 1, ANY_EVENT, ANYTHING };
#define KEY_IO(x) (1ul << 62 | (uintptr_t)(x) << 2)

/* 0: no such descriptor. source: on x86-64 the kernel's struct stat is libc's. */
static uintptr_t key_of(int fd)
{
	struct stat st;
	if (unlikely(sys_confined.on))
		return KEY_IO(ANYTHING); /* nobody to ask */
	if (fd < 0 || sys2(SYS_fstat, fd, &st) != 0)
		return 0;
	if (S_ISSOCK(st.st_mode))
		return KEY_IO(ANY_SOCKET);
	if (!(st.st_mode & S_IFMT))
		return KEY_IO(ANY_EVENT);
	uint64_t hash = (st.st_ino ^ (uint64_t)st.st_dev << 40) * 0x9e3779b97f4a7c15ull;
	return KEY_IO(hash >> 6 | 1ul << 57);
}

static struct thread *watched(void)
{
	struct thread *t = hook_thread();
	return t && t->race ? t : NULL;
}

void io_goes_key_slow(uintptr_t key)
{
	int saved = errno;
	struct thread *t = watched();
	if (t && key)
		happens_before(t, key);
	errno = saved;
}

void io_came_key_slow(uintptr_t key)
{
	int saved = errno;
	struct thread *t = watched();
	if (t && key)
		happens_after(t, key);
	errno = saved;
}

void io_goes_slow(int fd) { io_goes_key_slow(key_of(fd)); }
void io_came_slow(int fd) { io_came_key_slow(key_of(fd)); }

/* ---- descriptors -------------------------------------------------------------------------------------------------- */

IO_CAME(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), fd)
IO_CAME(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), fd)
IO_CAME(ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at), fd)
IO_CAME(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n), fd)
IO_CAME(ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), fd)
IO_CAME(ssize_t, preadv64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at), fd)
IO_CAME(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), fd)
IO_CAME(ssize_t, recvfrom, (int fd, void *restrict p, size_t n, int flags, struct sockaddr *restrict from, socklen_t *restrict len),
	(fd, p, n, flags, from, len), fd)
IO_CAME(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), fd)
IO_CAME(int, recvmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *limit), (fd, m, n, flags, limit), fd)
IO_CAME(int, accept, (int fd, struct sockaddr *restrict from, socklen_t *restrict len), (fd, from, len), fd)
IO_CAME(int, accept4, (int fd, struct sockaddr *restrict from, socklen_t *restrict len, int flags), (fd, from, len, flags), fd)
IO_CAME(int, eventfd_read, (int fd, eventfd_t *value), (fd, value), fd)

IO_GOES(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), fd)
IO_GOES(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), fd)
IO_GOES(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at), fd)
IO_GOES(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), fd)
IO_GOES(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), fd)
IO_GOES(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at), fd)
IO_GOES(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), fd)
IO_GOES(ssize_t, sendto, (int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len),
	(fd, p, n, flags, to, len), fd)
IO_GOES(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), fd)
IO_GOES(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags), (fd, m, n, flags), fd)
IO_GOES(int, connect, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len), fd)
IO_GOES(int, shutdown, (int fd, int how), (fd, how), fd)
IO_GOES(int, eventfd_write, (int fd, eventfd_t value), (fd, value), fd)
/* The other end reads its end of file after this. */
IO_GOES(int, close, (int fd), (fd), fd)

/* What is added to an epoll set comes before what is reported by it: its data is often a pointer. */
IO_GOES(int, epoll_ctl, (int set, int op, int fd, struct epoll_event *event), (set, op, fd, event), set)
IO_CAME(int, epoll_wait, (int set, struct epoll_event *events, int n, int ms), (set, events, n, ms), set)

INTERPOSE(int, epoll_pwait, (int set, struct epoll_event *events, int n, int ms, const sigset_t *mask))
{
	MASKS_UNDER(mask);
	int r = REAL(epoll_pwait)(set, events, n, ms, mask);
	if (race_on && r >= 0)
		io_came_slow(set);
	return r;
}

/* Somebody who was told that there is something to read knows as much as one who read it. */
static COLD void polled(const struct pollfd *p, nfds_t n)
{
	for (nfds_t i = 0; i < n; i++)
		if (p[i].revents & (POLLIN | POLLHUP | POLLPRI))
			io_came_slow(p[i].fd);
}

INTERPOSE(int, poll, (struct pollfd *p, nfds_t n, int ms))
{
	if (likely(!race_on))
		return REAL(poll)(p, n, ms);
	int r = REAL(poll)(p, n, ms);
	if (r > 0)
		polled(p, n);
	return r;
}

INTERPOSE(int, ppoll, (struct pollfd *p, nfds_t n, const struct timespec *limit, const sigset_t *mask))
{
	MASKS_UNDER(mask);
	if (likely(!race_on))
		return REAL(ppoll)(p, n, limit, mask);
	int r = REAL(ppoll)(p, n, limit, mask);
	if (r > 0)
		polled(p, n);
	return r;
}

/* What -D_FORTIFY_SOURCE makes of some of them. No header declares these. source: glibc 2.36, debug/. */
ssize_t __read_chk(int fd, void *p, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t room);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *p, size_t n, size_t room, int flags, struct sockaddr *from, socklen_t *len);
int __poll_chk(struct pollfd *p, nfds_t n, int ms, size_t room);

IO_CAME(ssize_t, __read_chk, (int fd, void *p, size_t n, size_t room), (fd, p, n, room), fd)
IO_CAME(ssize_t, __pread_chk, (int fd, void *p, size_t n, off_t at, size_t room), (fd, p, n, at, room), fd)
IO_CAME(ssize_t, __pread64_chk, (int fd, void *p, size_t n, off64_t at, size_t room), (fd, p, n, at, room), fd)
IO_CAME(ssize_t, __recv_chk, (int fd, void *p, size_t n, size_t room, int flags), (fd, p, n, room, flags), fd)
IO_CAME(ssize_t, __recvfrom_chk, (int fd, void *p, size_t n, size_t room, int flags, struct sockaddr *from, socklen_t *len),
	(fd, p, n, room, flags, from, len), fd)

INTERPOSE(int, __poll_chk, (struct pollfd *p, nfds_t n, int ms, size_t room))
{
	int r = REAL(__poll_chk)(p, n, ms, room);
	if (unlikely(race_on && r > 0))
		polled(p, n);
	return r;
}

/* ---- streams: their buffers move by libc's own means --------------------------------------------------------------- */

/* -1: a stream in memory. */
static COLD int fd_of_slow(FILE *f)
{
	int saved = errno, fd = fileno(f);
	errno = saved;
	return fd;
}

HOT int fd_of(FILE *f) { return unlikely(race_on) ? fd_of_slow(f) : -1; }

IO_GOES(int, fflush, (FILE *f), (f), f ? fd_of(f) : -1)
IO_GOES(int, fclose, (FILE *f), (f), fd_of(f))
IO_GOES(int, fputs, (const char *restrict s, FILE *restrict f), (s, f), fd_of(f))
IO_GOES(size_t, fwrite, (const void *restrict p, size_t bytes, size_t n, FILE *restrict f), (p, bytes, n, f), fd_of(f))
IO_CAME(ssize_t, getline, (char **restrict p, size_t *restrict n, FILE *restrict f), (p, n, f), fd_of(f))
IO_CAME(ssize_t, getdelim, (char **restrict p, size_t *restrict n, int end, FILE *restrict f), (p, n, end, f), fd_of(f))

INTERPOSE(size_t, fread, (void *restrict p, size_t bytes, size_t n, FILE *restrict f))
{
	if (likely(!race_on))
		return REAL(fread)(p, bytes, n, f);
	size_t r = REAL(fread)(p, bytes, n, f);
	io_came_slow(fd_of_slow(f));
	return r;
}

INTERPOSE(char *, fgets, (char *restrict p, int n, FILE *restrict f))
{
	if (likely(!race_on))
		return REAL(fgets)(p, n, f);
	char *r = REAL(fgets)(p, n, f);
	io_came_slow(fd_of_slow(f));
	return r;
}

/* Character by character: only one that finds the buffer empty brings news. */
static COLD int got(FILE *f, int (*get)(FILE *))
{
	bool empty = f->_IO_read_ptr >= f->_IO_read_end;
	int c = get(f);
	if (empty)
		io_came_slow(fd_of_slow(f));
	return c;
}

INTERPOSE(int, fgetc, (FILE *f)) { return likely(!race_on) ? REAL(fgetc)(f) : got(f, REAL(fgetc)); }
INTERPOSE(int, getc, (FILE *f)) { return likely(!race_on) ? REAL(getc)(f) : got(f, REAL(getc)); }
