#!/bin/sh
# install.sh and the action's script with a release that was made here: install.sh RELEASE FOLDER SOURCE
# `cargo xtask check-packages` runs it with an instance of binfmt_misc of its own.
set -u
release=$1 folder=$2 source=$3
B=/proc/sys/fs/binfmt_misc
# shellcheck source=tests/e2e/steps.sh
. "$source/tests/e2e/steps.sh"
steps "packages::" "$folder/log"
unset GITHUB_PATH GITHUB_OUTPUT || true
rm -rf "$folder" && mkdir -p "$folder/bad" || exit 1
install() { sh "$source/install.sh" "$@"; }
works() { # PREFIX
	"$1/bin/anyarch" --version && [ -x "$1/bin/anyarch-emu" ] && [ -s "$1/share/man/man1/anyarch.1.gz" ]
}
from_folder() { install --from "$release" --prefix "$folder/a" && works "$folder/a"; }
from_file() { install --from "file://$release" --prefix "$folder/b" && works "$folder/b"; }
from_server() {
	python3 -u -m http.server --bind 127.0.0.1 --directory "$release" 0 >"$folder/port" 2>&1 &
	server=$!
	for _ in $(seq 100); do
		port=$(sed -n 's/^Serving HTTP on 127.0.0.1 port \([0-9]*\).*/\1/p' "$folder/port")
		[ -z "$port" ] || break
		sleep 0.1
	done
	http_proxy='' install --from "http://127.0.0.1:$port" --prefix "$folder/c" && works "$folder/c" &&
		! http_proxy='' install --from "http://127.0.0.1:$port/none" --prefix "$folder/none" && [ ! -e "$folder/none" ]
	code=$?
	kill $server
	return $code
}
refuses_other_bytes() {
	cp "$release"/* "$folder/bad" && for file in "$folder"/bad/*.tar.gz; do echo >>"$file"; done &&
		! install --from "$folder/bad" --prefix "$folder/d" && [ ! -e "$folder/d" ]
}
refuses_other_machines() { ! ANYARCH_MACHINE=s390x install --from "$release" --prefix "$folder/e" && [ ! -e "$folder/e" ]; }
registers() {
	[ ! -e $B/qemu-aarch64 ] && install --from "$release" --prefix "$folder/f" --register &&
		grep -q "^interpreter $folder/f/bin/anyarch-emu" $B/qemu-aarch64 && "$folder/f/bin/anyarch" unregister
}
action() { # PLATFORMS RESET
	RUNNER_TEMP=$folder ANYARCH_RELEASE=$release GITHUB_OUTPUT=$folder/output GITHUB_PATH=$folder/path \
		INPUT_PLATFORMS=$1 INPUT_RESET=$2 INPUT_IMAGE='' INPUT_VERSION='' sh "$source/packaging/action.sh"
}
action_registers() {
	action linux/arm64 false && grep -q '^platforms=.*linux/amd64.*,linux/arm64' "$folder/output" &&
		! grep -q riscv64 "$folder/output" && [ "$(cat "$folder/path")" = "$folder/anyarch/bin" ] &&
		[ -e $B/qemu-aarch64 ] && [ ! -e $B/qemu-riscv64 ]
}
action_keeps_others() {
	"$folder/anyarch/bin/anyarch" unregister && printf ':qemu-riscv64:E::foreign::/bin/true:' >$B/register &&
		action arm64,riscv64 false && grep -q '^interpreter /bin/true' $B/qemu-riscv64 && [ -e $B/anyarch-riscv64 ]
}
action_resets() {
	printf ':qemu-other:E::foreign2::/bin/true:' >$B/register && action arm64 true &&
		[ ! -e $B/qemu-other ] && [ -e $B/qemu-aarch64 ]
}
action_takes_an_image() {
	# Stands for docker: writes down how it is called, and answers like the image.
	mkdir -p "$folder/fake" && printf '#!/bin/sh\necho "$@" >>%s/calls\nprintf "{\\n  \\"supported\\": [\\n    \\"linux/amd64\\",\\n    \\"linux/s390x\\"\\n  ]\\n}\\n"\n' "$folder" \
		>"$folder/fake/docker" && chmod +x "$folder/fake/docker" &&
		PATH=$folder/fake:$PATH GITHUB_OUTPUT=$folder/output2 INPUT_PLATFORMS=s390x INPUT_RESET=true INPUT_IMAGE=example/image:1 \
			sh "$source/packaging/action.sh" && [ "$(cat "$folder/output2")" = platforms=linux/amd64,linux/s390x ] &&
		[ "$(cat "$folder/calls")" = "run --rm --privileged example/image:1 --uninstall qemu-*
run --rm --privileged example/image:1 --install s390x
run --rm --privileged example/image:1" ]
}
step install::from_folder from_folder
step install::from_file from_file
step install::from_server from_server
step install::refuses_other_bytes refuses_other_bytes
step install::refuses_other_machines refuses_other_machines
step install::registers registers
step action::registers action_registers
step action::keeps_others action_keeps_others
step action::resets action_resets
step action::takes_an_image action_takes_an_image
steps_end
