/* engage_io.c - Descriptors, messages and signals, alone and beside a second thread; hooks.test compares with a run without snarl. */
#define _FORTIFY_SOURCE 2
#include "show.h"
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char got[64];
static void *volatile nowhere = (void *)8;
static volatile size_t ten = 10; /* the compiler must not know: else no _chk */

static void pipes(void)
{
	int fd[2];
	struct iovec v[2] = { { got, 3 }, { got + 3, 5 } };
	struct pollfd p;

	MUST(pipe(fd) == 0);
	SHOW(write(fd[1], "abcdefgh", 8));
	p = (struct pollfd){ .fd = fd[0], .events = POLLIN };
	SHOW(poll(&p, 1, 0));
	SHOW(ppoll(&p, 1, NULL, NULL));
	SHOW(read(fd[0], got, ten));
	say(got);
	SHOW(writev(fd[1], v, 2));
	SHOW(readv(fd[0], v, 2));
	MUST(fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0);
	SHOW(read(fd[0], got, 1));
	SHOW(read(fd[0], NULL, 0));
	SHOW(write(fd[1], nowhere, 5));
	SHOW(poll(&p, 1, 0));
	SHOW(close(fd[1]));
	SHOW(close(fd[1]));
	SHOW(read(fd[0], got, ten));
	SHOW(write(fd[0], "x", 1));
	SHOW(close(fd[0]));
	SHOW(read(-1, got, 1));
	SHOW(write(-1, got, 1));
	SHOW(readv(fd[0], v, 2));
	SHOW(writev(fd[0], v, 2));
}

static void files(void)
{
	FILE *f = tmpfile();
	int fd = fileno(f);
	char *line = NULL;
	size_t room = 0;
	struct iovec v = { got, 5 };

	SHOW(pwrite(fd, "hello\nworld\n", 12, 0));
	SHOW(pread(fd, got, ten, 3));
	SHOW(pread(fd, got, 5, -1));
	SHOW(pwrite(fd, got, 5, -1));
	SHOW(pread64(fd, got, 4, 100));
	SHOW(pwrite64(fd, "!", 1, 11));
	SHOW(preadv(fd, &v, 1, 6));
	SHOW(pwritev(fd, &v, 1, 12));
	SHOW(preadv64(fd, &v, 1, 6));
	SHOW(pwritev64(fd, &v, 1, 12));
	rewind(f);
	SHOW(fgets(got, 20, f) == got);
	say(got);
	SHOW(getline(&line, &room, f));
	SHOW(getdelim(&line, &room, 'x', f));
	SHOW(getline(&line, &room, f));
	SHOW(fgets(got, 20, f) == NULL);
	SHOW(getc(f));
	rewind(f);
	SHOW(getc(f));
	SHOW(fgetc(f));
	rewind(f);
	SHOW(fread(got, 1, 5, f));
	SHOW(fread(got, 7, 9, f));
	SHOW(fwrite("abc", 1, 3, f));
	SHOW(fputs("def", f));
	SHOW(fflush(f));
	SHOW(fflush(NULL));
	SHOW(fclose(f));
	SHOW(fcntl(fd, F_GETFD));
	free(line);
	f = fmemopen(got, sizeof got, "r+");
	SHOW(fputs("in memory", f) >= 0);
	SHOW(fflush(f));
	rewind(f);
	SHOW(fread(got + 20, 1, 3, f));
	SHOW(fclose(f));
}

static void sockets(void)
{
	int fd[2], l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), a;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } }, from;
	socklen_t len = sizeof at;
	struct iovec v = { got, 10 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct mmsghdr mm = { .msg_hdr = m };

	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) == 0);
	SHOW(send(fd[0], "one", 3, 0));
	SHOW(recv(fd[1], got, ten, 0));
	SHOW(sendto(fd[0], "two2", 4, 0, NULL, 0));
	SHOW(recvfrom(fd[1], got, ten, 0, NULL, NULL));
	SHOW(sendmsg(fd[0], &m, 0));
	SHOW(recvmsg(fd[1], &m, 0));
	SHOW(sendmmsg(fd[0], &mm, 1, 0));
	SHOW(recvmmsg(fd[1], &mm, 1, 0, NULL));
	SHOW(recv(fd[1], got, ten, MSG_DONTWAIT));
	SHOW(recvmsg(fd[1], &m, MSG_DONTWAIT));
	SHOW(shutdown(fd[0], SHUT_RDWR));
	SHOW(send(fd[0], "one", 3, MSG_NOSIGNAL));
	close(fd[0]);
	close(fd[1]);
	SHOW(send(fd[0], "one", 3, 0));
	MUST(bind(l, (struct sockaddr *)&at, sizeof at) == 0 && listen(l, 1) == 0 && getsockname(l, (struct sockaddr *)&at, &len) == 0);
	SHOW(connect(c, (struct sockaddr *)&at, sizeof at));
	SHOW(connect(c, (struct sockaddr *)&at, sizeof at));
	len = sizeof from;
	SHOW((a = accept(l, (struct sockaddr *)&from, &len)) >= 0);
	SHOW(from.sin_addr.s_addr == at.sin_addr.s_addr);
	SHOW(accept4(-1, NULL, NULL, 0));
	close(a);
	close(c);
	close(l);
}

static void events(void)
{
	int e = eventfd(0, EFD_NONBLOCK), set = epoll_create1(0);
	eventfd_t value = 0;
	struct epoll_event ev = { .events = EPOLLIN, .data = { .u32 = 7 } }, out;

	SHOW(epoll_ctl(set, EPOLL_CTL_ADD, e, &ev));
	SHOW(epoll_ctl(set, EPOLL_CTL_ADD, e, &ev));
	SHOW(epoll_wait(set, &out, 1, 0));
	SHOW(eventfd_write(e, 5));
	SHOW(epoll_wait(set, &out, 1, 0) == 1 && out.data.u32 == 7);
	SHOW(epoll_pwait(set, &out, 1, 0, NULL));
	SHOW(eventfd_read(e, &value));
	SHOW(value);
	SHOW(eventfd_read(e, &value));
	SHOW(epoll_wait(set, &out, 0, 0));
	close(e);
	close(set);
}

static int handled;
static void handler(int nr)
{
	handled += nr;
}

static void messages(void)
{
	struct {
		long type;
		char text[8];
	} m = { 3, "message" };
	int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 1, 0600), nr = 0;
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, IPC_NOWAIT };
	struct timespec soon = { 0, 1000000 };
	sigset_t usr;
	siginfo_t info;

	if (q >= 0 && s >= 0) {
		SHOW(msgsnd(q, &m, 8, 0));
		SHOW(msgrcv(q, &m, 8, 3, 0));
		SHOW(msgrcv(q, &m, 8, 3, IPC_NOWAIT));
		SHOW(semop(s, &up, 1));
		SHOW(semop(s, &down, 1));
		SHOW(semop(s, &down, 1));
		SHOW(semtimedop(s, &down, 1, &soon));
		SHOW(msgctl(q, IPC_RMID, NULL));
		SHOW(semctl(s, 0, IPC_RMID));
	}
	SHOW(mq_send((mqd_t)-1, "x", 1, 0));
	SHOW(mq_receive((mqd_t)-1, got, 1, NULL));
	SHOW(mq_timedsend((mqd_t)-1, "x", 1, 0, &soon));
	SHOW(mq_timedreceive((mqd_t)-1, got, 1, NULL, &soon));

	SHOW(signal(SIGUSR1, handler) != SIG_ERR);
	handled = 0;
	SHOW(raise(SIGUSR1));
	SHOW(pthread_kill(pthread_self(), SIGUSR1));
	SHOW(tgkill(getpid(), gettid(), SIGUSR1));
	SHOW(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){ 0 }));
	SHOW(handled);
	SHOW(kill(getpid(), 0));
	SHOW(kill(getpid(), 1000));
	SHOW(raise(-1));
	SHOW(sigqueue(getpid(), 1000, (union sigval){ 0 }));
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	SHOW(sigwait(&usr, &nr));
	SHOW(nr);
	pthread_kill(pthread_self(), SIGUSR1);
	SHOW(sigwaitinfo(&usr, &info));
	SHOW(sigtimedwait(&usr, &info, &soon));
	pthread_kill(pthread_self(), SIGUSR1);
	SHOW(sigtimedwait(&usr, NULL, NULL));
	pthread_sigmask(SIG_UNBLOCK, &usr, NULL);
}

static void all(void)
{
	pipes();
	files();
	sockets();
	events();
	messages();
}

/* A cancellation point as ever. */
static void *reads_for_ever(void *fd)
{
	SHOW(read(*(int *)fd, got, ten));
	return NULL;
}

static void *thread(void *arg)
{
	track = "second";
	all();
	return arg;
}

int main(void)
{
	int fd[2];
	void *result;

	all();
	in_other(thread);
	MUST(pipe(fd) == 0);
	pthread_t t = start_with(reads_for_ever, fd);
	OK(pthread_cancel(t));
	OK(pthread_join(t, &result));
	SHOW(result == PTHREAD_CANCELED);
	close(fd[0]);
	close(fd[1]);
	return 0;
}
