#include "watch/adhoc.h"

#include "base/sys.h"
#include "core/module.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>

#define LOOK_AHEAD 24u  /* instructions between the load and the branch */
#define SLOTS      4u   /* places on the stack that it is put in on the way, as without optimisation */
#define CODE_BYTES 256u

/* Places on the stack that hold the value. */
struct slots {
	unsigned nr;
	struct {
		uint8_t base, size;
		int32_t disp;
	} at[SLOTS];
};

static bool on_stack(const struct insn *x) { return (x->base == RBP || x->base == RSP) && x->index == NO_REG && !(x->is & INSN_LEA); }

static bool in_slot(const struct slots *s, const struct insn *x)
{
	for (unsigned i = 0; on_stack(x) && i < s->nr; i++)
		if (s->at[i].base == x->base && s->at[i].disp == x->disp && x->size <= s->at[i].size)
			return true;
	return false;
}

/* The value goes there: from a register, as it is. */
static bool put_in_slot(struct slots *s, const struct insn *x)
{
	if (!on_stack(x) || x->is & (INSN_READS | INSN_LOCKED | INSN_STRING) || s->nr == SLOTS)
		return false;
	s->at[s->nr].base = x->base;
	s->at[s->nr].size = x->size;
	s->at[s->nr++].disp = x->disp;
	return true;
}

/* Does [code, code + bytes) hold the instruction again? */
static bool again(const uint8_t *code, size_t bytes, const uint8_t *insn, size_t len)
{
	for (; bytes >= len; code++, bytes--)
		if (memcmp(code, insn, len) == 0)
			return true;
	return false;
}

bool adhoc_decides(const struct decoder *d, const struct adhoc_code *at, unsigned nr)
{
	const uint8_t *code = at->code;
	size_t bytes = at->bytes, len;
	struct insn x;
	struct slots slots = { .nr = 0 };
	if (!d->decode(d, code, bytes, &x) || !(x.is & INSN_READS) || x.is & (INSN_WRITES | INSN_LOCKED | INSN_STRING))
		return false;
	len = x.len;
	/* Where the value is: registers, or the flags once something has been compared with it. */
	uint32_t carries = x.changes ? x.changes : x.kills & FLAGS_ALL;
	bool flags = !x.changes;
	/*
	 * clang without optimisation calls std::atomic's load, which has the same load once for each memory order, jumps from all but
	 * the last to where they meet, and may store what it loaded through a pointer to its result. Any other function that returns
	 * what it loads is none: much of what containers are made of does.
	 */
	unsigned through = 0;
	bool result = false, orders = false;
	for (unsigned n = 0; (carries || slots.nr) && n < LOOK_AHEAD; n++) {
		code += x.len;
		bytes -= x.len;
		if (!d->decode(d, code, bytes, &x))
			return false;
		if (x.kind == INSN_JCC && flags)
			return x.reads & carries && !result;
		if (x.kind == INSN_JMP && x.disp >= 0 && (size_t)x.disp + x.len < bytes) { /* the same, for what is not optimised */
			orders |= again(code + x.len, (size_t)x.disp, at->code, len);
			code += x.disp;
			bytes -= (size_t)x.disp;
			continue;
		}
		if (x.kind == INSN_RET && orders && !flags && carries & 1u << RAX && nr > 1) {
			at++, nr--;
			code = at->code;
			bytes = at->bytes;
			x.len = 0;
			slots.nr = 0;
			carries = 1u << RAX;
			result = false;
			continue;
		}
		if (x.kind != INSN_PLAIN)
			return false;
		if (flags && x.reads & carries) { /* setcc, cmov: what came of the comparison is in a register now */
			if (!x.changes || x.is & INSN_WRITES)
				return false;
			carries = x.changes;
			flags = false;
			continue;
		}
		if (through) {
			if (!on_stack(&x) || !(x.is & INSN_READS) || x.size != through)
				return false;
			carries = x.changes;
			through = 0;
			result = true;
			continue;
		}
		bool from_slot = x.is & INSN_READS && in_slot(&slots, &x);
		if (!flags && (x.reads & carries || from_slot)) {
			/* Tested or compared; not changed on the way to somewhere, and not an address. */
			bool address = !(x.is & INSN_LEA) && x.base < 16 && carries >> x.base & 1;
			if (address)
				return true; /* a pointer handed over: what it points to was written before */
			if (!x.changes && !(x.is & INSN_WRITES) && x.kills & FLAGS_ALL) {
				flags = true;
				carries = x.kills & FLAGS_ALL;
				continue;
			}
			if (x.is & INSN_WRITES && !put_in_slot(&slots, &x)) {
				if (nr < 2 || on_stack(&x) || x.base >= 16 || x.index != NO_REG || x.disp || x.is & INSN_READS)
					return false;
				through = x.size;
			}
			carries |= x.changes; /* moved, extended, masked: still it */
			continue;
		}
		carries &= ~(x.kills & (flags ? FLAGS_ALL : GPRS_ALL));
	}
	return false;
}

bool adhoc_stores(const struct decoder *d, const uint8_t *code, size_t bytes)
{
	struct insn x;
	return d->decode(d, code, bytes, &x) && x.is & INSN_WRITES && !(x.is & (INSN_READS | INSN_LOCKED | INSN_STRING));
}

/* 0: cannot be read. */
static size_t code_of(uintptr_t pc, uint8_t *code)
{
	const struct module *m = module_find(pc);
	unsigned nr = 0;
	const Elf64_Phdr *ph = m && m->path && m->path[0] == '/' ? module_phdr(m, &nr) : NULL;
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t at = pc - m->bias - ph[i].p_vaddr;
		if (ph[i].p_type != PT_LOAD || pc - m->bias < ph[i].p_vaddr || at >= ph[i].p_filesz)
			continue;
		long fd = sys4(SYS_openat, AT_FDCWD, m->path, O_RDONLY | O_CLOEXEC, 0);
		if (fd < 0)
			return 0;
		size_t want = ph[i].p_filesz - at < CODE_BYTES ? ph[i].p_filesz - at : CODE_BYTES;
		long got = sys4(SYS_pread64, fd, code, want, ph[i].p_offset + at);
		sys1(SYS_close, fd);
		return got > 0 ? (size_t)got : 0;
	}
	return 0;
}

bool adhoc_flag(const uintptr_t *read_pc, unsigned nr, uintptr_t write_pc)
{
	const struct decoder *d;
	uint8_t code[ADHOC_FRAMES][CODE_BYTES];
	struct adhoc_code at[ADHOC_FRAMES];
	unsigned have = 0;
	if (decoder_open(&d))
		return false;
	size_t n = write_pc ? code_of(write_pc, code[0]) : 0;
	if (write_pc && (!n || !adhoc_stores(d, code[0], n)))
		return false;
	for (; have < nr && have < ADHOC_FRAMES && (n = code_of(read_pc[have], code[have])); have++)
		at[have] = (struct adhoc_code){ code[have], n };
	return !nr || (have && adhoc_decides(d, at, have));
}

unsigned adhoc_size(uintptr_t pc)
{
	const struct decoder *d;
	struct insn x;
	uint8_t code[CODE_BYTES];
	size_t n = decoder_open(&d) ? 0 : code_of(pc, code);
	return n && d->decode(d, code, n, &x) && !(x.is & INSN_STRING) ? x.size : 0;
}
