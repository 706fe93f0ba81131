/* EXPECT: barrier-misuse:confirmed */
/* A barrier for nobody. */
#include "basics.h"

static pthread_barrier_t b;

int main(void)
{
	MUST(pthread_barrier_init(&b, NULL, 0) == EINVAL); // EXPECT barrier-misuse
	return 0;
}
