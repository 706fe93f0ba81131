#!/bin/sh
# Makes sure the packages for the named purposes are there: deps.sh [build] [test] [demo] [soak].
# As root with apt it installs what is missing, printing the command first; otherwise it prints the command and stops.
build='gcc:gcc make:make pkg-config:pkg-config uthash-dev:/usr/include/uthash.h libdw-dev:pc=libdw libelf-dev:pc=libelf
libjansson-dev:pc=jansson libiberty-dev:lib=libiberty.a libunwind8:lib=libunwind.so.8 libzydis-dev:/usr/include/Zydis/Zydis.h libc6-dev:/usr/include/pthread.h'
test='clang:clang g++:g++ libcmocka-dev:pc=cmocka libunwind-dev:pc=libunwind graphviz:dot binutils:objdump file:file
jq:jq python3:python3 perl:perl git:git xz-utils:xz pigz:pigz pbzip2:pbzip2 zstd:zstd sqlite3:sqlite3 gdb:gdb
memcached:memcached redis-server:redis-server redis-tools:redis-cli strace:strace procps:ps'
# The interpreter's own tests are in a package of its version.
python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
[ -n "$python" ] && test="$test libpython$python-testsuite:py=test.test_threading"
soak=
demo='graphviz:dot jq:jq python3:python3'

there() {
	case $1 in
	/*) [ -e "$1" ] ;;
	pc=*) pkg-config --exists "${1#pc=}" 2>/dev/null ;;
	py=*) /usr/bin/python3 -c "import ${1#py=}" 2>/dev/null ;;
	lib=*) for d in /usr/lib/*-linux-gnu /lib/*-linux-gnu /usr/lib /usr/lib64; do [ -e "$d/${1#lib=}" ] && return 0; done
		return 1 ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}

want=
for purpose in "$@"; do
	case $purpose in
	build) want="$want $build" ;;
	test) want="$want $test" ;;
	demo) want="$want $demo" ;;
	soak) want="$want $soak" ;;
	*) echo "deps.sh: unknown purpose '$purpose' (build, test, demo, soak)" >&2; exit 2 ;;
	esac
done
missing=
for row in $want; do
	there "${row#*:}" || missing="$missing ${row%%:*}"
done
[ -z "$missing" ] && exit 0
cmd="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null 2>&1; then
	echo "Missing:$missing. This machine has no apt-get; install what your system calls them, then run this again." >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "Missing packages. Run this as root, then try again:" >&2
	echo "    apt-get update && $cmd" >&2
	exit 1
fi
echo "apt-get update && $cmd"
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
apt-get update -qq && $cmd
