/*
 * fingerprint.h - What makes two findings the same one, across runs and address layouts.
 *
 * Kind, and for each party the class of its locks and the innermost frames of its stacks, as module name + offset; which
 * party comes first does not matter.
 */
#ifndef SNARL_DETECT_FINGERPRINT_H
#define SNARL_DETECT_FINGERPRINT_H

#include "detect/emit.h"

uint64_t fingerprint_of(const struct finding *f);

#endif
