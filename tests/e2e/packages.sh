#!/bin/sh
# The Debian package in a Debian of its own: packages.sh HOST [PACKAGE...]
# `cargo xtask check-packages` runs it as process 1 of a tree with /test/old.deb and /test/new.deb.
# HOST is the tree's architecture. The packages named are others that register handlers: they are
# installed first, and their entries must stay what they are.
set -u
B=/proc/sys/fs/binfmt_misc
host=$1
shift
kind=clean
[ $# = 0 ] || kind=beside-others
case $host in
amd64) guests="aarch64 arm riscv64" ;;
# It runs the two others itself. One emulator runs both machines' programs here, so that handlers
# are compared and not tried.
arm64) guests=riscv64 ;;
esac
# shellcheck source=tests/e2e/steps.sh
. /test/steps.sh
steps "packages::$host::$kind::" "/tmp/log"
mount -t proc proc /proc && mount -t binfmt_misc binfmt_misc $B || exit 1

named() { # PREFIX: the names of entries
	for guest in $guests; do printf '%s ' "$1$guest"; done | sed 's/ $//'
}
# Entries of anyarch's, which are its emulator's or marked: on arm64 QEMU's emulators come first.
mark='^interpreter \(/usr/bin/anyarch-emu$\|/\./\)'
ours() { # names of anyarch's entries
	grep -ls "$mark" $B/* | sed 's|.*/||' | sort | xargs
}
others() { # every other entry and what the other packages keep
	for file in "$B"/*; do
		case "$file" in */register) continue ;; esac
		grep -qs "$mark" "$file" || { echo "$file" && cat "$file"; }
	done
	ls -R /var/lib/binfmts /usr/share/binfmts /usr/lib/binfmt.d /etc/binfmt.d 2>/dev/null | sed '/anyarch/d'
}
theirs() { # the other package has all the names
	for guest in $guests; do grep -q "^interpreter .*$guest-binfmt-P" "$B/qemu-$guest" || return 1; done
}
unchanged() { others >/tmp/now && diff /tmp/others /tmp/now; }
registered() {
	[ "$(ours)" = "$names" ] && unchanged || return 1
	# shellcheck disable=SC2086 # Words.
	[ $host != amd64 ] || anyarch verify $guests
}
boot() { # what systemd does, in the order of the units
	echo -1 >$B/status
	[ ! -x /usr/lib/systemd/systemd-binfmt ] || /usr/lib/systemd/systemd-binfmt
	[ ! -x /lib/systemd/systemd-binfmt ] || /lib/systemd/systemd-binfmt
	! command -v update-binfmts >/dev/null || update-binfmts --enable
	unit=/usr/lib/systemd/system/anyarch.service
	[ ! -e $unit ] || eval "$(sed -n 's/^ExecStart=//p' $unit)"
}
# The command and then the check, both of which must succeed.
checked() {
	"$@" && eval "$check" && return
	head -n 3 $B/*-aarch64 $B/*-arm $B/*-riscv64
	return 1
}
names=$(named qemu-)
if [ $# != 0 ]; then
	check=theirs
	step others checked apt-get install -y --no-download "$@"
	# What a boot makes of them: systemd's flags are not those of update-binfmts.
	check=theirs
	step others-boot checked boot
	names=$(named anyarch-)
fi
others >/tmp/others
check=registered
step install checked dpkg -i /test/old.deb
step again checked dpkg -i /test/old.deb
check='registered && grep -q "registered anew" /tmp/log'
# There QEMU's emulators are registered, which are the same ones.
[ $host-$kind != arm64-beside-others ] || check=registered
step upgrade checked dpkg -i /test/new.deb
check=registered
step boot checked boot
if [ $# != 0 ]; then
	check='registered && [ -L /etc/systemd/system/multi-user.target.wants/anyarch.service ]'
	step unit-is-enabled checked true
fi
check='[ -z "$(ours)" ] && unchanged'
step remove checked dpkg -r anyarch
check='[ -z "$(ours)" ] && unchanged && ! find /usr /etc /var/lib /run -name "*anyarch*" ! -path "/etc/apt/*" ! -path /etc/anyarch-packages | grep .'
step purge checked dpkg -P anyarch
check='[ -z "$(ours)" ] && unchanged'
step purge-at-once checked sh -c 'dpkg -i /test/old.deb && dpkg -P anyarch'

if [ $# = 0 ]; then
	# Where there is no binfmt_misc, and in a chroot, the package can be installed all the same.
	umount $B
	check='! grep -q anyarch-emu /proc/mounts && grep -q "nothing is registered now" /tmp/log'
	step without-binfmt checked dpkg -i /test/old.deb
	check=true
	step without-binfmt-purge checked dpkg -P anyarch
else
	# anyarch first, with the name that the others want; when it goes, they have it.
	steps "packages::$host::before-others::" /tmp/log
	check='[ ! -e $B/qemu-riscv64 ]'
	step others-purge checked dpkg -P qemu-user-static
	names=$(named qemu-)
	others >/tmp/others
	check=registered
	step install checked dpkg -i /test/old.deb
	check='[ "$(ours)" = "$names" ]'
	step others checked apt-get install -y --no-download qemu-user-static
	# On arm64 the entry has the other package's emulator from here on.
	step again checked dpkg -i /test/new.deb
	check='[ -z "$(ours)" ] && theirs'
	step purge checked dpkg -P anyarch
	# The same without systemd.
	mv /lib/systemd/systemd-binfmt /tmp
	for guest in $guests; do echo -1 >$B/qemu-$guest; done
	check='[ "$(ours)" = "$names" ]'
	step install-without-systemd checked dpkg -i /test/old.deb
	check='[ -z "$(ours)" ] && theirs'
	step purge-without-systemd checked dpkg -P anyarch
fi
steps_end
