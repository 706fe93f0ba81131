/* check.c - What a CHECK=1 build does at a broken invariant: says which, and traps. */
#include "base/compiler.h"

#ifdef SNARL_CHECK
#include "base/fmt.h"
#include "base/sys.h"

void check_failed(const char *what, const char *file, int line)
{
	char text[512];
	struct fmt f = fmt_on(text, sizeof text);
	fmt_str(&f, "snarl: check failed: ");
	fmt_str(&f, what);
	fmt_str(&f, " (");
	fmt_str(&f, file);
	fmt_c(&f, ':');
	fmt_i64(&f, line);
	fmt_str(&f, ")\n");
	sys_write_all(2, f.buf, f.len);
	/* Not abort(): that takes libc's lock and may be interposed. */
	__builtin_trap();
}
#endif
