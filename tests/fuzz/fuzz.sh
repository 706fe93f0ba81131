#!/bin/sh
# fuzz.sh BUILD: builds each tests/fuzz/fuzz_*.c with clang's fuzzer and runs each for FUZZ_SECONDS (default 600).
# Without clang it says so and ends with 77. All of preload/ below hooks/ is linked; a fuzz_*.c that needs more sources
# or libraries says so in a comment of one line:
#	/* FUZZ: tools/x.c tools/y.c -ljansson */
# Then the planner's random tests run as long. A crashing input is left in BUILD/fuzz/NAME/ and its path is printed; tests/fuzz/NAME.seeds/ is a corpus to start from.
cd "$(dirname "$0")/../.." || exit 2
build=${1:-build}
seconds=${FUZZ_SECONDS:-600}
clang=${CLANG:-clang}
mkdir -p "$build/fuzz" || exit 2
printf 'int LLVMFuzzerTestOneInput(const char *, unsigned long); int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { (void)d; return n > 4294967295u; }\n' >"$build/fuzz/probe.c"
if ! "$clang" -fsanitize=fuzzer,address "$build/fuzz/probe.c" -o "$build/fuzz/probe" 2>"$build/fuzz/probe.log"; then
	echo "skip fuzz: $clang with -fsanitize=fuzzer is not here (Debian: apt-get install clang)"
	exit 77
fi
flags='-std=gnu11 -D_GNU_SOURCE -DSNARL_CHECK -g -O1 -fno-omit-frame-pointer -Ipreload -Itools
	-fsanitize=address,undefined -fno-sanitize-recover=undefined'
failed=0 passed=0
# All below hooks/, once for all of them.
objs=
for src in preload/*/*.c; do
	case $src in preload/hooks/*) continue ;; esac
	obj=$build/fuzz/obj/${src%.c}.o
	mkdir -p "${obj%/*}"
	# shellcheck disable=SC2086
	if "$clang" $flags -fsanitize=fuzzer-no-link -c -o "$obj" "$src" 2>"$obj.log"; then
		objs="$objs $obj"
	else
		cat "$obj.log"
		echo "fuzz: $src does not build; going on without it"
	fi
done
rm -f "$build/fuzz/libfuzz.a"
# shellcheck disable=SC2086
ar rcs "$build/fuzz/libfuzz.a" $objs
for src in tests/fuzz/fuzz_*.c; do
	name=$(basename "$src" .c)
	[ -n "$FUZZ_ONLY" ] && [ "$FUZZ_ONLY" != "$name" ] && continue
	more=$(sed -n 's|.*/\* FUZZ: \(.*\) \*/.*|\1|p' "$src" | head -1)
	dir=$build/fuzz/$name
	mkdir -p "$dir/corpus"
	# shellcheck disable=SC2086
	if ! "$clang" $flags -fsanitize=fuzzer -o "$dir/$name" "$src" $more "$build/fuzz/libfuzz.a" -ldl -lpthread \
		>"$dir/build.log" 2>&1; then
		tail -20 "$dir/build.log"
		echo "not ok $name (does not build)"
		failed=$((failed + 1))
		continue
	fi
	seeds=
	[ -d "tests/fuzz/$name.seeds" ] && seeds=tests/fuzz/$name.seeds
	dict=
	[ -f "tests/fuzz/$name.dict" ] && dict=-dict=tests/fuzz/$name.dict
	# shellcheck disable=SC2086
	if "$dir/$name" -max_total_time="$seconds" -artifact_prefix="$dir/" -print_final_stats=1 $dict "$dir/corpus" $seeds \
		>"$dir/run.log" 2>&1; then
		runs=$(sed -n 's/stat::number_of_executed_units: *//p' "$dir/run.log")
		echo "ok $name: $runs inputs in $seconds s, no crash"
		passed=$((passed + 1))
	else
		tail -40 "$dir/run.log"
		echo "not ok $name: see $dir/run.log; the input:"
		ls "$dir"/crash-* "$dir"/leak-* "$dir"/timeout-* "$dir"/oom-* 2>/dev/null
		failed=$((failed + 1))
	fi
done
# The planner's own random tests, for as long: made-up code patched and unpatched, the two decoders on random bytes.
for name in watch_exec watch_decode; do
	[ -n "$FUZZ_ONLY" ] && [ "$FUZZ_ONLY" != "$name" ] && continue
	seed=$(date +%s)
	mkdir -p "$build/fuzz/$name"
	make -s BUILD="$build" "$build/tests/unit/test_$name" >"$build/fuzz/$name/build.log" 2>&1
	SEED=$seed ROUNDS=1000000000000 timeout "$seconds" "$build/tests/unit/test_$name" >"$build/fuzz/$name/run.log" 2>&1
	rc=$?
	if [ "$rc" -eq 124 ]; then
		echo "ok $name: from seed $seed, $seconds s"
		passed=$((passed + 1))
	else
		tail -40 "$build/fuzz/$name/run.log"
		echo "not ok $name: SEED=$seed"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
