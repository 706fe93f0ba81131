#!/bin/sh
# Shows snarl at work on the teaching notes' programs: sh demos/demo.sh [BUILD]
#
# Each program runs as it is under `snarl run`. What must come out stands in its source: every line marked "// EXPECT kind"
# has to appear in the report of that kind. Ends with a table; the exit status is 0 only if every row of it is right.
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

# kinds JOURNAL: every finding at grade possible or above, "kind" once each, on one line; "none".
kinds() {
	k=$(tr -d '\000' <"$1" | jq -Rr 'fromjson? | select(.type == "finding" and .grade != "advice") | .kind' 2>/dev/null |
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
	[ -e "$journal" ] && found=$(kinds "$journal")
	lines=
	for kind in deadlock lock-order; do
		marks=$(grep -n "// EXPECT $kind\$" "demos/$name.c" | cut -d: -f1)
		[ -n "$marks" ] && { "$snarl" report "$journal" >"$out/$name.report" 2>&1 || :; }
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
# A tenth of a second until it hangs, and at most one more until the report is there.
[ "$ms" -gt 1600 ] && why="${why:+$why, }took $ms ms"
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

# wrong NAME RIGHT-RESULT / right NAME RESULT
wrong() {
	run "$1"
	n=$(grep -E '^-?[0-9]+$' "$out/$1.txt" | tail -1)
	say '' "It printed ${n:-nothing}; right would be $2." \
		"The two accesses that collide are marked in demos/$1.c; their report comes with the race engine."
	why=
	case $found in *deadlock* | *lock-order*) why="a deadlock finding in a program without locks" ;; esac
	[ "$n" != "$2" ] && [ -n "$n" ] || why="${why:+$why, }result ${n:-missing}"
	# Right without the race engine and with it.
	case $found in none | data-race) row "$found" $why ;; *) row data-race $why ;; esac
}
right() {
	run "$1"
	n=$(grep -E '^-?[0-9]+$' "$out/$1.txt" | tail -1)
	say '' "It printed ${n:-nothing}."
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

title "Summary"
bad=0
printf '%-18s %-12s %-12s %-6s %s\n' program expected found status verdict
while IFS='|' read -r name expected found rc verdict; do
	printf '%-18s %-12s %-12s %-6s %s\n' "$name" "$expected" "$found" "$rc" "$verdict"
	[ "$verdict" = right ] || bad=$((bad + 1))
done <"$table"
say ''
if [ "$bad" -eq 0 ]; then
	say "every row is right"
else
	say "$bad rows are wrong"
	exit 1
fi
