/*
 * atomics.h - Static data of a program that its debug information calls atomic, as snarl run hands it to the runtime.
 *
 * An environment variable: the executable's build id in hex, a colon, ranges by commas: link-time address in hex, '+', bytes in hex.
 *	SNARL_ATOMICS=370b54b5:50c0+8,5100+4
 * Who runs something else than that program has no use for it.
 */
#ifndef SNARL_WIRE_ATOMICS_H
#define SNARL_WIRE_ATOMICS_H

#define ENV_ATOMICS "SNARL_ATOMICS"

/* No more than that is told: of a range, of all together, of the text. */
#define ATOMICS_RANGE 4096u
#define ATOMICS_TOTAL 65536u
#define ATOMICS_TEXT  32768u

#endif
