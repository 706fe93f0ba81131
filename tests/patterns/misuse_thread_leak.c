/* EXPECT: thread-leak:advice */
/* A thread that ended long ago, neither joined nor detached: its stack is kept for ever. */
#include "basics.h"
#include "invisible.h"

static int tid;
static struct gate there;

static void *nothing(void *arg)
{
	tid = invisible_gettid();
	gate_open(&there);
	return arg;
}

int main(void)
{
	start(nothing);
	gate_wait(&there);
	invisible_await_end(tid);
	return 0;
}
