/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* Two spin locks: the threads burn their processors instead of sleeping, for ever. */
#include "basics.h"
#include "invisible.h"

static pthread_spinlock_t a, b;
static struct meeting both_hold;

static void *ab(void *arg)
{
	pthread_spin_lock(&a); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_spin_lock(&b); // EXPECT deadlock
	pthread_spin_unlock(&b);
	pthread_spin_unlock(&a);
	return arg;
}

static void *ba(void *arg)
{
	pthread_spin_lock(&b); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_spin_lock(&a); // EXPECT deadlock
	pthread_spin_unlock(&a);
	pthread_spin_unlock(&b);
	return arg;
}

int main(void)
{
	OK(pthread_spin_init(&a, PTHREAD_PROCESS_PRIVATE));
	OK(pthread_spin_init(&b, PTHREAD_PROCESS_PRIVATE));
	run_two(ab, ba);
	return 0;
}
