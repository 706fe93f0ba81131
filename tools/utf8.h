/*
 * utf8.h - Text that others wrote (thread names, paths), made fit for terminals, JSON and DOT.
 *
 * Names come as bytes: the kernel cuts a thread's name after 15 bytes, in the middle of a character if need be, and a
 * name may hold what a terminal obeys.
 */
#ifndef SNARL_TOOLS_UTF8_H
#define SNARL_TOOLS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one character; returns its bytes, at least 1. `*code` is -1 for a byte that belongs to none. */
size_t utf8_next(const char *text, size_t len, int32_t *code);

bool utf8_valid(const char *text, size_t len);

/* Writes valid UTF-8 to `out` (3 * len + 1 bytes): U+FFFD for each byte that belongs to no character. Returns its
 * length. */
size_t utf8_repair(char *out, const char *text, size_t len);

/* Columns on a terminal: 2 for wide characters, 0 for combining ones. */
size_t utf8_width(const char *text);

/* Whether to show this character as an escape: control characters, and those that reorder the text around them. */
bool utf8_unprintable(int32_t code);

#endif
