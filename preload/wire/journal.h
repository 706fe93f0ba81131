/*
 * journal.h - The journal: one JSON object a line, written by the runtime, read by everybody else.
 *
 * Lines are appended in the order things are found out. What a line refers to by id has been defined by an
 * earlier line of the same `header` section. A later line with the same type and id replaces fields of the
 * earlier one (a thread gets its name, its end, its joiner). Unknown fields and types are to be ignored.
 * A file may hold several sections, each begun by a `header` (exec keeps the pid; a journal is never truncated),
 * and may end in NUL bytes or a torn line when its process was killed.
 *
 * Addresses are strings "0x..." (JSON numbers lose bits); ids, counts and code offsets are numbers.
 *
 * header  format snarl pid ppid exe args[] start (ns since 1970) arch options program
 *         {"type":"header","format":1,"snarl":"0.1.0","pid":7,"ppid":6,"exe":"/bin/x","args":["x"],"start":1,"arch":"x86_64"}
 * module  id path build_id(hex, may be "") base("0x…": load bias) end
 *         {"type":"module","id":1,"path":"/bin/x","build_id":"ab…","base":"0x5500","end":"0x5600"}
 * stack   id frames[[module, offset]…] innermost first; `offset` is pc - load bias, so a link-time address.
 *         Every frame is a return address (symbolise offset - 1) unless it has a third element 1: then it is the exact pc
 *         (the frame above was a signal frame). module 0: offset is the raw address (JIT, unknown).
 *         A frame of Python code is an object in place of the array: {"file":"/x/a.py","line":7,"function":"C.f"}; the native
 *         frames of the interpreter that runs it follow it. Their module has interpreter:"python".
 *         "cut":true when stack_depth or an unwinding failure ended it early.
 *         {"type":"stack","id":9,"frames":[[1,4660],[2,77,1]]}
 * thread  id tid name parent(id, 0 none) created(stack id, 0 unknown) born_seg; main:true for the first one of the process;
 *         later: ended:true joined_by joined_seg
 *         Segments: a thread's n-th stretch between its own creates and joins; thread T's event at segment s is ordered
 *         after (parent, < = born_seg) and before (joined_by, >= joined_seg).
 *         {"type":"thread","id":2,"tid":77,"name":"worker","parent":1,"created":9,"born_seg":0}
 * lock    id kind(lockkinds.def) address; static: module offset (data address - bias); else init(stack id of its
 *         initialisation) or first(stack id of its first acquisition); attrs[] of "robust" "pi" "pp" "pshared"
 *         "prefer-writer"; later contended(count)
 *         {"type":"lock","id":3,"kind":"mutex","address":"0x5580","module":1,"offset":16448,"attrs":[]}
 * edge    One dependency: `thread` wanted `lock` while holding `held`; written when it comes up, or all at the end. id thread seg lock mode how stack held[]
 *         mode: "write" | "read"; how: "block" | "timed"; held entries: lock mode stack
 *         {"type":"edge","id":1,"thread":2,"seg":0,"lock":4,"mode":"write","how":"block","stack":11,
 *          "held":[{"lock":3,"mode":"write","stack":10}]}
 * finding id kind grade fingerprint(16 hex) message threads[] locks[]; plus what applies: call error(errno name) signal
 *         threads entries: thread, role; what it waits for: wants{lock mode how stack call}, or for the end of a
 *         thread: wants{thread mode how stack call}; what it holds: holds[{lock mode stack}]; a stack of its own (misuse): stack
 *         role: "waiter" (deadlock), "chain" (lock-order), "actor" (who made the call), "other" (owner, other waiter…),
 *         "access" (data-race: the access that showed it) and "earlier" (the other one); these two have a stack, holds, and
 *         access{op("write"|"read") size address, freed:true where memory was given back}: `size` bytes from `address` on, of which the two share some.
 *         A data-race with flag:true is a plain load that decides a branch, against a plain store: perhaps atomics (readers with
 *         debug information may know), else order by luck.
 *         A data-race with chance:true is one that this run ordered, by the order in which a lock went round (races=hybrid).
 *         unguarded-write: "access" is a write without the lock that usually guards the place, "guarded" one under it.
 *         usual{lock held of}: the lock that was held in `held` of all `of` accesses (unguarded-write: writes) of the place so far.
 *         A data-race has place{what address}: what lies where they meet. what: "global" (module offset), "heap" (start size
 *         stack thread: the block, where and by whom it was allocated), "stack" (thread: whose), "tls" (thread, and module offset
 *         where known: within its thread-local block), "unknown".
 *         In a ring, threads[i] wants a lock that threads[i+1] holds, and the last one's is held by threads[0].
 *         {"type":"finding","id":1,"kind":"deadlock","grade":"confirmed","fingerprint":"00ab…","message":"…","locks":[3,4],
 *          "threads":[{"thread":2,"role":"waiter","wants":{"lock":4,"mode":"write","how":"block","stack":11,"call":"pthread_mutex_lock"},
 *                      "holds":[{"lock":3,"mode":"write","stack":10}]}, …]}
 * stats   counters, at the end or when something is lost: {"type":"stats","degraded":"edges dropped (memory_limit)","count":7}
 *         or {"type":"stats","note":"libunwind not found: …"}
 * end     {"type":"end","reason":"exit","locks":6,"edges":4,"cycles":0,"threads":3,"findings":0,"folded":0}
 *         folded: findings not written because one of the same fingerprint was
 *         sites, watched: places that access memory, when accesses are watched at all
 *         unwatched: how many of them are not, by reason, as "outside functions 12, pinned 3"
 *         reason: exit | _exit | exec | deadlock | abort; a section without one was killed or is still running
 */
#ifndef SNARL_WIRE_JOURNAL_H
#define SNARL_WIRE_JOURNAL_H

#define SNARL_VERSION "0.1.0"
#define JOURNAL_FORMAT 1

/* Set by `snarl run` for the target: the runtime then starts no reporter of its own and writes no text. */
#define ENV_OPTIONS "SNARL_OPTIONS"
/* Under `snarl run`: names the run; kept from one process to the next, so that journals of a shared place can be told apart. */
#define ENV_RUN_ID "SNARL_RUN_ID"
/* Under `snarl run`: the journal pattern of the run, so that children of children find it; absolute. */
#define ENV_RUN "SNARL_RUN"

/* Statuses of `snarl run` and `snarl report`. */
enum {
	STATUS_FINDINGS = 66,
	STATUS_TROUBLE = 125,
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
};

#endif
