/* loader.c - See loader.h. */
#include "watch/loader.h"

#include "watch/patch.h"

#include <link.h>
#include <string.h>

static void (*told)(void);

void loader_changed(void); /* called by the assembly below alone */

__attribute__((used, visibility("hidden"))) void loader_changed(void)
{
	if (_r_debug.r_state == RT_CONSISTENT)
		told();
}

/* The empty function has the ordinary calling convention, but its callers were compiled together with it: all registers
 * stay. */
/* clang-format off */
__asm__(".text\n.p2align 4\n.hidden loader_entry\n.globl loader_entry\n.type loader_entry, @function\n"
	"loader_entry:\n"
	"	push %rax; push %rcx; push %rdx; push %rsi; push %rdi; push %r8; push %r9; push %r10; push %r11; push %rbx; pushfq\n"
	"	mov %rsp, %rbx\n"
	"	sub $512, %rsp\n"
	"	and $-64, %rsp\n"
	"	fxsave64 (%rsp)\n"
	"	call loader_changed\n"
	"	fxrstor64 (%rsp)\n"
	"	mov %rbx, %rsp\n"
	"	popfq; pop %rbx; pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
	"	ret\n"
	".size loader_entry, . - loader_entry\n");
/* clang-format on */
void loader_entry(void);

/* Nothing but a return, with room for a jump before the next function begins. */
static bool as_expected(const uint8_t *p)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	if (memcmp(p, endbr, sizeof endbr) == 0)
		return p[4] == 0xc3;
	return p[0] == 0xc3 && (uintptr_t)p % 16 == 0; /* functions are aligned to 16 in glibc */
}

bool loader_watch(void (*f)(void))
{
	uintptr_t at = _r_debug.r_brk;
	if (!at || !as_expected((const uint8_t *)at))
		return false;
	uintptr_t room = patch_room(at, at + 16, 16);
	if (!room)
		return false;
	uintptr_t entry = (uintptr_t)loader_entry;
	uint8_t stub[14] = { 0xff, 0x25, 0, 0, 0, 0 }; /* jmp *0(%rip) */
	memcpy(stub + 6, &entry, sizeof entry);
	struct patch p = { .at = at, .nr = 5, .bytes = { 0xe9 } };
	int32_t to = (int32_t)(room - (at + 5));
	memcpy(p.bytes + 1, &to, sizeof to);
	told = f;
	if (patch_fill(room, stub, sizeof stub) && patch_text(at, at + 5, &p, 1))
		return true;
	patch_room_free(room, sizeof stub);
	return false;
}
