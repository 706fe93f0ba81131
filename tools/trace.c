#include "trace.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

static bool any_matches(const char *const *globs, const char *name)
{
	for (; *globs; globs++)
		if (fnmatch(*globs, name, 0) == 0)
			return true;
	return false;
}

/* How threads and programs start. */
static bool is_tail(const char *name)
{
	static const char *const globs[] = { "start_thread",
					     "__start_thread",
					     "clone",
					     "clone3",
					     "__clone*",
					     "__libc_start_main*",
					     "__libc_start_call_main*",
					     "_start",
					     "execute_native_thread_routine*",
					     "std::thread::_*",
					     "std::__invoke*",
					     "void std::__invoke*",
					     "std::jthread::*_S_create*",
					     "std::sys::*::thread*",
					     "std::rt::lang_start*",
					     "std::thread::Builder::spawn_unchecked*",
					     "std::sys_common::backtrace::*",
					     "std::panic*",
					     "core::ops::function::FnOnce::call_once*",
					     NULL };
	return any_matches(globs, name);
}

/* What a lock is taken or made through. */
static bool is_wrapper(const char *name)
{
	static const char *const globs[] = { "std::*mutex*",
					     "std::lock*",
					     "std::scoped_lock*",
					     "std::*unique_lock*",
					     "std::*shared_lock*",
					     "std::*guard*",
					     "std::try_lock*",
					     "std::__detail::__*lock*",
					     "std::condition_variable*",
					     "std::_V2::condition_variable*",
					     "std::call_once*",
					     "std::once_flag*",
					     "std::thread::*",
					     "std::jthread::*",
					     "std::__*",
					     "std::sys::*",
					     "std::*semaphore*",
					     "std::*latch*",
					     "std::*barrier*",
					     "std::unique_ptr*",
					     "std::make_*",
					     "std::construct_at*",
					     "operator new*",
					     "__gthread_*",
					     "__gthrw_*",
					     "pthread_*",
					     "__pthread_*",
					     "___pthread_*",
					     "mtx_*",
					     "cnd_*",
					     "call_once",
					     "thrd_*",
					     "sem_*",
					     "__new_sem_*",
					     "*lock_init",
					     "*mutex_init",
					     "*mutex_lock",
					     "*_lock_create",
					     "*mutex_new",
					     "*mutex_create",
					     "flockfile",
					     "_IO_*",
					     "lll_*",
					     "__lll_*",
					     "___interceptor_*",
					     "__interceptor_*",
					     "parking_lot*",
					     "lock_api::*",
					     "<parking_lot*",
					     "<lock_api*",
					     "g_mutex_*",
					     "g_rec_mutex_*",
					     "g_rw_lock_*",
					     "SDL_*Mutex",
					     "tthread::*",
					     "absl::*Mutex*",
					     "boost::*mutex*",
					     "boost::*lock*",
					     "boost::*guard*",
					     "QMutex*",
					     "QBasicMutex*",
					     "QReadWriteLock*",
					     "PyThread_*",
					     "*_spin_lock",
					     "malloc",
					     "calloc",
					     NULL };
	return any_matches(globs, name);
}

const char *trace_module_name(const struct frame *f)
{
	const char *path = f->module && f->module->path ? f->module->path : "";
	const char *slash = strrchr(path, '/');
	path = slash ? slash + 1 : path;
	return *path ? path : "?";
}

/* The C++ library's thread start has no name where that library is stripped. */
static bool may_be_tail(const struct frame *f)
{
	const char *module = trace_module_name(f);
	return f->role == FRAME_TAIL ||
	       (!f->place.function && (strncmp(module, "libstdc++.so", 12) == 0 || strncmp(module, "libc.so", 7) == 0));
}

static bool is_system(const struct frame *f)
{
	const char *path = f->module && f->module->path ? f->module->path : "";
	return strncmp(path, "/lib/", 5) == 0 || strncmp(path, "/lib64/", 7) == 0 ||
	       strncmp(path, "/usr/lib/", 9) == 0 || strncmp(path, "/usr/lib64/", 11) == 0;
}

/* Code of a library's headers, inlined or instantiated: the story is where it was called from. */
static bool of_system_header(const char *file)
{
	static const char *const globs[] = { "/usr/include/*", "/usr/lib/gcc/*", "/usr/lib/llvm*", "*/include/c++/*", NULL };
	return file && any_matches(globs, file);
}

static void classify(struct frame *f)
{
	const char *name = f->place.function;
	if (!name) {
		f->role = is_system(f) ? FRAME_WRAPPER : FRAME_PROGRAM;
		return;
	}
	if (is_tail(name))
		f->role = FRAME_TAIL;
	else if (is_wrapper(name) || of_system_header(f->place.file))
		f->role = FRAME_WRAPPER;
}

/* Frames of our own library are nobody's business; it names none below the program's first. */
static bool is_ours(const struct frame *f)
{
	return strncmp(trace_module_name(f), "libsnarl.so", 11) == 0;
}

/* Python's own modules: where its locks, threads and queues are made of each other. */
static bool is_library(const struct frame_ref *r)
{
	static const char *const globs[] = { "*/lib/python3*/threading.py", "*/lib/python3*/queue.py",
					     "*/lib/python3*/concurrent/futures/*.py", "*/lib/python3*/multiprocessing/*.py",
					     "*/lib/python3*/logging/__init__.py", "<frozen *>", NULL };
	return r->file && any_matches(globs, r->file);
}

static bool starts_thread(const struct frame_ref *r)
{
	const char *f = r->function ? r->function : "";
	return is_library(r) && (strcmp(f, "Thread._bootstrap") == 0 || strcmp(f, "Thread._bootstrap_inner") == 0 ||
				 strcmp(f, "Thread.run") == 0 || strcmp(f, "_bootstrap") == 0 ||
				 strcmp(f, "_bootstrap_inner") == 0 || strcmp(f, "run") == 0);
}

static struct trace *resolve(struct symbols *syms, struct section *s, const struct stack *k)
{
	struct mem *mem = &s->model->mem;
	struct symbols_place places[SYMBOLS_MAX_INLINE];
	size_t nr = 0, cap = 0;
	struct frame *frames = NULL;
	bool interpreted = false;
	for (unsigned i = 0; i < k->nr; i++)
		interpreted |= k->frames[i].file != NULL;
	for (unsigned i = 0; i < k->nr; i++) {
		const struct frame_ref *r = &k->frames[i];
		if (r->file) {
			*MEM_PUSH(frames, nr, cap) = (struct frame){
				.place = { .function = r->function, .file = r->file, .line = r->line },
				.interpreted = true,
				.started = s->start,
				.state = SYMBOLS_READY,
				.role = starts_thread(r) ? FRAME_TAIL : is_library(r) ? FRAME_WRAPPER : FRAME_PROGRAM,
			};
			continue;
		}
		struct frame f = { .module = model_module(s, r->module),
				   .offset = r->offset,
				   .exact = r->exact,
				   .state = SYMBOLS_MISSING };
		unsigned nr_places = 0;
		if (f.module) {
			struct symbols_file *file = symbols_file(syms, (struct module *)f.module);
			f.state = symbols_state(file);
			/* A return address may belong to the next line or function already. */
			nr_places = symbols_code(syms, file, r->offset - (r->exact || !r->offset ? 0 : 1), places);
		}
		if ((nr == 0 || interpreted) && is_ours(&f))
			continue;
		if (nr_places == 0) {
			classify(&f);
			*MEM_PUSH(frames, nr, cap) = f;
		}
		for (unsigned p = 0; p < nr_places; p++) {
			f.place = places[p];
			f.role = FRAME_PROGRAM;
			classify(&f);
			*MEM_PUSH(frames, nr, cap) = f;
		}
		for (size_t j = nr - (nr_places ? nr_places : 1); interpreted && f.module && f.module->interpreter && j < nr; j++)
			frames[j].role = FRAME_INNER;
	}
	struct trace *t = mem_take(mem, sizeof *t);
	t->id = k->id;
	t->nr = (unsigned)nr;
	t->cut = k->cut;
	t->frames = mem_take(mem, nr * sizeof *frames);
	if (nr)
		memcpy(t->frames, frames, nr * sizeof *frames);
	free(frames);
	/* Only what all below it is: a program's own function may have such a name. */
	bool tail = true, start = false;
	for (unsigned i = t->nr; i-- > 0;) {
		struct frame *f = &t->frames[i];
		if (f->role == FRAME_INNER)
			continue;
		tail = tail && (f->role == FRAME_TAIL || (start && may_be_tail(f)));
		start |= tail;
		if (tail)
			f->role = FRAME_TAIL;
		else if (f->role == FRAME_TAIL)
			f->role = FRAME_WRAPPER;
	}
	t->site = t->nr;
	for (unsigned i = 0; i < t->nr && t->site == t->nr; i++)
		if (t->frames[i].role == FRAME_PROGRAM)
			t->site = i;
	/* All wrappers: any of them is better than nothing. */
	for (unsigned i = 0; i < t->nr && t->site == t->nr; i++)
		if (t->frames[i].role == FRAME_WRAPPER)
			t->site = i;
	return t;
}

const struct trace *trace_get(struct symbols *syms, struct section *s, uint64_t stack)
{
	struct stack *k = stack ? model_stack(s, stack) : NULL;
	if (!k)
		return NULL;
	if (!k->trace)
		k->trace = resolve(syms, s, k);
	return k->trace;
}

const struct frame *trace_site(const struct trace *t)
{
	return t && t->site < t->nr ? &t->frames[t->site] : NULL;
}
