# gcc compiles the benchmark's workloads; what it made prints a workload's checksum.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
while read -r seed; do
	set -- integer calls fp memory strings crc
	shift $((seed % 6))
	gcc "-O$((seed % 3 + 1))" -ffp-contract=off -fno-builtin-strlen -pthread -o "$dir/work" /soak/work.c -lm 2>/dev/null
	echo "$1 $("$dir/work" "$1" 10)"
done
