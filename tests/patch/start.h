/* start.h - The engine begins with the second thread: have one come and go. */
#ifndef TESTS_PATCH_START_H
#define TESTS_PATCH_START_H

#include "basics.h"

#include <stdint.h>

static inline void *start_nothing(void *arg) { return arg; }

static inline void start_engine(void)
{
	pthread_t t;
	OK(pthread_create(&t, NULL, start_nothing, NULL));
	OK(pthread_join(t, NULL));
}

#endif
