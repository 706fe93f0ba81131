/* symbols_atomics.h - What a program's debug information says of its static data: which bytes are atomic. */
#ifndef SNARL_TOOLS_SYMBOLS_ATOMICS_H
#define SNARL_TOOLS_SYMBOLS_ATOMICS_H

#include <stdbool.h>
#include <stddef.h>

/* What wire/atomics.h hands over, into text. False: there is no debug information, or too much of it, or nothing atomic. */
bool symbols_atomics(const char *path, char *text, size_t room);

#endif
