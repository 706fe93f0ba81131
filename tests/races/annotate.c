/* Annotations by weak symbols, as programs carry them for Valgrind and ThreadSanitizer: present under a detector, else
 * null. */
#include "race.h"

void AnnotateHappensBefore(const char *file, int line, const volatile void *what) __attribute__((weak));
void AnnotateHappensAfter(const char *file, int line, const volatile void *what) __attribute__((weak));
void AnnotateIgnoreReadsBegin(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreReadsEnd(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreWritesBegin(const char *file, int line) __attribute__((weak));
void AnnotateIgnoreWritesEnd(const char *file, int line) __attribute__((weak));
void AnnotateBenignRaceSized(const char *file, int line, const volatile void *what, size_t size, const char *why)
    __attribute__((weak));
void AnnotateRWLockCreate(const char *file, int line, const volatile void *lock) __attribute__((weak));
void AnnotateRWLockAcquired(const char *file, int line, const volatile void *lock, long write) __attribute__((weak));
void AnnotateRWLockReleased(const char *file, int line, const volatile void *lock, long write) __attribute__((weak));
void __tsan_acquire(void *what) __attribute__((weak));
void __tsan_release(void *what) __attribute__((weak));

#define ANNOTATE(f, ...)                                      \
	do {                                                  \
		if (f)                                        \
			f(__FILE__, __LINE__, ##__VA_ARGS__); \
	} while (0)

int data;
static char token, other_token;

static void write_then_before(void)
{
	data = 1;
	ANNOTATE(AnnotateHappensBefore, &token);
}

static void after_then_look(void)
{
	ANNOTATE(AnnotateHappensAfter, &token);
	LOOK(data);
}

static void happens_before(void) /* EXPECT: silence in happens_before */
{
	in_turn(write_then_before, after_then_look);
}

static void write_before_other(void)
{
	data = 1; /* EXPECT: data-race in other_token_used */
	ANNOTATE(AnnotateHappensBefore, &other_token);
}

static void after_and_race(void)
{
	ANNOTATE(AnnotateHappensAfter, &token);
	LOOK(data); /* EXPECT: data-race in other_token_used */
}

static void other_token_used(void)
{
	in_turn(write_before_other, after_and_race);
}

static void write_then_release(void)
{
	data = 1;
	if (__tsan_release)
		__tsan_release(&token);
}

static void acquire_then_look(void)
{
	if (__tsan_acquire)
		__tsan_acquire(&token);
	LOOK(data);
}

static void acquire_release(void) /* EXPECT: silence in acquire_release */
{
	in_turn(write_then_release, acquire_then_look);
}

static void write_ignored(void)
{
	ANNOTATE(AnnotateIgnoreWritesBegin);
	data = 1;
	ANNOTATE(AnnotateIgnoreWritesEnd);
}

static void look_ignored(void)
{
	ANNOTATE(AnnotateIgnoreReadsBegin);
	LOOK(data);
	ANNOTATE(AnnotateIgnoreReadsEnd);
}

static void write_plainly(void)
{
	data = 2; /* EXPECT: data-race in ignored_no_longer */
}

static void look_plainly(void)
{
	LOOK(data);
}

static void ignored_writes(void) /* EXPECT: silence in ignored_writes */
{
	in_turn(write_ignored, look_plainly);
}

static void ignored_reads(void) /* EXPECT: silence in ignored_reads */
{
	in_turn(write_plainly, look_ignored);
}

static void look_ignored_and_not(void)
{
	look_ignored();
	LOOK(data); /* EXPECT: data-race in ignored_no_longer */
}

static void ignored_no_longer(void)
{
	in_turn(write_plainly, look_ignored_and_not);
}

static void benign(void) /* EXPECT: silence in benign */
{
	ANNOTATE(AnnotateBenignRaceSized, &data, sizeof(data), "a statistic");
	in_turn3(write_plainly, look_plainly, write_plainly);
}

/* A lock that is nothing but its annotations. */
static void add_annotated(void)
{
	ANNOTATE(AnnotateRWLockAcquired, &token, 1);
	data++;
	ANNOTATE(AnnotateRWLockReleased, &token, 1);
}

static void annotated_lock(void) /* EXPECT: silence in annotated_lock */
{
	ANNOTATE(AnnotateRWLockCreate, &token);
	in_turn3(add_annotated, add_annotated, add_annotated);
}

CASES(CASE(happens_before), CASE(other_token_used), CASE(acquire_release), CASE(ignored_writes), CASE(ignored_reads),
      CASE(ignored_no_longer), CASE(benign), CASE(annotated_lock))
