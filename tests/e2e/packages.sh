#!/bin/sh
# The Debian package in a Debian of its own: packages.sh [PACKAGE...]
# `cargo xtask check-packages` runs it as process 1 of a tree with /test/old.deb and /test/new.deb.
# The packages named are others that register handlers: they are installed first, and their
# entries must stay what they are.
set -u
B=/proc/sys/fs/binfmt_misc
kind=clean
[ $# = 0 ] || kind=beside-others
failed=0
mount -t proc proc /proc && mount -t binfmt_misc binfmt_misc $B || exit 1

say() { # NAME GOOD: a line as cargo's test programs print it
	if [ "$2" = 0 ]; then
		echo "test packages::$kind::$1 ... ok"
	else
		echo "test packages::$kind::$1 ... FAILED"
		cat /tmp/log
		head -n 3 $B/*-aarch64 $B/*-arm $B/*-riscv64
		failed=1
	fi
}
ours() { # names of anyarch's entries
	grep -ls '^interpreter /usr/bin/anyarch-emu$' $B/* | sed 's|.*/||' | sort | xargs
}
others() { # every other entry and what the other packages keep
	for file in "$B"/*; do
		case "$file" in */register) continue ;; esac
		grep -qs '^interpreter /usr/bin/anyarch-emu$' "$file" || { echo "$file" && cat "$file"; }
	done
	ls -R /var/lib/binfmts /usr/share/binfmts /usr/lib/binfmt.d /etc/binfmt.d 2>/dev/null | sed '/anyarch/d'
}
theirs() { grep -q "^interpreter .*$1-binfmt-P" "$B/qemu-$1"; }
unchanged() { others >/tmp/now && diff /tmp/others /tmp/now; }
registered() { [ "$(ours)" = "$names" ] && unchanged && anyarch verify arm64 riscv64 arm; }
boot() { # what systemd does, in the order of the units
	echo -1 >$B/status
	[ ! -x /usr/lib/systemd/systemd-binfmt ] || /usr/lib/systemd/systemd-binfmt
	[ ! -x /lib/systemd/systemd-binfmt ] || /lib/systemd/systemd-binfmt
	! command -v update-binfmts >/dev/null || update-binfmts --enable
	unit=/usr/lib/systemd/system/anyarch.service
	[ ! -e $unit ] || eval "$(sed -n 's/^ExecStart=//p' $unit)"
}
step() { # NAME COMMAND...: the command and then the check, both of which must succeed
	name=$1
	shift
	{ "$@" && eval "$check"; } >/tmp/log 2>&1
	say "$name" $?
}

names="qemu-aarch64 qemu-arm qemu-riscv64"
if [ $# != 0 ]; then
	check='[ -e $B/qemu-aarch64 ]'
	step others apt-get install -y --no-download "$@"
	# What a boot makes of them: systemd's flags are not those of update-binfmts.
	check='[ -e $B/qemu-aarch64 ]'
	step others-boot boot
	names="anyarch-aarch64 anyarch-arm anyarch-riscv64"
fi
others >/tmp/others
check=registered
step install dpkg -i /test/old.deb
step again dpkg -i /test/old.deb
check='registered && grep -q "registered anew" /tmp/log'
step upgrade dpkg -i /test/new.deb
check=registered
step boot boot
if [ $# != 0 ]; then
	check='registered && [ -L /etc/systemd/system/multi-user.target.wants/anyarch.service ]'
	step unit-is-enabled true
fi
check='[ -z "$(ours)" ] && unchanged'
step remove dpkg -r anyarch
check='[ -z "$(ours)" ] && unchanged && ! find /usr /etc /var/lib /run -name "*anyarch*" ! -path "/etc/apt/*" ! -path /etc/anyarch-packages | grep .'
step purge dpkg -P anyarch
check='[ -z "$(ours)" ] && unchanged'
step purge-at-once sh -c 'dpkg -i /test/old.deb && dpkg -P anyarch'

if [ $# = 0 ]; then
	# Where there is no binfmt_misc, and in a chroot, the package can be installed all the same.
	umount $B
	check='! grep -q anyarch-emu /proc/mounts && grep -q "nothing is registered now" /tmp/log'
	step without-binfmt dpkg -i /test/old.deb
	check=true
	step without-binfmt-purge dpkg -P anyarch
else
	# anyarch first, with the name that the others want; when it goes, they have it.
	kind=before-others
	check='[ ! -e $B/qemu-aarch64 ]'
	step others-purge dpkg -P qemu-user-static
	names="qemu-aarch64 qemu-arm qemu-riscv64"
	others >/tmp/others
	check=registered
	step install dpkg -i /test/old.deb
	check='[ "$(ours)" = "$names" ]'
	step others apt-get install -y --no-download qemu-user-static
	check='[ -z "$(ours)" ] && theirs aarch64 && theirs arm && theirs riscv64'
	step purge dpkg -P anyarch
	# The same without systemd.
	mv /lib/systemd/systemd-binfmt /tmp
	echo -1 >$B/qemu-aarch64
	echo -1 >$B/qemu-arm
	echo -1 >$B/qemu-riscv64
	check='[ "$(ours)" = "$names" ]'
	step install-without-systemd dpkg -i /test/old.deb
	check='[ -z "$(ours)" ] && theirs aarch64 && theirs arm && theirs riscv64'
	step purge-without-systemd dpkg -P anyarch
fi
exit $failed
