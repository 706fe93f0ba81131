#include "runtime.h"

#include "base/arena.h"
#include "base/fmt.h"
#include "base/spin.h"
#include "base/sys.h"
#include "core/borrow.h"
#include "core/depot.h"
#include "core/journal.h"
#include "core/module.h"
#include "core/object.h"
#include "core/reporter.h"
#include "core/step.h"
#include "core/thread.h"
#include "detect/emit.h"
#include "detect/order.h"
#include "detect/segment.h"
#include "detect/waitfor.h"
#include "hooks/interpose.h"
#include "hooks/process.h"
#include "runtime_modules.h"
#include "runtime_races.h"
#include "wire/atomics.h"
#include "wire/journal.h"
#include "wire/options.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFINED_ROOM (1u << 20)

static struct options options;
static char exe[PATH_MAX], library[PATH_MAX], command[PATH_MAX];
static char args[4096];
static size_t args_len;
static int pid;
static bool ended, reporting;
static const char *why_not; /* no reporter */

/* ---- small things ------------------------------------------------------------------------------------------------ */

static const char *env_of(char **envp, const char *name)
{
	size_t n = strlen(name);
	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	return NULL;
}

static void say(const char *a, const char *b, const char *c)
{
	char text[1024];
	struct fmt f = fmt_on(text, sizeof text - 1);
	fmt_str(&f, a);
	fmt_str(&f, b ? b : "");
	fmt_str(&f, c ? c : "");
	notice(fmt_end(&f));
}

void confused(const char *what)
{
	atomic_store(&hook_on, false);
	thread_poke_all(POKE_OFF);
	say("stepping aside: ", what, "; the program goes on without snarl");
}

static void read_link(const char *path, char *out, size_t cap)
{
	long n = sys4(SYS_readlinkat, AT_FDCWD, path, out, cap - 1);
	out[n > 0 ? n : 0] = 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* The snarl command lies beside the library (build tree), or in ../../bin from lib/snarl (installed). */
static bool find_command(void)
{
	static const char *const places[] = { "snarl", "../../bin/snarl", "../bin/snarl" };
	size_t dir = (size_t)(base_name(library) - library);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		if (dir + strlen(places[i]) >= sizeof command)
			return false;
		memcpy(command, library, dir);
		strcpy(command + dir, places[i]);
		if (sys4(SYS_faccessat, AT_FDCWD, command, X_OK, 0) == 0)
			return true;
	}
	command[0] = 0;
	return false;
}

/* ---- where findings go ------------------------------------------------------------------------------------------- */

static void header(void)
{
	emit_header(pid, (int)sys0(SYS_getppid), exe, args, args_len, "");
}

static void open_journal(const char *pattern)
{
	char path[PATH_MAX];
	const char *trouble;
	if (!options_expand(path, sizeof path, pattern, pid, base_name(exe))) {
		say("journal: the path is too long: ", pattern, "");
		return;
	}
	trouble = journal_open(path);
	if (trouble)
		say(trouble, NULL, NULL);
	else
		header();
}

/* Nobody reads along: a file in a place of the user's own. */
static void fall_back(const char *why)
{
	char dir[PATH_MAX], path[PATH_MAX];
	const char *run = env_of(environ, "XDG_RUNTIME_DIR");
	if (journal_has_file()) {
		say("the report cannot be shown here (", why, "); read it with: snarl report");
		say("journal: ", journal_path(), NULL);
		return;
	}
	struct fmt f = fmt_on(dir, sizeof dir - 1);
	fmt_str(&f, run && *run == '/' ? run : "/tmp/snarl-");
	if (!(run && *run == '/'))
		fmt_u64(&f, (uint64_t)sys0(SYS_geteuid));
	fmt_end(&f);
	sys3(SYS_mkdirat, AT_FDCWD, dir, 0700);
	struct stat st;
	if (sys4(SYS_newfstatat, AT_FDCWD, dir, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != (uid_t)sys0(SYS_geteuid) || st.st_mode & 022) {
		say("there are findings, but no safe place to write them: ", dir, " is not a directory of ours; set journal=PATH");
		return;
	}
	struct fmt p = fmt_on(path, sizeof path - 1);
	fmt_str(&p, dir);
	fmt_str(&p, "/snarl.");
	fmt_u64(&p, (uint64_t)pid);
	fmt_str(&p, ".jsonl");
	const char *trouble = journal_open(fmt_end(&p));
	if (trouble) {
		say(trouble, NULL, NULL);
		return;
	}
	say("the report cannot be shown here (", why, ")");
	say("read it with: snarl report ", journal_path(), NULL);
}

/* A descriptor for the reporter's text: log=PATH or the saved stderr. */
static int text_fd(void)
{
	if (!options.log)
		return notice_fd();
	long fd = sys4(SYS_openat, AT_FDCWD, options.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0) {
		say("log: cannot open ", options.log, "; the report goes to stderr");
		return notice_fd();
	}
	return (int)fd;
}

static void start_reporter(void)
{
	const char *argv[12];
	unsigned n = 0;
	if (!find_command()) {
		why_not = "the snarl command is not beside libsnarl.so";
		return;
	}
	argv[n++] = "snarl", argv[n++] = "report", argv[n++] = "--follow";
	if (options.verbose)
		argv[n++] = "--verbose";
	if (options.suppressions) {
		argv[n++] = "--suppressions";
		argv[n++] = options.suppressions;
	}
	if (options.baseline) {
		argv[n++] = "--baseline";
		argv[n++] = options.baseline;
	}
	argv[n] = NULL;
	int err = text_fd();
	if (err < 0) {
		why_not = "stderr is gone";
		return;
	}
	int fd = reporter_start(&(struct reporter_how){ command, argv, err });
	if (options.log && err != notice_fd())
		sys1(SYS_close, err);
	if (fd < 0) {
		why_not = "starting the snarl command failed";
		return;
	}
	journal_tee(fd);
	reporting = true;
}

/* The first finding: now somebody must listen. */
static void first_finding(void)
{
	if (options.quiet)
		return;
	start_reporter();
	if (reporting) {
		header();
		emit_again();
	} else {
		fall_back(why_not);
		if (journal_has_file() && !options.journal)
			header();
	}
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void emit_the_end(const char *reason)
{
	races_ending();
	emit_end(reason);
}

static void end(const char *reason)
{
	/* From a signal handler that interrupted us inside our own locks nothing can be written; the journal is whole as it is. */
	if (ended || sys_getpid() != pid || spin_inside())
		return;
	ended = true;
	if (strcmp(reason, "exit") == 0)
		leftovers(tls.thread);
	if (journal_has_file() || journal_has_socket())
		emit_the_end(reason);
	journal_trim();
	if (reporting) {
		journal_close();
		reporter_finish(2000000000u);
	}
}

static void process_ending(const char *reason)
{
	if (sys_getpid() != pid || spin_inside())
		return; /* a vfork child: this memory is its parent's */
	gate_shut();
	if (strcmp(reason, "exec") == 0) {
		/* It may fail: everything stays open. */
		if (journal_has_file() || journal_has_socket())
			emit_the_end(reason);
		journal_trim();
		if (reporting) {
			/* exec would turn its quiet end into a SIGCHLD for the new program. */
			journal_close();
			reporter_finish(2000000000u);
			reporting = false;
			emit_first_again();
		}
	} else {
		end(reason);
		if (options.exitcode && emit_findings(options.fail_on) && strcmp(reason, "_exit") == 0)
			sys1(SYS_exit_group, options.exitcode);
	}
	gate_open();
}

/* What is found from here on goes to the journal alone, into the room that there is. */
static void confining(void)
{
	gate_shut();
	if (reporting) {
		journal_close();
		reporter_finish(2000000000u);
		reporting = false;
	}
	if (journal_has_file()) {
		emit_note("the program confines itself (seccomp): from here on snarl makes no system calls; stalls are not found");
		journal_ahead(CONFINED_ROOM);
	}
	waitfor_blind = true;
	gate_open();
}

/* The program hangs for good, and this has been reported. */
static void hang(void)
{
	if (options.deadlock == DEADLOCK_REPORT)
		return;
	end("deadlock");
	if (options.deadlock == DEADLOCK_ABORT) {
		struct kernel_sigaction {
			void *handler;
			unsigned long flags, restorer, mask;
		} dfl = { 0 };
		sys4(SYS_rt_sigaction, SIGABRT, &dfl, NULL, 8);
		unsigned long none = 0;
		sys4(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
		sys3(SYS_tgkill, pid, sys_gettid(), SIGABRT);
	}
	sys1(SYS_exit_group, options.exitcode ? options.exitcode : STATUS_FINDINGS);
}

__attribute__((destructor)) static void stop(void)
{
	if (!atomic_load(&hook_on) || sys_getpid() != pid)
		return;
	tls.inside += GATE_IN;
	end("exit");
	if (options.exitcode && emit_findings(options.fail_on)) {
		/* exit() would still flush stdio after us. */
		fflush(NULL);
		sys1(SYS_exit_group, options.exitcode);
	}
}

/* ---- fork -------------------------------------------------------------------------------------------------------- */

static void fork_prepare(void)
{
	tls.inside += GATE_IN;
	tls.inside_sp = UINTPTR_MAX; /* this frame ends and the gate stays shut: an allocator's handlers may follow */
	spin_freeze();
}

static void fork_parent(void)
{
	spin_thaw(false);
	tls.inside -= GATE_IN;
}

static void fork_child(void)
{
	struct thread *self = tls.thread;
	if (sys_confined.on)
		sys_confined.pid = sys_gettid();
	pid = sys_getpid();
	spin_thaw(true);
	arena_fork_child();
	thread_fork_child(self);
	object_fork_child();
	module_fork_child();
	borrow_fork_child();
	depot_fork_child();
	order_fork_child();
	segment_fork_child();
	semlock_fork_child();
	if (self)
		segment_forked(self->id, ++self->seg);
	emit_fork_child();
	reporter_fork_child();
	journal_fork_child();
	races_fork_child(self);
	waitfor_nr_asleep = 0;
	ended = reporting = false;
	if (options.journal && atomic_load(&hook_on))
		open_journal(options.journal);
	tls.inside -= GATE_IN;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static void first_thread(void)
{
	gate_shut();
	module_refresh();
	uint32_t nr = module_count();
	const char *missing = borrow_start();
	if (missing && options.verbose)
		say("libunwind: ", missing, "; stacks come from snarl's own unwinder alone");
	races_begin(&options, nr, say);
	gate_open();
}

static bool reader_blocks_reader(uint32_t lock)
{
	return lock >> OBJECT_FAMILY_SHIFT == FAMILY_RWLOCK && object_by_id(lock)->attrs & OBJECT_PREFER_WRITER;
}

/* Names the cycle's parties and hands it to the journal. */
static void cycle_found(const struct order_cycle *c)
{
	struct finding_thread *parts = arena_calloc(c->nr, sizeof *parts);
	uint32_t *locks = arena_calloc(c->nr, sizeof *locks);
	for (unsigned i = 0; parts && locks && i < c->nr; i++) {
		const struct order_dep *d = &c->dep[i];
		locks[i] = d->lock;
		parts[i] = (struct finding_thread){ .thread = d->thread, .role = "chain", .wants = true, .want_lock = d->lock,
						    .want_key = d->key, .want_stack = d->stack, .holds = d->held,
						    .nr_holds = d->nr_held };
	}
	if (parts && locks)
		emit_finding(&(struct finding){
			.kind = KIND_LOCK_ORDER,
			.grade = c->timed ? GRADE_ADVICE : -1,
			.message = c->timed ? "locks are taken in different orders; one of them gives up after a time"
					    : "locks are taken in different orders by different threads",
			.thread = parts,
			.nr_threads = c->nr,
			.lock = locks,
			.nr_locks = c->nr,
		});
	arena_free(parts);
	arena_free(locks);
}

static bool read_options(char **envp)
{
	char err[512];
	const char *text = env_of(envp, ENV_OPTIONS);
	options_default(&options);
	if (text && options_parse(&options, text, err, sizeof err) != 0) {
		say(err, "; snarl stays off, the program runs without it", NULL);
		return false;
	}
	for (size_t i = 0; i < nr_options; i++)
		if (options.given >> i & 1 && !option_rows[i].built && !env_of(envp, ENV_RUN))
			say("option '", option_rows[i].name, "' is understood but without effect in this version");
	if (options.graph && !env_of(envp, ENV_RUN))
		say("graph: only snarl run writes it; here, set journal=PATH and then: snarl graph PATH > ", options.graph, NULL);
	if (options.help) {
		for (size_t i = 0; i < nr_options; i++) {
			char line[256];
			struct fmt f = fmt_on(line, sizeof line - 1);
			fmt_str(&f, option_rows[i].name);
			fmt_str(&f, *option_rows[i].arg ? "=" : "");
			fmt_str(&f, option_rows[i].arg);
			fmt_str(&f, ": ");
			fmt_str(&f, option_rows[i].help);
			notice(fmt_end(&f));
		}
		return false;
	}
	return true;
}

static void start_floors(void)
{
	arena_limit(options.memory_limit);
	stack_set_depth(options.stack_depth > 0 ? (unsigned)options.stack_depth : 1);
	module_start();
	object_start();
	thread_start();
	hook_eyes_start();
	emit_before_first(first_finding, options.verbose);
	waitfor_on_hang(hang);
	order_on_dependency(emit_edge);
	semlock_on_cycle(cycle_found);
	order_on_question(reader_blocks_reader);
	process_events = (struct process_events){ .ending = process_ending, .first_thread = first_thread, .modules_changed = modules_changed,
						  .confining = confining,
						  .program_starts = options.eager && options.races != RACES_OFF ? hook_before_first_thread : NULL };
}

/* Before any other constructor (-z initfirst), when getenv does not work yet: the environment comes as an argument. */
__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	uintptr_t lo, hi;
	(void)argc;
	tls.inside = GATE_NEW | GATE_IN;
	pid = sys_getpid();
	notice_save();
	if (!read_options(envp))
		return;
	notice_quiet(options.quiet);
	read_link("/proc/self/exe", exe, sizeof exe);
	long n = sys_read_file("/proc/self/cmdline", args, sizeof args);
	args_len = n > 0 ? (size_t)n : 0;
	start_floors();
	for (uint32_t i = 1; i <= module_count(); i++)
		if (module_by_id(i)->self && module_by_id(i)->path)
			strncpy(library, module_by_id(i)->path, sizeof library - 1);
	hook_resolve_all();
	hook_unwind_resolve(false);
	hook_python_find(true);
	sys_main_stack((uintptr_t)argv, &lo, &hi);
	struct thread *t = thread_attach(NULL, (uintptr_t)pthread_self(), lo, hi);
	if (!t) {
		say("no memory; snarl stays off, the program runs without it", NULL, NULL);
		return;
	}
	t->info->flags |= THREAD_MAIN;
	order_cache_start(order_cache_of(t));
	hook_mark_exit(t);
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	if (options.journal)
		open_journal(options.journal);
	emit_edges_at_once(journal_has_file());
	races_prepare(&options, env_of(envp, ENV_ATOMICS));
	atomic_store(&hook_on, true);
	tls.inside = 0;
}
