/* What dlopen.c loads: code that touches memory of its own and of the program's, and a constructor that starts a
 * thread. */
#include <pthread.h>
#include <stddef.h>

int plugin_data;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_t early;
static int made_early;
static int setting;

void plugin_add(void);
void plugin_add_locked(void);
void plugin_add_to(int *p);
int plugin_made_early(void);
int plugin_setting(void);
void plugin_set(int v);

void plugin_add(void)
{
	plugin_data++; /* EXPECT: data-race in inside_the_plugin */
}

void plugin_add_locked(void)
{
	pthread_mutex_lock(&m);
	plugin_data++;
	pthread_mutex_unlock(&m);
}

void plugin_add_to(int *p)
{
	*p += 1; /* EXPECT: data-race in programs_memory */
}

static void *make(void *arg)
{
	made_early = 1;
	return arg;
}

__attribute__((constructor)) static void begin(void)
{
	setting = 7;
	pthread_create(&early, NULL, make, NULL);
}

int plugin_made_early(void)
{
	pthread_join(early, NULL);
	return made_early;
}

int plugin_setting(void)
{
	return setting; /* EXPECT: data-race in set_after_opening */
}

void plugin_set(int v)
{
	setting = v; /* EXPECT: data-race in set_after_opening */
}
