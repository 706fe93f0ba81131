/* Read-write locks: what a read lock guards, and what it does not. */
#include "race.h"

int data;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;

static void write_under_write(void)
{
	pthread_rwlock_wrlock(&rw);
	data++; /* EXPECT: data-race in read_after_unlock */
	pthread_rwlock_unlock(&rw);
}

static void write_under_read(void)
{
	pthread_rwlock_rdlock(&rw);
	data++; /* EXPECT: data-race in written_by_readers, written_by_a_reader */
	pthread_rwlock_unlock(&rw);
}

static void look_under_read(void)
{
	pthread_rwlock_rdlock(&rw);
	LOOK(data); /* EXPECT: data-race in written_by_a_reader */
	pthread_rwlock_unlock(&rw);
}

static void look_after(void)
{
	pthread_rwlock_rdlock(&rw);
	pthread_rwlock_unlock(&rw);
	LOOK(data); /* EXPECT: data-race in read_after_unlock */
}

static void try_both(void)
{
	OK(pthread_rwlock_tryrdlock(&rw));
	LOOK(data);
	pthread_rwlock_unlock(&rw);
	OK(pthread_rwlock_trywrlock(&rw));
	data++;
	pthread_rwlock_unlock(&rw);
}

static void timed_both(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10000);

	OK(pthread_rwlock_timedrdlock(&rw, &t));
	LOOK(data);
	pthread_rwlock_unlock(&rw);
	OK(pthread_rwlock_timedwrlock(&rw, &t));
	data++;
	pthread_rwlock_unlock(&rw);
}

static void written_and_read(void) /* EXPECT: silence in written_and_read */
{
	in_turn3(write_under_write, look_under_read, write_under_write);
}

/* Readers are not ordered against each other; the writer comes after all of them. */
static void readers_then_writer(void) /* EXPECT: silence in readers_then_writer */
{
	in_turn3(look_under_read, look_under_read, write_under_write);
}

static void written_by_readers(void)
{
	in_turn(write_under_read, write_under_read);
}

static void written_by_a_reader(void)
{
	in_turn(look_under_read, write_under_read);
}

static void read_after_unlock(void)
{
	in_turn(look_after, write_under_write);
}

static void tried(void) /* EXPECT: silence in tried */
{
	in_turn3(try_both, write_under_write, try_both);
}

static void timed(void) /* EXPECT: silence in timed */
{
	in_turn3(timed_both, write_under_write, timed_both);
}

CASES(CASE(written_and_read), CASE(readers_then_writer), CASE(written_by_readers), CASE(written_by_a_reader),
      CASE(read_after_unlock), CASE(tried), CASE(timed))
