/* EXPECT: exit-holding:advice */
/* The process ends while main holds a lock: only worth a remark. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

int main(void)
{
	pthread_mutex_lock(&m);
	return 0;
}
