/* EXPECT: unlock-not-held:confirmed */
/* A spin lock unlocked that is free. */
#include "basics.h"

static pthread_spinlock_t s;

int main(void)
{
	OK(pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE));
	pthread_spin_lock(&s);
	pthread_spin_unlock(&s);
	pthread_spin_unlock(&s); // EXPECT unlock-not-held
	return 0;
}
