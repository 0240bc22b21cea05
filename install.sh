#!/bin/sh
# Installs anyarch from a release: picks the tarball for this machine, compares it with the release's
# SHA256SUMS, and puts its files under a prefix. Becomes root nowhere and registers nothing by itself.
set -eu

VERSION=0.1.0
REPOSITORY=https://github.com/anyarch/anyarch

usage() {
	cat <<TEXT
usage: install.sh [--version V] [--prefix DIR] [--from URL|DIR] [--register] [--dry-run]

  --version V    the release (default: $VERSION)
  --prefix DIR   where bin and share go (default: /usr/local for root, else ~/.local)
  --from URL     where the files of the release are: http, https, file, or a folder
                 (default: $REPOSITORY/releases/download/vV)
  --register     then run 'anyarch register', which needs root
  --dry-run      say what would be done
TEXT
}
say() { echo "install.sh: $*"; }
fail() {
	echo "install.sh: $*" >&2
	exit 1
}

from='' prefix='' register=no dry=no
while [ $# -gt 0 ]; do
	case "$1" in
	--version | --prefix | --from)
		[ $# -ge 2 ] || fail "$1 needs a value"
		case "$1" in
		--version) VERSION=${2#v} ;;
		--prefix) prefix=$2 ;;
		--from) from=$2 ;;
		esac
		shift
		;;
	--register) register=yes ;;
	--dry-run) dry=yes ;;
	-h | --help) usage && exit ;;
	*)
		usage >&2
		exit 2
		;;
	esac
	shift
done

[ "$(uname -s)" = Linux ] || fail "anyarch runs on Linux, and this is $(uname -s)"
machine=${ANYARCH_MACHINE:-$(uname -m)}
case "$machine" in
x86_64 | amd64) target=x86_64-unknown-linux-gnu ;;
aarch64 | arm64) target=aarch64-unknown-linux-gnu ;;
*) fail "there is no release for $machine, only for x86_64 and aarch64" ;;
esac
root=no
[ "$(id -u)" != 0 ] || root=yes
if [ -z "$prefix" ]; then
	if [ $root = yes ]; then prefix=/usr/local; else prefix=$HOME/.local; fi
fi
[ -n "$from" ] || from=$REPOSITORY/releases/download/v$VERSION
name=anyarch-$VERSION-$target

if [ $dry = yes ]; then
	say "would fetch $from/$name.tar.gz, compare it with SHA256SUMS, and install it in $prefix"
	exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fetch() { # NAME
	case "$from" in
	http://* | https://*)
		if command -v curl >/dev/null; then
			curl --fail --silent --show-error --location --retry 3 -o "$work/$1" "$from/$1" || fail "cannot fetch $from/$1"
		elif command -v wget >/dev/null; then
			wget -q -O "$work/$1" "$from/$1" || fail "cannot fetch $from/$1"
		else
			fail "neither curl nor wget is here"
		fi
		;;
	*) cp "${from#file://}/$1" "$work/$1" || fail "cannot copy $from/$1" ;;
	esac
}
fetch SHA256SUMS
fetch "$name.tar.gz"
grep " $name.tar.gz\$" "$work/SHA256SUMS" >"$work/sum" || fail "SHA256SUMS does not name $name.tar.gz"
(cd "$work" && sha256sum -c sum >/dev/null 2>&1) || fail "$name.tar.gz is not what SHA256SUMS says; nothing was installed"
say "$name.tar.gz has the sum of SHA256SUMS: $(cut -d' ' -f1 "$work/sum")"
tar -xzf "$work/$name.tar.gz" -C "$work"

# A file that runs cannot be written, but replaced.
mkdir -p "$prefix"
(cd "$work/$name" && find bin share -type f) | while IFS= read -r file; do
	mkdir -p "$prefix/${file%/*}"
	cp "$work/$name/$file" "$prefix/$file.anyarch-new"
	mv "$prefix/$file.anyarch-new" "$prefix/$file"
done
say "installed in $prefix: bin/anyarch, bin/anyarch-emu, manual pages and completions"
case ":$PATH:" in
*":$prefix/bin:"*) ;;
*) say "$prefix/bin is not in PATH" ;;
esac
if [ $register = no ]; then
	say "to register the emulators with the kernel: sudo $prefix/bin/anyarch register"
elif [ $root = yes ]; then
	"$prefix/bin/anyarch" register
else
	fail "--register needs root: sudo $prefix/bin/anyarch register"
fi
