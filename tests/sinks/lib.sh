# lib.sh - What the tests of the snarl command share. Sourced from the top with BUILD set.
snarl=$BUILD/snarl
here=tests/sinks
work=$BUILD/tests/sinks/$(basename "$0" .test)
rm -rf "$work" && mkdir -p "$work" || exit 1
# With a sanitizer in the command another LD_PRELOAD would end it.
export ASAN_OPTIONS=verify_asan_link_order=0
unset NO_COLOR SNARL_OPTIONS SNARL_RUN LD_PRELOAD
failed=0

ok() { echo "ok sinks: $*"; }
not_ok() {
	echo "not ok sinks: $*"
	failed=1
}
# check NAME COMMAND...: the command's status is the result.
check() {
	name=$1
	shift
	if "$@" >"$work/check.log" 2>&1; then ok "$name"; else
		sed 's/^/# /' "$work/check.log"
		not_ok "$name"
	fi
}
# status WANTED COMMAND...: output to $work/out and $work/err.
status() {
	wanted=$1
	shift
	"$@" >"$work/out" 2>"$work/err"
	got=$?
	[ "$got" -eq "$wanted" ] && return 0
	echo "# status $got instead of $wanted: $*"
	sed 's/^/# /' "$work/err"
	return 1
}
# golden NAME FILE: FILE is as tests/sinks/golden/NAME; UPDATE=1 makes it so.
golden() {
	if [ "$UPDATE" = 1 ]; then cp "$2" "$here/golden/$1"; fi
	if diff -u "$here/golden/$1" "$2" >"$work/golden.diff" 2>&1; then ok "$1 as ever"; else
		sed 's/^/# /' "$work/golden.diff"
		not_ok "$1 as ever"
	fi
}
says() { grep -qF -- "$1" "$2" || { echo "# not said: $1"; return 1; }; }
# A function that has to hold, as one test.
holds() { check "$1" "$2"; }
finish() { exit "$failed"; }
