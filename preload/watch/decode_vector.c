/*
 * decode_vector.c - Vector instructions that touch only some elements of their memory operand: gather, scatter, masks.
 *
 * source: Intel SDM volume 2, 2.8 (exception classes: those named NF read all of the operand, whatever the mask says).
 */
#include "watch/decode_zydis.h"

static uint8_t log2_of(unsigned v)
{
	return (uint8_t)__builtin_ctz(v | 0x100);
}

/* The number of a vector register, whatever its width. */
static int vector_of(ZydisRegister r)
{
	if (r >= ZYDIS_REGISTER_XMM0 && r <= ZYDIS_REGISTER_XMM31)
		return (int)(r - ZYDIS_REGISTER_XMM0);
	if (r >= ZYDIS_REGISTER_YMM0 && r <= ZYDIS_REGISTER_YMM31)
		return (int)(r - ZYDIS_REGISTER_YMM0);
	if (r >= ZYDIS_REGISTER_ZMM0 && r <= ZYDIS_REGISTER_ZMM31)
		return (int)(r - ZYDIS_REGISTER_ZMM0);
	return -1;
}

/* Widths in bytes of index and element; false: not one of these. */
static bool gathered(ZydisMnemonic m, unsigned *index, unsigned *element)
{
	switch (m) {
	case ZYDIS_MNEMONIC_VPGATHERDD:
	case ZYDIS_MNEMONIC_VGATHERDPS:
	case ZYDIS_MNEMONIC_VPSCATTERDD:
	case ZYDIS_MNEMONIC_VSCATTERDPS:
		*index = *element = 4;
		return true;
	case ZYDIS_MNEMONIC_VPGATHERDQ:
	case ZYDIS_MNEMONIC_VGATHERDPD:
	case ZYDIS_MNEMONIC_VPSCATTERDQ:
	case ZYDIS_MNEMONIC_VSCATTERDPD:
		*index = 4;
		*element = 8;
		return true;
	case ZYDIS_MNEMONIC_VPGATHERQD:
	case ZYDIS_MNEMONIC_VGATHERQPS:
	case ZYDIS_MNEMONIC_VPSCATTERQD:
	case ZYDIS_MNEMONIC_VSCATTERQPS:
		*index = 8;
		*element = 4;
		return true;
	case ZYDIS_MNEMONIC_VPGATHERQQ:
	case ZYDIS_MNEMONIC_VGATHERQPD:
	case ZYDIS_MNEMONIC_VPSCATTERQQ:
	case ZYDIS_MNEMONIC_VSCATTERQPD:
		*index = *element = 8;
		return true;
	default:
		return false;
	}
}

static bool reads_all(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *mem)
{
	if (mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		return false;
	switch (z->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_E1NF:
	case ZYDIS_EXCEPTION_CLASS_E2NF:
	case ZYDIS_EXCEPTION_CLASS_E3NF:
	case ZYDIS_EXCEPTION_CLASS_E4NF:
	case ZYDIS_EXCEPTION_CLASS_E5NF:
	case ZYDIS_EXCEPTION_CLASS_E6NF:
	case ZYDIS_EXCEPTION_CLASS_E9NF:
	case ZYDIS_EXCEPTION_CLASS_E10NF:
		return true;
	default:
		return false;
	}
}

static bool partly(struct insn *out, unsigned elements, bool indexed, uint16_t vector)
{
	out->is |= INSN_VECTOR;
	out->op = (uint8_t)(elements | (indexed ? VECTOR_INDEXED : 0));
	out->vector = vector;
	return true;
}

bool zydis_vector(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *all, const ZydisDecodedOperand *mem,
		  struct insn *out)
{
	ZydisRegister k = z->avx.mask.reg;
	bool by_k = k > ZYDIS_REGISTER_K0 && k <= ZYDIS_REGISTER_K7;
	unsigned index, element = mem->element_size / 8, bytes = mem->size / 8;
	if (mem->mem.type == ZYDIS_MEMOP_TYPE_VSIB) {
		int i = vector_of(mem->mem.index), m = by_k ? (int)(k - ZYDIS_REGISTER_K0) : vector_of(all[2].reg.value);
		if (!gathered(z->mnemonic, &index, &element) || i < 0 || m < 0 || (!by_k && all[2].type != ZYDIS_OPERAND_TYPE_REGISTER))
			return false;
		unsigned widest = index > element ? index : element;
		return partly(out, z->avx.vector_length / 8 / widest, true,
			      SITE_VECTOR_OP(i, m, log2_of(out->scale), index == 8, log2_of(element), by_k));
	}
	if (mem->mem.type != ZYDIS_MEMOP_TYPE_MEM || bytes == 0 || bytes > 64)
		return false;
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
		return partly(out, bytes / 4, false, SITE_VECTOR_OP(0, vector_of(all[1].reg.value), 0, 0, 2, false));
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
		return partly(out, bytes / 8, false, SITE_VECTOR_OP(0, vector_of(all[1].reg.value), 0, 0, 3, false));
	default:
		break;
	}
	if (!by_k || z->meta.category == ZYDIS_CATEGORY_COMPRESS || z->meta.category == ZYDIS_CATEGORY_EXPAND)
		return false;
	/* One element for all, or a few: read if any of those it goes to is wanted. */
	if (z->avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID) {
		unsigned to = all[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? all[0].element_count : 64;
		if (vector_of(all[0].reg.value) < 0)
			to = 64;
		return partly(out, out->size, false, SITE_VECTOR_OP(log2_of(to), k - ZYDIS_REGISTER_K0, 3, 0, 0, true));
	}
	if (element != 1 && element != 2 && element != 4 && element != 8)
		return false;
	if (!reads_all(z, mem))
		return partly(out, bytes / element, false,
			      SITE_VECTOR_OP(0, k - ZYDIS_REGISTER_K0, 0, 0, log2_of(element), true));
	return false;
}

bool zydis_masked(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *mem)
{
	ZydisRegister k = z->avx.mask.reg;
	return k != ZYDIS_REGISTER_NONE && k != ZYDIS_REGISTER_K0 &&
	       (!reads_all(z, mem) || z->meta.category == ZYDIS_CATEGORY_COMPRESS ||
		z->meta.category == ZYDIS_CATEGORY_EXPAND);
}
