/* The reporter child must be invisible to the program: no SIGCHLD, nothing to wait for, no descriptor kept open. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/journal.h"
#include "core/reporter.h"

#define SECOND 1000000000ull

static volatile sig_atomic_t nr_chld, nr_pipe;

static void on_chld(int sig)
{
	(void)sig;
	nr_chld++;
}

static void on_pipe(int sig)
{
	(void)sig;
	nr_pipe++;
}

static int start_shell(const char *script, int err)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	return reporter_start(&(struct reporter_how){ "/bin/sh", argv, err });
}

/* What the child wrote, once nobody holds the other end any more. */
static void read_all(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	ssize_t n;
	while (len < cap - 1 && (n = read(fd, buf + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(fd);
}

static void nothing_to_wait_for(void)
{
	int status;
	errno = 0;
	assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	siginfo_t info;
	errno = 0;
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_invisible(void **state)
{
	(void)state;
	struct sigaction sa = { .sa_handler = on_chld }, old;
	sigaction(SIGCHLD, &sa, &old);
	nr_chld = 0;
	int out[2];
	assert_int_equal(pipe(out), 0);
	int fd = start_shell("cat >&2", out[1]);
	close(out[1]);
	assert_true(fd >= 0);
	nothing_to_wait_for();
	assert_int_equal(write(fd, "hello\n", 6), 6);
	close(fd);
	char text[64];
	read_all(out[0], text, sizeof text);
	assert_string_equal(text, "hello\n");
	nothing_to_wait_for();
	reporter_finish(5 * SECOND);
	nothing_to_wait_for();
	assert_int_equal(nr_chld, 0);
	/* Really gone, not a zombie that only __WALL shows. */
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
	sigaction(SIGCHLD, &old, NULL);
}

static void test_descriptors(void **state)
{
	(void)state;
	int out[2], kept[2];
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(kept), 0); /* inheritable, and also below 10 */
	int high = fcntl(kept[1], F_DUPFD, 700);
	/* No pipeline and no redirection: the shell would have descriptors of its own open for a while. */
	int fd = start_shell("exec >&2; ls /proc/$$/fd; readlink /proc/$$/fd/1 /proc/$$/fd/2; cat", out[1]);
	assert_true(fd >= 0);
	close(out[1]);
	close(kept[1]);
	close(high);
	/* Neither the waiter nor the reporter holds the program's pipe open: `app | cat` must end. */
	char c;
	struct pollfd p = { kept[0], POLLIN, 0 };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(kept[0], &c, 1), 0);
	close(kept[0]);
	close(fd);
	char text[256];
	read_all(out[0], text, sizeof text);
	assert_int_equal(strncmp(text, "0\n1\n2\n", 6), 0);
	assert_true(text[6] == 'p'); /* pipe:[…]: nothing above 2 */
	reporter_finish(5 * SECOND);
}

/* Everything the child needs may sit where it must not: stderr saved as descriptor 0. */
static void test_low_descriptors(void **state)
{
	(void)state;
	int out[2];
	assert_int_equal(pipe(out), 0);
	int saved = dup(0);
	dup2(out[1], 0);
	close(out[1]);
	int fd = start_shell("cat >&2", 0);
	dup2(saved, 0);
	close(saved);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "low\n", 4), 4);
	close(fd);
	char text[64];
	read_all(out[0], text, sizeof text);
	assert_string_equal(text, "low\n");
	reporter_finish(5 * SECOND);
}

static void test_environment_and_signals(void **state)
{
	(void)state;
	setenv("SNARL_OPTIONS", "quiet", 1);
	setenv("SNARL_RUN", "x", 1);
	setenv("KEPT", "yes", 1);
	signal(SIGUSR1, SIG_IGN);
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	int out[2];
	assert_int_equal(pipe(out), 0);
	int fd = start_shell(
	    "env | grep -c -e ^SNARL_ -e ^LD_PRELOAD= >&2; echo $KEPT >&2;"
	    "grep -e SigBlk -e SigIgn /proc/$$/status | tr -d '\\t' >&2;"
	    "test \"$(cut -d' ' -f6 /proc/$$/stat)\" != \"$(cut -d' ' -f6 /proc/$PARENT/stat)\" && echo own >&2",
	    out[1]);
	close(out[1]);
	assert_true(fd >= 0);
	close(fd);
	char text[512];
	read_all(out[0], text, sizeof text);
	assert_string_equal(text, "0\nyes\nSigBlk:0000000000000000\nSigIgn:0000000000000000\nown\n");
	sigset_t now;
	sigprocmask(SIG_SETMASK, &old, &now);
	assert_true(sigismember(&now, SIGTERM));
	assert_false(sigismember(&now, SIGINT));
	signal(SIGUSR1, SIG_DFL);
	unsetenv("SNARL_OPTIONS");
	unsetenv("SNARL_RUN");
	reporter_finish(5 * SECOND);
}

static void test_no_command(void **state)
{
	(void)state;
	const char *const argv[] = { "snarl", NULL };
	assert_int_equal(reporter_start(&(struct reporter_how){ "/nowhere/snarl", argv, 2 }), -ENOENT);
	assert_int_equal(reporter_start(&(struct reporter_how){ "/etc/passwd", argv, 2 }), -EACCES);
	nothing_to_wait_for();
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_killed_reader(void **state)
{
	(void)state;
	struct sigaction sa = { .sa_handler = on_pipe }, old;
	sigaction(SIGPIPE, &sa, &old);
	nr_pipe = 0;
	int fd = start_shell("kill -9 $$", -1);
	assert_true(fd >= 0);
	struct pollfd p = { fd, 0, 0 };
	assert_int_equal(poll(&p, 1, 5000), 1); /* POLLHUP */
	journal_tee(fd);
	assert_true(journal_has_socket());
	uint64_t lost = journal_lost();
	assert_false(journal_line("{}\n", 3));
	assert_false(journal_has_socket());
	assert_int_equal(journal_lost(), lost + 1);
	assert_int_equal(nr_pipe, 0);
	reporter_finish(5 * SECOND);
	sigaction(SIGPIPE, &old, NULL);
}

/* A reporter that will not end is left alone after the time given. */
static void test_patience(void **state)
{
	(void)state;
	int fd = start_shell("exec sleep 2", -1);
	assert_true(fd >= 0);
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	reporter_finish(SECOND / 5);
	clock_gettime(CLOCK_MONOTONIC, &b);
	double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	assert_true(s > 0.15 && s < 1.5);
	nothing_to_wait_for();
	close(fd);
	reporter_finish(10 * SECOND);
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

/* In a child of its own, because it takes descriptors apart. */
static void in_child(int (*body)(void))
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(body());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int notice_body(void)
{
	int out[2], other[2];
	if (pipe(out) != 0 || pipe(other) != 0)
		return 1;
	dup2(out[1], 2);
	notice_save();
	notice("one");
	int fd = notice_fd();
	if (fd < 10)
		return 2;
	if (fcntl(fd, F_GETFD) != FD_CLOEXEC)
		return 3;
	/* The program takes our number for something of its own: never written to. */
	dup2(other[1], fd);
	int again = notice_fd();
	if (again < 0 || again == fd)
		return 4;
	notice("two");
	dup2(other[1], again);
	dup2(other[1], 2);
	if (notice_fd() != -1)
		return 5;
	notice("three");
	char text[128] = "";
	fcntl(other[0], F_SETFL, O_NONBLOCK);
	if (read(other[0], text, sizeof text) != -1)
		return 6;
	ssize_t n = read(out[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	return strcmp(text, "snarl: one\nsnarl: two\n") == 0 ? 0 : 7;
}

static int notice_sigpipe_body(void)
{
	int out[2];
	if (pipe(out) != 0)
		return 1;
	dup2(out[1], 2);
	close(out[1]);
	notice_save();
	close(out[0]);
	signal(SIGPIPE, SIG_DFL);
	notice("nobody reads this"); /* death by SIGPIPE otherwise */
	sigset_t pending;
	sigpending(&pending);
	return sigismember(&pending, SIGPIPE);
}

static int notice_quiet_body(void)
{
	int out[2];
	if (pipe(out) != 0)
		return 1;
	dup2(out[1], 2);
	notice_save();
	notice_quiet(true);
	notice("hush");
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	char c;
	return read(out[0], &c, 1) == -1 ? 0 : 2;
}

static void test_notice(void **state)
{
	(void)state;
	in_child(notice_body);
	in_child(notice_sigpipe_body);
	in_child(notice_quiet_body);
}

static int fork_body(void)
{
	reporter_fork_child();
	uint64_t none = 0;
	reporter_finish(none); /* the parent's reporter is not ours to wait for */
	return waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD ? 0 : 1;
}

static void test_fork(void **state)
{
	(void)state;
	int fd = start_shell("cat", -1);
	assert_true(fd >= 0);
	in_child(fork_body);
	close(fd);
	reporter_finish(5 * SECOND);
}

int main(void)
{
	char self[32];
	snprintf(self, sizeof self, "%d", getpid());
	setenv("PARENT", self, 1);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_invisible),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_low_descriptors),
		cmocka_unit_test(test_environment_and_signals),
		cmocka_unit_test(test_no_command),
		cmocka_unit_test(test_killed_reader),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_notice),
		cmocka_unit_test(test_fork),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
