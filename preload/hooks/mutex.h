/* mutex.h - What the mutex hooks share with their neighbours. */
#ifndef SNARL_HOOKS_MUTEX_H
#define SNARL_HOOKS_MUTEX_H

#include "base/compiler.h"

#include <pthread.h>

struct limit;

/* The real call alone, for a shut gate. */
COLD int mutex_real_slow(pthread_mutex_t *m, const struct limit *limit);
COLD int mutex_real_unlock_slow(pthread_mutex_t *m);
COLD int mutex_real_try_slow(pthread_mutex_t *m);

/* A pthread result as a C11 one (glibc's own mapping). */
int mutex_c11_result(int r);

#endif
