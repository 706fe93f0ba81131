#!/bin/sh
# races.sh BUILD: what watching every memory access costs: native / snarl / gcc's TSan / clang's TSan / Helgrind / DRD in turn.
# ROUNDS: runs of each (default 5). LOOPS: which. PEERS: 0 leaves Valgrind's two out. Ratios of medians to native; never a pass or fail.
build=${1:-build}
rounds=${ROUNDS:-5}
loops=${LOOPS:-matrix sort crc list stencil hash churn strings}
here=$(dirname "$0")
lib=$(cd "$build" && pwd)/libsnarl.so
dir=$build/tests/bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

tools='native snarl'
cc -O2 -g -pthread -o "$work/plain" "$here/race_loops.c" || exit 1
gcc -O2 -g -pthread -fsanitize=thread -o "$work/gcc" "$here/race_loops.c" 2>/dev/null && tools="$tools gcc"
clang -O2 -g -pthread -fsanitize=thread -o "$work/clang" "$here/race_loops.c" 2>/dev/null && tools="$tools clang"
[ "$PEERS" = 0 ] || ! command -v valgrind >/dev/null || tools="$tools helgrind drd"

once() { # TOOL LOOP
	case $1 in
	native) "$dir/timed" "$work/plain" "$2" ;;
	snarl) LD_PRELOAD=$lib SNARL_OPTIONS=quiet "$dir/timed" "$work/plain" "$2" ;;
	gcc | clang) TSAN_OPTIONS=report_bugs=0 "$dir/timed" "$work/$1" "$2" ;;
	helgrind | drd) "$dir/timed" valgrind -q --tool="$1" "$work/plain" "$2" ;;
	esac
}

printf '%-10s' 'slowdown'
for t in $tools; do printf '%10s' "$t"; done
printf '    (native: seconds) | peak memory, MiB\n'
for loop in $loops; do
	for i in $(seq "$rounds"); do
		for t in $tools; do
			[ "$i" -gt 1 ] && case $t in helgrind | drd) continue ;; esac
			once "$t" "$loop" >"$work/one"
			cut -d' ' -f1 "$work/one" >>"$work/$loop.$t.s"
			cut -d' ' -f2 "$work/one" >>"$work/$loop.$t.m"
		done
	done
	base=$(median <"$work/$loop.native.s")
	printf '%-10s%10s' "$loop" "$base"
	for t in $tools; do
		[ "$t" = native ] && continue
		r=$(median <"$work/$loop.$t.s" | awk -v b="$base" '{ printf "%.2f", $1 / b }')
		echo "$r" >>"$work/all.$t"
		printf '%9sx' "$r"
	done
	printf '    |'
	for t in $tools; do printf ' %d' $(($(median <"$work/$loop.$t.m" | cut -d. -f1) / 1024)); done
	printf '\n'
done
printf '%-20s' 'geometric mean'
for t in $tools; do
	[ "$t" = native ] && continue
	awk '{ s += log($1) } END { printf "%9.2fx", exp(s / NR) }' "$work/all.$t"
done
printf '\n'
