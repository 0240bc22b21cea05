#!/bin/sh
# The release for arm64 hosts: arm64.sh RELEASE FOLDER SOURCE EXECUTABLES
# `cargo xtask check-packages` runs it with an instance of binfmt_misc of its own. The emulator for
# this machine plays the arm64 machine: the kernel starts the installed executables through it, and
# the emulator that they register through both.
set -u
release=$1 folder=$2 source=$3 executables=$4
B=/proc/sys/fs/binfmt_misc
# shellcheck source=tests/e2e/steps.sh
. "$source/tests/e2e/steps.sh"
steps "packages::arm64::" "$folder/log"
rm -rf "$folder" && mkdir -p "$folder" || exit 1
# files DEB: what it installs, without what is the executables' own.
files() { dpkg-deb -c "$1" | awk '{print $1, $2, $6}' | sort; }
same_package() {
	[ "$(dpkg-deb -f "$release"/anyarch_*_arm64.deb Architecture)" = arm64 ] &&
		files "$release"/anyarch_*_amd64.deb >"$folder/amd64" && files "$release"/anyarch_*_arm64.deb >"$folder/arm64" &&
		diff "$folder/amd64" "$folder/arm64" &&
		[ "$(rpm -qp --qf '%{ARCH}' "$release"/anyarch-*.aarch64.rpm)" = aarch64 ] &&
		rpm -qpl "$release"/anyarch-*.aarch64.rpm >"$folder/rpm" && rpm -qpl "$release"/anyarch-*.x86_64.rpm | diff - "$folder/rpm"
}
index() {
	mkdir "$folder/image" && tar -C "$folder/image" -xf "$release"/anyarch-*-oci.tar && python3 - "$folder/image" <<'END'
import json, sys
blob = lambda d: json.load(open(f"{sys.argv[1]}/blobs/sha256/{d['digest'].split(':')[1]}"))
top = json.load(open(sys.argv[1] + "/index.json"))["manifests"]
tags = {d["annotations"]["org.opencontainers.image.ref.name"]: [m["platform"]["architecture"] for m in blob(d)["manifests"]] for d in top}
for tag, want in [("latest", ["amd64", "arm64"]), ("register", ["amd64", "arm64"]), ("riscv64", ["amd64", "arm64"]),
                  ("x86_64-riscv64", ["amd64"]), ("x86_64-aarch64", ["amd64"]), ("aarch64-riscv64", ["arm64"]), ("aarch64", ["amd64"])]:
    assert tags[tag] == want, (tag, tags)
assert "aarch64-aarch64" not in tags, tags
for d in top:
    for m in blob(d)["manifests"]:
        assert blob(blob(m)["config"])["architecture"] == m["platform"]["architecture"], d
END
}
installs() {
	# With C the kernel hands the program over as a descriptor: an emulator that is opened already has no
	# name in the roots that it is used in.
	"$executables/anyarch" register arm64 --credentials && ANYARCH_MACHINE=aarch64 sh "$source/install.sh" --from "$release" --prefix "$folder/a" &&
		"$folder/a/bin/anyarch" --version && readelf -h "$folder/a/bin/anyarch-emu" | grep -q AArch64
}
anyarch() { "$folder/a/bin/anyarch" "$@"; }
registers() {
	# Neither arm64 nor arm: an arm64 machine runs them. Without P, which both handlers of a program would
	# share: the kernel says it once (AT_FLAGS).
	anyarch register --engine native --preserve-argv0=no >"$folder/told" 2>&1 && cat "$folder/told" && grep -q 'interprets on this host' "$folder/told" &&
		grep -qx "interpreter $folder/a/bin/anyarch-emu" $B/qemu-riscv64 && [ ! -e $B/qemu-arm ]
}
refuses_its_own() { ! anyarch register arm64; }
verifies() { anyarch verify riscv64; }
doctor_tells() { anyarch doctor | tee "$folder/told"; grep -q 'interprets on this host' "$folder/told"; }
takes_qemu_first() {
	# What is static and of that name; it is not run.
	mkdir "$folder/qemu" && cp "$folder/a/bin/anyarch-emu" "$folder/qemu/qemu-riscv64-static" && QEMU_BIN_DIR=$folder/qemu anyarch register --dry-run --replace riscv64 | grep "$folder/qemu"
}
unregisters() { anyarch unregister && [ ! -e $B/qemu-riscv64 ]; }
step same_files_as_for_amd64 same_package
step image_is_one_index index
step install installs
step register registers
step refuses_its_own refuses_its_own
step verify verifies
step doctor doctor_tells
step qemu_comes_first takes_qemu_first
step unregister unregisters
steps_end
