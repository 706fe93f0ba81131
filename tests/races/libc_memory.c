/* What libc reads and writes for its caller is an access of the caller: the string functions, read and write, and the
 * like. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "race.h"

char buffer[64] = "abcdefghijklmnopqrstuvwxyz";
static char from[64] = "zyxwvutsrqponmlkjihgfedcba";
static int fd[2];

static void look(void)
{
	LOOK(buffer[5]); /* EXPECT: data-race in memcpy_writes, memset_writes, memmove_writes, strcpy_writes,
			    strncpy_writes */
}

static void look_read(void)
{
	LOOK(buffer[5]); /* EXPECT: data-race in read_writes, recv_writes, readv_writes, pread_writes */
}

static void change(void)
{
	buffer[5] = 'x'; /* EXPECT: data-race in memcpy_reads, strlen_reads, strcmp_reads, memcmp_reads, strchr_reads */
}

static void change_more(void)
{
	buffer[5] = 'x'; /* EXPECT: data-race in write_reads, send_reads, writev_reads, strdup_reads */
}

static void look_elsewhere(void)
{
	LOOK(buffer[40]);
}

#define CALL(name, call)       \
	static void name(void) \
	{                      \
		call;          \
	}

CALL(call_memcpy, memcpy(buffer, from, 10))               /* EXPECT: data-race in memcpy_writes */
CALL(call_memcpy2, memcpy(from, buffer, 10))              /* EXPECT: data-race in memcpy_reads */
CALL(call_memset, memset(buffer, 1, 10))                  /* EXPECT: data-race in memset_writes */
CALL(call_memmove, memmove(buffer, from, 10))             /* EXPECT: data-race in memmove_writes */
CALL(call_strcpy, strcpy(buffer, from))                   /* EXPECT: data-race in strcpy_writes */
CALL(call_strncpy, strncpy(buffer, from, 10))             /* EXPECT: data-race in strncpy_writes */
CALL(call_strlen, LOOK(strlen(buffer)))                   /* EXPECT: data-race in strlen_reads */
CALL(call_strcmp, LOOK(strcmp(buffer, "abcdefgh")))       /* EXPECT: data-race in strcmp_reads */
CALL(call_memcmp, LOOK(memcmp(buffer, "abcdefgh", 8)))    /* EXPECT: data-race in memcmp_reads */
CALL(call_strchr, LOOK(strchr(buffer, 'k')))              /* EXPECT: data-race in strchr_reads */
CALL(call_strdup, free(strdup(buffer)))                   /* EXPECT: data-race in strdup_reads */
CALL(call_read, MUST(read(fd[0], buffer, 10) == 10))      /* EXPECT: data-race in read_writes */
CALL(call_pread, MUST(pread(fd[0], buffer, 10, 0) == 10)) /* EXPECT: data-race in pread_writes */
CALL(call_recv, MUST(recv(fd[0], buffer, 10, 0) == 10))   /* EXPECT: data-race in recv_writes */
CALL(call_write, MUST(write(fd[1], buffer, 10) == 10))    /* EXPECT: data-race in write_reads */
CALL(call_send, MUST(send(fd[1], buffer, 10, 0) == 10))   /* EXPECT: data-race in send_reads */

static void call_readv(void)
{
	struct iovec v[2] = { { buffer, 4 }, { buffer + 4, 6 } };

	MUST(readv(fd[0], v, 2) == 10); /* EXPECT: data-race in readv_writes */
}

static void call_writev(void)
{
	struct iovec v[2] = { { buffer, 4 }, { buffer + 4, 6 } };

	MUST(writev(fd[1], v, 2) == 10); /* EXPECT: data-race in writev_reads */
}

static void open_pipe(void)
{
	MUST(pipe(fd) == 0 && write(fd[1], from, 20) == 20);
}

static void open_sockets(void)
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0 && write(fd[1], from, 20) == 20);
}

static void memcpy_writes(void)
{
	in_turn(call_memcpy, look);
}

static void memcpy_reads(void)
{
	in_turn(call_memcpy2, change);
}

static void memset_writes(void)
{
	in_turn(look, call_memset);
}

static void memmove_writes(void)
{
	in_turn(look, call_memmove);
}

static void strcpy_writes(void)
{
	in_turn(call_strcpy, look);
}

static void strncpy_writes(void)
{
	in_turn(call_strncpy, look);
}

static void strlen_reads(void)
{
	in_turn(call_strlen, change);
}

static void strcmp_reads(void)
{
	in_turn(change, call_strcmp);
}

static void memcmp_reads(void)
{
	in_turn(call_memcmp, change);
}

static void strchr_reads(void)
{
	in_turn(change, call_strchr);
}

/* TSAN: misses strdup_reads: it leaves strdup alone */
static void strdup_reads(void)
{
	in_turn(change_more, call_strdup);
}

static void read_writes(void)
{
	open_pipe();
	in_turn(call_read, look_read);
}

static void pread_writes(void)
{
	fd[0] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	MUST(fd[0] >= 0);
	in_turn(look_read, call_pread);
}

/* TSAN: misses readv_writes: libtsan 12 does */
static void readv_writes(void)
{
	open_pipe();
	in_turn(look_read, call_readv);
}

static void recv_writes(void)
{
	open_sockets();
	in_turn(call_recv, look_read);
}

static void write_reads(void)
{
	open_pipe();
	in_turn(call_write, change_more);
}

static void writev_reads(void)
{
	open_pipe();
	in_turn(change_more, call_writev);
}

static void send_reads(void)
{
	open_sockets();
	in_turn(change_more, call_send);
}

/* The first ten bytes, and no more. */
static void memcpy_beside(void) /* EXPECT: silence in memcpy_beside */
{
	in_turn3(call_memcpy, look_elsewhere, look_elsewhere);
}

static void two_readers(void) /* EXPECT: silence in two_readers */
{
	in_turn3(call_memcpy2, call_strlen, look);
}

/* read() of 10 bytes wanted 10 and got 10; one of 64 that gets 10 touches 10. */
static void short_read_of_many(void)
{
	MUST(read(fd[0], buffer, sizeof(buffer)) == 20);
}

static void short_read(void) /* EXPECT: silence in short_read */
{
	open_pipe();
	in_turn(look_elsewhere, short_read_of_many);
}

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void all_locked(void)
{
	pthread_mutex_lock(&m);
	call_memcpy();
	call_strlen();
	call_memset();
	pthread_mutex_unlock(&m);
}

static void locked(void) /* EXPECT: silence in locked */
{
	in_turn3(all_locked, all_locked, all_locked);
}

CASES(CASE(memcpy_writes), CASE(memcpy_reads), CASE(memset_writes), CASE(memmove_writes), CASE(strcpy_writes),
      CASE(strncpy_writes), CASE(strlen_reads), CASE(strcmp_reads), CASE(memcmp_reads), CASE(strchr_reads),
      CASE(strdup_reads), CASE(read_writes), CASE(pread_writes), CASE(readv_writes), CASE(recv_writes),
      CASE(write_reads), CASE(writev_reads), CASE(send_reads), CASE(memcpy_beside), CASE(two_readers), CASE(short_read),
      CASE(locked))
