/* EXPECT: use-after-destroy:confirmed */
/* A condition signalled after it was destroyed. */
#include "basics.h"

static pthread_cond_t c;

int main(void)
{
	OK(pthread_cond_init(&c, NULL));
	OK(pthread_cond_destroy(&c));
	pthread_cond_signal(&c); // EXPECT use-after-destroy
	return 0;
}
