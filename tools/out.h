/*
 * out.h - Text for people: built in memory, coloured if that helps, safe for terminals, handed over in one write.
 */
#ifndef SNARL_TOOLS_OUT_H
#define SNARL_TOOLS_OUT_H

#include <stdbool.h>
#include <stddef.h>

enum out_style { OUT_PLAIN, OUT_BOLD, OUT_DIM, OUT_ALARM, OUT_LOCK, OUT_PLACE, OUT_GOOD };

struct out {
	int fd;
	bool colour;
	unsigned columns; /* of the terminal, or 100 */
	char *text;
	size_t len, cap;
};

/* Colours on a terminal, unless NO_COLOR is set or TERM is "dumb". */
void out_init(struct out *o, int fd);
void out_free(struct out *o);

/* Control characters in it are shown as \xNN, broken UTF-8 as U+FFFD; newlines and spaces are what they are. */
void out_put(struct out *o, enum out_style style, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Pads to that display column of the current line; one space at least when it is past. */
void out_column(struct out *o, size_t column);

/* Writes and forgets what there is. False when it could not be written. */
bool out_flush(struct out *o);

#endif
