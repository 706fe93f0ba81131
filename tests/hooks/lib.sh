# lib.sh - What the *.test scripts here have in common. Sourced: sets work, lib, snarl, worker; failed at the end.
BUILD=${BUILD:-build}
top=$(cd "$BUILD" && pwd) || exit 2
lib=$top/libsnarl.so
snarl=$top/snarl
worker=$top/tests/hooks/worker
work=$top/tests/hooks/run.$(basename "$0" .test)
failed=0
rm -rf "$work"
mkdir -p "$work" || exit 2

ok() { echo "ok $*"; }
not_ok() {
	echo "not ok $*"
	failed=1
}
# check NAME COMMAND...: by the command's exit status.
check() {
	check_name=$1
	shift
	if "$@" >"$work/check.out" 2>&1; then
		ok "$check_name"
	else
		not_ok "$check_name"
		head -20 "$work/check.out"
	fi
}
# same NAME EXPECTED GOT
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: expected '$2', got '$3'"; fi
}

# preloaded OPTIONS COMMAND... for at most 30 s; timeout and env are not preloaded themselves.
preloaded() {
	preloaded_options=$1
	shift
	timeout 30 env SNARL_OPTIONS="$preloaded_options" LD_PRELOAD="$lib" "$@"
}

# lines FILE: the JSON objects in a journal, one a line; a torn tail and NUL bytes are left out.
lines() { tr -d '\000' <"$1" | jq -cR 'fromjson? | select(type == "object")'; }
# kinds FILE: the findings' kinds, sorted, on one line.
kinds() { lines "$1" | jq -r 'select(.type == "finding" and .grade != "advice") | .kind' | sort -u | tr '\n' ' ' | sed 's/ $//'; }
