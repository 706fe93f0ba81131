/* thrown.cc - Exceptions thrown out of handlers of faults (-fnon-call-exceptions): what the interrupted frames have to clean up is. */
#include <csignal>
#include <cstdio>
#include <pthread.h>
#include <stdexcept>

static long *volatile nowhere;
static long cells[8];
static int cleaned;

struct clean {
	~clean() { cleaned++; }
};

static void handler(int) { throw std::runtime_error("a fault"); }

__attribute__((noinline)) static long inner(long *p)
{
	clean c;
	cells[1]++;
	cells[2] += cells[1];
	long v = p[3];
	cells[3] = v;
	return v;
}

static void *run(void *arg)
{
	for (int i = 0; i < 5; i++) {
		try {
			inner(nowhere);
			puts("not thrown");
		} catch (const std::exception &e) {
			printf("%s, %d cleaned, %ld\n", e.what(), cleaned, cells[2]);
		}
	}
	return arg;
}

static void *nothing(void *arg) { return arg; }

static void finish(void *(*f)(void *))
{
	pthread_t t;
	if (pthread_create(&t, nullptr, f, nullptr) != 0 || pthread_join(t, nullptr) != 0)
		puts("no thread");
}

int main()
{
	struct sigaction a = {};
	sigset_t now;
	a.sa_handler = handler;
	a.sa_flags = SA_NODEFER;
	sigaction(SIGSEGV, &a, nullptr);
	finish(nothing);
	run(nullptr);
	finish(run);
	/* Nobody takes the signal out of the mask again. */
	a.sa_flags = 0;
	sigaction(SIGSEGV, &a, nullptr);
	try {
		inner(nowhere);
	} catch (const std::exception &) {
		puts("once");
	}
	sigprocmask(SIG_BLOCK, nullptr, &now);
	printf("blocked %d\n", sigismember(&now, SIGSEGV));
	return 0;
}
