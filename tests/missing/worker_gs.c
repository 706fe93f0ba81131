/* worker_gs.c - The worker with an instruction that uses %gs in it. */
#define USES_GS
#include "worker.c"
