/* Memory handed over through a descriptor: what was written before the write is there after the read. */
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "race.h"

struct parcel {
	int value;
};

static int fd[2], back[2];

static struct parcel *pack(int value)
{
	struct parcel *p = (struct parcel *)malloc(sizeof(*p));

	p->value = value;
	return p;
}

static void *send_it(void *arg)
{
	struct parcel *p = pack(1);

	MUST(write(fd[1], &p, sizeof(p)) == sizeof(p));
	return arg;
}

static void unpack(struct parcel *p)
{
	MUST(p->value == 1);
	p->value = 2;
	free(p);
}

static void *receive_it(void *arg)
{
	struct parcel *p;

	MUST(read(fd[0], &p, sizeof(p)) == sizeof(p));
	unpack(p);
	return arg;
}

static void *send_msg(void *arg)
{
	struct parcel *p = pack(1);
	struct iovec v = { &p, sizeof(p) };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

	MUST(sendmsg(fd[1], &h, 0) == sizeof(p));
	return arg;
}

static void *receive_msg(void *arg)
{
	struct parcel *p;
	struct iovec v = { &p, sizeof(p) };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

	MUST(recvmsg(fd[0], &h, 0) == sizeof(p));
	unpack(p);
	return arg;
}

static void by_pipe(void) /* EXPECT: silence in by_pipe */
{
	MUST(pipe(fd) == 0);
	run_two(send_it, receive_it);
}

/* The same at the ends of streams; the reader takes it byte by byte. */
static void *print_it(void *arg)
{
	FILE *f = fdopen(fd[1], "w");
	struct parcel *p = pack(1);

	MUST(f && fwrite(&p, sizeof(p), 1, f) == 1);
	fclose(f);
	return arg;
}

static void *scan_it(void *arg)
{
	FILE *f = fdopen(fd[0], "r");
	union {
		struct parcel *p;
		unsigned char byte[sizeof(struct parcel *)];
	} in;

	for (size_t i = 0; i < sizeof(in); i++)
		in.byte[i] = (unsigned char)getc(f);
	unpack(in.p);
	fclose(f);
	return arg;
}

static void by_streams(void) /* EXPECT: silence in by_streams */
{
	MUST(pipe(fd) == 0);
	run_two(print_it, scan_it);
}

static void by_socketpair(void) /* EXPECT: silence in by_socketpair */
{
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	run_two(send_it, receive_it);
}

static void by_message(void) /* EXPECT: silence in by_message */
{
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0);
	run_two(send_msg, receive_msg);
}

/* The pointer goes through memory, the order through an eventfd. */
static struct parcel *parcel;

static void *signal_eventfd(void *arg)
{
	long one = 1;

	parcel = pack(1);
	MUST(write(fd[1], &one, sizeof(one)) == sizeof(one));
	return arg;
}

static void *await_eventfd(void *arg)
{
	long got;

	MUST(read(fd[0], &got, sizeof(got)) == sizeof(got));
	unpack(parcel);
	return arg;
}

static void by_eventfd(void) /* EXPECT: silence in by_eventfd */
{
	fd[0] = fd[1] = eventfd(0, 0);
	run_two(signal_eventfd, await_eventfd);
}

static void *await_poll(void *arg)
{
	struct pollfd p = { .fd = fd[0], .events = POLLIN };

	MUST(poll(&p, 1, 10000) == 1);
	return await_eventfd(arg);
}

static void by_poll(void) /* EXPECT: silence in by_poll */
{
	fd[0] = fd[1] = eventfd(0, EFD_NONBLOCK);
	run_two(signal_eventfd, await_poll);
}

static void *await_select(void *arg)
{
	fd_set s;

	FD_ZERO(&s);
	FD_SET(fd[0], &s);
	MUST(select(fd[0] + 1, &s, NULL, NULL, NULL) == 1);
	return receive_it(arg);
}

static void by_select(void) /* EXPECT: silence in by_select */
{
	MUST(pipe(fd) == 0);
	run_two(send_it, await_select);
}

static void *await_epoll(void *arg)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	MUST(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &e) == 0);
	MUST(epoll_wait(ep, &e, 1, -1) == 1);
	return receive_it(arg);
}

static void by_epoll(void) /* EXPECT: silence in by_epoll */
{
	MUST(pipe(fd) == 0);
	run_two(send_it, await_epoll);
}

/* A descriptor's other end is closed: the reader sees the end of the file after what came before the close. */
static void *write_and_close(void *arg)
{
	parcel = pack(1);
	close(fd[1]);
	return arg;
}

static void *await_end_of_file(void *arg)
{
	char c;

	MUST(read(fd[0], &c, 1) == 0);
	unpack(parcel);
	return arg;
}

/* TSAN: cries in by_close: it does not take close for a message */
static void by_close(void) /* EXPECT: silence in by_close */
{
	MUST(pipe(fd) == 0);
	run_two(write_and_close, await_end_of_file);
}

/* A request's object lent to the server and given back with the answer. */
static void *serve(void *arg)
{
	struct parcel *p;

	for (int i = 0; i < 100; i++) {
		MUST(read(fd[0], &p, sizeof(p)) == sizeof(p));
		p->value++;
		MUST(write(back[1], &p, sizeof(p)) == sizeof(p));
	}
	return arg;
}

static void *ask(void *arg)
{
	struct parcel *p = pack(0), *q;

	for (int i = 0; i < 100; i++) {
		p->value++;
		MUST(write(fd[1], &p, sizeof(p)) == sizeof(p));
		MUST(read(back[0], &q, sizeof(q)) == sizeof(q) && q == p);
	}
	MUST(p->value == 200);
	free(p);
	return arg;
}

static void there_and_back(void) /* EXPECT: silence in there_and_back */
{
	MUST(pipe(fd) == 0 && pipe(back) == 0);
	run_two(serve, ask);
}

/* Kept and changed after it was sent. */
static void *send_and_change(void *arg)
{
	struct parcel *p = pack(1);

	MUST(write(fd[1], &p, sizeof(p)) == sizeof(p));
	p->value = 3; /* EXPECT: data-race in changed_after_sending */
	step(0);
	return arg;
}

static void *receive_late(void *arg)
{
	struct parcel *p;

	MUST(read(fd[0], &p, sizeof(p)) == sizeof(p));
	await_step(0);
	LOOK(p->value); /* EXPECT: data-race in changed_after_sending */
	return arg;
}

static void changed_after_sending(void)
{
	MUST(pipe(fd) == 0);
	run_two(send_and_change, receive_late);
}

/* Two pipes that have nothing to do with each other order nothing. */
int data;

static void write_and_send(void)
{
	data = 1; /* EXPECT: data-race in other_pipe */
	MUST(write(fd[1], "x", 1) == 1);
}

static void receive_other(void)
{
	char c;

	MUST(read(back[0], &c, 1) == 1);
	LOOK(data); /* EXPECT: data-race in other_pipe */
}

static void other_pipe(void)
{
	MUST(pipe(fd) == 0 && pipe(back) == 0 && write(back[1], "x", 1) == 1);
	in_turn(write_and_send, receive_other);
}

CASES(CASE(by_pipe), CASE(by_streams), CASE(by_socketpair), CASE(by_message), CASE(by_eventfd), CASE(by_poll), CASE(by_select),
      CASE(by_epoll), CASE(by_close), CASE(there_and_back), CASE(changed_after_sending), CASE(other_pipe))
