/*
 * redirect_io.c - Buffers that the kernel or a stream fills and empties.
 *
 * What is given away is read before the call, what comes back is written after it, as much as came. The names lead to our own
 * hooks, which see to what is ordered by it.
 */
#include "watch/redirect_access.h"

#include "base/sys.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILLS(ret, name, params, args, p)                                                                            \
	REDIRECT(ret, name, params)                                                                                  \
	{                                                                                                            \
		struct toucher c = TOUCHER();                                                                        \
		ret r_ = name args;                                                                                  \
		WRITES(p, r_ > 0 ? (size_t)r_ : 0);                                                                  \
		return r_;                                                                                           \
	}
#define EMPTIES(ret, name, params, args, p, n)                                                                       \
	REDIRECT(ret, name, params)                                                                                  \
	{                                                                                                            \
		struct toucher c = TOUCHER();                                                                        \
		READS(p, n);                                                                                         \
		return name args;                                                                                    \
	}

/* No header declares what -D_FORTIFY_SOURCE makes of them. source: glibc 2.36, debug/. */
ssize_t __read_chk(int fd, void *p, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t room, int flags);

FILLS(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), p)
FILLS(ssize_t, __read_chk, (int fd, void *p, size_t n, size_t room), (fd, p, n, room), p)
FILLS(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), p)
FILLS(ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at), p)
FILLS(ssize_t, __pread_chk, (int fd, void *p, size_t n, off_t at, size_t room), (fd, p, n, at, room), p)
EMPTIES(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), p, n)
EMPTIES(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), p, n)
EMPTIES(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at), p, n)
EMPTIES(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), p, n)
EMPTIES(ssize_t, sendto, (int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len),
	(fd, p, n, flags, to, len), p, n)

/* With MSG_TRUNC the result may be more than there was room for. */
#define RECEIVES(name, params, args)                                                                                 \
	REDIRECT(ssize_t, name, params)                                                                              \
	{                                                                                                            \
		struct toucher c = TOUCHER();                                                                        \
		ssize_t r_ = name args;                                                                              \
		WRITES(p, r_ <= 0 ? 0 : (size_t)r_ < n ? (size_t)r_ : n);                                             \
		return r_;                                                                                           \
	}
RECEIVES(recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
RECEIVES(__recv_chk, (int fd, void *p, size_t n, size_t room, int flags), (fd, p, n, room, flags))
RECEIVES(recvfrom, (int fd, void *restrict p, size_t n, int flags, struct sockaddr *restrict from, socklen_t *restrict len),
	 (fd, p, n, flags, from, len))

/* A vector as it is now; 0: it cannot be read, and the call will say so. */
#define PARTS 64u
static size_t parts_of(const struct iovec *v, size_t n, struct iovec parts[PARTS])
{
	struct iovec to = { parts, (n < PARTS ? n : PARTS) * sizeof *v }, from = { (void *)(uintptr_t)v, to.iov_len };
	long got = n ? sys6(SYS_process_vm_readv, sys_getpid(), (long)&to, 1, (long)&from, 1, 0) : 0;
	return got > 0 ? (size_t)got / sizeof *v : 0;
}

/* left: bytes at most. */
static void vector(const struct toucher *c, const struct iovec *v, size_t n, size_t left, bool write)
{
	struct iovec part[PARTS];
	if (!c->t)
		return;
	n = parts_of(v, n, part);
	touch(c, v, n * sizeof *v, false);
	for (size_t i = 0; i < n && left; i++) {
		size_t k = part[i].iov_len < left ? part[i].iov_len : left;
		touch(c, part[i].iov_base, k, write);
		left -= k;
	}
}

static void message(const struct toucher *c, const struct msghdr *m, size_t left, bool write)
{
	struct msghdr now;
	struct iovec to = { &now, sizeof now }, from = { (void *)(uintptr_t)m, sizeof now };
	if (c->t && sys6(SYS_process_vm_readv, sys_getpid(), (long)&to, 1, (long)&from, 1, 0) == (long)sizeof now)
		vector(c, now.msg_iov, now.msg_iovlen, left, write);
}

HOT size_t came(ssize_t r) { return r > 0 ? (size_t)r : 0; }
HOT size_t sane(int n) { return n > 0 && n <= 1024 ? (size_t)n : 0; }

REDIRECT(ssize_t, readv, (int fd, const struct iovec *v, int n))
{
	struct toucher c = TOUCHER();
	ssize_t r = readv(fd, v, n);
	vector(&c, v, sane(n), came(r), true);
	return r;
}

REDIRECT(ssize_t, writev, (int fd, const struct iovec *v, int n))
{
	struct toucher c = TOUCHER();
	vector(&c, v, sane(n), SIZE_MAX, false);
	return writev(fd, v, n);
}

REDIRECT(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags))
{
	struct toucher c = TOUCHER();
	ssize_t r = recvmsg(fd, m, flags);
	if (r > 0)
		message(&c, m, came(r), true);
	return r;
}

REDIRECT(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags))
{
	struct toucher c = TOUCHER();
	message(&c, m, SIZE_MAX, false);
	return sendmsg(fd, m, flags);
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

size_t __fread_chk(void *p, size_t room, size_t bytes, size_t n, FILE *f);
char *__fgets_chk(char *p, size_t room, int n, FILE *f);

REDIRECT(size_t, fread, (void *restrict p, size_t bytes, size_t n, FILE *restrict f))
{
	struct toucher c = TOUCHER();
	size_t r = fread(p, bytes, n, f);
	WRITES(p, r * bytes);
	return r;
}

REDIRECT(size_t, __fread_chk, (void *p, size_t room, size_t bytes, size_t n, FILE *f))
{
	struct toucher c = TOUCHER();
	size_t r = __fread_chk(p, room, bytes, n, f);
	WRITES(p, r * bytes);
	return r;
}

EMPTIES(size_t, fwrite, (const void *restrict p, size_t bytes, size_t n, FILE *restrict f), (p, bytes, n, f), p, bytes *n)
EMPTIES(int, fputs, (const char *restrict s, FILE *restrict f), (s, f), s, c.t ? strlen(s) + 1 : 0)
EMPTIES(int, puts, (const char *s), (s), s, c.t ? strlen(s) + 1 : 0)

REDIRECT(char *, fgets, (char *restrict p, int n, FILE *restrict f))
{
	struct toucher c = TOUCHER();
	char *r = fgets(p, n, f);
	WRITES(p, r && c.t ? strlen(r) + 1 : 0);
	return r;
}

REDIRECT(char *, __fgets_chk, (char *p, size_t room, int n, FILE *f))
{
	struct toucher c = TOUCHER();
	char *r = __fgets_chk(p, room, n, f);
	WRITES(p, r && c.t ? strlen(r) + 1 : 0);
	return r;
}

REDIRECT(ssize_t, getline, (char **restrict line, size_t *restrict n, FILE *restrict f))
{
	struct toucher c = TOUCHER();
	ssize_t r = getline(line, n, f);
	WRITES(r >= 0 ? *line : NULL, r >= 0 ? (size_t)r + 1 : 0);
	return r;
}
