/*
 * test_watch_exec.c - Made-up code must do the same patched and unpatched, and every access must be seen.
 *
 * A block of random instructions is first single-stepped as it is, noting each access; then planned, patched and run
 * with the plane saying "never seen", "seen", "only read" and rubbish. Registers (vectors, x87 and masks too), flags and
 * memory must be equal each time, and what the entries were told must be what was noted. By its seed a block has unwind
 * information or is found as hand-written code, perhaps with a jump to who knows where and then entered anywhere; lies
 * low or high; and is checked directly or by arithmetic. SEED and ROUNDS in the environment.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>

#include <cmocka.h>

#include "watch_make.h"
#include "watch_run.h"

#define CODE_MAX  1024u
#define STATUS    0x8d5u
/* Behind the block: somewhere to call, and where that is said, out of the module. */
#define RETURN_AT  (CODE_MAX - 16)
#define POINTER_AT (CODE_MAX + 32)

static uint8_t start_data[DATA_BYTES], plain_data[DATA_BYTES], plain_fx[XSAVE_BYTES];
static bool bare, jumps; /* no unwind information; and with a jump nobody understands */
static unsigned entry;   /* instruction of the block to begin with */
static struct touch noted[LOG_MAX];
static unsigned nr_noted;
static uintptr_t noted_rsp_max;
static sigjmp_buf trip;
static uintptr_t tripped, stepped;
static unsigned long seed_now;
static volatile bool stepping;
static const struct plan *planned;

/* Puts the block into the text: the function, then outside of it the way out. Returns where the function ends. */
static uintptr_t lay_out(void)
{
	uint8_t *at = lab.text + 16;
	memset(lab.text, 0x90, TEXT_BYTES);
	for (unsigned n = 0; n < nr_block; n++) {
		if (block[n].skip) {
			unsigned over = 0;
			for (unsigned k = n + 1; k <= n + block[n].skip && k < nr_block; k++)
				over += block[k].len;
			block[n].code[1] = (uint8_t)over;
		}
		if (block[n].call)
			fde_put32(block[n].code + block[n].call, lab.text + (block[n].call == 2 ? POINTER_AT : RETURN_AT) -
								     (at + block[n].len));
		at = fde_put(at, block[n].code, block[n].len);
	}
	*at++ = 0xe9;
	at = fde_put32(at, lab.text + CODE_MAX - (at + 4));
	if (jumps)
		fde_put(at, "\xff\xe0", 2); /* jmp *%rax, which nobody gets to */
	lab.text[0] = 0xe9; /* the way in, which has unwind information always */
	fde_put32(lab.text + 1, 16 - 5);
	/* Flags survive calls in hand-written code alone: cmp %esp, %esp; ret */
	memcpy(lab.text + RETURN_AT, bare ? "\xc3\x90\x90" : "\x39\xe4\xc3", 3);
	uint64_t back = (uintptr_t)lab.text + RETURN_AT;
	memcpy(lab.text + POINTER_AT, &back, 8);
	memcpy(lab.text + CODE_MAX, "\xff\x25\x02\x00\x00\x00\x90\x90", 8);
	uint64_t out = (uintptr_t)run_exit;
	memcpy(lab.text + CODE_MAX + 8, &out, 8);
	return (uintptr_t)at;
}

/* ---- running it ---- */

static void first_state(void)
{
	for (unsigned i = 0; i < 16; i++)
		run_in.r[i] = (uintptr_t)lab.data + 0x800 + 8 * rnd(0x100) + (rnd(8) ? 0 : rnd(8));
	run_in.r[1] = rnd(8);
	run_in.r[2] = rnd(64);
	run_in.r[10] = rnd(64);
	run_in.r[13] = rnd(64);
	run_in.r[0] = rnd(2) ? run_in.r[0] : rnd(65536);
	run_in.r[4] = (uintptr_t)lab.data + 0x3000;
	run_in.r[15] = (uintptr_t)lab.data + 0x800 + 8 * rnd(0x100) - fs_base();
	run_in.flags = 0x202 | (rnd(4096) & STATUS);
}

static void restart(void)
{
	memcpy(lab.data, start_data, DATA_BYTES);
	lab.nr_log = 0;
}

static void note(uintptr_t pc, uintptr_t addr, unsigned size, bool write)
{
	if (addr < (uintptr_t)lab.data + 64 || addr + size > (uintptr_t)lab.data + DATA_BYTES - 64 || size > 200 ||
	    /* below the highest red zone there may be what a stub left */
	    (addr + size > (uintptr_t)lab.data + 0x2000 && addr < noted_rsp_max - 128)) {
		tripped = pc;
		siglongjmp(trip, 1);
	}
	if (nr_noted < LOG_MAX)
		noted[nr_noted++] = (struct touch){ pc, addr, (uint8_t)size, write };
}

static uintptr_t reg_of(const ucontext_t *uc, uint8_t r)
{
	static const int greg[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
	return r < 16 ? (uintptr_t)uc->uc_mcontext.gregs[greg[r]] : 0;
}

static uintptr_t insn_end(const struct insn *i, uintptr_t pc)
{
	return pc + i->len + (uintptr_t)(intptr_t)i->disp;
}

static void on_step(int sig, siginfo_t *si, void *arg)
{
	ucontext_t *uc = arg;
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	const struct plan_window *trap = sig == SIGTRAP && !stepping ? plan_window_at(planned, pc - 1) : NULL;
	if (trap) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)((uintptr_t)lab.arena + trap->to);
		return;
	}
	if (sig != SIGTRAP || !stepping) {
		if (!stepping) {
			printf("# seed %lu: signal %d at %#lx (text %p arena %p), address %p\n", seed_now, sig, pc, (void *)lab.text,
			       (void *)lab.arena, si->si_addr);
			fflush(stdout);
			_exit(9);
		}
		tripped = pc;
		siglongjmp(trip, 1);
	}
	if (pc == (uintptr_t)run_exit || pc == (uintptr_t)lab.text + CODE_MAX) {
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100l;
		return;
	}
	if (pc < (uintptr_t)lab.text || pc >= (uintptr_t)lab.text + CODE_MAX)
		return;
	struct insn i = { .at = (uint32_t)(pc - (uintptr_t)lab.text) };
	uintptr_t rsp = reg_of(uc, RSP);
	noted_rsp_max = rsp > noted_rsp_max ? rsp : noted_rsp_max;
	if (!decoder->decode(decoder, (const uint8_t *)pc, 15, &i) || rsp < (uintptr_t)lab.data + 0x2800 ||
	    rsp > (uintptr_t)lab.data + 0x3800) {
		tripped = stepped; /* it is the one before that moved it */
		siglongjmp(trip, 1);
	}
	stepped = pc;
	if (!(i.is & (INSN_READS | INSN_WRITES)))
		return;
	if (i.kind == INSN_CALL_FAR) {
		noted[nr_noted < LOG_MAX ? nr_noted++ : 0] = (struct touch){ pc, insn_end(&i, pc), 8, false };
		return;
	}
	if (i.is & INSN_ODD) {
		tripped = pc;
		siglongjmp(trip, 1);
	}
	if (i.is & INSN_STRING) {
		uint64_t n = i.op >> 4 ? reg_of(uc, RCX) : 1;
		unsigned what = i.op & 15;
		if (n > 8)
			n = 1000;
		if (what == STRING_MOVS || what == STRING_LODS || what == STRING_CMPS)
			note(pc, reg_of(uc, RSI), (unsigned)n * i.size, false);
		if (what != STRING_LODS)
			note(pc, reg_of(uc, RDI), (unsigned)n * i.size, what == STRING_MOVS || what == STRING_STOS);
		return;
	}
	uintptr_t addr = i.base == BASE_RIP ? pc + i.len : reg_of(uc, i.base);
	addr += reg_of(uc, i.index) * i.scale + (uintptr_t)(intptr_t)i.disp;
	if ((i.is & INSN_POP_MEMORY) && i.base == RSP)
		addr += 8;
	if (i.is & INSN_FS)
		addr += fs_base();
	if (i.is & INSN_ADDR32)
		addr = (uint32_t)addr;
	if (i.is & INSN_VECTOR) {
		struct watch_site s = { .size = i.op, .op = i.vector };
		struct vector_part parts[VECTOR_PARTS];
		unsigned n = vector_parts(&s, addr, uc->uc_mcontext.fpregs, parts);
		for (unsigned k = 0; k < n; k++)
			note(pc, parts[k].addr, parts[k].bytes, (i.is & INSN_WRITES) != 0);
		return;
	}
	if (i.is & INSN_BITS)
		addr = bit_address(addr, reg_of(uc, i.op), i.size);
	note(pc, addr, i.size, (i.is & INSN_WRITES) != 0);
}

/* Takes out the instruction at this place of the text. */
static void remove_at(uintptr_t pc)
{
	uintptr_t at = (uintptr_t)lab.text + 16;
	for (unsigned n = 0; n < nr_block; n++) {
		if (at == pc) {
			memmove(&block[n], &block[n + 1], (nr_block - n - 1) * sizeof(*block));
			nr_block--;
			return;
		}
		at += block[n].len;
	}
	nr_block--; /* not one of ours: perhaps one that jumps there */
}

static const uint8_t *first_insn(void)
{
	const uint8_t *at = lab.text + 16;
	for (unsigned n = 0; n < entry && n < nr_block; n++)
		at += block[n].len;
	return at;
}

/* Steps through the block, taking out what goes astray, until it runs to its end. */
static uintptr_t step_through(void)
{
	for (;;) {
		uintptr_t end = lay_out();
		nr_noted = 0;
		noted_rsp_max = run_in.r[RSP];
		restart();
		stepping = true;
		if (sigsetjmp(trip, 1) == 0) {
			run_in.flags |= 0x100;
			run_at(first_insn());
			run_in.flags &= ~0x100ul;
			stepping = false;
			memcpy(plain_data, lab.data, DATA_BYTES);
			memcpy(plain_fx, run_fx_out, XSAVE_BYTES);
			return end;
		}
		stepping = false;
		run_in.flags &= ~0x100ul;
		remove_at(tripped);
	}
}

/* ---- comparing ---- */

static const char *same_state(const struct run_regs *want)
{
	static char buf[128];
	for (unsigned r = 0; r < 16; r++)
		if (want->r[r] != run_out.r[r]) {
			snprintf(buf, sizeof(buf), "register %u: %#lx, not %#lx", r, run_out.r[r], want->r[r]);
			return buf;
		}
	if ((want->flags ^ run_out.flags) & STATUS) {
		snprintf(buf, sizeof(buf), "flags %#lx, not %#lx", run_out.flags & STATUS, want->flags & STATUS);
		return buf;
	}
	/* Not the places of the last x87 instruction, which has moved. */
	if (memcmp(run_fx_out, plain_fx, 6) || memcmp(run_fx_out + 24, plain_fx + 24, 416 - 24) ||
	    memcmp(run_fx_out + 576, plain_fx + 576, XSAVE_BYTES - 576))
		return "vector or x87 state differs";
	size_t stack = noted_rsp_max - 128 - (uintptr_t)lab.data;
	for (size_t i = 0; i < DATA_BYTES; i++)
		if (lab.data[i] != plain_data[i] && (i < 0x2000 || i >= stack)) {
			for (unsigned k = 0; k < nr_noted; k++)
				if (noted[k].write && (uintptr_t)&lab.data[i] - noted[k].addr < noted[k].size)
					printf("# written at %#lx\n", noted[k].pc - (uintptr_t)lab.text);
			snprintf(buf, sizeof(buf), "memory differs at %p: %#x, not %#x", (void *)&lab.data[i], lab.data[i],
				 plain_data[i]);
			return buf;
		}
	return NULL;
}

static bool covers(const struct touch *a, const struct touch *b)
{
	return a->addr <= b->addr && a->addr + a->size >= b->addr + b->size && (a->write || !b->write);
}

/* With a plane that knows nothing each access must have been told, itself or by one that covers it, and nothing else.
 */
static const char *all_seen(const struct plan *p, bool taken)
{
	static char buf[128];
	for (unsigned n = 0; n < nr_noted; n++) {
		struct insn i = { .at = 0 };
		bool found = false;
		decoder->decode(decoder, (const uint8_t *)noted[n].pc, 15, &i);
		if (!plan_moved_from(p, noted[n].pc) || (!taken && !bare && (i.base == RSP || i.base == RBP)))
			continue;
		for (unsigned k = 0; k < lab.nr_log && !found; k++)
			found = covers(&lab.log[k], &noted[n]);
		if (!found) {
			for (unsigned k = 0; k < lab.nr_log; k++)
				printf("# seen: pc %#lx, %u bytes at %#lx, %s\n", lab.log[k].pc - (uintptr_t)lab.text, lab.log[k].size,
				       lab.log[k].addr, lab.log[k].write ? "write" : "read");
			snprintf(buf, sizeof(buf), "%u bytes at %#lx not seen, pc %#lx", noted[n].size, noted[n].addr,
				 noted[n].pc - (uintptr_t)lab.text);
			return buf;
		}
	}
	for (unsigned k = 0; k < lab.nr_log; k++) {
		bool found = lab.log[k].pc >= (uintptr_t)lab.text + CODE_MAX; /* the way out */
		for (unsigned n = 0; n < nr_noted && !found; n++)
			found = noted[n].pc == lab.log[k].pc && noted[n].addr == lab.log[k].addr &&
				noted[n].size == lab.log[k].size && noted[n].write == lab.log[k].write;
		if (!found) {
			snprintf(buf, sizeof(buf), "%u bytes at %#lx made up, pc %#lx", lab.log[k].size,
				 lab.log[k].addr, lab.log[k].pc - (uintptr_t)lab.text);
			return buf;
		}
	}
	return NULL;
}

static void show_block(uint64_t seed)
{
	printf("# seed %lu: %s%sfrom %#lx, flags %#lx\n", (unsigned long)seed, bare ? "bare, " : "", jumps ? "jumps, " : "",
	       (uintptr_t)(first_insn() - lab.text), run_in.flags);
	for (unsigned n = 0, at = 16; n < nr_block; at += block[n++].len) {
		printf("# %3x ", at);
		for (unsigned k = 0; k < block[n].len; k++)
			printf("%02x", block[n].code[k]);
		printf("\n");
	}
}

static struct {
	unsigned long blocks, accesses, watched, checks, seen, elided, windows, traps, bare;
} total;

static const char *one_block(uint64_t seed)
{
	seed_now = seed;
	rng = seed * 0x9e3779b97f4a7c15u + 1;
	for (unsigned i = 0; i < 8; i++)
		rnd(2);
	for (size_t i = 0; i < DATA_BYTES; i++)
		start_data[i] = (uint8_t)(rnd(4) ? 0 : rnd(256));
	for (size_t i = 0; i < DATA_BYTES; i += 8) { /* nothing that looks like an address of code */
		uint64_t v;
		memcpy(&v, start_data + i, 8);
		if (v >> 46 == 0)
			start_data[i + 7] = 0x80;
	}
	last.len = 0;
	bare = seed % 3 == 0;
	jumps = bare && seed % 2;
	lab_open(seed >> 8 & 1);
	first_state();
	make_block();
	entry = jumps ? rnd(nr_block) : 0;
	uintptr_t end = step_through();
	struct run_regs want = run_out;
	uintptr_t lo = (uintptr_t)lab.text + 16;
	if (bare) {
		lo = (uintptr_t)lab.text;
		end = lo + 5;
	}
	size_t hdr = fde_write(lab.unwind, 1, &lo, &end);
	struct code_span text = { (uintptr_t)lab.text, (uintptr_t)lab.text + CODE_MAX + 8 };
	struct code_data data[2] = { { (uintptr_t)lab.data, (uintptr_t)lab.data + DATA_BYTES, false },
				     { (uintptr_t)lab.unwind, (uintptr_t)lab.unwind + UNWIND_BYTES, true } };
	struct code_view view = { .text = &text,
				  .nr_text = 1,
				  .data = data,
				  .nr_data = 2,
				  .eh_frame_hdr = lab.unwind,
				  .eh_frame_hdr_bytes = hdr,
				  .pie = seed % 5 != 0 };
	struct emit_abi abi = lab_abi(seed % 4 != 0 && seed % 7 != 0);
	struct plan p;
	/* Pointers to the text must not look like jumps into it. */
	memcpy(lab.data, start_data, DATA_BYTES);
	if (plan_module(&view, &abi, decoder, &p) < 0 || plan_place(&p, (uintptr_t)lab.arena) < 0 ||
	    p.image_bytes > ARENA_BYTES)
		return "no plan";
	planned = &p;
	memcpy(lab.arena, p.image, p.image_bytes);
	for (unsigned w = 0; w < p.nr_windows; w++)
		memcpy(lab.text + p.windows[w].at, p.windows[w].patch, p.windows[w].len);
	const char *wrong = NULL;
	for (unsigned mode = 0; mode < 4 && !wrong; mode++) {
		restart();
		uint8_t *plane = lab.data + PLANE_AWAY;
		memset(lab.plane + CODE_MAX, mode == 0 ? 0 : WRITE_TAG, 64); /* where calls and the way out are said */
		memset(plane, mode == 0 ? 0 : mode == 1 ? WRITE_TAG : WRITE_TAG & ~1, DATA_BYTES);
		for (size_t i = 0; mode == 3 && i < DATA_BYTES; i++)
			plane[i] = (uint8_t)(rnd(8) ? WRITE_TAG - rnd(2) : rnd(256));
		run_at(first_insn());
		wrong = same_state(&want);
		if (wrong)
			printf("# mode %u\n", mode);
		if (!wrong && mode == 0) {
			lay_out(); /* all_seen looks at the program as it was */
			wrong = all_seen(&p, p.counts.private_slots == 0);
			for (unsigned w = 0; w < p.nr_windows; w++)
				memcpy(lab.text + p.windows[w].at, p.windows[w].patch, p.windows[w].len);
			total.seen += lab.nr_log;
		}
		for (unsigned k = 0; k < lab.nr_log && !wrong && mode == 1; k++) {
			const struct watch_site *s = (const void *)(lab.arena + p.sites_at);
			for (unsigned n = 0; n < p.nr_sites; n++)
				if (s[n].pc == lab.log[k].pc && !(s[n].flags & (SITE_REP | SITE_SYNC)))
					wrong = "missed although it was seen";
		}
	}
	total.blocks++;
	total.accesses += p.counts.accesses;
	total.watched += p.counts.reason[PLAN_WATCHED];
	total.checks += p.counts.checks;
	total.elided += p.counts.elided;
	total.windows += p.nr_windows;
	total.traps += p.counts.traps;
	total.bare += bare && p.counts.functions > 1;
	plan_free(&p);
	return wrong;
}

static void test_same(void **state)
{
	(void)state;
	static char alt[1 << 18];
	/* Here and not in main: cmocka sets handlers of its own around each test. */
	if (!lab_vectors())
		skip();
	sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = sizeof(alt) }, NULL);
	struct sigaction sa = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	for (int s = 1; s <= SIGSYS; s++)
		if (s == SIGTRAP || s == SIGSEGV || s == SIGBUS || s == SIGILL || s == SIGFPE)
			sigaction(s, &sa, NULL);
	unsigned long first = getenv("SEED") ? strtoul(getenv("SEED"), NULL, 0) : 1;
	unsigned long rounds = getenv("ROUNDS") ? strtoul(getenv("ROUNDS"), NULL, 0) : 1500;
	for (unsigned long n = first; n < first + rounds; n++) {
		const char *wrong = one_block(n);
		if (wrong) {
			lay_out();
			show_block(n);
			FILE *dump = getenv("DUMP") ? fopen(getenv("DUMP"), "w") : NULL;
			if (dump) {
				fwrite(lab.arena, 1, 8192, dump);
				fclose(dump);
			}
			fail_msg("%s", wrong);
		}
	}
	printf("# %lu blocks (%lu bare), %lu accesses, %lu watched, %lu windows, %lu traps, %lu checks, %lu elided, %lu seen\n",
	       total.blocks, total.bare, total.accesses, total.watched, total.windows, total.traps, total.checks,
	       total.elided, total.seen);
	assert_true(total.watched * 10 > total.accesses * 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_same) };
	const char *why = decoder_open(&decoder);
	if (why) {
		printf("skip test_watch_exec: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
