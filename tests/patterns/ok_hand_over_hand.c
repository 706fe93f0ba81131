/* EXPECT: nothing */
/* Hand over hand along a list: the next node's lock is taken before the last one's is released, always in list order.
 */
#include "basics.h"

#define NODES 20

static struct node {
	pthread_mutex_t lock;
	struct node *next;
	int value;
} list[NODES];

static void *walk(void *arg)
{
	for (int round = 0; round < 50; round++) {
		struct node *n = &list[0];

		pthread_mutex_lock(&n->lock);
		while (n->next) {
			struct node *next = n->next;

			pthread_mutex_lock(&next->lock);
			n->value++;
			pthread_mutex_unlock(&n->lock);
			n = next;
		}
		pthread_mutex_unlock(&n->lock);
	}
	return arg;
}

int main(void)
{
	for (int i = 0; i < NODES; i++) {
		OK(pthread_mutex_init(&list[i].lock, NULL));
		list[i].next = i + 1 < NODES ? &list[i + 1] : NULL;
	}
	run_two(walk, walk);
	for (int i = 0; i < NODES; i++)
		OK(pthread_mutex_destroy(&list[i].lock));
	return 0;
}
