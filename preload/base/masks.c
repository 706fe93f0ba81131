/* masks.c - See masks.h. */
#include "base/masks.h"

#include "base/sys.h"

#include <signal.h>
#include <string.h>

__thread struct masks masks;
bool masks_on;
static int pid;
static void (*send)(uint64_t set);

static void change(int how, uint64_t set)
{
	/* Not held back in a confined program: it asks for as much itself. */
	sys_raw6(SYS_rt_sigprocmask, how, (long)&set, 0, 8, 0, 0);
}

static void send_held(uint64_t set)
{
	if (unlikely(set)) {
		masks.held &= ~set;
		send(set);
	}
}

void masks_let_go(void) { send_held(masks.held & ~masks.blocked); }

void masks_real(void)
{
	bool own = masks.child && sys_getpid() != pid; /* a vfork child that has set its own */
	masks.child = false;
	if (masks.blocked & ~masks.really && !own)
		change(SIG_BLOCK, masks.blocked);
}

void masks_kept_out(void)
{
	if (masks.blocked & ~masks.really)
		change(SIG_UNBLOCK, masks.blocked & ~masks.really);
}

void masks_adopt(uint64_t kernel, uint64_t blocked)
{
	uint64_t kept = masks.really;
	masks = (struct masks){ .blocked = (kernel | blocked) & MASKS_FAULTS };
	if ((kernel | kept) & MASKS_FAULTS)
		change(SIG_UNBLOCK, MASKS_FAULTS);
}

bool masks_before(struct masks_step *s, int how, const uint64_t *set, uint64_t *ask)
{
	if (!masks_on)
		return false;
	uint64_t now = set ? *set & MASKS_FAULTS : 0;
	s->had = s->next = masks.blocked;
	if (!set)
		return true;
	*ask = *set;
	if (how == SIG_BLOCK)
		s->next |= now;
	else if (how == SIG_UNBLOCK)
		s->next &= ~now;
	else if (how == SIG_SETMASK)
		s->next = now;
	if (s->next != s->had && !sys_confined.on && sys_getpid() != pid) {
		masks.child = true;
		return false;
	}
	if (how == SIG_BLOCK)
		*ask &= ~MASKS_FAULTS;
	else if (how == SIG_SETMASK)
		*ask = (*ask & ~MASKS_FAULTS) | (now & masks.really);
	masks.blocked = s->next; /* before it is so: one that is sent meanwhile is kept, one that was kept gets through */
	return true;
}

void masks_after(const struct masks_step *s, bool done, uint64_t *old)
{
	masks.blocked = done ? s->next : s->had;
	masks.really &= masks.blocked;
	if (done && old)
		*old = (*old & ~MASKS_FAULTS) | s->had;
	masks_let_go();
}

bool masks_wait_begin(uint64_t mask)
{
	if (!masks_on || masks.waiting || !((mask | masks.blocked) & MASKS_FAULTS))
		return false;
	change(SIG_BLOCK, MASKS_FAULTS);
	send_held(masks.held);
	masks.waits = mask & MASKS_FAULTS;
	masks.waiting = true;
	return true;
}

void masks_wait_end(void)
{
	masks.waiting = false;
	masks.really = 0; /* one that is pending still comes now, and is put back */
	change(SIG_UNBLOCK, MASKS_FAULTS);
}

bool masks_under(const void *mask)
{
	uint64_t word;
	if (!mask)
		return false;
	memcpy(&word, mask, sizeof word);
	return masks_wait_begin(word);
}

void masks_waited(const bool *began)
{
	if (*began)
		masks_wait_end();
}

void masks_start(void (*send_again)(uint64_t set))
{
	send = send_again;
	pid = sys_getpid();
	masks_on = true;
}

void masks_fork_child(void) { pid = sys_getpid(); }
