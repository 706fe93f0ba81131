/* The journal where there is no room, no system call, no reader: counted, never a signal, never a wait without end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/journal.h"

static char dir[64], path[128];

/* Limits, mounts and filters cannot be taken back: each body has a child. Bodies return 0, 1 or SKIP. */
#define SKIP 255
#define MUST(cond)                                                           \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "# line %d: %s\n", __LINE__, #cond); \
			return 1;                                            \
		}                                                            \
	} while (0)

static int run(int (*body)(void))
{
	static int nr;
	snprintf(path, sizeof path, "%s/j%d", dir, nr++);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		journal_fork_child();
		alarm(60);
		_exit(body());
	}
	int status;
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static size_t make_line(char *buf, int nr)
{
	return (size_t)sprintf(buf, "{\"nr\":%d,\"pad\":\"%0100d\"}\n", nr, 0);
}

/* Only whole lines in rising order, and how many. */
static int whole_lines(const char *file)
{
	FILE *f = fopen(file, "r");
	if (!f)
		return -1;
	char line[300], want[300];
	int n = 0, nr, last = -1;
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "{\"nr\":%d,", &nr) != 1 || nr <= last)
			n = -100000;
		make_line(want, nr);
		n += strcmp(line, want) == 0 ? 1 : -100000;
		last = nr;
	}
	fclose(f);
	return n;
}

static int fill(int nr)
{
	char line[300];
	int kept = 0;
	for (int i = 0; i < nr; i++)
		kept += journal_line(line, make_line(line, i));
	return kept;
}

static int full_disk(void)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return SKIP;
	if (mount("none", dir, "tmpfs", 0, "size=200k") != 0)
		return SKIP;
	MUST(!journal_open(path));
	int kept = fill(3000);
	MUST(kept > 1000 && kept < 3000);
	MUST(journal_lost() == 3000u - (unsigned)kept);
	journal_trim();
	MUST(whole_lines(path) == kept);
	/* Nothing at all left, not even for the first page. */
	char other[160];
	snprintf(other, sizeof other, "%s/filler", dir);
	int fd = open(other, O_WRONLY | O_CREAT, 0600);
	static char zeros[4096];
	while (write(fd, zeros, sizeof zeros) > 0)
		;
	close(fd);
	snprintf(other, sizeof other, "%s.2", path);
	const char *said = journal_open(other);
	MUST(said && strstr(said, "full"));
	/* Room again: lines again. */
	MUST(mount("none", dir, "tmpfs", MS_REMOUNT, "size=400k") == 0);
	MUST(!journal_open(path));
	char line[300];
	MUST(journal_line(line, make_line(line, 5000)));
	journal_trim();
	MUST(whole_lines(path) == kept + 1);
	return 0;
}

static void test_full_disk(void **state)
{
	(void)state;
	int r = run(full_disk);
	if (r == SKIP) {
		puts("skip journal on a full disk: mounting a tmpfs needs root");
		skip();
	}
	assert_int_equal(r, 0);
}

static int size_limit(void)
{
	struct rlimit lim = { 100000, 100000 };
	setrlimit(RLIMIT_FSIZE, &lim); /* SIGXFSZ kills */
	MUST(!journal_open(path));
	int kept = fill(3000);
	MUST(kept > 500 && kept < 3000);
	MUST(journal_lost() == 3000u - (unsigned)kept);
	journal_trim();
	MUST(whole_lines(path) == kept);
	struct stat st;
	stat(path, &st);
	MUST(st.st_size > 90000 && st.st_size <= 100000);
	lim.rlim_cur = 0;
	setrlimit(RLIMIT_FSIZE, &lim);
	strcat(path, ".none");
	const char *said = journal_open(path);
	MUST(said && strstr(said, "ulimit -f"));
	return 0;
}

static void test_size_limit(void **state)
{
	(void)state;
	assert_int_equal(run(size_limit), 0);
}

/* Makes one system call answer with `error`. */
static bool forbid(int nr, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof code / sizeof *code, code };
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static int plain_filesystem(void)
{
	if (!forbid(SYS_fallocate, EOPNOTSUPP))
		return SKIP;
	MUST(!journal_open(path));
	struct stat st;
	stat(path, &st);
	MUST(st.st_size == 64 << 10 && st.st_blocks * 512 >= st.st_size); /* no hole */
	MUST(fill(3000) == 3000);
	journal_trim();
	MUST(whole_lines(path) == 3000);
	return 0;
}

static int sandboxed(void)
{
	MUST(!journal_open(path));
	MUST(fill(10) == 10);
	if (!forbid(SYS_process_vm_writev, EPERM))
		return SKIP;
	char line[300];
	for (int i = 10; i < 3000; i++)
		MUST(journal_line(line, make_line(line, i)));
	MUST(journal_ahead(1 << 20));
	/* Nothing can be opened any more: lines go on for as long as there is room. */
	MUST(forbid(SYS_openat, EACCES));
	for (int i = 3000; i < 8000; i++)
		MUST(journal_line(line, make_line(line, i)));
	for (int i = 8000; i < 100000; i++)
		journal_line(line, make_line(line, i));
	MUST(journal_lost() > 0);
	journal_trim();
	return 0;
}

static void test_seccomp(void **state)
{
	(void)state;
	int r = run(plain_filesystem);
	if (r == SKIP) {
		puts("skip journal under seccomp: no filters here");
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(run(sandboxed), 0);
}

/* ---- the socket ------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int stuck_reader(void)
{
	int pair[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	journal_tee(pair[0]);
	MUST(journal_has_socket() && fcntl(pair[0], F_GETFD) == -1); /* moved away */
	/* Interrupted all the time: the patience must not begin anew each time. */
	struct sigaction sa = { .sa_handler = on_tick };
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } };
	setitimer(ITIMER_REAL, &every, NULL);
	double start = seconds();
	char line[300];
	int sent = 0;
	while (sent < 1000000 && journal_line(line, make_line(line, sent)))
		sent++;
	double took = seconds() - start;
	MUST(sent > 100 && sent < 1000000 && ticks > 20);
	MUST(took > 1.9 && took < 4);
	MUST(!journal_has_socket() && journal_lost() == 1);
	start = seconds();
	MUST(!journal_line("{}\n", 3));
	MUST(seconds() - start < 0.5 && journal_lost() == 2);
	return 0;
}

static int stolen_number(void)
{
	int pair[2], theirs[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, theirs) == 0);
	journal_tee(pair[0]);
	MUST(journal_line("{}\n", 3));
	int found = -1;
	for (int fd = 10; fd < 2000; fd++)
		if (fcntl(fd, F_GETFD) == FD_CLOEXEC)
			found = fd;
	MUST(found > 100);
	dup2(theirs[0], found);
	MUST(!journal_line("{}\n", 3) && !journal_has_socket());
	char c;
	MUST(recv(theirs[1], &c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	MUST(fcntl(found, F_GETFD) == 0); /* nor closed */
	/* The reader sees what was sent, then the end. */
	char text[8];
	MUST(read(pair[1], text, sizeof text) == 3 && read(pair[1], text, sizeof text) == 0);
	return 0;
}

static int both(void)
{
	int pair[2];
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	MUST(!journal_open(path));
	journal_tee(pair[0]);
	char line[300], text[8192];
	size_t len = 0;
	for (int i = 0; i < 40; i++) {
		MUST(journal_line(line, make_line(line, i)));
		len += strlen(line);
	}
	MUST(read(pair[1], text, sizeof text) == (ssize_t)len);
	close(pair[1]);
	MUST(journal_line(line, make_line(line, 40))); /* the file has it */
	MUST(journal_lost() == 0 && !journal_has_socket() && journal_has_file());
	journal_close();
	MUST(whole_lines(path) == 41);
	return 0;
}

static void test_tee(void **state)
{
	(void)state;
	assert_int_equal(run(stuck_reader), 0);
	assert_int_equal(run(stolen_number), 0);
	assert_int_equal(run(both), 0);
}

int main(void)
{
	strcpy(dir, "/tmp/snarl-journal-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_tee),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd) != 0 || failed;
}
