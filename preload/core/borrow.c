/* borrow.c - See borrow.h. */
#include "core/borrow.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/arena.h"
#include "base/fmt.h"
#include "base/spin.h"
#include "base/sys.h"
#include "core/borrow_imports.h"
#include "core/module.h"
#include "core/step.h"

#define NAME         "libunwind.so.8" /* its ABI: the cursor and context sizes below belong to it */
#define STACK_BYTES  (256u << 10)     /* it wants up to 8 KB; a signal handler of the target may come on top */
#define GUARD_BYTES  4096u
#define CURSOR_WORDS 127 /* libunwind-x86_64.h: UNW_TDEP_CURSOR_LEN */
#define REG_IP       16

/* unw_cursor_t, unw_context_t (which is ucontext_t on this machine) and the functions that libunwind.h's macros name.
 */
static struct {
	int (*init_local)(uint64_t *cursor, ucontext_t *context);
	int (*step)(uint64_t *cursor);
	int (*get_reg)(uint64_t *cursor, int reg, uintptr_t *value);
	void (*flush_cache)(void *space, uintptr_t lo, uintptr_t hi);
	void **space;
} unw;

static struct spin lock = SPIN_INIT(RANK_BORROW);
static _Atomic bool available;
static char *stack_top;
static uint32_t seen_epoch;

static const char *sentence(const char *a, const char *b)
{
	char *buf = arena_alloc(256);
	if (!buf)
		return a;
	struct fmt f = fmt_on(buf, 256);
	fmt_str(&f, a);
	fmt_str(&f, b);
	return fmt_end(&f);
}

/* The loader has made these absolute where the dynamic section can be written. */
static uintptr_t dyn_ptr(const struct link_map *l, uintptr_t v)
{
	return v < l->l_addr ? v + l->l_addr : v;
}

struct dynamic {
	const ElfW(Sym) * symtab;
	const char *strtab;
	struct {
		const ElfW(Rela) * at;
		size_t bytes;
	} rela[2]; /* DT_RELA, DT_JMPREL */
};

static void read_dynamic(const struct link_map *l, struct dynamic *d)
{
	memset(d, 0, sizeof(*d));
	for (const ElfW(Dyn) *e = l->l_ld; e->d_tag != DT_NULL; e++) {
		switch (e->d_tag) {
		case DT_SYMTAB:
			d->symtab = (const void *)dyn_ptr(l, e->d_un.d_ptr);
			break;
		case DT_STRTAB:
			d->strtab = (const void *)dyn_ptr(l, e->d_un.d_ptr);
			break;
		case DT_RELA:
			d->rela[0].at = (const void *)dyn_ptr(l, e->d_un.d_ptr);
			break;
		case DT_RELASZ:
			d->rela[0].bytes = e->d_un.d_val;
			break;
		case DT_JMPREL:
			d->rela[1].at = (const void *)dyn_ptr(l, e->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			d->rela[1].bytes = e->d_un.d_val;
			break;
		}
	}
}

/* One word of its GOT, which is read-only after relocation where the library was linked with -z relro -z now. */
static bool put_word(const struct module *m, uintptr_t at, void *to)
{
	unsigned nr;
	const ElfW(Phdr) *ph = module_phdr(m, &nr);
	bool relro = false;
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t lo = m->bias + ph[i].p_vaddr, hi = lo + ph[i].p_memsz;
		relro |= ph[i].p_type == PT_GNU_RELRO && at >= (lo & ~(uintptr_t)4095) && at < (hi & ~(uintptr_t)4095);
	}
	uintptr_t page = at & ~(uintptr_t)4095;
	if (relro && sys3(SYS_mprotect, page, 4096, PROT_READ | PROT_WRITE) < 0)
		return false;
	*(void **)at = to;
	return !relro || sys3(SYS_mprotect, page, 4096, PROT_READ) == 0;
}

/* Looks at everything it imports; with `write` also redirects. Returns NULL or what is in the way. */
static const char *redirect(const struct link_map *l, const struct module *m, bool write)
{
	struct dynamic d;
	read_dynamic(l, &d);
	if (!d.symtab || !d.strtab)
		return NAME " has no dynamic symbols";
	for (unsigned t = 0; t < 2; t++)
		for (size_t i = 0; i < d.rela[t].bytes / sizeof(*d.rela[t].at); i++) {
			const ElfW(Rela) *r = &d.rela[t].at[i];
			const ElfW(Sym) *sym = &d.symtab[ELF64_R_SYM(r->r_info)];
			uint32_t type = (uint32_t)ELF64_R_TYPE(r->r_info);
			if (ELF64_R_SYM(r->r_info) == 0 || sym->st_shndx != SHN_UNDEF ||
			    (type != R_X86_64_GLOB_DAT && type != R_X86_64_JUMP_SLOT && type != R_X86_64_64))
				continue;
			const char *name = d.strtab + sym->st_name;
			void **slot = (void **)(l->l_addr + r->r_offset), *to, **keep;
			enum import_kind kind = import_classify(name, &to, &keep);
			if (kind == IMPORT_UNKNOWN)
				return sentence(NAME " imports a function not known to be harmless: ", name);
			if (kind == IMPORT_HARMLESS || *slot == NULL || !write) /* NULL: a weak one that nobody has */
				continue;
			if (keep)
				*keep = *slot;
			if (!put_word(m, (uintptr_t)slot, to))
				return "the import table of " NAME " cannot be written";
		}
	return NULL;
}

static const char *open_it(void)
{
	void *h = dlopen(NAME, RTLD_NOW | RTLD_NOLOAD);
	if (h) {
		dlclose(h);
		return "the program has loaded " NAME " itself";
	}
	h = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
	if (!h)
		return NAME " is not installed";
	const struct link_map *l = NULL;
	unw.init_local = (int (*)(uint64_t *, ucontext_t *))dlsym(h, "_ULx86_64_init_local");
	unw.step = (int (*)(uint64_t *))dlsym(h, "_ULx86_64_step");
	unw.get_reg = (int (*)(uint64_t *, int, uintptr_t *))dlsym(h, "_ULx86_64_get_reg");
	unw.flush_cache = (void (*)(void *, uintptr_t, uintptr_t))dlsym(h, "_Ux86_64_flush_cache");
	unw.space = dlsym(h, "_ULx86_64_local_addr_space");
	const char *why = NULL;
	if (dlinfo(h, RTLD_DI_LINKMAP, &l) != 0 || !unw.init_local || !unw.step || !unw.get_reg)
		why = NAME " lacks what we need of it";
	module_refresh();
	const struct module *m = module_find((uintptr_t)unw.step);
	char *stack = arena_map(STACK_BYTES);
	if (!why && (!m || !stack))
		why = "no memory for a stack of its own";
	if (!why)
		why = redirect(l, m, false);
	if (why) {
		dlclose(h);
		module_refresh();
		return why;
	}
	sys3(SYS_mprotect, stack, GUARD_BYTES, PROT_NONE);
	stack_top = stack + STACK_BYTES;
	/* From here on it stays, used or not: some of its imports may be ours already. */
	return redirect(l, m, true);
}

const char *borrow_start(void)
{
	static const char *why = NULL;
	static bool started;
	if (started)
		return why;
	started = true;
	/* The one other thing that has to be looked up by name: newer glibcs have it. */
	module_set_lookup((module_lookup)dlsym(RTLD_DEFAULT, "_dl_find_object"));
	why = open_it();
	atomic_store(&available, why == NULL);
	return why;
}

bool borrow_available(void)
{
	return atomic_load_explicit(&available, memory_order_relaxed);
}

struct job {
	ucontext_t context;
	uint64_t cursor[CURSOR_WORDS];
	void **out;
	unsigned max, nr;
};

static void walk(struct job *j)
{
	if (__builtin_setjmp(import_way_out)) {
		/* It called abort: its state, and maybe a lock, is anybody's guess. */
		atomic_store(&available, false);
		return;
	}
	uint32_t epoch = module_epoch();
	if (epoch != seen_epoch && unw.flush_cache && unw.space)
		unw.flush_cache(*unw.space, 0, 0);
	seen_epoch = epoch;
	if (unw.init_local(j->cursor, &j->context) < 0)
		return;
	while (j->nr < j->max && unw.step(j->cursor) > 0) {
		uintptr_t ip;
		if (unw.get_reg(j->cursor, REG_IP, &ip) < 0 || ip == 0)
			break;
		j->out[j->nr++] = (void *)ip;
	}
}

/* Calls f(arg) on another stack; its CFI leads back, for whoever unwinds from a signal handler there. */
void borrow_on_stack(void (*f)(struct job *), struct job *arg, char *top) __attribute__((visibility("hidden")));
__asm__(".text\n"
	".hidden borrow_on_stack\n"
	".globl borrow_on_stack\n"
	".type borrow_on_stack, @function\n"
	"borrow_on_stack:\n"
	".cfi_startproc\n"
	"	pushq %rbp\n"
	".cfi_def_cfa_offset 16\n"
	".cfi_offset rbp, -16\n"
	"	movq %rsp, %rbp\n"
	".cfi_def_cfa_register rbp\n"
	"	movq %rdi, %rax\n"
	"	movq %rsi, %rdi\n"
	"	movq %rdx, %rsp\n"
	"	call *%rax\n"
	"	leave\n"
	".cfi_def_cfa rsp, 8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size borrow_on_stack, . - borrow_on_stack\n");

unsigned borrow_backtrace(void **out, unsigned max)
{
	/* Kernel order of the registers in a ucontext, by DWARF number (asm/sigcontext.h). */
	static const uint8_t greg[STEP_REGS] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
						 REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
						 REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP };
	if (!borrow_available())
		return 0;
	struct step_regs regs;
	STEP_HERE(&regs);
	if (!spin_trylock(&lock)) {
		/* A signal handler of the target left a call of this thread by siglongjmp. */
		if (atomic_load_explicit(&import_owner, memory_order_relaxed) == thread_pointer())
			spin_reset(&lock);
		spin_lock(&lock);
	}
	atomic_store_explicit(&import_owner, thread_pointer(), memory_order_relaxed);
	struct job *j = (struct job *)(stack_top - ((sizeof(*j) + 63) & ~63ul));
	memset(j, 0, sizeof(*j));
	j->out = out;
	j->max = max;
	for (unsigned i = 0; i < STEP_REGS; i++)
		if (regs.known >> i & 1)
			j->context.uc_mcontext.gregs[greg[i]] = (greg_t)regs.r[i];
	borrow_on_stack(walk, j, (char *)j);
	unsigned nr = j->nr;
	atomic_store_explicit(&import_owner, 0, memory_order_relaxed);
	spin_unlock(&lock);
	return nr;
}

void borrow_fork_child(void)
{
	if (atomic_load_explicit(&import_owner, memory_order_relaxed)) {
		atomic_store(&available, false);
		atomic_store(&import_owner, 0);
	}
	spin_reset(&lock);
}
