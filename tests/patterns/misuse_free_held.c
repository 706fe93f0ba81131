/* EXPECT: free-held:confirmed */
/* Memory freed with a held mutex in the middle of it. */
#include "basics.h"

struct object {
	char pad[64];
	pthread_mutex_t lock;
};

int main(void)
{
	struct object *o = calloc(1, sizeof(*o));

	MUST(o);
	OK(pthread_mutex_init(&o->lock, NULL));
	pthread_mutex_lock(&o->lock);
	free(o); // EXPECT free-held
	return 0;
}
