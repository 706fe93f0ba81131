#!/bin/sh
# races.sh BUILD: what watching every memory access costs: native / snarl / gcc's TSan / clang's TSan / Helgrind / DRD in turn.
# ROUNDS: runs of each (default 5). LOOPS: which. SCALE: how many times less work (default 1). PEERS: 0 leaves Valgrind's two out.
# CLOCK=cpu: processor time instead of elapsed time, for a machine that is busy. Ratios of medians to native; never a pass or fail.
#
# First, what starting costs: planning and patching the biggest program at hand, BIG=PATH another one.
#
# Helgrind and DRD get a tenth of the work or less, once, and LIMIT seconds (default 30); their ratios are to native with the same
# work, both without what a run with one round takes, as most of that is Valgrind's own start. `>`: stopped at the limit.
build=${1:-build}
rounds=${ROUNDS:-5}
loops=${LOOPS-matrix sort crc list stencil hash churn strings}
scale=${SCALE:-1}
limit=${LIMIT:-30}
here=$(dirname "$0")
lib=$(cd "$build" && pwd)/libsnarl.so
dir=$build/tests/bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
work_of() {
	case $1 in matrix) w=100 ;; sort) w=8 ;; crc) w=50 ;; list) w=15 ;; stencil | hash) w=6000 ;; churn) w=12000 ;; *) w=1500 ;; esac
	w=$((w / ${2:-$scale}))
	echo $((w < 2 ? 2 : w))
}
less_of() { case $1 in hash) echo 40 ;; stencil) echo 20 ;; *) echo 8 ;; esac }

tools='native snarl'
peers=
cc -O2 -g -pthread -o "$work/plain" "$here/race_loops.c" || exit 1
gcc -O2 -g -pthread -fsanitize=thread -o "$work/gcc" "$here/race_loops.c" 2>/dev/null && tools="$tools gcc"
clang -O2 -g -pthread -fsanitize=thread -o "$work/clang" "$here/race_loops.c" 2>/dev/null && tools="$tools clang"
[ "$PEERS" = 0 ] || ! command -v valgrind >/dev/null || peers='helgrind drd'

once() { # TOOL LOOP WORK: seconds, KiB
	case $1 in
	native) "$dir/timed" "$work/plain" "$2" "$3" ;;
	snarl) LD_PRELOAD=$lib SNARL_OPTIONS=quiet "$dir/timed" "$work/plain" "$2" "$3" ;;
	gcc | clang) TSAN_OPTIONS=report_bugs=0 "$dir/timed" "$work/$1" "$2" "$3" ;;
	helgrind | drd) "$dir/timed" timeout "$limit" valgrind -q --tool="$1" "$work/plain" "$2" "$3" 2>/dev/null ;;
	esac >"$work/timed"
	# Two threads share the work, but Valgrind runs one of them at a time.
	awk -v cpu="${CLOCK:-wall}" -v t="$1" '{ print cpu != "cpu" ? $1 : t ~ /helgrind|drd/ ? $3 : $3 / 2, $2 }' "$work/timed"
}

# It is patched from the start and only says its version; what that takes without snarl is taken off.
start_up() {
	big=${BIG:-$(for p in "$(cc -print-prog-name=cc1)" /usr/bin/gdb /usr/bin/python3 /bin/bash; do
		[ -x "$p" ] && ls -lL "$p"
	done | sort -k5 -n | tail -1 | awk '{ print $NF }')}
	LD_PRELOAD=$lib SNARL_OPTIONS="verbose:eager:instrument=$(basename "$big")" "$big" --version </dev/null >/dev/null 2>"$work/start"
	n=$(sed -n "s/.* accesses, \([0-9]*\) instructions.*/\1/p" "$work/start" | head -1)
	[ -n "$n" ] || return
	for i in $(seq "$rounds"); do
		"$dir/timed" "$big" --version </dev/null >>"$work/start.native"
		LD_PRELOAD=$lib SNARL_OPTIONS="quiet:eager:instrument=$(basename "$big")" "$dir/timed" "$big" --version </dev/null >>"$work/start.snarl"
	done
	[ "$CLOCK" = cpu ] && column=3 || column=1
	awk -v n="$n" -v p="$(basename "$big")" -v a="$(cut -d' ' -f$column "$work/start.native" | median)" -v b="$(cut -d' ' -f$column "$work/start.snarl" | median)" \
		'BEGIN { printf "start-up: %.2f s for the %.1f million instructions of %s, %.2f s a million\n\n", b - a, n / 1e6, p, (b - a) / n * 1e6 }'
}
start_up

printf '%-10s' 'slowdown'
for t in $tools $peers; do printf '%10s' "$t"; done
printf '    (native: seconds) | peak memory, MiB\n'
for loop in $loops; do
	for i in $(seq "$rounds"); do
		for t in $tools; do
			once "$t" "$loop" "$(work_of "$loop")" >"$work/one"
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
	less=$(work_of "$loop" "$(less_of "$loop")")
	[ -z "$peers" ] || for i in $(seq 5); do
		once native "$loop" "$less" >>"$work/$loop.less"
		once native "$loop" 1 >>"$work/$loop.none"
	done
	for t in $peers; do
		once "$t" "$loop" 1 >"$work/none"
		once "$t" "$loop" "$less" >"$work/one"
		cut -d' ' -f2 "$work/one" >>"$work/$loop.$t.m"
		r=$(awk -v t="$(cut -d' ' -f1 "$work/one")" -v t0="$(cut -d' ' -f1 "$work/none")" -v n="$(median <"$work/$loop.less")" \
			-v n0="$(median <"$work/$loop.none")" 'BEGIN { d = n - n0; printf "%.0f", (t - t0) / (d > 0.001 ? d : 0.001) }')
		echo "$r" >>"$work/all.$t"
		[ "$(cut -d' ' -f1 "$work/timed" | cut -d. -f1)" -ge "$limit" ] && r=">$r"
		printf '%9sx' "$r"
	done
	printf '    |'
	for t in $tools $peers; do printf ' %d' $(($(median <"$work/$loop.$t.m" | cut -d. -f1) / 1024)); done
	printf '\n'
done
[ -n "$loops" ] || exit 0
printf '%-20s' 'geometric mean'
for t in $tools $peers; do
	[ "$t" = native ] && continue
	awk '{ s += log($1 > 0 ? $1 : 1) } END { printf "%9.2fx", exp(s / NR) }' "$work/all.$t"
done
printf '\n'
