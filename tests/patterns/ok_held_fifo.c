/* EXPECT: nothing */
/* Five hundred locks held at once, released first in, first out, three thousand times over (`make bench` has the cost).
 * Then in any order, with others taken meanwhile: what was released is not held any more. */
#include "basics.h"
#include "invisible.h"

enum { LOCKS = 500, FEW = 100, ROUNDS = 3000 };

static pthread_mutex_t lock[LOCKS], extra[FEW];
static struct gate first_done;

static unsigned next_random(unsigned long *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*state >> 33);
}

/* Releases half of them in any order, takes extra[i], releases the rest. */
static void *half_then_extra(void *arg)
{
	unsigned long state = 1;
	for (int i = 0; i < LOCKS; i++)
		OK(pthread_mutex_lock(&lock[i]));
	for (int i = 0; i < LOCKS; i++)
		OK(pthread_mutex_unlock(&lock[i]));
	for (int round = 1; round < ROUNDS; round++) {
		for (int i = 0; i < LOCKS; i++)
			OK(pthread_mutex_lock(&lock[i]));
		for (int i = 0; i < LOCKS; i++)
			OK(pthread_mutex_unlock(&lock[i]));
	}
	for (int round = 0; round < FEW; round++) {
		int order[FEW];
		for (int i = 0; i < FEW; i++) {
			OK(pthread_mutex_lock(&lock[i]));
			int j = (int)(next_random(&state) % (unsigned)(i + 1));
			order[i] = order[j];
			order[j] = i;
		}
		/* The last one taken is among them: below, it is taken under the extra ones. */
		for (int i = 0; i < FEW; i++)
			if (order[i] == FEW - 1) {
				order[i] = order[FEW / 4];
				order[FEW / 4] = FEW - 1;
			}
		for (int i = 0; i < FEW / 2; i++)
			OK(pthread_mutex_unlock(&lock[order[i]]));
		OK(pthread_mutex_lock(&extra[round]));
		for (int i = FEW / 2; i < FEW; i++)
			OK(pthread_mutex_unlock(&lock[order[i]]));
		OK(pthread_mutex_unlock(&extra[round]));
	}
	gate_open(&first_done);
	return arg;
}

static void *extra_then_last(void *arg)
{
	gate_wait(&first_done);
	for (int i = 0; i < FEW; i++) {
		OK(pthread_mutex_lock(&extra[i]));
		OK(pthread_mutex_lock(&lock[FEW - 1]));
		OK(pthread_mutex_unlock(&lock[FEW - 1]));
		OK(pthread_mutex_unlock(&extra[i]));
	}
	return arg;
}

int main(void)
{
	for (int i = 0; i < LOCKS; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	for (int i = 0; i < FEW; i++)
		OK(pthread_mutex_init(&extra[i], NULL));
	run_two(half_then_extra, extra_then_last);
	return 0;
}
