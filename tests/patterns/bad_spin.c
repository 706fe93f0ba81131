/* EXPECT: lock-order:possible */
/* Spin locks in both orders. */
#include "basics.h"
#include "invisible.h"

static pthread_spinlock_t a, b;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_spin_lock(&a); // EXPECT lock-order
	pthread_spin_lock(&b); // EXPECT lock-order
	pthread_spin_unlock(&b);
	pthread_spin_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	pthread_spin_lock(&b); // EXPECT lock-order
	pthread_spin_lock(&a); // EXPECT lock-order
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
