/* signals.c - See signals.h. */
#include "watch/signals.h"

#include "base/arena.h"
#include "base/masks.h"
#include "base/spin.h"
#include "base/sys.h"
#include "core/tls.h"
#include "detect/race.h"
#include "detect/verbs.h"
#include "watch/patched.h"
#include "watch/miss.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#define NR 65

/* As the kernel has it. source: arch/x86/include/uapi/asm/signal.h */
struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};
#define KERNEL_SA_RESTORER 0x04000000ul

typedef void (*handler3)(int, siginfo_t *, void *);

static struct kernel_action program[NR]; /* what the program asked for */
static _Atomic bool on;

/* Queued for one thread: at most one of each number, because it stays blocked meanwhile. */
struct queue {
	siginfo_t info[NR];
};
static __thread struct queue *queue __attribute__((tls_model("initial-exec")));

#define FAULTS MASKS_FAULTS

static bool is_fault(int nr)
{
	return FAULTS >> (nr - 1) & 1;
}
static bool is_handler(const void *h)
{
	return h != (void *)SIG_DFL && h != (void *)SIG_IGN;
}

/* Unwinders know a signal's frame by these very bytes, where no unwind information is; they look one byte before as well.
 * source: gcc, libgcc/config/i386/linux-unwind.h; glibc 2.36, sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c */
__asm__(".text\n.p2align 4\n	nop\n.hidden signals_restore\n.globl signals_restore\n.type signals_restore,@function\n"
	"signals_restore:\n	.byte 0x48, 0xc7, 0xc0, 15, 0, 0, 0 /* mov $15, %rax */\n	syscall\n.size signals_restore, . - signals_restore\n");
void signals_restore(void);

static void on_signal(int nr, siginfo_t *si, void *context);

static long install(int nr, const struct kernel_action *wanted)
{
	struct kernel_action a = *wanted;
	bool fault = is_fault(nr);
	if (is_handler(a.handler) || fault) {
		a.handler = (void *)(uintptr_t)on_signal;
		a.flags |= SA_SIGINFO;
		a.flags &= ~(unsigned long)SA_RESETHAND; /* done by ours: it must be ours that stays */
		if (fault) {
			/* A check may fault on its plane anywhere, inside a handler of the program's for this very
			 * signal too. */
			a.flags |= SA_NODEFER | (is_handler(wanted->handler) ? 0 : SA_ONSTACK);
			a.mask = is_handler(wanted->handler) ? a.mask : 0;
		}
		a.mask &= ~FAULTS;
	}
	if (!(a.flags & KERNEL_SA_RESTORER)) {
		a.flags |= KERNEL_SA_RESTORER;
		a.restorer = (void *)(uintptr_t)signals_restore;
	}
	long r = sys_raw6(SYS_rt_sigaction, nr, (long)&a, 0, 8, 0, 0);
	if (fault && is_handler(wanted->handler))
		atomic_fetch_and(&outside_own_handlers, ~(1ull << (nr - 1)));
	else if (fault)
		atomic_fetch_or(&outside_own_handlers, 1ull << (nr - 1));
	return r;
}

/* ---- delivery ---------------------------------------------------------------------------------------------------- */

static void die_of(int nr)
{
	struct kernel_action dfl = { 0 };
	sys_raw6(SYS_rt_sigaction, nr, (long)&dfl, 0, 8, 0, 0);
}

/*
 * The default of SIGSEGV, SIGBUS and SIGTRAP, or their being ignored. A fault is sent again, to come when we have returned to the place
 * that is shown: so a core file has the program's own, not one in a trampoline. In a confined program, and elsewhere than in a
 * trampoline, the instruction runs again and the kernel does what it does. True: the program is to stand where it is shown.
 */
static bool by_default(int nr, const siginfo_t *si, ucontext_t *uc, bool elsewhere)
{
	uint64_t bit = 1ull << (nr - 1), word;
	bool fault = si->si_code > 0;
	die_of(nr);
	if (fault && (sys_confined.on || (!elsewhere && nr != SIGTRAP)))
		return false;
	if (!fault && program[nr].handler == (void *)SIG_IGN) {
		install(nr, &program[nr]);
		return false;
	}
	/* It is blocked no longer than until we return. */
	if (fault)
		sys4(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, 8);
	memcpy(&word, &uc->uc_sigmask, sizeof word);
	word &= ~bit;
	memcpy(&uc->uc_sigmask, &word, sizeof word);
	return sys_raw6(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), nr, (long)si, 0, 0) == 0 && fault;
}

/* True: it dies of it, where it is shown. */
static bool call_program(int nr, siginfo_t *si, ucontext_t *uc, bool elsewhere)
{
	struct kernel_action a = program[nr];
	bool fatal = masks.blocked & FAULTS & 1ull << (nr - 1) && si->si_code > 0; /* a fault that is blocked kills */
	if (fatal || !is_handler(a.handler))
		return by_default(nr, si, uc, elsewhere);
	if (a.flags & SA_RESETHAND) {
		program[nr].handler = (void *)SIG_DFL; /* flags and mask stay, as in the kernel */
		install(nr, &program[nr]);
	}
	if (!is_fault(nr) && tls.gate == 0 && tls.thread)
		happens_after(tls.thread, KEY_SIGNAL(nr)); /* whoever sent it did that before */
	/* Under the mask it asked for, but for the faults: see install. */
	struct masks was = masks;
	if (was.waiting) {
		masks_wait_end();
		masks.blocked = was.waits;
	}
	uint64_t word;
	masks.blocked |= (a.mask | (a.flags & SA_NODEFER ? 0 : 1ull << (nr - 1))) & FAULTS;
	memcpy(&word, &uc->uc_sigmask, sizeof word);
	word |= was.blocked;
	memcpy(&uc->uc_sigmask, &word, sizeof word);
	((handler3)(uintptr_t)a.handler)(nr, si, uc);
	memcpy(&word, &uc->uc_sigmask, sizeof word);
	masks.blocked = word & FAULTS;
	masks.really &= masks.blocked;
	was.held = masks.held;
	if (was.waiting)
		masks = was; /* the kernel puts its own back */
	else
		word = (word & ~FAULTS) | masks.really;
	memcpy(&uc->uc_sigmask, &word, sizeof word);
	if (masks.held && !was.waiting)
		masks_let_go();
	return false;
}

/* Sent by somebody while the program has it blocked: the kernel keeps it, for this thread or for whoever may take it. */
static bool keep(int nr, siginfo_t *si, ucontext_t *uc)
{
	uint64_t bit = 1ull << (nr - 1);
	bool early = tls.inside & GATE_NEW; /* a thread that does not know its mask yet: see masks_adopt */
	if (!((early ? FAULTS : masks.blocked) & FAULTS & bit) || sys_confined.on)
		return false;
	if (si->si_code == SI_TKILL && queue) {
		if (!(masks.held & bit))
			queue->info[nr] = *si;
		masks.held |= bit;
		return true;
	}
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, 8);
	if (si->si_code == SI_TKILL)
		sys4(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), nr, si);
	else
		sys3(SYS_rt_sigqueueinfo, sys_gettid(), nr, si); /* to the process; only so the kernel lets a thread pass it on as it came */
	masks.really |= bit;
	sigaddset(&uc->uc_sigmask, nr);
	return true;
}

static bool in_slow_path(void)
{
	return watch_tls.self && !watch_tls.stack_top;
}

/* It comes again as soon as the slow path is left; until then it is blocked, so that no second one takes its place. */
static bool put_off(int nr, const siginfo_t *si, ucontext_t *uc)
{
	if (!queue || sys_confined.on) /* it could not be sent again */
		return false;
	queue->info[nr] = *si;
	watch_tls.pending |= 1ull << (nr - 1);
	uint64_t word; /* sigaddset knows nothing of libc's own */
	memcpy(&word, &uc->uc_sigmask, sizeof word);
	word |= 1ull << (nr - 1);
	memcpy(&uc->uc_sigmask, &word, sizeof word);
	return true;
}

static void send_again(uint64_t set)
{
	for (int nr = 1; nr < NR; nr++)
		if (set >> (nr - 1) & 1)
			sys4(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), nr, &queue->info[nr]);
}

COLD ALIGNS void signals_deliver_slow(void)
{
	uint64_t set = watch_tls.pending;
	watch_tls.pending = 0;
	send_again(set);
	sys4(SYS_rt_sigprocmask, SIG_UNBLOCK, &set, NULL, 8);
}

/* It left the last of our locks. */
static void deliver_after_lock(void)
{
	if (!in_slow_path() && watch_tls.pending)
		signals_deliver_slow();
}

/* Is the program in our own code where its handler must not run, which may never come back? */
static bool in_our_way(void) { return in_slow_path() || (queue && spin_tell_left(deliver_after_lock)); }

/*
 * A trap costs a thousand times what a jump does. Where it would be felt it is taken away, and with it the sight of that access.
 * Counters may be shared by traps that meet in the table, or lose a count between threads.
 */
#define TRAP_COUNTERS 4096u
#define TRAP_LIMIT    500u
static _Atomic uint32_t traps_taken_away;

static void trapped(uintptr_t at)
{
	static struct {
		_Atomic uintptr_t at;
		_Atomic uint32_t hits;
	} counter[TRAP_COUNTERS];
	unsigned i = (at ^ at >> 12) % TRAP_COUNTERS;
	if (atomic_load_explicit(&counter[i].at, memory_order_relaxed) != at) {
		atomic_store_explicit(&counter[i].at, at, memory_order_relaxed);
		atomic_store_explicit(&counter[i].hits, 0, memory_order_relaxed);
	}
	if (atomic_fetch_add_explicit(&counter[i].hits, 1, memory_order_relaxed) == TRAP_LIMIT && patched_untrap(at))
		atomic_fetch_add(&traps_taken_away, 1);
}

uint32_t signals_traps_taken_away(void) { return atomic_load(&traps_taken_away); }

/* What the program is shown of a thread in a trampoline: its own place, stack pointer and, where a stub has pushed them, registers. */
struct place {
	greg_t ip, sp, di, si;
};

static struct place place_of(const ucontext_t *uc)
{
	const greg_t *r = uc->uc_mcontext.gregs;
	return (struct place){ r[REG_RIP], r[REG_RSP], r[REG_RDI], r[REG_RSI] };
}

static void place_set(ucontext_t *uc, const struct place *p)
{
	greg_t *r = uc->uc_mcontext.gregs;
	r[REG_RIP] = p->ip;
	r[REG_RSP] = p->sp;
	r[REG_RDI] = p->di;
	r[REG_RSI] = p->si;
}

static void place_shown(struct place *p, uintptr_t ip, unsigned below)
{
	p->ip = (greg_t)ip;
	p->sp += (greg_t)below;
	if (below > 128)
		p->di = *(greg_t *)(p->sp - 136);
	if (below > 136)
		p->si = *(greg_t *)(p->sp - 144);
}

/* Where a thread goes on that met a fault of ours at *ip; 0: it is none. *stands: the place of the program it stands at if
 * that is somewhere else, else 0. */
static uintptr_t fault_of_ours(int nr, bool fault, uintptr_t ip, uintptr_t *stands, unsigned *below)
{
	uintptr_t to = 0;
	patched_enter();
	const struct patched *c = patched_find(ip);
	if (c && fault) {
		to = patched_stub_of(c, ip); /* a check, of an address that has no plane */
		race_tls.save[RACE_NO_PLANE] |= to != 0;
	} else if (nr == SIGTRAP && fault && (to = patched_trap(ip - 1)))
		trapped(ip - 1); /* a window too short for a jump */
	*stands = c && !to ? patched_place(c, ip, below) : 0;
	patched_leave();
	return to;
}

static uintptr_t moved(uintptr_t ip)
{
	patched_enter();
	uintptr_t to = patched_moved(ip);
	patched_leave();
	return to;
}

static void on_signal(int nr, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];
	bool fault = (nr == SIGSEGV || nr == SIGBUS || nr == SIGTRAP) && si->si_code > 0;
	unsigned below = 0;
	uintptr_t stands, to = fault_of_ours(nr, fault, (uintptr_t)*ip, &stands, &below);
	if (to) {
		*ip = (greg_t)to;
		return;
	}
	masks.really &= ~(1ull << (nr - 1));
	if (!fault && (keep(nr, si, uc) || (in_our_way() && put_off(nr, si, uc))))
		return;
	struct place stood = place_of(uc), shown = stood;
	if (stands) {
		place_shown(&shown, stands, below);
		place_set(uc, &shown);
	}
	uint64_t save[ARRAY_SIZE(race_tls.save)];
	memcpy(save, race_tls.save, sizeof save);
	bool dies = call_program(nr, si, uc, stands != 0);
	memcpy(race_tls.save, save, sizeof save);
	if (dies)
		return;
	/* On from where it stood, perhaps in the middle of a check; or where the handler wants it, whose bytes may have moved. */
	if (*ip == shown.ip && below)
		place_set(uc, &stood);
	else if (*ip == shown.ip)
		*ip = stood.ip;
	else if (*ip != shown.ip && (to = moved((uintptr_t)*ip)))
		*ip = (greg_t)to;
}

/* ---- what the program asks for ------------------------------------------------------------------------------------
 */

#define CANCEL 32 /* source: glibc, nptl/pthreadP.h */

bool signals_cancel(void)
{
	struct kernel_action a;
	if (!atomic_load(&on))
		return true;
	if (sys4(SYS_rt_sigaction, CANCEL, NULL, &a, 8) != 0 || !is_handler(a.handler))
		return false;
	if (a.handler != (void *)(uintptr_t)on_signal) {
		program[CANCEL] = a;
		install(CANCEL, &a);
	}
	return true;
}

static uint64_t mask_of(const sigset_t *s)
{
	uint64_t m;
	memcpy(&m, s, sizeof m);
	return m;
}

bool signals_action(int nr, const struct sigaction *act, struct sigaction *old, int *result)
{
	if (!atomic_load(&on) || nr < 1 || nr >= NR || nr == SIGKILL || nr == SIGSTOP || nr == 32 || nr == 33)
		return false;
	struct kernel_action was = program[nr], next;
	if (act) {
		next = (struct kernel_action){ (void *)(uintptr_t)act->sa_sigaction, (unsigned)act->sa_flags, NULL,
					       mask_of(&act->sa_mask) };
		/* The handler first: a signal may arrive in between. */
		program[nr] = next;
		*result = (int)install(nr, &next);
		if (*result < 0) {
			program[nr] = was;
			return true;
		}
	}
	*result = 0;
	if (old) {
		memset(old, 0, sizeof *old);
		old->sa_sigaction = (handler3)(uintptr_t)was.handler;
		old->sa_flags = (int)(was.flags & ~KERNEL_SA_RESTORER);
		memcpy(&old->sa_mask, &was.mask, sizeof was.mask);
		old->sa_restorer = (void (*)(void))(uintptr_t)was.restorer;
	}
	return true;
}

void signals_start(void)
{
	for (int nr = 1; nr < NR; nr++) {
		struct kernel_action a;
		if (nr == SIGKILL || nr == SIGSTOP || sys4(SYS_rt_sigaction, nr, NULL, &a, 8) != 0)
			continue;
		program[nr] = a;
		if (nr != 32 && nr != 33 && (is_handler(a.handler) || is_fault(nr)))
			install(nr, &a);
	}
	atomic_store(&on, true);
	masks_start(send_again);
}

bool signals_thread(void)
{
	if (!queue)
		queue = arena_alloc(sizeof *queue);
	return queue != NULL;
}

uint64_t signals_block(void)
{
	uint64_t all = ~0ull, had = 0;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &had, 8);
	return had;
}

void signals_unblock(uint64_t had)
{
	if (masks_on) {
		masks.blocked = had & FAULTS;
		had &= ~FAULTS;
	}
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &had, NULL, 8);
}
