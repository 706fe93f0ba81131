/*
 * unwind.c - Exceptions and cancellation pass through our wrappers by the target's own unwinder.
 *
 * The clean-ups in our wrappers make the compiler refer to _Unwind_Resume and __gcc_personality_v0. Taken from libgcc_s they
 * would be a DT_NEEDED of ours, and libgcc_s in the scope of programs that have none; taken from libgcc_eh.a they would be a
 * second unwinder working on the first one's private structures. So these two, hidden, jump to whatever the target uses.
 */
#include "base/compiler.h"
#include "hooks/interpose.h"

#include <dlfcn.h>

/* Levels 1 of the Itanium C++ ABI: what a personality routine answers. */
#define URC_CONTINUE_UNWIND 8

__attribute__((visibility("hidden"))) void _Unwind_Resume(void *exception);
__attribute__((visibility("hidden"))) int __gcc_personality_v0(int version, int actions, uint64_t class, void *exception,
							       void *context);

typedef int personality_fn(int, int, uint64_t, void *, void *);
static personality_fn *_Atomic real_personality;
static void *_Atomic real_resume;

/* In the target's scope, else in the copy that libc opens for itself (pthread_cancel, pthread_exit). */
static ALIGNS void *find(const char *name, bool open)
{
	void *p = dlsym(RTLD_DEFAULT, name);
	if (!p && open && !dlsym(RTLD_DEFAULT, "_Unwind_RaiseException")) {
		void *lib = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
		p = lib ? dlsym(lib, name) : NULL;
	}
	return p;
}

/* Never while unwinding: whoever waits for the unwinding thread may hold the loader's lock. */
void hook_unwind_resolve(bool open)
{
	if (real_personality && real_resume)
		return;
	gate_shut();
	void *resume = find("_Unwind_Resume", open), *personality = find("__gcc_personality_v0", open);
	if (resume && personality) {
		real_resume = resume;
		real_personality = (personality_fn *)personality;
	}
	gate_open();
}

/* Without one the frame is passed over: what the clean-up would have noted is put right by the thread's next wait. */
int __gcc_personality_v0(int version, int actions, uint64_t class, void *exception, void *context)
{
	personality_fn *p = real_personality;
	return p ? p(version, actions, class, exception, context) : URC_CONTINUE_UNWIND;
}

__attribute__((used)) static void *resume_of_target(void)
{
	void *p = real_resume;
	if (!p)
		__builtin_trap(); /* the personality above, found together with it, led here */
	return p;
}

/* A jump, not a call: the unwinder goes on from its caller's frame, which must be the one with the clean-up. */
__asm__(".text\n"
	".hidden _Unwind_Resume\n"
	".globl _Unwind_Resume\n"
	".type _Unwind_Resume, @function\n"
	"_Unwind_Resume:\n"
	".cfi_startproc\n"
	"	pushq %rdi\n"
	".cfi_adjust_cfa_offset 8\n"
	"	call resume_of_target\n"
	"	popq %rdi\n"
	".cfi_adjust_cfa_offset -8\n"
	"	jmp *%rax\n"
	".cfi_endproc\n"
	".size _Unwind_Resume, .-_Unwind_Resume\n");
