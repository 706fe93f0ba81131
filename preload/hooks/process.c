/*
 * process.c - Ends and beginnings of processes.
 *
 * vfork is not here: its child runs in our memory and would come back through a frame that its parent still needs. fork is
 * seen by pthread_atfork (runtime.c), which also covers forks from inside libc. A vfork child that execs or exits comes by
 * here with its parent's memory: it is told apart by its pid and passed through.
 */
#include "hooks/process.h"

#include "base/masks.h"
#include "base/sys.h"
#include "hooks/interpose.h"

#include <alloca.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

struct process_events process_events;

static _Atomic bool first_thread_seen;

void hook_before_first_thread(void)
{
	if (atomic_exchange(&first_thread_seen, true))
		return;
	hook_python_find(false); /* it may have been loaded since the start */
	if (process_events.first_thread)
		process_events.first_thread();
	hook_unwind_resolve(false);
}

void hook_skip_first_thread(void) { atomic_store(&first_thread_seen, true); }

static void ending(const char *reason)
{
	if (hook_thread() && process_events.ending)
		process_events.ending(reason);
}

/* What becomes of the process, or of a child, has the mask that the program set. */
#define WITH_MASK(call)            \
	({                         \
		masks_real();      \
		int r_ = (call);   \
		masks_kept_out();  \
		r_;                \
	})
#define EXEC(call) (ending("exec"), WITH_MASK(call))

/* No header declares it. source: glibc 2.36 csu/libc-start.c; init and fini are NULL since programs were linked against 2.34. */
int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
		      void (*rtld_fini)(void), void *stack_end);

INTERPOSE(int, __libc_start_main,
	  (int (*program)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
	   void *stack_end))
{
	if (hook_thread() && process_events.program_starts)
		process_events.program_starts();
	return REAL(__libc_start_main)(program, argc, argv, init, fini, rtld_fini, stack_end);
}

INTERPOSE(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
	return EXEC(REAL(execve)(path, argv, envp));
}

INTERPOSE(int, execv, (const char *path, char *const argv[]))
{
	return EXEC(REAL(execv)(path, argv));
}

INTERPOSE(int, execvp, (const char *file, char *const argv[]))
{
	return EXEC(REAL(execvp)(file, argv));
}

INTERPOSE(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
	return EXEC(REAL(execvpe)(file, argv, envp));
}

INTERPOSE(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
	return EXEC(REAL(fexecve)(fd, argv, envp));
}

/* The list forms call the vector forms inside libc, out of our sight; here the list is counted and copied, as libc does. */
#define EXEC_LIST(after, call)                                                                                       \
	do {                                                                                                         \
		va_list ap;                                                                                          \
		size_t n = 1;                                                                                        \
		va_start(ap, arg);                                                                                   \
		while (va_arg(ap, char *))                                                                           \
			n++;                                                                                         \
		va_end(ap);                                                                                          \
		char **argv = alloca((n + 1) * sizeof *argv);                                                        \
		argv[0] = (char *)(uintptr_t)arg;                                                                     \
		va_start(ap, arg);                                                                                   \
		for (size_t i = 1; i <= n; i++)                                                                      \
			argv[i] = va_arg(ap, char *);                                                                \
		after;                                                                                               \
		va_end(ap);                                                                                          \
		return EXEC(call);                                                                                   \
	} while (0)

INTERPOSE(int, execl, (const char *path, const char *arg, ...)) { EXEC_LIST((void)0, REAL(execv)(path, argv)); }
INTERPOSE(int, execlp, (const char *file, const char *arg, ...)) { EXEC_LIST((void)0, REAL(execvp)(file, argv)); }

INTERPOSE(int, execle, (const char *path, const char *arg, ...))
{
	char *const *envp;
	EXEC_LIST(envp = va_arg(ap, char *const *), REAL(execve)(path, argv, envp));
}

INTERPOSE(int, posix_spawn,
	  (pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *restrict actions,
	   const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict]))
{
	return WITH_MASK(REAL(posix_spawn)(pid, path, actions, attr, argv, envp));
}

INTERPOSE(int, posix_spawnp,
	  (pid_t *restrict pid, const char *restrict file, const posix_spawn_file_actions_t *restrict actions,
	   const posix_spawnattr_t *restrict attr, char *const argv[restrict], char *const envp[restrict]))
{
	return WITH_MASK(REAL(posix_spawnp)(pid, file, actions, attr, argv, envp));
}

/*
 * A thread without thread-local memory of its own: what emitted code keeps there would be two threads' at once. (With CLONE_VFORK the
 * other one sleeps.) The child comes back neither through this frame nor by this stack.
 */
INTERPOSE(int, clone, (int (*fn)(void *), void *stack, int flags, void *arg, ...))
{
	va_list ap;
	va_start(ap, arg);
	pid_t *parent_tid = va_arg(ap, pid_t *);
	void *own = va_arg(ap, void *);
	pid_t *child_tid = va_arg(ap, pid_t *);
	va_end(ap);
	if ((flags & (CLONE_VM | CLONE_VFORK | CLONE_SETTLS)) == CLONE_VM && hook_thread() && process_events.tls_shared)
		process_events.tls_shared();
	return REAL(clone)(fn, stack, flags, arg, parent_tid, own, child_tid);
}

INTERPOSE(void, _exit, (int status))
{
	ending("_exit");
	REAL(_exit)(status);
	__builtin_unreachable();
}

INTERPOSE(void, _Exit, (int status))
{
	ending("_exit");
	REAL(_Exit)(status);
	__builtin_unreachable();
}

INTERPOSE(void, abort, (void))
{
	ending("abort");
	REAL(abort)();
	__builtin_unreachable();
}
