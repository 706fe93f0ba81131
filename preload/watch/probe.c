/* probe.c - See probe.h. */
#include "watch/probe.h"

#include "base/sys.h"
#include "core/module.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

static bool position_independent(void)
{
	for (uint32_t id = 1; id <= module_count(); id++)
		if (module_by_id(id)->bias == 0 && !atomic_load(&module_by_id(id)->gone))
			return false;
	return true;
}

/* A debugger cannot put back registers whose %gs base lies in the kernel's half, as distances do (ptrace: EIO). The
 * arithmetic form's base is an ordinary address. */
static bool traced(void)
{
	char status[2048];
	const char *at =
	    sys_read_file("/proc/self/status", status, sizeof status) > 0 ? strstr(status, "TracerPid:") : NULL;
	return at && at[10 + strspn(at + 10, " \t")] != '0';
}

/* Is %gs free? Wine, qemu-user and some runtimes keep something there. */
static const char *gs_taken(void)
{
	uint64_t gs;
	unsigned long hwcap2 = 0;
	char auxv[1024];
	long n = sys_read_file("/proc/self/auxv", auxv, sizeof auxv);
	for (long i = 0; i + 16 <= n; i += 16) {
		uint64_t kv[2];
		memcpy(kv, auxv + i, sizeof kv);
		if (kv[0] == 26) /* AT_HWCAP2 */
			hwcap2 = kv[1];
	}
	if (!(hwcap2 & 2)) /* HWCAP2_FSGSBASE: the kernel lets us write it */
		return "programs may not set %gs here (no FSGSBASE: Linux before 5.9, an old processor, or nofsgsbase)";
	__asm__ volatile("rdgsbase %0" : "=r"(gs));
	return gs ? "the program uses %gs itself" : NULL;
}

/* Planes take terabytes of address space, if next to no memory: nothing may be left of such a limit for the program. */
static bool space_limited(void)
{
	struct {
		uint64_t now, max;
	} as = { ~0ull, 0 }, data = { ~0ull, 0 };
	sys4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &as);
	sys4(SYS_prlimit64, 0, RLIMIT_DATA, NULL, &data);
	return as.now >> 46 == 0 || data.now >> 46 == 0;
}

const char *probe_missing(void)
{
	const char *trouble = gs_taken();
	if (!trouble && space_limited())
		trouble = "address space is limited (ulimit -v unlimited and ulimit -d unlimited lift that)";
	return trouble;
}

bool probe_low(void) { return !position_independent() || traced(); }
