/* EXPECT: free-held:confirmed */
/* Memory unmapped with a held mutex in it. */
#include "basics.h"
#include <sys/mman.h>

int main(void)
{
	void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	pthread_mutex_lock(p);
	munmap(p, 8192); // EXPECT free-held
	return 0;
}
