/* Signal handlers: of the thread itself, of another one, by sigwait; and a handler that races. */
#include <semaphore.h>
#include <signal.h>

#include "race.h"

int data;
static volatile sig_atomic_t caught;
static sem_t s;

static void handle(int sig)
{
	(void)sig;
	data++; /* EXPECT: data-race in handler_against_thread */
	caught = 1;
}

static void install(void)
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_handler = handle;
	MUST(sigaction(SIGUSR1, &a, NULL) == 0);
}

/* A handler interrupts its own thread: nothing to order. */
static void own_handler(void) /* EXPECT: silence in own_handler */
{
	install();
	data = 1;
	raise(SIGUSR1);
	MUST(caught);
	data++;
	MUST(data == 3);
}

static void look_at_handler(int sig)
{
	(void)sig;
	LOOK(data);
	caught = 1;
	sem_post(&s);
}

static void *stay(void *arg)
{
	await_step(0);
	return arg;
}

/* What was written before pthread_kill is there in the handler, and what the handler wrote before its post after the
 * wait. */
/* TSAN: cries in raised_to_other: it takes no order from pthread_kill */
static void raised_to_other(void) /* EXPECT: silence in raised_to_other */
{
	pthread_t t = start(stay);
	struct sigaction a;

	MUST(sem_init(&s, 0, 0) == 0);
	memset(&a, 0, sizeof(a));
	a.sa_handler = look_at_handler;
	MUST(sigaction(SIGUSR1, &a, NULL) == 0);
	data = 1;
	pthread_kill(t, SIGUSR1);
	while (sem_wait(&s) != 0)
		;
	data = 2;
	step(0);
	finish(t);
}

static void *wait_for_signal(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	OK(sigwait(&set, &sig));
	LOOK(data);
	return arg;
}

/* TSAN: cries in by_sigwait: it takes no order from pthread_kill */
static void by_sigwait(void) /* EXPECT: silence in by_sigwait */
{
	sigset_t set;
	pthread_t t;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	t = start(wait_for_signal);
	data = 1;
	pthread_kill(t, SIGUSR2);
	finish(t);
}

static void *raise_it(void *arg)
{
	raise(SIGUSR1);
	step(0);
	return arg;
}

static void *write_too(void *arg)
{
	await_step(0);
	data = 5; /* EXPECT: data-race in handler_against_thread */
	return arg;
}

/* Installed before either thread was created, so sigaction orders nothing here. */
static void handler_against_thread(void)
{
	install();
	run_two(raise_it, write_too);
}

/* Handlers on an alternate stack, in the middle of guarded work. */
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
int guarded;

static void *work(void *arg)
{
	static __thread char stack[16384] __attribute__((aligned(64)));
	stack_t st = { .ss_sp = stack, .ss_size = sizeof(stack) };

	MUST(sigaltstack(&st, NULL) == 0);
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&m);
		guarded++;
		if (i % 50 == 0)
			raise(SIGUSR1);
		guarded++;
		pthread_mutex_unlock(&m);
	}
	return arg;
}

static void count_own(int sig)
{
	static __thread int own;

	(void)sig;
	own++;
	guarded++;
}

static void alternate_stack(void) /* EXPECT: silence in alternate_stack */
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_handler = count_own;
	a.sa_flags = SA_ONSTACK;
	MUST(sigaction(SIGUSR1, &a, NULL) == 0);
	run_two(work, work);
	MUST(guarded == 2 * (1000 + 10));
}

CASES(CASE(own_handler), CASE(raised_to_other), CASE(by_sigwait), CASE(handler_against_thread), CASE(alternate_stack))
