# A program of GHC's with its timer signals, threads and garbage collection.
set -eu
dir=$(mktemp -d)
cp /soak/haskell.hs "$dir/Main.hs"
ghc -v0 -O1 -threaded -rtsopts -o "$dir/main" "$dir/Main.hs" >&2
exec "$dir/main" +RTS -N2 -V0.001
