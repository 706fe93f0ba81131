#!/bin/sh
# Shows snarl at work on the teaching notes' Python programs, under the interpreter as it is: sh demos/python.sh [BUILD]
#
# Each runs under `snarl run`, where its report is shown, and once more under plain LD_PRELOAD. What must come out is in the list
# below; every line marked "# EXPECT kind" has to be in the report. The exit status is 0 only if every row of the table is right.
cd "$(dirname "$0")/.." || exit 2
BUILD=${1:-build}
python=${PYTHON:-/usr/bin/python3}
snarl=$BUILD/snarl
out=$BUILD/demos/python
table=$out/table
for f in "$snarl" "$BUILD/libsnarl.so" "$python"; do
	[ -e "$f" ] || { echo "python.sh: $f is missing" >&2; exit 2; }
done
lib=$(cd "$BUILD" && pwd)/libsnarl.so
rm -rf "$out" && mkdir -p "$out" || exit 2
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi

# kinds JOURNAL...: every finding at grade possible or above, once each, on one line; "none".
kinds() {
	k=$(cat "$@" | tr -d '\000' | jq -Rr 'fromjson? | select(.type == "finding" and .grade != "advice") | .kind' 2>/dev/null |
		sort -u | tr '\n' ' ')
	k=${k% }
	echo "${k:-none}"
}

# demo NAME EXPECTED [LAST-LINE]
demo() {
	name=$1
	why=
	printf '\n%s== %s%s\n' "$bold" "$(sed -n '1s/^"""//p' "demos/python/$name.py")" "$plain"
	printf '\n$ snarl run python3 demos/python/%s.py\n\n' "$name"
	for way in run preload; do
		journal=$out/$name.$way.journal
		if [ $way = run ]; then
			timeout 20 "$snarl" run --journal="$journal" "$python" "demos/python/$name.py" >"$out/$name.txt" 2>&1
			rc=$?
			cat "$out/$name.txt"
		else
			timeout 20 env LD_PRELOAD="$lib" SNARL_OPTIONS="journal=$journal:deadlock=exit" "$python" "demos/python/$name.py" \
				>"$out/$name.preload.txt" 2>&1
			[ $? -ne 124 ] || why="$why it did not end under LD_PRELOAD,"
		fi
		found=$(kinds "$journal"*)
		# A deadlock is an inversion as well, and may be named as both.
		[ "$found" = "$2" ] || [ "$found" = "$2 lock-order" ] || why="$why $way: $found,"
	done
	want=66
	[ "$2" = none ] && want=0
	[ $rc -eq $want ] || why="$why exit status $rc,"
	[ "$2" != none ] || grep -q 'no problems found' "$out/$name.txt" || why="$why it does not say \"no problems found\","
	[ -z "$3" ] || grep -qx -- "$3" "$out/$name.txt" || why="$why it did not print $3,"
	"$snarl" report "$out/$name.run.journal"* >"$out/$name.report" 2>&1
	for l in $(grep -n "# EXPECT $2\$" "demos/python/$name.py" | cut -d: -f1); do
		grep -q "$name\.py:$l\b" "$out/$name.report" || why="$why line $l is not in the report,"
	done
	printf '%s|%s|%s|%s\n' "$name" "$2" "$found" "${why:-right}" >>"$table"
}

demo mutex_ab deadlock
demo mutex_ab_rlock none done
demo mutex_ab_late lock-order done
demo account lock-order 1500
demo account_locked none 1500
demo counter none
demo counter_locked none 0
demo code_timer none right
demo echo none '12 ONE 0'
demo pool none '285 285'
demo daemon none 'egon is done'

printf '\n%s== Summary%s\n\n%-16s %-12s %-12s %s\n' "$bold" "$plain" program expected found verdict
while IFS='|' read -r name expected found verdict; do
	printf '%-16s %-12s %-12s %s\n' "$name" "$expected" "$found" "${verdict%,}"
done <"$table"
bad=$(grep -vc '|right$' "$table")
echo
if [ "$bad" -eq 0 ]; then
	echo "every row is right"
else
	echo "$bad rows are wrong"
	exit 1
fi
