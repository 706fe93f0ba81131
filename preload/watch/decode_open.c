/* decode_open.c - Where the decoder comes from. */
#include <dlfcn.h>

#include "watch/decode_fast.h"
#include "watch/decode_zydis.h"

#define NAME "libZydis.so.4.0" /* decode_zydis.c knows this version's structures */

static struct zydis zydis;

static bool by_zydis(const struct decoder *d, const uint8_t *code, size_t bytes, struct insn *out)
{
	return decode_zydis(d->state, code, bytes, out);
}

static bool decode(const struct decoder *d, const uint8_t *code, size_t bytes, struct insn *out)
{
	return (likely(bytes >= DECODE_FAST_BYTES) && decode_fast(code, out)) ||
	       decode_zydis(d->state, code, bytes, out);
}

static const struct decoder decoder = { decode, &zydis }, zydis_alone = { by_zydis, &zydis };

const char *decoder_open(const struct decoder **out)
{
	if (!zydis.decode_full) {
		/* RTLD_LOCAL: nothing of it in the program's scope. Of libc it wants strlen, memset and memcpy alone.
		 */
		void *lib = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
		if (!lib)
			return NAME " cannot be opened (Debian: apt-get install libzydis4.0)";
		*(void **)&zydis.init = dlsym(lib, "ZydisDecoderInit");
		*(void **)&zydis.decode_full = dlsym(lib, "ZydisDecoderDecodeFull");
		if (!zydis.init || !zydis.decode_full ||
		    !ZYAN_SUCCESS(zydis.init(&zydis.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64))) {
			zydis.decode_full = NULL;
			return NAME " is not the library it should be";
		}
	}
	*out = &decoder;
	return NULL;
}

const struct decoder *decoder_zydis(void)
{
	return &zydis_alone;
}
