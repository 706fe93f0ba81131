/*
 * decode_zydis.c - From Zydis' full account of an instruction to struct insn.
 *
 * Only types of libzydis-dev's headers are used here: the library itself is opened at run time (decode_open.c), so
 * that libsnarl.so needs none but libc. source: Zydis 4.0, whose struct layouts the soname libZydis.so.4.0 promises.
 */
#include "watch/decode_zydis.h"

#include <string.h>

/* The general register a Zydis register is (part of), or NO_REG; *bits how much of it. */
static uint8_t gpr_of(ZydisRegister r, unsigned *bits)
{
	if (r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15) {
		*bits = 64;
		return (uint8_t)(r - ZYDIS_REGISTER_RAX);
	}
	if (r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_R15D) {
		*bits = 32;
		return (uint8_t)(r - ZYDIS_REGISTER_EAX);
	}
	if (r >= ZYDIS_REGISTER_AX && r <= ZYDIS_REGISTER_R15W) {
		*bits = 16;
		return (uint8_t)(r - ZYDIS_REGISTER_AX);
	}
	*bits = 8;
	if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_BL)
		return (uint8_t)(r - ZYDIS_REGISTER_AL);
	if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
		return (uint8_t)(r - ZYDIS_REGISTER_AH);
	if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
		return (uint8_t)(r - ZYDIS_REGISTER_SPL + RSP);
	return NO_REG;
}

static uint32_t bit_of(ZydisRegister r)
{
	unsigned bits;
	uint8_t g = gpr_of(r, &bits);
	return g == NO_REG ? 0 : 1u << g;
}

static uint32_t flags_of(ZyanU32 f)
{
	return (f & ZYDIS_CPUFLAG_CF ? FLAG_CF : 0) | (f & ZYDIS_CPUFLAG_PF ? FLAG_PF : 0) |
	       (f & ZYDIS_CPUFLAG_AF ? FLAG_AF : 0) | (f & ZYDIS_CPUFLAG_ZF ? FLAG_ZF : 0) |
	       (f & ZYDIS_CPUFLAG_SF ? FLAG_SF : 0) | (f & ZYDIS_CPUFLAG_OF ? FLAG_OF : 0);
}

static uint8_t kind_of(const ZydisDecodedInstruction *z)
{
	bool direct = z->raw.imm[0].is_relative;
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_CALL:
		return direct ? INSN_CALL : INSN_CALL_FAR;
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_SYSRET:
		return INSN_RET;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return direct ? INSN_JMP : INSN_JMP_FAR;
	case ZYDIS_CATEGORY_COND_BR:
		/* xbegin is among these: its target is entered when the transaction aborts. */
		return (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (z->opcode & 0xf0) == 0x70) ||
			       (z->opcode_map == ZYDIS_OPCODE_MAP_0F && (z->opcode & 0xf0) == 0x80)
			   ? INSN_JCC
			   : INSN_LOOP;
	default:
		break;
	}
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
		return INSN_STOP;
	default:
		return INSN_PLAIN;
	}
}

/* What must not run anywhere else, or what the kernel looks at. */
static bool pinned(const ZydisDecodedInstruction *z, uint8_t kind)
{
	if (kind == INSN_LOOP || kind == INSN_CALL || kind == INSN_CALL_FAR || kind == INSN_STOP)
		return true;
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_VTX:
	case ZYDIS_CATEGORY_SGX:
	case ZYDIS_CATEGORY_MPX:
	case ZYDIS_CATEGORY_UINTR:
	case ZYDIS_CATEGORY_KNC:
	case ZYDIS_CATEGORY_PADLOCK:
		return true;
	default:
		return z->mnemonic == ZYDIS_MNEMONIC_JMP && z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	}
}

/* Has an explicit memory operand that it does not access. */
static bool no_access(const ZydisDecodedInstruction *z)
{
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_NOP:
	case ZYDIS_CATEGORY_WIDENOP:
	case ZYDIS_CATEGORY_PREFETCH:
	case ZYDIS_CATEGORY_PREFETCHWT1:
	case ZYDIS_CATEGORY_CLDEMOTE:
	case ZYDIS_CATEGORY_CLFLUSHOPT:
	case ZYDIS_CATEGORY_CLWB:
		return true;
	default:
		return z->mnemonic == ZYDIS_MNEMONIC_CLFLUSH || z->mnemonic == ZYDIS_MNEMONIC_PREFETCHW ||
		       z->mnemonic == ZYDIS_MNEMONIC_PREFETCH;
	}
}

/* With a register the bit may be anywhere. */
static bool bits(const ZydisDecodedInstruction *z)
{
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		return z->opcode != 0xba;
	default:
		return false;
	}
}

/* Accesses memory otherwise than its operand says. */
static bool odd(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *mem)
{
	if (zydis_masked(z, mem))
		return true;
	switch (z->meta.category) {
	case ZYDIS_CATEGORY_AVX2GATHER:
	case ZYDIS_CATEGORY_GATHER:
	case ZYDIS_CATEGORY_SCATTER:
	case ZYDIS_CATEGORY_XSAVE:
	case ZYDIS_CATEGORY_XSAVEOPT:
	case ZYDIS_CATEGORY_AMX_TILE:
	case ZYDIS_CATEGORY_MOVDIR:
	case ZYDIS_CATEGORY_ENQCMD:
	case ZYDIS_CATEGORY_CLZERO:
	case ZYDIS_CATEGORY_KEYLOCKER:
	case ZYDIS_CATEGORY_KEYLOCKER_WIDE:
		return true;
	default:
		break;
	}
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
		return true;
	default:
		return mem->mem.type != ZYDIS_MEMOP_TYPE_MEM || mem->size == 0 || mem->size > 512 || mem->size % 8;
	}
}

static bool fits32(int64_t v)
{
	return v == (int32_t)v;
}

static void take_memory(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *all, const ZydisDecodedOperand *o,
			struct insn *out)
{
	bool lea = o->mem.type == ZYDIS_MEMOP_TYPE_AGEN;
	out->base = o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP
			? BASE_RIP
			: gpr_of(o->mem.base, &(unsigned){ 0 });
	out->index = gpr_of(o->mem.index, &(unsigned){ 0 });
	out->scale = o->mem.scale ? o->mem.scale : 1;
	out->disp = (int32_t)o->mem.disp.value;
	out->size = o->size <= 512 ? (uint8_t)(o->size / 8) : 0;
	if (z->address_width == 32)
		out->is |= INSN_ADDR32;
	if (out->base == BASE_RIP) {
		out->disp_at = z->raw.disp.offset;
		if (z->address_width == 32)
			out->is |= INSN_PINNED;
	}
	if (lea || no_access(z))
		out->size = 0;
	if (lea) {
		out->is |= z->mnemonic == ZYDIS_MNEMONIC_LEA ? INSN_LEA : INSN_PINNED;
		return;
	}
	if (no_access(z))
		return;
	if (z->avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID && !z->avx.broadcast.is_static)
		out->size = (uint8_t)(o->element_size / 8);
	bool vector = zydis_vector(z, all, o, out);
	if ((!vector && odd(z, o)) || !fits32(o->mem.disp.value))
		out->is |= INSN_ODD;
	if (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
		out->is |= INSN_READS;
	if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		out->is |= INSN_WRITES;
	if (!(out->is & (INSN_READS | INSN_WRITES)))
		out->is |= INSN_ODD | INSN_READS;
	if (o->mem.segment == ZYDIS_REGISTER_FS)
		out->is |= INSN_FS;
	if (z->mnemonic == ZYDIS_MNEMONIC_XCHG)
		out->is |= INSN_LOCKED | INSN_XCHG;
	if (z->attributes & ZYDIS_ATTRIB_HAS_LOCK)
		out->is |= INSN_LOCKED;
	if (z->mnemonic == ZYDIS_MNEMONIC_POP)
		out->is |= INSN_POP_MEMORY;
	if (bits(z)) {
		out->is |= INSN_BITS;
		out->op = gpr_of(o[1].reg.value, &(unsigned){ 0 });
	}
}

/* Memory that is touched without an explicit operand: strings are known, the stack is nobody else's, the rest is odd.
 */
static void take_hidden_memory(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o, struct insn *out)
{
	static const struct {
		ZydisMnemonic mnemonic;
		uint8_t what;
	} strings[] = {
		{ ZYDIS_MNEMONIC_MOVSB, STRING_MOVS }, { ZYDIS_MNEMONIC_MOVSW, STRING_MOVS },
		{ ZYDIS_MNEMONIC_MOVSD, STRING_MOVS }, { ZYDIS_MNEMONIC_MOVSQ, STRING_MOVS },
		{ ZYDIS_MNEMONIC_STOSB, STRING_STOS }, { ZYDIS_MNEMONIC_STOSW, STRING_STOS },
		{ ZYDIS_MNEMONIC_STOSD, STRING_STOS }, { ZYDIS_MNEMONIC_STOSQ, STRING_STOS },
		{ ZYDIS_MNEMONIC_LODSB, STRING_LODS }, { ZYDIS_MNEMONIC_LODSW, STRING_LODS },
		{ ZYDIS_MNEMONIC_LODSD, STRING_LODS }, { ZYDIS_MNEMONIC_LODSQ, STRING_LODS },
		{ ZYDIS_MNEMONIC_CMPSB, STRING_CMPS }, { ZYDIS_MNEMONIC_CMPSW, STRING_CMPS },
		{ ZYDIS_MNEMONIC_CMPSD, STRING_CMPS }, { ZYDIS_MNEMONIC_CMPSQ, STRING_CMPS },
		{ ZYDIS_MNEMONIC_SCASB, STRING_SCAS }, { ZYDIS_MNEMONIC_SCASW, STRING_SCAS },
		{ ZYDIS_MNEMONIC_SCASD, STRING_SCAS }, { ZYDIS_MNEMONIC_SCASQ, STRING_SCAS },
	};
	if (z->meta.category == ZYDIS_CATEGORY_STRINGOP) {
		for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
			if (strings[i].mnemonic == z->mnemonic)
				out->op = strings[i].what;
		out->is |= out->op ? INSN_STRING : INSN_ODD;
		if (z->attributes & ZYDIS_ATTRIB_HAS_REP)
			out->op |= REPEAT_RCX << 4;
		else if (z->attributes & ZYDIS_ATTRIB_HAS_REPE)
			out->op |= REPEAT_WHILE_EQUAL << 4;
		else if (z->attributes & ZYDIS_ATTRIB_HAS_REPNE)
			out->op |=
			    (out->op == STRING_CMPS || out->op == STRING_SCAS ? REPEAT_WHILE_NOT_EQUAL : REPEAT_RCX)
			    << 4;
		out->size = (uint8_t)(o->size / 8);
		out->is |= o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? INSN_WRITES : INSN_READS;
		if (z->address_width == 32 || o->mem.segment == ZYDIS_REGISTER_FS)
			out->is |= INSN_ODD;
	} else if (o->mem.base != ZYDIS_REGISTER_RSP && o->mem.base != ZYDIS_REGISTER_RBP) {
		out->is |= INSN_ODD | INSN_READS;
	}
}

static void take_register(const ZydisDecodedOperand *o, struct insn *out)
{
	unsigned bits;
	uint8_t g = gpr_of(o->reg.value, &bits);
	if (o->reg.value == ZYDIS_REGISTER_GS)
		out->is |= INSN_GS;
	if (g == NO_REG)
		return;
	if (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
		out->reads |= 1u << g;
	if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		out->changes |= (uint16_t)(1u << g);
	if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT && !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		out->is |= g == RSP ? INSN_SP : g == RBP ? INSN_BP : 0;
	if (o->actions == ZYDIS_OPERAND_ACTION_WRITE || o->actions == ZYDIS_OPERAND_ACTION_READWRITE)
		if (bits >= 32)
			out->kills |= 1u << g;
}

/* Registers whose contents do not matter although Zydis says they are read, and the other way round. */
static void correct(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o, struct insn *out)
{
	bool repeated = (out->is & INSN_STRING) && out->op >> 4;
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_XOR:
		out->kills |= FLAG_AF;
		/* fall through */
	case ZYDIS_MNEMONIC_SUB:
		if (o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && o[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    o[0].reg.value == o[1].reg.value && o[0].size >= 32)
			out->reads &= ~bit_of(o[0].reg.value);
		break;
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_TEST:
		out->kills |= FLAG_AF; /* undefined, but not kept */
		break;
	case ZYDIS_MNEMONIC_BSF:
	case ZYDIS_MNEMONIC_BSR: /* left alone when the source is zero */
		out->kills &= ~GPRS_ALL;
		break;
	case ZYDIS_MNEMONIC_SHL:
	case ZYDIS_MNEMONIC_SHR:
	case ZYDIS_MNEMONIC_SAR:
	case ZYDIS_MNEMONIC_SALC:
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD:
	case ZYDIS_MNEMONIC_ROL:
	case ZYDIS_MNEMONIC_ROR:
	case ZYDIS_MNEMONIC_RCL:
	case ZYDIS_MNEMONIC_RCR: {
		const ZydisDecodedOperand *count = &o[z->operand_count_visible - 1];
		/* A count of zero, known or not, leaves the flags alone; so may one beyond the width. */
		if (count->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || count->imm.value.u % 32 == 0 ||
		    z->operand_width < 32)
			out->kills &= ~FLAGS_ALL;
		break;
	}
	default:
		break;
	}
	if (repeated)
		out->kills = 0;
	if (z->meta.category == ZYDIS_CATEGORY_NOP || z->meta.category == ZYDIS_CATEGORY_WIDENOP) {
		out->reads = 0;
		out->is &= ~(uint32_t)(INSN_SP | INSN_BP);
	}
}

/* Zydis knows these whatever the mode; its jumps look like jcc. source: Intel Xeon Phi Coprocessor Instruction Set
 * Reference. */
static bool coprocessor(const ZydisDecodedInstruction *z)
{
	return z->meta.isa_ext == ZYDIS_ISA_EXT_KNC || z->meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
	       z->meta.isa_ext == ZYDIS_ISA_EXT_KNCV;
}

bool decode_zydis(const struct zydis *zy, const uint8_t *code, size_t bytes, struct insn *out)
{
	ZydisDecodedInstruction z;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	if (!ZYAN_SUCCESS(zy->decode_full(&zy->decoder, code,
					  bytes < ZYDIS_MAX_INSTRUCTION_LENGTH ? bytes : ZYDIS_MAX_INSTRUCTION_LENGTH,
					  &z, o)) ||
	    coprocessor(&z)) /* nothing that programs run */
		return false;
	uint32_t at = out->at;
	*out = (struct insn){ .at = at, .len = z.length, .base = NO_REG, .index = NO_REG, .scale = 1 };
	out->kind = kind_of(&z);
	if (pinned(&z, out->kind))
		out->is |= INSN_PINNED;
	for (unsigned i = 0; i < z.operand_count; i++) {
		if (o[i].type == ZYDIS_OPERAND_TYPE_REGISTER) {
			take_register(&o[i], out);
		} else if (o[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
			out->reads |= bit_of(o[i].mem.base) | bit_of(o[i].mem.index);
			if (o[i].mem.segment == ZYDIS_REGISTER_GS)
				out->is |= INSN_GS;
			if (o[i].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
				take_memory(&z, o, &o[i], out);
			else
				take_hidden_memory(&z, &o[i], out);
		}
	}
	if (z.cpu_flags) {
		out->reads |= flags_of(z.cpu_flags->tested);
		/* What the manual calls undefined is in practice often left as it was. */
		out->kills |= flags_of(z.cpu_flags->modified | z.cpu_flags->set_0 | z.cpu_flags->set_1);
	}
	correct(&z, o, out);
	if (z.raw.imm[0].is_relative)
		out->disp = (int32_t)z.raw.imm[0].value.s;
	else if (z.raw.imm[0].size >= 32 && z.raw.imm[1].size == 0)
		out->is |= INSN_IMM;
	if (z.mnemonic == ZYDIS_MNEMONIC_RDGSBASE || z.mnemonic == ZYDIS_MNEMONIC_WRGSBASE ||
	    z.mnemonic == ZYDIS_MNEMONIC_SWAPGS)
		out->is |= INSN_GS;
	if (z.mnemonic == ZYDIS_MNEMONIC_ENDBR64)
		out->is |= INSN_ENDBR;
	if ((z.mnemonic == ZYDIS_MNEMONIC_MOV && z.operand_width == 64 && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	     o[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) ||
	    (z.mnemonic == ZYDIS_MNEMONIC_POP && o[0].type == ZYDIS_OPERAND_TYPE_REGISTER))
		out->is |= INSN_MOV64;
	switch (out->kind) {
	case INSN_CALL:
	case INSN_CALL_FAR:
	case INSN_RET:
	case INSN_JMP_FAR:
		out->reads |= GPRS_ALL;
		out->kills = 0;
		break;
	default:
		if (out->is & INSN_PINNED && out->kind == INSN_PLAIN) { /* the kernel may look at anything */
			out->reads |= GPRS_ALL | FLAGS_ALL;
			out->kills = 0;
		}
	}
	return true;
}
