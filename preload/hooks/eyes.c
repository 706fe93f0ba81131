/*
 * eyes.c - What can be read out of the program's objects: glibc's private fields, in this file only.
 * source: glibc 2.36 sysdeps/nptl/bits/struct_mutex.h, struct_rwlock.h; nptl/pthread_mutex_destroy.c, pthread_rwlock_common.c.
 */
#include "base/sys.h"
#include "hooks/interpose.h"

#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define MUTEX_TYPE 3
#define MUTEX_DESTROYED (-1)
#define MUTEX_NOTRECOVERABLE 0x7ffffffe /* and INCONSISTENT, one more: robust, no owner */
#define SPIN_FREE 1

static size_t bytes(enum object_family family)
{
	switch (family) {
	case FAMILY_MUTEX:
		return sizeof(pthread_mutex_t);
	case FAMILY_RWLOCK:
		return sizeof(pthread_rwlock_t);
	case FAMILY_SPIN:
		return sizeof(pthread_spinlock_t);
	case FAMILY_SEM:
		return sizeof(sem_t);
	case FAMILY_COND:
		return sizeof(pthread_cond_t);
	case FAMILY_BARRIER:
		return sizeof(pthread_barrier_t);
	case FAMILY_ONCE:
		return sizeof(pthread_once_t);
	case FAMILY_FILE:
		return sizeof(FILE);
	}
	return 0;
}

static int owner_here(enum object_family family, uintptr_t addr)
{
	if (family == FAMILY_MUTEX) {
		const volatile pthread_mutex_t *m = (const volatile pthread_mutex_t *)addr;
		int owner = m->__data.__owner;
		if (m->__data.__kind != MUTEX_DESTROYED && m->__data.__kind & (16 | 32)) {
			/* Robust and PI: the word the kernel goes by tells, __owner lags behind. */
			unsigned word = (unsigned)m->__data.__lock;
			return word & FUTEX_OWNER_DIED ? 0 : (int)(word & FUTEX_TID_MASK);
		}
		return owner >= MUTEX_NOTRECOVERABLE ? 0 : owner;
	}
	if (family == FAMILY_RWLOCK)
		return ((const volatile pthread_rwlock_t *)addr)->__data.__cur_writer;
	return 0;
}

static int owner(enum object_family family, uintptr_t addr)
{
	union {
		pthread_mutex_t mutex;
		pthread_rwlock_t rwlock;
	} copy;
	if (family != FAMILY_MUTEX && family != FAMILY_RWLOCK)
		return 0;
	struct iovec to = { &copy, bytes(family) }, from = { (void *)addr, bytes(family) };
	/* By our own thread id: the process's is gone once its first thread has ended. */
	if (sys6(SYS_process_vm_readv, sys_gettid(), (long)&to, 1, (long)&from, 1, 0) != (long)bytes(family))
		return 0;
	return owner_here(family, (uintptr_t)&copy);
}

static int busy(enum object_family family, uintptr_t addr)
{
	switch (family) {
	case FAMILY_MUTEX:
		return ((const volatile pthread_mutex_t *)addr)->__data.__lock != 0;
	case FAMILY_RWLOCK: {
		/* bit 0: writer phase, bit 1: write-locked, the rest counts readers */
		unsigned readers = ((const volatile pthread_rwlock_t *)addr)->__data.__readers;
		return readers >> 3 != 0 || (readers & 2) != 0;
	}
	case FAMILY_SPIN:
		return *(const volatile int *)addr != SPIN_FREE;
	default:
		return -1;
	}
}

static bool marked_destroyed(enum object_family family, uintptr_t addr)
{
	if (family == FAMILY_MUTEX)
		return ((const volatile pthread_mutex_t *)addr)->__data.__kind == MUTEX_DESTROYED;
	return true;
}

static enum lock_kind kind(enum object_family family, uintptr_t addr)
{
	static const enum lock_kind mutex_kinds[] = { LOCK_MUTEX, LOCK_MUTEX_RECURSIVE, LOCK_MUTEX_ERRORCHECK, LOCK_MUTEX_ADAPTIVE };
	switch (family) {
	case FAMILY_MUTEX:
		return mutex_kinds[((const volatile pthread_mutex_t *)addr)->__data.__kind & MUTEX_TYPE];
	case FAMILY_RWLOCK:
		return LOCK_RWLOCK;
	case FAMILY_SPIN:
		return LOCK_SPIN;
	case FAMILY_SEM:
		return LOCK_SEM;
	case FAMILY_COND:
		return LOCK_COND;
	case FAMILY_BARRIER:
		return LOCK_BARRIER;
	case FAMILY_ONCE:
		return LOCK_ONCE;
	case FAMILY_FILE:
		return LOCK_FILE;
	}
	return LOCK_UNKNOWN;
}

static unsigned attrs(enum object_family family, uintptr_t addr)
{
	if (family == FAMILY_MUTEX) {
		int k = ((const volatile pthread_mutex_t *)addr)->__data.__kind;
		if (k == MUTEX_DESTROYED)
			return 0;
		return (k & 16 ? OBJECT_ROBUST : 0) | (k & 32 ? OBJECT_PI : 0) | (k & 64 ? OBJECT_PP : 0) |
		       (k & 128 ? OBJECT_PSHARED : 0);
	}
	if (family == FAMILY_RWLOCK) {
		const volatile pthread_rwlock_t *l = (const volatile pthread_rwlock_t *)addr;
		return (l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP ? OBJECT_PREFER_WRITER : 0) |
		       (l->__data.__shared ? OBJECT_PSHARED : 0);
	}
	return 0;
}

/* glibc 2.25 and later, sysdeps/nptl/internaltypes.h: struct pthread_barrier. */
struct barrier_words {
	unsigned in, current_round, count;
};

static bool passable(enum object_family family, uintptr_t addr, bool read)
{
	if (family == FAMILY_SEM) /* new_sem on 64 bit: the value is the low half of the first word */
		return *(const volatile unsigned *)addr != 0;
	if (family == FAMILY_BARRIER) {
		const volatile struct barrier_words *b = (const volatile struct barrier_words *)addr;
		return b->in + 1 - b->current_round >= b->count;
	}
	if (family == FAMILY_RWLOCK && read) {
		const volatile pthread_rwlock_t *l = (const volatile pthread_rwlock_t *)addr;
		return !l->__data.__cur_writer && !(l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP && l->__data.__writers);
	}
	return busy(family, addr) == 0;
}

void hook_eyes_start(void)
{
	eyes = (struct eyes){ owner, owner_here, busy, marked_destroyed, kind, attrs, bytes, passable };
}
