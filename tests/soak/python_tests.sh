# Python's own tests, some of its modules each round: how many ran and how they ended. None of these
# asserts a time (test_re does: a tenth of a second, which a busy machine does not keep).
set -eu
log=$(mktemp)
cd "$(mktemp -d)"
while read -r seed; do
	set -- test_struct test_bytes test_json test_zlib test_threading_local test_math test_set test_generators
	shift $((seed % 8))
	python3 -m unittest -q "test.$1" >"$log" 2>&1 && status=0 || status=$?
	[ "$status" = 0 ] || cat "$log" >&2
	echo "$1 status $status $(sed -n 's/^Ran \([0-9]* tests\).*/\1/p' "$log") $(tail -n 1 "$log")"
done
