/* EXPECT: sem-misuse:confirmed */
/* A semaphore posted beyond its maximum. */
#include "basics.h"
#include <limits.h>
#include <semaphore.h>

static sem_t s;

int main(void)
{
	MUST(sem_init(&s, 0, SEM_VALUE_MAX) == 0);
	MUST(sem_post(&s) == -1 && errno == EOVERFLOW); // EXPECT sem-misuse
	return 0;
}
