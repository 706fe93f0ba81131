/* rep.h - What a string or a partial vector instruction will touch: from its registers before it runs. */
#ifndef SNARL_WATCH_REP_H
#define SNARL_WATCH_REP_H

#include "watch/miss.h"
#include "watch/site.h"

/* Hands the ranges to the rule. vectors: what xsave wrote, for a SITE_VECTOR. The gate is shut. */
void rep_seen(struct thread *t, const struct watch_site *site, const struct watch_frame *f, const void *vectors,
	      uint32_t stack);

#endif
