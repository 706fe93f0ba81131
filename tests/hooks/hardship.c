/*
 * hardship.c MODE DIRECTORY - Makes a mistake, gives something up that a detector would like to have, makes another mistake in other
 * places, uses threads, and ends with status 3. Prints "done".
 */
#include "basics.h"
#include "invisible.h"
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER, c = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *order(void *arg)
{
	pthread_mutex_t *first = arg ? &b : &a, *second = arg ? &a : &b;

	if (arg)
		gate_wait(&first_done);
	pthread_mutex_lock(first);
	pthread_mutex_lock(second);
	pthread_mutex_unlock(second);
	pthread_mutex_unlock(first);
	gate_open(&first_done);
	return NULL;
}

static void limit(int what, rlim_t to)
{
	struct rlimit r = { to, to };

	MUST(setrlimit(what, &r) == 0);
}

static void nobody(void)
{
	MUST(setgid(65534) == 0 && setuid(65534) == 0);
}

static void become_daemon(void)
{
	if (fork() != 0)
		_exit(3);
	setsid();
	if (fork() != 0)
		_exit(3);
	for (int fd = 0; fd < 1024; fd++)
		close(fd);
	MUST(open("/dev/null", O_RDWR) == 0 && dup(0) == 1 && dup(0) == 2);
}

static void suffer(const char *mode, const char *dir)
{
	if (strcmp(mode, "setuid") == 0) {
		nobody();
	} else if (strcmp(mode, "chroot") == 0) {
		MUST(chroot(dir) == 0 && chdir("/") == 0);
		nobody();
	} else if (strcmp(mode, "memory") == 0) {
		limit(RLIMIT_AS, 200 << 20);
	} else if (strcmp(mode, "files") == 0) {
		limit(RLIMIT_NOFILE, 3);
	} else if (strcmp(mode, "sizes") == 0) {
		limit(RLIMIT_FSIZE, 4096);
	} else if (strcmp(mode, "hidden") == 0) {
		MUST(prctl(PR_SET_DUMPABLE, 0) == 0);
	} else if (strcmp(mode, "exec") == 0) {
		execl("/no/such/program", "program", NULL);
	} else if (strcmp(mode, "stderr") == 0) {
		close(2);
		MUST(chdir(dir) == 0 && open("database", O_RDWR | O_CREAT | O_TRUNC, 0600) == 2);
	} else if (strcmp(mode, "daemon") == 0) {
		become_daemon();
	}
}

int main(int argc, char **argv)
{
	pthread_t t, u;

	MUST(argc > 2);
	pthread_mutex_unlock(&c); /* unlock-not-held */
	suffer(argv[1], argv[2]);
	t = start(order);
	u = start_with(order, &a);
	finish(t);
	finish(u); /* lock-order */
	if (strcmp(argv[1], "stderr") == 0)
		MUST(write(2, "data\n", 5) == 5);
	if (strcmp(argv[1], "daemon") != 0)
		MUST(write(1, "done\n", 5) == 5);
	return 3;
}
