/* engage_fortified.c - engage_strings.c as a distribution builds it. */
#define _FORTIFY_SOURCE 2
#include "engage_strings.c"
