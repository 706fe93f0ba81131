/*
 * worker.c - A program with one known finding, that then does what this kind of test is about: worker MODE [ARG].
 * The *.test scripts here run it; nothing it prints depends on snarl.
 */
#include "basics.h"
#include "invisible.h"
#include <execinfo.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t common = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

/* A lock-order finding. */
static void inversion(void)
{
	run_two(ab, ba);
}

/* An unlock-not-held finding, at a place of its own. */
static __attribute__((noinline)) void second_finding(void)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_unlock(&m);
}

/* The second one waits for the first, whose order has been told before that. */
static void *contend(void *arg)
{
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&common);
	gate_open(&first_done);
	for (int i = 0; !arg && i < 20; i++)
		invisible_sleep_ms(5);
	pthread_mutex_unlock(&common);
	pthread_mutex_unlock(&a);
	return arg;
}

static void contended(void)
{
	pthread_t t = start(contend);

	gate_wait(&first_done);
	finish(start_with(contend, &a));
	finish(t);
}

static void do_fork(void)
{
	pid_t child;

	inversion();
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		second_finding();
		exit(3);
	}
	MUST(waitpid(child, NULL, 0) == child);
	printf("%d %d\n", (int)getpid(), (int)child);
}

static struct meeting all;
static int nr_threads;

static void *meets(void *arg)
{
	meet(&all, nr_threads + 1);
	pthread_mutex_lock(&common);
	pthread_mutex_unlock(&common);
	return arg;
}

/* n threads, all of them alive at the same time. */
static void many_at_once(int n)
{
	pthread_t *t = calloc((size_t)n, sizeof(*t));
	pthread_attr_t attr;

	MUST(t);
	nr_threads = n;
	OK(pthread_attr_init(&attr));
	OK(pthread_attr_setstacksize(&attr, 64 * 1024));
	for (int i = 0; i < n; i++)
		OK(pthread_create(&t[i], &attr, meets, NULL));
	meet(&all, n + 1);
	for (int i = 0; i < n; i++)
		finish(t[i]);
	free(t);
}

static void *locks_one(void *arg)
{
	pthread_mutex_lock(&common);
	pthread_mutex_unlock(&common);
	return arg;
}

/* Many lines for the journal: each thread is one or two. */
static void much_to_say(int n)
{
	for (int i = 0; i < n; i++)
		finish(start(locks_one));
}

#define FILES   40
#define CONTENT "this is the program's own file, number %d, and nothing else\n"

/* Closes everything but the standard three (from > 3: also some of these), then uses the numbers for its own files. */
static void own_files(const char *dir, unsigned from)
{
	char path[256], want[128], got[4096];
	int fd[FILES];

	inversion();
	MUST(syscall(SYS_close_range, from, ~0u, 0) == 0);
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "%s/own.%d", dir, i);
		fd[i] = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
		MUST(fd[i] == (int)from + i); /* nobody else has opened one meanwhile */
		snprintf(want, sizeof(want), CONTENT, i);
		MUST(write(fd[i], want, strlen(want)) == (ssize_t)strlen(want));
	}
	second_finding();
	many_at_once(20);
	for (int i = 0; i < FILES; i++) {
		snprintf(want, sizeof(want), CONTENT, i);
		ssize_t n = pread(fd[i], got, sizeof(got), 0);
		MUST(n == (ssize_t)strlen(want) && memcmp(got, want, (size_t)n) == 0);
	}
	/* Descriptor 2 may be one of them: say it on no descriptor at all, by the exit status. */
}

static void *volatile keep;
static int children;

static void on_child(int sig)
{
	(void)sig;
	children++;
}

/* What the program sees of children: only its own. */
static void wait_any(void)
{
	struct sigaction sa = { .sa_handler = on_child };
	int status, seen = 0;
	pid_t own;

	MUST(sigaction(SIGCHLD, &sa, NULL) == 0);
	inversion();
	second_finding();
	invisible_sleep_ms(300); /* a reporter has started and has perhaps ended by now */
	own = waitpid(-1, &status, WNOHANG);
	printf("before: wait %d errno %d, SIGCHLD %d\n", (int)own, errno, children);
	fflush(stdout);
	own = fork();
	MUST(own >= 0);
	if (own == 0)
		_exit(5);
	for (pid_t p; (p = wait(&status)) != -1 || errno == EINTR;) {
		if (p == -1)
			continue;
		seen++;
		printf("child is own: %d, status %d\n", p == own, WEXITSTATUS(status));
	}
	printf("after: %d children, errno %d, SIGCHLD %d\n", seen, errno, children);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";

	if (!strcmp(mode, "fork")) {
		do_fork();
	} else if (!strcmp(mode, "contended")) {
		contended();
	} else if (!strcmp(mode, "exec")) {
		inversion();
		execlp(arg, arg, "after", "exec", (char *)NULL);
		return TEST_BROKEN;
	} else if (!strcmp(mode, "threads")) {
		many_at_once(atoi(arg));
		inversion();
	} else if (!strcmp(mode, "signal")) {
		inversion();
		raise(atoi(arg));
	} else if (!strcmp(mode, "much")) {
		much_to_say(atoi(arg));
		inversion();
		puts("done");
	} else if (!strcmp(mode, "files")) {
		own_files(arg, 3);
	} else if (!strcmp(mode, "files2")) {
		own_files(arg, 2);
	} else if (!strcmp(mode, "wait")) {
		wait_any();
	} else if (!strcmp(mode, "output")) {
		inversion();
		puts("one line");
	} else if (!strcmp(mode, "input")) {
		inversion();
		for (int c; (c = getchar()) != EOF;)
			putchar(c);
	} else if (!strcmp(mode, "backtrace")) {
		void *frame[10];

		inversion();
		printf("%d\n", backtrace(frame, 10) > 1);
	} else if (!strcmp(mode, "malloc-in-thread")) {
		for (int i = 0; i < 1000; i++)
			free(keep = malloc((size_t)i));
		inversion();
	} else {
		inversion();
		second_finding();
	}
	return 0;
}
