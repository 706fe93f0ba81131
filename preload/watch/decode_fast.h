/*
 * decode_fast.h - The commonest instructions, decoded by hand: twenty times as fast as by way of Zydis.
 *
 * It says exactly what decode_zydis() says, or that it does not know; test_watch_decode.c holds the one against the
 * other.
 */
#ifndef SNARL_WATCH_DECODE_FAST_H
#define SNARL_WATCH_DECODE_FAST_H

#include "watch/decode.h"

#define DECODE_FAST_BYTES 16u /* must be readable */

/* False: not among those it knows, which does not mean that it is no instruction. Keeps out->at. */
bool decode_fast(const uint8_t *code, struct insn *out);

#endif
