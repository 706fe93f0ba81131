#!/bin/sh
# soak_races.sh [BUILD]: the demos with races ROUNDS times (100), with as much else to do as there are processors: each time every
# marked line has to be in the report, and their twins have to be silent. Then all of tests/races RACE_ROUNDS times (5); a case that
# came out wrong once is named. Ends with 0 if nothing was.
build=${1:-build}
rounds=${ROUNDS:-100}
work=$build/soak_races
wrong=0
rm -rf "$work" && mkdir -p "$work" || exit 2
busy=
for i in $(seq "$(nproc)"); do
	(while :; do :; done) &
	busy="$busy $!"
done
trap 'kill $busy 2>/dev/null' EXIT
trap 'exit 2' INT TERM

for name in account counter account_locked counter_locked; do
	[ -x "$build/demos/$name" ] || continue
	lines=$(grep -n '// EXPECT data-race$' "demos/$name.c" | cut -d: -f1)
	missed=0
	for i in $(seq "$rounds"); do
		timeout 60 "$build/snarl" run "$build/demos/$name" >"$work/$name.out" 2>&1
		rc=$?
		why=
		[ $rc -eq "$([ -n "$lines" ] && echo 66 || echo 0)" ] || why=" status $rc"
		for l in $lines; do
			grep -q "$name\.c:$l\b" "$work/$name.out" || why="$why line $l is in no report"
		done
		[ -z "$why" ] && continue
		missed=$((missed + 1))
		cp "$work/$name.out" "$work/$name.$i"
		echo "not ok soak $name, round $i:$why"
	done
	[ $missed -eq 0 ] && echo "ok soak $name: right in $rounds of $rounds rounds"
	wrong=$((wrong + missed))
done
for i in $(seq "${RACE_ROUNDS:-5}"); do
	BUILD=$build RACES=snarl sh tests/races/races.test >"$work/races.$i" 2>&1
done
bad=$(cat "$work"/races.* 2>/dev/null | grep '^not ok' | sort | uniq -c)
if [ -n "$bad" ]; then
	echo "$bad"
	wrong=$((wrong + 1))
else
	echo "ok soak races: ${RACE_ROUNDS:-5} rounds"
fi
[ $wrong -eq 0 ]
