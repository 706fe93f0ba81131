/* race_script.h - Threads, memory and accesses for tests of the rule: scripts of events, without threads. */
#ifndef SNARL_TESTS_RACE_SCRIPT_H
#define SNARL_TESTS_RACE_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/thread.h"
#include "detect/race.h"

static uint32_t next_thread;
static struct race_report last;
static unsigned found, flags;
static struct {
	uintptr_t addr;
	size_t bytes;
} forgotten;

static void on_race(struct thread *t, const struct race_report *r)
{
	(void)t;
	last = *r;
	found++;
	flags += r->flag;
}

static void on_forget_all(uintptr_t addr, size_t bytes)
{
	forgotten.addr = addr;
	forgotten.bytes = bytes;
}

static struct thread *born(struct thread *parent)
{
	struct thread *t = calloc(1, sizeof *t);
	assert_non_null(t);
	t->id = ++next_thread;
	if (parent)
		race_thread_created(parent, t->id);
	race_thread_started(t);
	return t;
}

static void over(struct thread *t, struct thread *joiner)
{
	race_thread_ended(t);
	if (joiner)
		race_thread_joined(joiner, t->id);
	free(t);
}

static uintptr_t memory(size_t bytes)
{
	static uintptr_t at = 0x7000000000;
	uintptr_t p = at;
	at += (bytes + 63) & ~63ul;
	return p;
}

static bool access(struct thread *t, uintptr_t addr, unsigned bytes, bool write, uint32_t stack)
{
	return access_fast(t->race, addr, bytes, write, stack) || access_seen(t, addr, bytes, write, stack);
}

static unsigned races(void)
{
	unsigned n = found;
	found = 0;
	return n;
}

/* Before start. */
static bool (*flag_at)(const uintptr_t *read_pc, unsigned nr, uintptr_t write_pc);
static unsigned (*size_at)(uintptr_t pc);

static int start(void **state)
{
	const struct race_engine engine = { .forget_all = on_forget_all, .flag = flag_at, .size = size_at };
	(void)state;
	return race_start(&engine, on_race) ? 0 : 1;
}

#endif
