/* engage_process.c - Processes, signals, memory and libraries; hooks.test compares with a run without snarl. */
#include "show.h"
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

extern char **environ;

static void wait_for(const char *name, pid_t child)
{
	int status = -1;

	SHOW_AS("waitpid", waitpid(child, &status, 0) == child);
	SHOW_AS(name, status);
}

#define IN_CHILD(name, code)            \
	do {                            \
		pid_t child_ = fork();  \
		MUST(child_ >= 0);      \
		if (child_ == 0) {      \
			code;           \
			_exit(50);      \
		}                       \
		wait_for(name, child_); \
	} while (0)

static void at_exit_says(void)
{
	say("atexit");
}
static void at_quick_exit_says(void)
{
	say("at_quick_exit");
}

static void exec_family(void)
{
	char *const argv[] = { (char *)"echo", (char *)"by exec", NULL };
	char *const env[] = { (char *)"PATH=/bin:/usr/bin", NULL };

	IN_CHILD("execve", execve("/bin/echo", argv, env));
	IN_CHILD("execv", execv("/bin/echo", argv));
	IN_CHILD("execvp", execvp("echo", argv));
	IN_CHILD("execvpe", execvpe("echo", argv, env));
	IN_CHILD("execl", execl("/bin/echo", "echo", "a", "b", (char *)NULL));
	IN_CHILD("execlp", execlp("echo", "echo", "a", "b", (char *)NULL));
	IN_CHILD("execle", execle("/bin/echo", "echo", "a", "b", (char *)NULL, env));
	IN_CHILD("fexecve", fexecve(open("/bin/echo", O_RDONLY | O_CLOEXEC), argv, env));
	IN_CHILD("execve, missing", SHOW(execve("/no/such", argv, env)));
	IN_CHILD("execvp, missing", SHOW(execvp("no-such-program", argv)));
	IN_CHILD("execl, missing", SHOW(execl("/no/such", "x", (char *)NULL)));
	IN_CHILD("execve, a directory", SHOW(execve("/tmp", argv, env)));
}

static void spawn_family(void)
{
	char *const argv[] = { (char *)"echo", (char *)"by spawn", NULL };
	volatile int from_child = 0;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	char line[64];
	pid_t child;
	FILE *f;

	SHOW(posix_spawn(&child, "/bin/echo", NULL, NULL, argv, environ));
	wait_for("posix_spawn", child);
	SHOW(posix_spawnp(&child, "echo", NULL, NULL, argv, environ));
	wait_for("posix_spawnp", child);
	SHOW(posix_spawn(&child, "/no/such", NULL, NULL, argv, environ));
	SHOW(posix_spawnp(&child, "no-such-program", NULL, NULL, argv, environ));
	OK(posix_spawn_file_actions_init(&actions));
	OK(posix_spawn_file_actions_addclose(&actions, 2));
	OK(posix_spawnattr_init(&attr));
	sigfillset(&set);
	OK(posix_spawnattr_setsigdefault(&attr, &set));
	OK(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
	SHOW(posix_spawn(&child, "/bin/echo", &actions, &attr, argv, environ));
	wait_for("posix_spawn with actions", child);
	SHOW(system("exit 3"));
	SHOW(system("kill -9 $$"));
	f = popen("echo by popen", "r");
	SHOW(f != NULL && fgets(line, sizeof(line), f) != NULL);
	SHOW(strcmp(line, "by popen\n"));
	SHOW(pclose(f));
	child = vfork();
	if (child == 0) {
		from_child = 1; /* the memory is shared */
		_exit(7);
	}
	wait_for("vfork and _exit", child);
	SHOW(from_child);
	child = vfork();
	if (child == 0) {
		execve("/bin/echo", argv, environ);
		_exit(8);
	}
	wait_for("vfork and execve", child);
	child = vfork();
	if (child == 0) {
		execve("/no/such", argv, environ);
		from_child = errno;
		_exit(9);
	}
	wait_for("vfork and execve, missing", child);
	SHOW(from_child);
}

static void grandchild(void) { IN_CHILD("grandchild", _exit(12)); }

static void ends(void)
{
	IN_CHILD("exit", {
		atexit(at_exit_says);
		exit(3);
	});
	IN_CHILD("_exit", {
		atexit(at_exit_says);
		_exit(4);
	});
	IN_CHILD("_Exit", _Exit(5));
	IN_CHILD("quick_exit", {
		at_quick_exit(at_quick_exit_says);
		quick_exit(6);
	});
	IN_CHILD("abort", abort());
	IN_CHILD("SIGKILL", raise(SIGKILL));
	IN_CHILD("SIGSEGV", *(volatile int *)8 = 1);
	IN_CHILD("fork in the child", grandchild());
}

static sigjmp_buf back;
static void jump(int sig)
{
	siglongjmp(back, sig);
}
static void count(int sig)
{
	say(sig == SIGALRM ? "handler: SIGALRM" : "handler: another");
}

static void signals(void)
{
	struct sigaction sa = { .sa_handler = count }, old;
	sigset_t set;

	/* Nobody has put a handler or a mask in our place. */
	for (int sig = 1; sig < SIGRTMAX; sig++)
		if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_DFL)
			SHOW_AS("not the default action", sig);
	SHOW(pthread_sigmask(SIG_BLOCK, NULL, &set));
	for (int sig = 1; sig < SIGRTMAX; sig++)
		if (sigismember(&set, sig) == 1)
			SHOW_AS("blocked", sig);
	SHOW(sigaction(SIGUSR1, &sa, &old));
	SHOW(sigaction(SIGUSR1, NULL, &old));
	SHOW(old.sa_handler == count);
	SHOW(sigaction(SIGKILL, &sa, NULL));
	SHOW(sigaction(1000, &sa, NULL));
	SHOW(signal(SIGUSR2, count) == SIG_DFL);
	SHOW(signal(SIGUSR2, SIG_IGN) == count);
	SHOW(signal(SIGKILL, SIG_IGN) == SIG_ERR);
	SHOW(raise(SIGUSR1));
	SHOW(raise(SIGUSR2));
	SHOW(signal(SIGALRM, count) == SIG_DFL);
	SHOW(ualarm(2000, 0));
	SHOW(pause());
	SHOW(signal(SIGSEGV, jump) == SIG_DFL);
	if (sigsetjmp(back, 1) == 0)
		*(volatile int *)8 = 1;
	say("back from SIGSEGV");
	SHOW(signal(SIGSEGV, SIG_DFL) == jump);
}

static void memory(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p, *q;
	void *r = NULL;
	volatile size_t huge = (size_t)1 << 40; /* the compiler must not know */

	SHOW((p = malloc(100)) != NULL);
	SHOW((p = realloc(p, 100000)) != NULL);
	SHOW(malloc_usable_size(p) >= 100000);
	SHOW_AS("free", (free(p), 0));
	SHOW_AS("free(NULL)", (free(NULL), 0));
	SHOW((p = calloc(10, 10)) != NULL && p[99] == 0);
	SHOW((p = reallocarray(p, 1000, 10)) != NULL);
	SHOW(realloc(p, 0) == NULL);
	SHOW(malloc(huge << 22) == NULL);
	SHOW(calloc(huge, huge) == NULL);
	SHOW(reallocarray(NULL, huge, huge) == NULL);
	SHOW(posix_memalign(&r, 256, 1000));
	SHOW((size_t)r % 256);
	free(r);
	SHOW(posix_memalign(&r, 3, 1000));
	SHOW((p = aligned_alloc(4096, 8192)) != NULL);
	free(p);
	SHOW((p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, flags, -1, 0)) != MAP_FAILED);
	SHOW(munmap(p + 4096, 4096));
	SHOW(munmap(p + 1, 4096));
	SHOW((q = mremap(p, 4096, 65536, MREMAP_MAYMOVE)) != MAP_FAILED);
	SHOW(munmap(q, 65536));
	SHOW(mmap(NULL, 0, PROT_READ, flags, -1, 0) == MAP_FAILED);
	SHOW(mremap(p + 1, 4096, 8192, 0) == MAP_FAILED);
}

static void libraries(void)
{
	void *lib;

	SHOW(dlopen("/no/such.so", RTLD_NOW) == NULL);
	say(dlerror());
	SHOW(dlerror() == NULL);
	SHOW((lib = dlopen("libm.so.6", RTLD_NOW)) != NULL);
	SHOW(dlsym(lib, "cos") != NULL);
	SHOW(dlsym(lib, "no_such_function") == NULL);
	SHOW(dlerror() != NULL);
	SHOW(dlclose(lib));
	SHOW(dlsym(RTLD_DEFAULT, "pthread_mutex_lock") == (void *)pthread_mutex_lock);
	SHOW(dlsym(RTLD_NEXT, "malloc") != NULL);
}

/* The low descriptors are the program's: the next one is 3. */
static void descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int low = 0;

	MUST(d);
	while ((e = readdir(d)))
		low += e->d_name[0] != '.' && atoi(e->d_name) < 64;
	SHOW_AS("descriptors below 64, with this directory's", low);
	SHOW(dirfd(d));
	closedir(d);
}

int main(void)
{
	descriptors();
	signals();
	memory();
	libraries();
	exec_family();
	spawn_family();
	ends();
	descriptors();
	return 0;
}
