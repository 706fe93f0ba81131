#!/bin/sh
# Shows snarl at work on the teaching notes' programs: sh demos/demo.sh [BUILD]
#
# Each program runs as it is under `snarl run`. What must come out stands in its source: every line marked "// EXPECT kind"
# has to appear in the report of that kind; "// EXPECT-LATER kind" marks what nothing reports yet. Ends with a table; the exit status is 0 only if every row of it is right.
cd "$(dirname "$0")/.." || exit 2
BUILD=${1:-build}
snarl=$BUILD/snarl
out=$BUILD/demos/run # one directory of journals and outputs
table=$out/table
for f in "$snarl" "$BUILD/libsnarl.so" "$BUILD/demos/mutex_ab"; do
	[ -e "$f" ] || { echo "demo.sh: $f is missing: make BUILD=$BUILD first" >&2; exit 2; }
done
rm -rf "$out" && mkdir -p "$out" || exit 2
: >"$table"
# The reports are bold and coloured where they are read by a person.
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi

say() { printf '%s\n' "$@"; }
title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

# kinds JOURNAL...: every finding at grade possible or above, "kind" once each, on one line; "none".
kinds() {
	k=$(cat "$@" | tr -d '\000' | jq -Rr 'fromjson? | select(.type == "finding" and .grade != "advice") | .kind' 2>/dev/null |
		sort -u | tr '\n' ' ')
	k=${k% }
	echo "${k:-none}"
}

# run NAME: under snarl, to the screen and to $out/NAME.txt; sets rc, ms, found, lines (marked lines the report lacks).
run() {
	name=$1
	journal=$out/$name.journal
	say "\$ snarl run --journal=$journal $BUILD/demos/$name" ''
	t0=$(date +%s%N)
	timeout 20 "$snarl" run --journal="$journal" "$BUILD/demos/$name" >"$out/$name.txt" 2>&1
	rc=$?
	ms=$((($(date +%s%N) - t0) / 1000000))
	cat "$out/$name.txt"
	found=none
	[ -e "$journal" ] && found=$(kinds "$journal"*) # a process that was forked has its own: name.journal.PID
	lines=
	for kind in deadlock lock-order data-race; do
		marks=$(grep -n "// EXPECT $kind\$" "demos/$name.c" | cut -d: -f1)
		[ -n "$marks" ] && { "$snarl" report "$journal"* >"$out/$name.report" 2>&1 || :; }
		for l in $marks; do
			grep -q "$name\.c:$l\b" "$out/$name.report" || lines="$lines $l"
		done
	done
}

# row EXPECTED WHY-NOT...: one line of the table; right when there is no why-not.
row() {
	expected=$1
	shift
	why=$*
	# A deadlock is an inversion as well, and may be named as both.
	[ "$found" = "$expected" ] || [ "$found" = "$expected lock-order" ] || why="found: $found${why:+, $why}"
	[ -z "$lines" ] || why="${why:+$why, }not in the report: line$lines"
	printf '%s|%s|%s|%s|%s\n' "$name" "$expected" "$found" "$rc" "${why:-right}" >>"$table"
}

clean_row() {
	why=
	grep -q 'no problems found' "$out/$name.txt" || why='it does not say "no problems found"'
	[ "$rc" -eq 0 ] || why="${why:+$why, }exit status $rc instead of 0"
	row none $why
}

title "mutex_ab: the deadlock of the notes"
say "Ten threads; func1 takes A then B, func2 takes B then A. After a tenth of a second it hangs for good." \
	"snarl sees the ring close, reports it, and (the default of snarl run) ends the program with status 66." ''
run mutex_ab
why=
[ "$rc" -eq 66 ] || why="exit status $rc instead of 66"
[ "$rc" -eq 124 ] && why="it had to be killed"
# A tenth of a second until it hangs, and as much again until the report is there; far more on a busy machine.
[ "$ms" -gt 5000 ] && why="${why:+$why, }took $ms ms"
say '' "(hung after about 100 ms; reported and ended $ms ms after its start)"
row deadlock $why

say '' "The locks and threads as a picture:" ''
svg=$BUILD/demos/mutex_ab.svg
say "\$ snarl graph $out/mutex_ab.journal | dot -Tsvg > $svg"
if "$snarl" graph "$out/mutex_ab.journal" >"$out/mutex_ab.dot"; then
	if command -v dot >/dev/null 2>&1; then
		dot -Tsvg "$out/mutex_ab.dot" >"$svg" && say "wrote $svg: open it in a browser" || svg=
	else
		say "(dot is not installed: apt-get install graphviz)"
	fi
else
	svg=
fi
name='graph of mutex_ab' found=drawn lines='' rc=-
[ -n "$svg" ] || found='not drawn'
row drawn

title "mutex_ab_rlock: the notes' repair, one recursive lock"
say "It is taken twice by the same thread; that is what it is for. Nothing may be reported." ''
run mutex_ab_rlock
clean_row

title "mutex_ab_ordered: the other repair, the same order everywhere"
say "Two mutexes again, A always before B. Nothing may be reported." ''
run mutex_ab_ordered
clean_row

title "mutex_ab_late: the same bug on a lucky day"
say "func2 comes late, nothing hangs, every test passes. The bug is there all the same: A before B in one thread," \
	"B before A in another, and only a sleep keeps them apart." ''
run mutex_ab_late
why=
[ "$rc" -eq 66 ] || why="exit status $rc instead of 66"
grep -q '^done$' "$out/mutex_ab_late.txt" || why="${why:+$why, }it did not run to its end"
row lock-order $why

# The numbers a program printed on lines of their own, in one line.
result() { grep -E '^-?[0-9]+$' "$out/$1.txt" | tr '\n' ' ' | sed 's/ $//'; }

# wrong NAME RIGHT-RESULT: a program with a data race. right NAME RESULT: one without anything.
wrong() {
	run "$1"
	n=$(result "$1")
	later=
	grep -q '// EXPECT-LATER data-race$' "demos/$1.c" && [ "$found" = none ] && later=1
	say '' "It printed ${n:-nothing}; right would be $2." "The accesses that collide are marked in demos/$1.c."
	[ -z "$later" ] || say "Their report comes with the race engine."
	why=
	[ "$n" != "$2" ] && [ -n "$n" ] || why="result ${n:-missing}"
	if [ -n "$later" ]; then
		found=data-race
		[ "$rc" -eq 0 ] || why="${why:+$why, }exit status $rc instead of 0"
		row data-race ${why:-later}
	else
		[ "$rc" -eq 66 ] || why="${why:+$why, }exit status $rc instead of 66"
		row data-race $why
	fi
}
right() {
	run "$1"
	n=$(result "$1")
	[ $# -eq 1 ] || say '' "It printed $(echo ${n:-nothing} | sed 's/ /, then /g')."
	clean_row
	[ "$n" = "$2" ] || { found="result ${n:-missing}"; row "result $2"; }
}

title "account: save and draw without a lock"
say "Both threads read the balance before either writes it back, so one of the two is lost." ''
wrong account 1500
title "account_locked: with the lock of the notes"
right account_locked 1500

title "counter: a hundred threads each take one off 100"
wrong counter 0
title "counter_locked: with a lock"
right counter_locked 0

title "threads_200: two hundred threads, each with the lock, each joined before the next"
right threads_200 200
title "threads_200_nolock: the same without the lock: the join is enough"
right threads_200_nolock 200

title "share_memory: a process changes its own n, a thread changes everybody's"
right share_memory '100 0'

title "download: two films at once, joined, and the time it took"
right download 500
title "download_nojoin: \"download finished\" is said before anything was joined"
wrong download_nojoin 500

title "daemon: a thread that the end of the program kills"
say "egon is waited for, alex is not and never says that it is done. Nothing may be reported." ''
right daemon ''
if grep -q 'alex[0-9]* is done' "$out/daemon.txt"; then
	found='alex done' && row 'alex killed'
fi

title "code_timer: a Timer changes the code while the user reads it"
say "The user looks in the middle of a change: he sees a code that never was." ''
wrong code_timer 0
title "code_timer_locked: with a lock"
right code_timer_locked 0

title "echo_server: one thread for each connection, and a counter of connections"
wrong echo_server 4
title "echo_server_locked: with a lock around the counter"
right echo_server_locked 4

title "chat_server: four members, who should hear one line of each"
say "The list of members is changed by every thread, so members get lost, and hear nothing." ''
wrong chat_server 16
title "chat_server_locked: with a lock around the list"
right chat_server_locked 16

title "pool_callback: a thread pool whose callbacks append to one file"
say "Five lines are appended, each where the callback believes that the file ends." ''
wrong pool_callback 5
title "pool_callback_locked: with a lock around the append"
right pool_callback_locked 5

title "process_pool: three processes square ten numbers"
right process_pool 285
title "process_pool_ab: the bug of mutex_ab_late, in each of three processes"
say "One journal for each process; one report, which says that the others found it as well." ''
run process_pool_ab
why=
[ "$rc" -eq 66 ] || why="exit status $rc instead of 66"
[ "$(grep -c '^==== snarl' "$out/process_pool_ab.txt")" = 1 ] || why="${why:+$why, }not told exactly once"
grep -q 'found 2 more times' "$out/process_pool_ab.txt" || why="${why:+$why, }it does not say that it was found in all three"
row lock-order $why

title "Summary"
bad=0 later=0
printf '%-20s %-12s %-20s %-6s %s\n' program expected found status verdict
while IFS='|' read -r name expected found rc verdict; do
	case $verdict in
	right) ;;
	later) later=$((later + 1)) found=none ;;
	*) bad=$((bad + 1)) ;;
	esac
	printf '%-20s %-12s %-20s %-6s %s\n' "$name" "$expected" "$found" "$rc" "$verdict"
done <"$table"
say ''
if [ "$bad" -eq 0 ]; then
	[ "$later" -eq 0 ] || say "later: $later programs with a data race, which snarl does not report yet"
	say "every row is right"
else
	say "$bad rows are wrong"
	exit 1
fi
