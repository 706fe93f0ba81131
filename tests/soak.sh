#!/bin/sh
# make soak: the patterns and demos again and again, with the runtime's internal checks compiled in, for SOAK_SECONDS (1800).
# In the first round races as well (tests/soak_races.sh). Stops at the first difference; says how far it came.
build=${1:-build}
seconds=${SOAK_SECONDS:-1800}
checked=$build-soak
make -s BUILD="$checked" CHECK=1 test-build || exit 2
end=$(($(date +%s) + seconds))
rounds=0
while [ "$(date +%s)" -lt "$end" ]; do
	for t in tests/patterns/patterns.test tests/patterns/demos.test tests/hooks/hooks.test tests/hooks/transparent.test \
		tests/python/python.test tests/python/suite.test tests/programs/watched.test tests/patch/patch.test; do
		BUILD=$checked SLOW=1 LIMIT=60 sh "$t" >"$checked/soak.out" 2>&1
		rc=$?
		if [ $rc -ne 0 ] && [ $rc -ne 77 ]; then
			grep '^not ok' "$checked/soak.out"
			echo "stopped in round $((rounds + 1)), $t; whole output: $checked/soak.out"
			exit 1
		fi
	done
	[ $rounds -gt 0 ] || sh tests/soak_races.sh "$checked" || exit 1
	rounds=$((rounds + 1))
done
echo "$rounds rounds, no difference"
