#!/bin/sh
# bench.sh BUILD: what snarl costs, as ratios of runs taken in turn (native, snarl, native, snarl …); never a pass or fail.
# ROUNDS: pairs of runs for each row (default 7). With valgrind installed and PEERS=1, Helgrind and DRD are measured as well.
build=${1:-build}
rounds=${ROUNDS:-7}
lib=$(cd "$build" && pwd)/libsnarl.so
pairs=$build/tests/bench/pairs
prog=$pairs
options=races=off

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# row NAME ARGS…: ns per pair of both, and the median of the ratios of neighbouring runs.
row() {
	name=$1
	shift
	: >"$build/bench.n"
	: >"$build/bench.s"
	: >"$build/bench.r"
	for _ in $(seq "$rounds"); do
		n=$("$prog" "$@")
		s=$(LD_PRELOAD=$lib SNARL_OPTIONS=$options:quiet "$prog" "$@")
		echo "$n" >>"$build/bench.n"
		echo "$s" >>"$build/bench.s"
		awk -v n="$n" -v s="$s" 'BEGIN { print s / n }' >>"$build/bench.r"
	done
	printf '%-44s %8.1f %8.1f %7.2fx\n' "$name" "$(median <"$build/bench.n")" "$(median <"$build/bench.s")" "$(median <"$build/bench.r")"
}

echo "nanoseconds per lock/unlock pair: medians of $rounds runs each, taken in turn; a run's figure is its best batch of many,"
echo "but for the last three, which are means"
printf '%-44s %8s %8s %8s\n' '' native snarl ratio
row 'first lock' first
row 'three nested' nested3
row 'depth 8, 100 locks, edges known' steady 100
row 'depth 8, 10,000 locks, edges known' steady 10000
row 'random nested pairs, 1,000 locks, known' known 1000
row '1,000 locks released in order' fifo 1000
row 'random nested pairs, 1,000 locks' random 1000
row 'new nested pairs, 1,000 locks' new 1000
row 'two threads, one lock' contended
prog=$build/tests/bench/memory
for options in races=off races=hb; do
	echo "nanoseconds per malloc and free, and per memcpy, $options"
	row 'malloc and free, one thread so far' malloc 24
	row 'malloc and free, after a second thread' malloc 24 threads
	row 'malloc and free of 1,000 bytes' malloc 1000 threads
	row 'memcpy of 16 bytes, known' memcpy 16 threads
	row 'memcpy of 4,096 bytes, known' memcpy 4096 threads
done
[ "$PEERS" = 1 ] || exit 0
for tool in helgrind drd; do
	command -v valgrind >/dev/null || break
	printf '%-44s %8s %8.0f\n' "first lock, $tool" '' "$(valgrind --tool=$tool "$pairs" short 2>/dev/null)"
done
