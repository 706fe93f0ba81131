/*
 * outside.h - Libraries whose accesses are not watched, but whose atomics order what those do that are.
 *
 * A lock of GLib's or a reference count that libstdc++ keeps is made of `lock`-prefixed instructions inside the library. So these
 * instructions alone are watched there.
 */
#ifndef SNARL_WATCH_OUTSIDE_H
#define SNARL_WATCH_OUTSIDE_H

#include "watch/view.h"

/* Is it worth planning for: not a library whose atomics are its own business, not too big, and with a `lock` prefix in it?
 * cost: looks at its text once, 0.3 ms a megabyte. */
bool outside_wanted(const char *base_name, const struct view *v);
/* Are this library's own variables not anybody else's business? libstdc++ counts the users of its locales: each thread that prints. */
bool outside_private(const char *base_name);

#endif
