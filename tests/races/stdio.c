/* Streams are locked by libc; the buffers given to them, and the memory printed from and read into, are the program's.
 */
#include "race.h"

static FILE *f;
char line[64] = "text";
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *print_often(void *arg)
{
	for (int i = 0; i < 100; i++) {
		fprintf(f, "line %d\n", i);
		fputs("more\n", f);
		putc('.', f);
	}
	fflush(f);
	return arg;
}

static void one_stream(void) /* EXPECT: silence in one_stream */
{
	f = tmpfile();
	MUST(f);
	run_two(print_often, print_often);
	MUST(ftell(f) == 2 * (10 * 7 + 90 * 8 + 100 * 6));
	fclose(f);
}

static void print_and_close(void)
{
	FILE *mine = tmpfile();

	MUST(mine && fprintf(mine, "%s %d %f\n", "text", 5, 2.5) > 0);
	rewind(mine);
	MUST(getc(mine) == 't');
	fclose(mine);
}

static void own_streams(void) /* EXPECT: silence in own_streams */
{
	in_turn3(print_and_close, print_and_close, print_and_close);
}

static void format_locked(void)
{
	pthread_mutex_lock(&m);
	snprintf(line, sizeof(line), "%d %s", 5, "text");
	pthread_mutex_unlock(&m);
}

static void formatted_locked(void) /* EXPECT: silence in formatted_locked */
{
	in_turn3(format_locked, format_locked, format_locked);
}

static void *print_locked(void *arg)
{
	for (int i = 0; i < 100; i++) {
		flockfile(f);
		strcpy(line, "two words\n"); /* the stream's lock guards it as well */
		fputs_unlocked(line, f);
		funlockfile(f);
	}
	return arg;
}

/* TSAN: cries in locked_stream: libtsan does not know flockfile */
static void locked_stream(void) /* EXPECT: silence in locked_stream */
{
	f = tmpfile();
	MUST(f);
	run_two(print_locked, print_locked);
	fclose(f);
}

CASES(CASE(one_stream), CASE(own_streams), CASE(formatted_locked), CASE(locked_stream))
