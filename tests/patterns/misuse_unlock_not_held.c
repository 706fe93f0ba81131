/* EXPECT: unlock-not-held:confirmed */
/* A mutex unlocked twice; a normal one does not mind, the program should. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

int main(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	pthread_mutex_unlock(&m); // EXPECT unlock-not-held
	return 0;
}
