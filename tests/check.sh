#!/bin/sh
# Builds everything and runs every test there is; ends with "N passed, N failed".
#
# A test is build/tests/unit/test_* (a cmocka program) or tests/*/*.test (a script run from the top with BUILD set).
# Each "ok NAME", "not ok NAME", "skip NAME" line counts; a test that prints none counts once by its exit status (77: skipped).
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}
export BUILD
log=$BUILD/check.log
mkdir -p "$BUILD"
make -j"$(nproc)" BUILD="$BUILD" test-build >"$BUILD/make.log" 2>&1 || {
	tail -40 "$BUILD/make.log"
	echo "build failed (whole log: $BUILD/make.log)"
	echo "0 passed, 1 failed"
	exit 1
}
passed=0 failed=0 skipped=0
: >"$log"
for t in "$BUILD"/tests/unit/test_* tests/*/*.test; do
	case $t in *.d | *'*'*) continue ;; esac
	[ -n "$1" ] && case $t in *$1*) ;; *) continue ;; esac
	out=$BUILD/check.out
	case $t in
	*.test) timeout 600 sh "$t" >"$out" 2>&1 ;;
	*) CMOCKA_MESSAGE_OUTPUT=tap timeout 600 "$t" >"$out" 2>&1 ;;
	esac
	rc=$?
	{ echo "== $t (exit $rc)"; cat "$out"; } >>"$log"
	p=$(grep -c '^ok ' "$out") f=$(grep -c '^not ok ' "$out") s=$(grep -c '^skip ' "$out")
	if [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ] && [ "$f" -eq 0 ]; then
		f=1
		echo "not ok $t (exit $rc)" >>"$out"
		tail -30 "$out"
	elif [ $((p + f + s)) -eq 0 ]; then
		[ "$rc" -eq 77 ] && s=1 || p=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%-44s %s passed, %s failed%s\n' "${t#"$BUILD"/}:" "$p" "$f" "$([ "$s" -gt 0 ] && echo ", $s skipped")"
	grep -E '^(not ok|skip) ' "$out"
done
echo
echo "whole output: $log"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
