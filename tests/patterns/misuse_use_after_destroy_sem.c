/* EXPECT: use-after-destroy:confirmed|sem-misuse:confirmed */
/* A semaphore posted after it was destroyed. */
#include "basics.h"
#include <semaphore.h>

static sem_t s;

int main(void)
{
	MUST(sem_init(&s, 0, 1) == 0);
	MUST(sem_destroy(&s) == 0);
	sem_post(&s); // EXPECT sem-misuse
	return 0;
}
