# GHC compiles a program; what it made answers one round of its own.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
while read -r seed; do
	cp /soak/haskell.hs "$dir/Main.hs"
	ghc -v0 "-O$((seed % 2))" -fforce-recomp -threaded -o "$dir/main" "$dir/Main.hs" >&2
	echo "$seed" | "$dir/main" +RTS -N2
done
