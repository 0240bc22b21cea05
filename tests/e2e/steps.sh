# What the scripts of this folder say, as cargo's test programs do. Sourced by them.

# steps PREFIX LOG: what stands before each title, and the file that a step's output goes to.
steps() {
	prefix=$1 log=$2
}
passed=0 failed=0

# step TITLE COMMAND...: its output is shown where it fails.
step() {
	title=$1
	shift
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		echo "test $prefix$title ... ok"
	else
		failed=$((failed + 1))
		echo "test $prefix$title ... FAILED"
		tail -n 40 "$log" | sed 's/^/    /'
	fi
}

# The last line; the status is whether all went well.
steps_end() {
	echo "test result: $([ $failed = 0 ] && echo ok || echo FAILED). $passed passed; $failed failed"
	[ $failed = 0 ]
}
