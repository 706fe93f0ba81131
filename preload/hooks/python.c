/*
 * python.c - CPython 3.9 to 3.12: which of its locks are taken how, and its frames in the stacks (core/python.h).
 *
 * threading.Lock is a semaphore that starts at 1; RLock builds on one. acquire() tries first and waits only when that fails, so
 * at the semaphore acquire() and acquire(False) look alike. What tells them apart is the call: the methods' entries in the
 * interpreter's tables (PyMethodDef, writable data) are replaced by ours, which note how they were called and call the original.
 * The lock by which a thread tells that it has ended (_thread._set_sentinel, what Thread.join waits for) is marked as such.
 *
 * Everything is checked before it is used: the version is one we know, the frames we read are those that the interpreter tells of
 * by its public functions, each table entry says the name and the flags we expect. Whatever is not as expected is left alone: then
 * stacks have no Python frames, or a semaphore that is tried stays one that cannot block.
 * source: CPython 3.9 to 3.12, Modules/_threadmodule.c, Python/thread_pthread.h.
 */
#include "hooks/interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>

#define METH_VARARGS 1
#define METH_KEYWORDS 2
#define METH_NOARGS 4
#define TYPE_NAME 24    /* PyTypeObject.tp_name */
#define DESCR_METHOD 40 /* PyMethodDescrObject.d_method */
#define FUNC_METHOD 16  /* PyCFunctionObject.m_ml */
#define LOCK_SEM_AT 16  /* lockobject.lock_lock, rlockobject.rlock_lock: a sem_t * */
#define MAX_FRAMES 8u   /* compared */
#define MAX_TRIES 64u
#define MAX_ASKED 16u /* for the name of a thread */

typedef void *(*py_method)(void *self, void *args, void *kw);

struct py_method_def {
	const char *name;
	py_method meth;
	int flags;
	const char *doc;
};

/* The interpreter's functions. Objects are void pointers here. */
static struct {
	const char *(*GetVersion)(void);
	void *(*OwnState)(void), *(*RunningState)(void);
	int (*Addr2Line)(void *code, int at);
	void *(*GetFrame)(void *state), *(*FrameCode)(void *frame), *(*FrameBack)(void *frame);
	int (*FrameLine)(void *frame);
	void (*DecRef)(void *);
	void *(*SysGet)(const char *name), *(*DictGet)(void *dict, const char *key), *(*Attr)(void *o, const char *name);
	int (*CompareText)(void *str, const char *text);
	void *(*ErrOccurred)(void);
	void (*ErrClear)(void);
	long (*AsLong)(void *);
	ssize_t (*TupleSize)(void *);
	void *(*TupleItem)(void *, ssize_t i);
	int (*DictNext)(void *dict, ssize_t *at, void **key, void **value);
	void *(*FromUnsigned)(unsigned long), *(*FromText)(const char *), *(*DictItem)(void *dict, void *key);
	void *(*PlainAttr)(void *o, void *name);
	void *True_, *False_, *LongType, *FloatType, *None_;
	void *Eval, *Runtime;
} py;

static struct symbol {
	const char *name;
	void **to;
} symbols[] = {
	{ "Py_GetVersion", (void **)(void *)&py.GetVersion },
	{ "PyGILState_GetThisThreadState", (void **)(void *)&py.OwnState },
	{ "_PyThreadState_UncheckedGet", (void **)(void *)&py.RunningState },
	{ "PyCode_Addr2Line", (void **)(void *)&py.Addr2Line },
	{ "PyThreadState_GetFrame", (void **)(void *)&py.GetFrame },
	{ "PyFrame_GetCode", (void **)(void *)&py.FrameCode },
	{ "PyFrame_GetBack", (void **)(void *)&py.FrameBack },
	{ "PyFrame_GetLineNumber", (void **)(void *)&py.FrameLine },
	{ "Py_DecRef", (void **)(void *)&py.DecRef },
	{ "PySys_GetObject", (void **)(void *)&py.SysGet },
	{ "PyDict_GetItemString", (void **)(void *)&py.DictGet },
	{ "PyObject_GetAttrString", (void **)(void *)&py.Attr },
	{ "PyUnicode_CompareWithASCIIString", (void **)(void *)&py.CompareText },
	{ "PyErr_Occurred", (void **)(void *)&py.ErrOccurred },
	{ "PyErr_Clear", (void **)(void *)&py.ErrClear },
	{ "PyLong_AsLong", (void **)(void *)&py.AsLong },
	{ "PyTuple_Size", (void **)(void *)&py.TupleSize },
	{ "PyTuple_GetItem", (void **)(void *)&py.TupleItem },
	{ "PyDict_Next", (void **)(void *)&py.DictNext },
	{ "PyLong_FromUnsignedLong", (void **)(void *)&py.FromUnsigned },
	{ "PyUnicode_FromString", (void **)(void *)&py.FromText },
	{ "PyDict_GetItem", (void **)(void *)&py.DictItem },
	{ "PyObject_GenericGetAttr", (void **)(void *)&py.PlainAttr },
	{ "_Py_TrueStruct", &py.True_ },
	{ "_Py_FalseStruct", &py.False_ },
	{ "_Py_NoneStruct", &py.None_ },
	{ "PyLong_Type", &py.LongType },
	{ "PyFloat_Type", &py.FloatType },
	{ "_PyEval_EvalFrameDefault", &py.Eval },
	{ "_PyRuntime", &py.Runtime },
};

static enum { ABSENT, FOUND, ON, REFUSED } state;
static unsigned tries;

/* ---- finding it ------------------------------------------------------------------------------------------------ */

static uintptr_t symbol_bytes(void *at)
{
	Dl_info info;
	const void *sym = NULL;
	/* Elf64_Sym: st_size is its third quarter. */
	if (!dladdr1(at, &info, (void **)(void *)&sym, RTLD_DL_SYMENT) || !sym || info.dli_saddr != at)
		return 0;
	uint64_t bytes;
	memcpy(&bytes, (const char *)sym + 16, sizeof bytes);
	return bytes;
}

/* Asks by name only at the start, when nobody has asked anything yet: later, what dlerror tells is the program's. */
ALIGNS void hook_python_find(bool start)
{
	if (state != ABSENT || !(start || python_library()))
		return;
	gate_shut();
	bool all = dlsym(RTLD_DEFAULT, symbols[0].name) != NULL;
	for (unsigned i = 0; all && i < ARRAY_SIZE(symbols); i++)
		all = (*symbols[i].to = dlsym(RTLD_DEFAULT, symbols[i].name)) != NULL;
	if (start && !all)
		dlerror(); /* the program's first question is not about ours */
	if (all) {
		struct python_api api = { .own_state = py.OwnState, .running_state = py.RunningState, .line = py.Addr2Line,
					  .eval = (uintptr_t)py.Eval, .eval_bytes = symbol_bytes(py.Eval),
					  .runtime = (uintptr_t)py.Runtime, .runtime_bytes = symbol_bytes(py.Runtime) };
		const char *v = py.GetVersion(); /* "3.11.2 (main, …": works before the interpreter has started */
		unsigned minor = 0;
		if (v[0] == '3' && v[1] == '.')
			for (v += 2; *v >= '0' && *v <= '9' && minor < 100; v++)
				minor = minor * 10 + (unsigned)(*v - '0');
		api.version = 3u << 8 | minor;
		state = api.eval_bytes && api.runtime_bytes && python_known(&api) ? FOUND : REFUSED;
	}
	gate_open();
}

/* ---- proving the frames ---------------------------------------------------------------------------------------- */

static bool attr_is(void *o, const char *name, uintptr_t expected)
{
	void *v = py.Attr(o, name);
	if (!v) {
		py.ErrClear();
		return false;
	}
	bool same = (uintptr_t)v == expected;
	py.DecRef(v);
	return same;
}

static bool text_is(uintptr_t str)
{
	char text[256];
	if (!python_text(str, text, sizeof text, true))
		return false;
	for (const char *c = text; *c; c++)
		if (*c & 0x80)
			return true; /* not to be compared with the one function at hand */
	return strlen(text) >= 200 || py.CompareText((void *)str, text) == 0;
}

static bool code_is_read(void *code)
{
	uintptr_t file, name;
	int first;
	if (!python_names((uintptr_t)code, &file, &name, &first) || !attr_is(code, "co_filename", file) ||
	    !(attr_is(code, "co_qualname", name) || attr_is(code, "co_name", name)) || !text_is(file) || !text_is(name))
		return false;
	void *v = py.Attr(code, "co_firstlineno");
	bool same = v && py.AsLong(v) == first;
	if (v)
		py.DecRef(v);
	else
		py.ErrClear();
	return same;
}

/* 1 as expected, 0 not, -1 nothing to compare. */
static int frames_are_read(void *thread)
{
	struct python_frame got[MAX_FRAMES];
	unsigned n = python_walk(thread, got, MAX_FRAMES, true), i = 0;
	void *frame = py.GetFrame(thread);
	if (!frame)
		return -1;
	bool same = true;
	while (frame && same && i < MAX_FRAMES) {
		void *code = py.FrameCode(frame), *back;
		same = i < n && got[i].code == (uintptr_t)code && py.Addr2Line(code, got[i].at) == py.FrameLine(frame) && code_is_read(code);
		py.DecRef(code);
		back = py.FrameBack(frame);
		py.DecRef(frame);
		frame = back;
		i++;
	}
	if (frame)
		py.DecRef(frame);
	return same && i == n;
}

/* ---- the methods ----------------------------------------------------------------------------------------------- */

static void *type_of(void *o) { return ((void **)o)[1]; }

/* 0 when it is too big: the method itself will say so. */
static long as_long(void *o)
{
	long v = py.AsLong(o);
	if (v == -1 && py.ErrOccurred()) {
		py.ErrClear();
		return 0;
	}
	return v;
}

/* How is acquire(blocking=True, timeout=-1) called? Whatever is not plain counts as not blocking. */
static unsigned how_of(void *args, void *kw)
{
	void *blocking = NULL, *timeout = NULL, *key, *value;
	ssize_t n = args ? py.TupleSize(args) : 0, at = 0;
	if (n > 0)
		blocking = py.TupleItem(args, 0);
	if (n > 1)
		timeout = py.TupleItem(args, 1);
	while (kw && py.DictNext(kw, &at, &key, &value))
		*(py.CompareText(key, "blocking") == 0 ? &blocking : &timeout) = value;
	if (blocking && blocking != py.True_) {
		if (blocking == py.False_ || type_of(blocking) != py.LongType || as_long(blocking) == 0)
			return ORDER_TRY;
	}
	if (!timeout)
		return ORDER_BLOCK;
	int64_t t = 0;
	if (type_of(timeout) == py.LongType)
		t = as_long(timeout);
	else if (type_of(timeout) == py.FloatType) /* its double follows the object's head; as an integer it has the same sign, but for -0.0 */
		memcpy(&t, (char *)timeout + 16, sizeof t);
	return t == 0 || t == INT64_MIN ? ORDER_TRY : t < 0 ? ORDER_BLOCK : ORDER_TIMED;
}

enum { LOCK_ACQUIRE, LOCK_ENTER, LOCK_ACQUIRE_OLD, RLOCK_ACQUIRE, RLOCK_ENTER, RLOCK_RESTORE, SENTINEL, NR_ROWS };

static struct py_row {
	const char *type, *name; /* in _thread; type NULL: a function */
	int flags;
	py_method ours;
	struct py_method_def *def;
	py_method real;
} rows[NR_ROWS];

static void call_over(struct python_call *call)
{
	struct thread *t = tls.thread;
	if (t && t->stacks.call == call)
		t->stacks.call = call->outer;
}

static void drop(void *o)
{
	if (o)
		py.DecRef(o);
	else
		py.ErrClear();
}

/*
 * What threading calls this thread. It is in threading's table a little after it has started; asked for at its first few lock calls,
 * and past attribute hooks of its class: no Python code runs for it. The gate is shut.
 */
static COLD void name_thread_slow(struct thread *t, uintptr_t handle)
{
	void *modules = py.SysGet("modules"), *threading = modules ? py.DictGet(modules, "threading") : NULL;
	void *active = threading ? py.Attr(threading, "_active") : NULL, *ident = py.FromUnsigned(handle), *key = py.FromText("_name");
	void *self = active && ident && key ? py.DictItem(active, ident) : NULL, *name = self ? py.PlainAttr(self, key) : NULL;
	if (name)
		python_text((uintptr_t)name, t->info->given, sizeof t->info->given, false);
	if (self && !name)
		py.ErrClear();
	drop(name);
	drop(key);
	drop(ident);
	drop(active);
}

static void *acquire(unsigned row, void *self, void *args, void *kw, bool scoped, enum lock_kind kind, const char *name)
{
	struct thread *t = hook_thread();
	uintptr_t sem = t ? (uintptr_t)((void **)self)[LOCK_SEM_AT / sizeof(void *)] : 0;
	uint32_t id = sem ? object_find(sem, FAMILY_SEM) : 0;
	if (!id)
		return rows[row].real(self, args, kw);
	struct python_call call __attribute__((cleanup(call_over))) = {
		.outer = t->stacks.call, .sem = sem, .scoped = scoped, .name = name,
	};
	gate_shut();
	call.how = row == LOCK_ENTER || row == RLOCK_ENTER || row == RLOCK_RESTORE ? ORDER_BLOCK : how_of(args, kw);
	python_call_here(&t->stacks, &call);
	object_by_id(id)->kind = (uint8_t)kind;
	if (unlikely(t->names_asked < MAX_ASKED && !t->info->given[0])) {
		t->names_asked++;
		name_thread_slow(t, t->info->handle);
	}
	gate_open();
	t->stacks.call = &call;
	return rows[row].real(self, args, kw);
}

static void *lock_acquire(void *self, void *args, void *kw)
{
	return acquire(LOCK_ACQUIRE, self, args, kw, false, LOCK_PYTHON, "Lock.acquire");
}

static void *lock_acquire_old(void *self, void *args, void *kw)
{
	return acquire(LOCK_ACQUIRE_OLD, self, args, kw, false, LOCK_PYTHON, "Lock.acquire_lock");
}

static void *lock_enter(void *self, void *args, void *kw)
{
	return acquire(LOCK_ENTER, self, args, kw, true, LOCK_PYTHON, "a with statement");
}

static void *rlock_acquire(void *self, void *args, void *kw)
{
	return acquire(RLOCK_ACQUIRE, self, args, kw, true, LOCK_PYTHON_RLOCK, "RLock.acquire");
}

static void *rlock_enter(void *self, void *args, void *kw)
{
	return acquire(RLOCK_ENTER, self, args, kw, true, LOCK_PYTHON_RLOCK, "a with statement");
}

static void *rlock_restore(void *self, void *args, void *kw)
{
	return acquire(RLOCK_RESTORE, self, args, kw, true, LOCK_PYTHON_RLOCK, "Condition.wait");
}

/* Called by the thread whose end it will tell. */
static void *set_sentinel(void *self, void *args, void *kw)
{
	void *lock = rows[SENTINEL].real(self, args, kw);
	struct thread *t = hook_thread();
	if (lock && t)
		semlock_ends_thread(t, object_find((uintptr_t)((void **)lock)[LOCK_SEM_AT / sizeof(void *)], FAMILY_SEM));
	return lock;
}

static struct py_row rows[NR_ROWS] = {
	[LOCK_ACQUIRE] = { "LockType", "acquire", METH_VARARGS | METH_KEYWORDS, lock_acquire, NULL, NULL },
	[LOCK_ENTER] = { "LockType", "__enter__", METH_VARARGS | METH_KEYWORDS, lock_enter, NULL, NULL },
	[LOCK_ACQUIRE_OLD] = { "LockType", "acquire_lock", METH_VARARGS | METH_KEYWORDS, lock_acquire_old, NULL, NULL },
	[RLOCK_ACQUIRE] = { "RLock", "acquire", METH_VARARGS | METH_KEYWORDS, rlock_acquire, NULL, NULL },
	[RLOCK_ENTER] = { "RLock", "__enter__", METH_VARARGS | METH_KEYWORDS, rlock_enter, NULL, NULL },
	[RLOCK_RESTORE] = { "RLock", "_acquire_restore", METH_VARARGS, rlock_restore, NULL, NULL },
	[SENTINEL] = { NULL, "_set_sentinel", METH_NOARGS, set_sentinel, NULL, NULL },
};

/* The entry of a method in the interpreter's table; NULL: not what we expect. */
static struct py_method_def *def_of(void *module, const struct py_row *r)
{
	void *owner = r->type ? py.Attr(module, r->type) : module;
	void *f = owner ? py.Attr(owner, r->name) : NULL;
	struct py_method_def *def = NULL;
	if (f) {
		const char *type = (const char *)((void **)type_of(f))[TYPE_NAME / sizeof(void *)];
		if (strcmp(type, r->type ? "method_descriptor" : "builtin_function_or_method") == 0)
			def = ((struct py_method_def **)f)[(r->type ? DESCR_METHOD : FUNC_METHOD) / sizeof(void *)];
		py.DecRef(f);
	} else {
		py.ErrClear();
	}
	if (owner && r->type)
		py.DecRef(owner);
	if (!def || !python_owns_data((uintptr_t)def, sizeof *def) || strcmp(def->name, r->name) != 0 || def->flags != r->flags)
		return NULL;
	return def;
}

/* All of them or none: half of it would take one lock for two kinds. */
static bool swap_methods(void *module)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		rows[i].def = def_of(module, &rows[i]);
		if (!rows[i].def)
			return false;
		rows[i].real = rows[i].def->meth;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		__atomic_store_n(&rows[i].def->meth, rows[i].ours, __ATOMIC_RELEASE);
	return true;
}

bool hook_python_interrupt(int signal)
{
	static bool seen;
	if (state == ABSENT || seen || signal != SIGINT)
		return false;
	return seen = true;
}

void hook_python_ready(void)
{
	if (likely(state != FOUND))
		return;
	int saved = errno;
	gate_shut();
	void *thread = python_running();
	if (thread && !py.ErrOccurred()) {
		void *modules = py.SysGet("modules");
		void *module = modules ? py.DictGet(modules, "_thread") : NULL;
		int frames = module ? frames_are_read(thread) : -1;
		if (frames == 0 || ++tries > MAX_TRIES)
			state = REFUSED;
		if (frames == 1) {
			state = ON;
			python_switch_on();
			thread_poke_all(POKE_FLUSH); /* what was remembered of stacks has no Python frames */
			if (!swap_methods(module))
				semlock_only_wait();
		}
	}
	gate_open();
	errno = saved;
}
