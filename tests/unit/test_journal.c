/* The journal's file: every line whole, none lost, whatever happens to the process or to the file. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/journal.h"

static char dir[64], path[128];

static int fresh(void **state)
{
	(void)state;
	static int nr;
	snprintf(path, sizeof path, "%s/j%d", dir, nr++);
	return 0;
}

static int close_it(void **state)
{
	(void)state;
	journal_close();
	return 0;
}

struct text {
	char *buf;
	size_t len;
};

static struct text slurp(const char *file)
{
	struct text t = { NULL, 0 };
	FILE *f = fopen(file, "r");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	t.len = (size_t)ftell(f);
	rewind(f);
	t.buf = malloc(t.len + 1);
	assert_int_equal(fread(t.buf, 1, t.len, f), t.len);
	t.buf[t.len] = '\0';
	fclose(f);
	return t;
}

static void holds(const char *file, const char *want)
{
	struct text t = slurp(file);
	assert_string_equal(t.buf, want);
	assert_int_equal(t.len, strlen(want));
	free(t.buf);
}

static void put(const char *line)
{
	assert_true(journal_line(line, strlen(line)));
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

/* Lines that carry who, which, and how long they are, so that a reader can judge them. */
static size_t make_line(char *buf, int who, int nr)
{
	int pad = (int)((unsigned)(nr * 2654435761u) >> 16) % 200;
	return (size_t)sprintf(buf, "{\"who\":%d,\"nr\":%d,\"pad\":\"%0*d\"}\n", who, nr, pad + 1, 0);
}

#define MAX_WHO 4

/* Checks that each writer's lines are whole and in order; returns how many pieces were not lines (torn). */
static int judge(struct text t, int next[MAX_WHO])
{
	int torn = 0;
	memset(next, 0, MAX_WHO * sizeof *next);
	for (char *p = t.buf, *stop = t.buf + t.len; p < stop;) {
		char *end = memchr(p, '\n', (size_t)(stop - p));
		char *line = p, want[300];
		p = end ? end + 1 : stop;
		/* A line that death cut short begins with NULs; what comes after the last one may be whole. */
		char *nul = memrchr(line, '\0', (size_t)(p - line));
		if (nul)
			line = nul + 1;
		int who, nr;
		if (end && sscanf(line, "{\"who\":%d,\"nr\":%d,", &who, &nr) == 2 && who < MAX_WHO &&
		    make_line(want, who, nr) == (size_t)(p - line) && memcmp(line, want, (size_t)(p - line)) == 0) {
			assert_int_equal(nr, next[who]);
			next[who]++;
			torn += nul && line - nul > 1;
		} else if (line < p) {
			torn++;
		}
	}
	return torn;
}

#define PER_THREAD 25000

static void *write_lines(void *arg)
{
	char line[300];
	for (int i = 0; i < PER_THREAD; i++)
		if (!journal_line(line, make_line(line, (int)(intptr_t)arg, i)))
			return "lost";
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	assert_null(journal_open(path));
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 64 << 10);
	assert_true(st.st_blocks * 512 >= 64 << 10);
	pthread_t t[MAX_WHO];
	for (int i = 0; i < MAX_WHO; i++)
		pthread_create(&t[i], NULL, write_lines, (void *)(intptr_t)i);
	for (int i = 0; i < MAX_WHO; i++) {
		void *trouble;
		pthread_join(t[i], &trouble);
		assert_null(trouble);
		if (i == 0)
			journal_trim(); /* while the others write */
	}
	journal_trim();
	int next[MAX_WHO];
	struct text text = slurp(path);
	assert_null(memchr(text.buf, '\0', text.len));
	assert_int_equal(judge(text, next), 0);
	for (int i = 0; i < MAX_WHO; i++)
		assert_int_equal(next[i], PER_THREAD);
	free(text.buf);
}

static void test_killed(void **state)
{
	(void)state;
	unsigned seed = (unsigned)time(NULL);
	printf("# SEED=%u\n", seed);
	for (int round = 0; round < 30; round++) {
		fresh(NULL);
		int go[2];
		assert_int_equal(pipe(go), 0);
		pid_t pid = fork();
		if (pid == 0) {
			if (journal_open(path))
				_exit(1);
			pthread_t t[2];
			for (int i = 0; i < 2; i++)
				pthread_create(&t[i], NULL, write_lines, (void *)(intptr_t)i);
			if (write(go[1], "x", 1) != 1)
				_exit(1);
			pthread_join(t[0], NULL);
			pause();
		}
		char c;
		assert_int_equal(read(go[0], &c, 1), 1);
		usleep((unsigned)rand_r(&seed) % 20000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(go[0]);
		close(go[1]);
		int next[MAX_WHO];
		struct text text = slurp(path);
		int torn = judge(text, next);
		assert_in_range(torn, 0, 2); /* one a thread at most */
		free(text.buf);
		/* The next run goes on right behind, and reads well. */
		assert_null(journal_open(path));
		put("{\"next\":\"run\"}\n");
		journal_trim();
		text = slurp(path);
		assert_true(text.len >= 15 && strcmp(text.buf + text.len - 15, "{\"next\":\"run\"}\n") == 0);
		assert_true(text.len == 15 || text.buf[text.len - 16] == '\n');
		free(text.buf);
	}
}

static void test_append(void **state)
{
	(void)state;
	assert_null(journal_open(path));
	put("{\"a\":1}\n");
	journal_trim();
	holds(path, "{\"a\":1}\n");
	put("{\"a\":2}\n"); /* usable again after trim */
	journal_trim();
	journal_trim();
	holds(path, "{\"a\":1}\n{\"a\":2}\n");
	assert_null(journal_open(path)); /* not kept out by ourselves */
	put("{\"a\":3}\n");
	journal_trim();
	holds(path, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");

	fresh(NULL); /* a torn tail, and NULs behind it */
	write_file("{\"a\":1}\n{\"tor");
	assert_int_equal(truncate(path, 300000), 0);
	assert_null(journal_open(path));
	put("{\"a\":2}\n");
	journal_trim();
	holds(path, "{\"a\":1}\n{\"tor\n{\"a\":2}\n");

	fresh(NULL); /* nothing but NULs */
	write_file("");
	assert_int_equal(truncate(path, 5000), 0);
	assert_null(journal_open(path));
	put("{\"a\":2}\n");
	journal_trim();
	holds(path, "{\"a\":2}\n");
}

/* Long and short lines across many windows: the file is their concatenation, byte for byte. */
static void test_sizes(void **state)
{
	(void)state;
	unsigned seed = (unsigned)time(NULL);
	printf("# SEED=%u\n", seed);
	assert_null(journal_open(path));
	size_t cap = 24 << 20, len = 0;
	char *want = malloc(cap), *line = malloc(2 << 20);
	memset(line, 'x', 2 << 20);
	while (len < cap - (2 << 20)) {
		size_t n = 3 + (size_t)rand_r(&seed) % (rand_r(&seed) % 50 ? 3000 : 1 << 20);
		line[0] = '"';
		line[n - 2] = '"';
		line[n - 1] = '\n';
		assert_true(journal_line(line, n));
		memcpy(want + len, line, n);
		len += n;
		line[n - 1] = line[n - 2] = 'x';
		if (rand_r(&seed) % 500 == 0)
			journal_trim();
	}
	journal_trim();
	struct text t = slurp(path);
	assert_int_equal(t.len, len);
	assert_int_equal(memcmp(t.buf, want, len), 0);
	free(t.buf);
	free(want);
	free(line);
}

static void test_chdir(void **state)
{
	(void)state;
	char here[4096];
	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(chdir(dir), 0);
	assert_null(journal_open(strrchr(path, '/') + 1));
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(journal_path(), path);
	char line[300];
	for (int i = 0; i < 2000; i++) /* past the first window */
		assert_true(journal_line(line, make_line(line, 0, i)));
	journal_trim();
	int next[MAX_WHO];
	struct text t = slurp(path);
	assert_int_equal(judge(t, next), 0);
	assert_int_equal(next[0], 2000);
	free(t.buf);
	assert_int_equal(chdir(here), 0);
}

static void says(const char *answer, const char *part)
{
	assert_non_null(answer);
	if (!strstr(answer, part) || !strstr(answer, path))
		fail_msg("\"%s\" lacks \"%s\" or the path", answer, part);
	assert_false(journal_has_file());
}

static void test_refused(void **state)
{
	(void)state;
	char target[200];
	snprintf(target, sizeof target, "%s.target", path);
	assert_int_equal(symlink(target, path), 0);
	says(journal_open(path), "symbolic link");
	assert_int_equal(access(target, F_OK), -1);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	says(journal_open(path), "not a regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	says(journal_open(path), "not a regular file");
	rmdir(path);
	write_file("My diary\n");
	says(journal_open(path), "no journal");
	holds(path, "My diary\n");
	unlink(path);
	strcat(path, "/x");
	says(journal_open(path), "directory does not exist");
	uint64_t lost = journal_lost();
	assert_false(journal_line("{}\n", 3));
	assert_int_equal(journal_lost(), lost + 1);
}

static void header_of(int pid)
{
	char text[200];
	snprintf(text, sizeof text,
		 "{\"type\":\"header\",\"format\":1,\"snarl\":\"0.1.0\",\"pid\":%d,\"ppid\":1}\n"
		 "{\"type\":\"finding\",\"message\":\"\\\"header\\\"\"}\n",
		 pid);
	write_file(text);
}

static void test_neighbours(void **state)
{
	(void)state;
	char other[200];
	snprintf(other, sizeof other, "%s.%d", path, getpid());
	/* Named by the last header. */
	header_of(getppid());
	assert_null(journal_open(path));
	assert_string_equal(journal_path(), other);
	put("{}\n");
	journal_trim();
	holds(other, "{}\n");
	unlink(other);

	header_of(getpid()); /* exec keeps the pid */
	assert_null(journal_open(path));
	assert_string_equal(journal_path(), path);

	fresh(NULL);
	snprintf(other, sizeof other, "%s.%d", path, getpid());
	int up[2], down[2];
	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	pid_t pid = fork();
	char c = 'x';
	if (pid == 0) { /* lives by the file, but has written no header yet */
		journal_fork_child();
		bool ok = !journal_open(path) && write(up[1], &c, 1) == 1 && read(down[0], &c, 1) == 1;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(read(up[0], &c, 1), 1);
	assert_null(journal_open(path));
	assert_string_equal(journal_path(), other);
	assert_int_equal(write(down[1], &c, 1), 1);
	int status;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	header_of(pid); /* it is dead now */
	assert_null(journal_open(path));
	assert_string_equal(journal_path(), path);
	pid = fork();
	if (pid == 0)
		_exit(0);
	siginfo_t info;
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	fresh(NULL);
	header_of(pid); /* a zombie writes nothing any more */
	assert_null(journal_open(path));
	assert_string_equal(journal_path(), path);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(up[i]);
		close(down[i]);
	}
}

/* Children write only what they have opened themselves, told of the fork or not. */
static void test_fork(void **state)
{
	(void)state;
	assert_null(journal_open(path));
	put("{\"parent\":1}\n");
	for (int told = 0; told < 2; told++) {
		fflush(NULL);
		pid_t pid = (pid_t)syscall(SYS_fork);
		if (pid == 0) {
			if (told)
				journal_fork_child();
			bool wrote = journal_line("{\"child\":1}\n", 12);
			journal_trim();
			syscall(SYS_exit_group, wrote || (told && journal_has_file()));
		}
		int status;
		waitpid(pid, &status, 0);
		assert_int_equal(status, 0);
	}
	put("{\"parent\":2}\n");
	journal_trim();
	holds(path, "{\"parent\":1}\n{\"parent\":2}\n");
}

static void test_hands_off(void **state)
{
	(void)state;
	char line[300];
	assert_null(journal_open(path));
	for (int i = 0; i < 100; i++)
		assert_true(journal_line(line, make_line(line, 0, i)));
	assert_int_equal(truncate(path, 0), 0); /* SIGBUS for whoever stores there */
	put("{\"after\":1}\n");
	journal_trim();
	holds(path, "{\"after\":1}\n");

	assert_int_equal(unlink(path), 0); /* written to the end of its window, then counted */
	uint64_t lost = journal_lost();
	for (int i = 0; i < 2000; i++)
		journal_line(line, make_line(line, 0, i));
	assert_true(journal_lost() > lost);
	write_file("{\"somebody\":\"else's\"}\n");
	assert_false(journal_line(line, make_line(line, 0, 1)));
	journal_trim();
	holds(path, "{\"somebody\":\"else's\"}\n");
}

int main(void)
{
	strcpy(dir, "/tmp/snarl-journal-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, close_it)
		TEST(test_threads), TEST(test_killed),     TEST(test_append), TEST(test_sizes),     TEST(test_chdir),
		TEST(test_refused), TEST(test_neighbours), TEST(test_fork),   TEST(test_hands_off),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd) != 0 || failed;
}
