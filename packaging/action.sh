#!/bin/sh
# The GitHub action (action.yml): registers emulators and tells the platforms that run afterwards.
# Its inputs are INPUT_PLATFORMS, INPUT_RESET, INPUT_IMAGE and INPUT_VERSION.
set -eu
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
list() { # the lines of the array "supported" in JSON, with commas between
	sed -n '/"supported": \[/,/\]/s/^ *"\([^"]*\)",\{0,1\}$/\1/p' | paste -sd, -
}

platforms=${INPUT_PLATFORMS:-all}
case "${INPUT_RESET:-false}" in
true | false) ;;
*)
	echo "action: reset is true or false, not $INPUT_RESET" >&2
	exit 2
	;;
esac
if [ -n "${INPUT_IMAGE:-}" ]; then
	# An image with tonistiigi/binfmt's arguments: anyarch's own or another.
	[ "${INPUT_RESET:-false}" = false ] || docker run --rm --privileged "$INPUT_IMAGE" --uninstall 'qemu-*'
	docker run --rm --privileged "$INPUT_IMAGE" --install "$platforms"
	supported=$(docker run --rm --privileged "$INPUT_IMAGE" | list)
else
	place=${RUNNER_TEMP:-/tmp}/anyarch
	sh "$(dirname "$0")/../install.sh" --prefix "$place" \
		${INPUT_VERSION:+--version "$INPUT_VERSION"} ${ANYARCH_RELEASE:+--from "$ANYARCH_RELEASE"}
	how=--shadow
	[ "${INPUT_RESET:-false}" = false ] || how=--reset
	as_root "$place/bin/anyarch" register $how "$platforms"
	supported=$("$place/bin/anyarch" status --json | list)
	if [ -n "${GITHUB_PATH:-}" ]; then echo "$place/bin" >>"$GITHUB_PATH"; fi
fi
[ -n "$supported" ] || { echo "action: no platforms were told" >&2 && exit 1; }
echo "Available platforms: $supported"
if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "platforms=$supported" >>"$GITHUB_OUTPUT"; fi
