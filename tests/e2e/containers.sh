# Containers, with the tools that people have: docker, buildx, podman, buildah, skopeo, umoci, runc and crun, on images of ours and
# on an arm64 Debian. Sourced by run.sh, whose functions and variables it uses.
#
# Everything that needs handlers runs inside `anyarch with` or `anyarch run`, so in namespaces with a binfmt_misc of their own:
# a dockerd of the test's own may register and reset there what it likes, and the machine's entries stay as they are.

anyarch=${emulator%/*}/anyarch
guest_programs=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../crates/anyarch/verify/bin" && pwd)
export anyarch guest_programs

containers() {
	local tool missing=()
	for tool in "$anyarch" docker dockerd podman buildah skopeo umoci runc crun newuidmap docker-registry python3; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		echo "test containers ... FAILED (not installed: ${missing[*]})"
		failed=$((failed + 1))
		return
	fi
	cd "$work" || return
	local before=$(machine_entries)
	step "image archive of the tree" debian_archive && step "image build, twice the same bytes" image_build &&
		step "image unpack" "$anyarch" image unpack debian.tar bundle || return
	step "explain an image" explain_image
	step "run with the built-in runtime" run_with ''
	step "run with runc" run_with runc
	step "run with crun" run_with crun
	step "run: /dev is not the machine's" run_dev
	step "run: a terminal" run_terminal
	step "run as an ordinary user with /etc/subuid" run_as_user
	# Inside, the same functions go on with the same counters.
	export work cache passed failed
	export -f $(declare -F | awk '{print $3}')
	"$anyarch" with arm64 -- bash -c 'inside_with; echo "$passed $failed" >counts' 8>&- 9>&-
	if [ -s counts ]; then
		read -r passed failed <counts
	else
		echo "test containers inside anyarch with ... FAILED (ended before its end)"
		failed=$((failed + 1))
	fi
	step "the machine's entries are as before" expect "$before" machine_entries
	cd /
}

inside_with() {
	if step "docker: a daemon in anyarch with" own_docker; then
		step "docker load of our images" docker_load
		step "docker run --privileged IMAGE --reset -p yes" docker_register
		step "docker run of arm64 Debian" docker_debian
		step "docker buildx build of arm64 Debian" docker_buildx
		step "explain an image of docker's" docker_explain
		step "image build --load" docker_image_load
		step "registry: push, inspect as buildx does, copy, run" registry
		kill "$daemon"
		wait "$daemon"
	fi
	step "podman load, podman run --runtime runc" podman_
	step "buildah bud" buildah_
	step "skopeo copy to our layouts and from them" skopeo_
	step "umoci unpack, runc run" umoci_
	step "image unpack, runc run" expect aarch64 runc --root "$work/runc" run --bundle bundle "e2e-bundle-$$"
	step "chroot" expect aarch64 chroot "$work/bundle/rootfs" /usr/bin/uname -m
	step "a daemon's and a user's leftovers" sh -c "! grep -q '$work/private' /proc/self/mounts"
}

machine_entries() { (cd /proc/sys/fs/binfmt_misc && for e in qemu-* anyarch-swap-*; do [ ! -e "$e" ] || cat "$e"; done); }

# status WANTED COMMAND...: it ends with this status.
status() {
	local wanted=$1 got
	shift
	"$@"
	got=$?
	[ $got = "$wanted" ] || { echo "$*: expected status $wanted, got $got"; return 1; }
}

# A docker archive (which all of the tools read) of what a Debian cannot do without.
debian_archive() {
	mkdir -p archive
	tar -C "$tree" --sort=name --numeric-owner --one-file-system --exclude=./var/cache --exclude=./var/lib/apt/lists --exclude=./dev --exclude=./proc \
		--exclude=./usr/lib/gcc --exclude=./usr/lib/git-core --exclude=./usr/lib/python3 --exclude=./usr/lib/python3.* --exclude=./usr/include --exclude=./usr/share/doc \
		--exclude=./usr/share/locale --exclude=./usr/share/man --exclude=./usr/share/i18n --exclude=./usr/share/zoneinfo --exclude=./root \
		--exclude='./usr/lib/aarch64-linux-gnu/*.a' --exclude='./usr/lib/aarch64-linux-gnu/gconv' --exclude='./usr/share/perl/*' -cf archive/layer.tar . || return 1
	local sum
	sum=$(sha256sum <archive/layer.tar) && sum=${sum%% *}
	printf '{"architecture":"arm64","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["uname","-m"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z"}]}' "$sum" >archive/config.json
	printf '[{"Config":"config.json","RepoTags":["e2e-debian:1"],"Layers":["layer.tar"]}]' >archive/manifest.json
	tar -C archive -cf debian.tar manifest.json config.json layer.tar && rm -r archive && ls -l debian.tar
}

image_build() {
	local i
	for i in 1 2; do
		"$anyarch" image build --to arm64,s390x --version 9 -o images$i.tar || return 1
	done
	cmp images1.tar images2.tar && rm images2.tar && mkdir images && tar -C images -xf images1.tar
}

explain_image() {
	local out
	# The host has no handler of ours here: the answer is no, with what to do.
	out=$("$anyarch" explain --binfmt-misc /nonexistent debian.tar)
	[ $? = 1 ] || return 1
	echo "$out"
	grep -q 'image for linux/arm64' <<<"$out" && grep -q 'program:   /usr/bin/uname: 64-bit little-endian aarch64 program' <<<"$out" &&
		grep -q 'loader:    /lib/ld-linux-aarch64.so.1$' <<<"$out" && grep -q 'runs here: no' <<<"$out" || return 1
	out=$("$anyarch" with arm64 -- "$anyarch" explain debian.tar) || return 1
	echo "$out"
	grep -q 'runs here: yes, by .*anyarch-emu (qemu-aarch64, flags PF)' <<<"$out" || return 1
	"$anyarch" explain images:9 | grep 'runs here: yes, by the processor itself'
}

# run_with RUNTIME: every option, exit status, signals.
run_with() {
	local run=("$anyarch" run ${1:+--runtime "$1"})
	expect aarch64 "${run[@]}" debian.tar || return 1
	status 37 "${run[@]}" bundle/rootfs -- sh -c 'exit 37' || return 1
	mkdir -p shared && echo text >shared/file && chmod 755 shared
	expect "b c /tmp nobody hh text 1" "${run[@]}" --rm -e A=b -e D -w /tmp -u nobody --hostname hh -V "$work/shared:/mnt:ro" bundle/rootfs -- \
		sh -c 'touch /mnt/x 2>/dev/null; echo $A ${D-c} $(pwd) $(id -un) $(hostname) $(cat /mnt/file) $?' || return 1
	expect "7 8" "${run[@]}" -u 7:8 bundle/rootfs -- sh -c 'echo $(id -u) $(id -g)' || return 1
	D=here expect here "${run[@]}" -e D bundle/rootfs -- sh -c 'echo $D' || return 1
	"${run[@]}" -V "$work/shared:/out" bundle/rootfs -- sh -c 'echo $(id -u) >/out/written' && expect 0 cat shared/written || return 1
	expect lo "${run[@]}" --net none bundle/rootfs -- ls /sys/class/net || return 1
	status 1 "${run[@]}" --read-only bundle/rootfs -- sh -c 'touch /x 2>/dev/null || exit 1' || return 1
	expect 00000000a80425fb "${run[@]}" bundle/rootfs -- awk '/CapBnd/ {print $2}' /proc/self/status || return 1
	# SIGTERM to anyarch reaches the command, whose own status comes back.
	rm -f shared/ready
	"${run[@]}" -V "$work/shared:/out" bundle/rootfs -- sh -c 'trap "exit 41" TERM; touch /out/ready; while :; do sleep 0.1; done' &
	local pid=$!
	while [ ! -e shared/ready ]; do
		kill -0 $pid || return 1
		sleep 0.1
	done
	kill -TERM $pid
	status 41 wait $pid || return 1
	# An OCI runtime makes the command pid 1, which such a signal does not end.
	[ -n "$1" ] || status 143 "${run[@]}" bundle/rootfs -- sh -c 'kill -TERM $$'
}

# Whoever is root inside may change the nodes of /dev; they are not the machine's.
run_dev() {
	local before runtime
	before=$(stat -c '%n %a %u %g' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty)
	for runtime in '' runc crun; do
		"$anyarch" run ${runtime:+--runtime "$runtime"} bundle/rootfs -- sh -ec '
			for n in null zero full random urandom tty; do test -c /dev/$n; test "$(stat -c %a /dev/$n)" = 666; chmod 600 /dev/$n || true; chown 1 /dev/$n || true; done
			echo x >/dev/null; test "$(head -c 3 /dev/zero | od -An -tx1)" = " 00 00 00"; test -c /dev/ptmx; test -d /dev/shm; test -L /dev/fd' || return 1
		expect "$before" stat -c '%n %a %u %g' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty || return 1
	done
}

run_terminal() {
	local runtime
	for runtime in '' runc crun; do
		python3 - "$anyarch" run ${runtime:+--runtime "$runtime"} -t bundle/rootfs -- sh -c 'test -t 0 && test -t 1 && stty size && read line && echo "got $line" && exit 5' <<'END_PYTHON' || return 1
import fcntl, os, pty, re, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    # The size first, so that it is there before the program asks.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
out = b""
sent = False
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    out += data
    if re.search(rb"\d+ \d+\r?\n", out) and not sent:
        os.write(fd, b"words\n")
        sent = True
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(out, code)
sys.exit(0 if b"33 99" in out and b"got words" in out and code == 5 else 1)
END_PYTHON
	done
}

# A user with a range of further ids, which exist in this mount namespace only: apt, whose methods run as _apt, installs a package whose
# script gives files to others.
run_as_user() {
	mkdir -p user repo/package/DEBIAN
	printf 'Package: e2e-owners\nVersion: 1\nArchitecture: all\nMaintainer: e2e <e2e@example.org>\nDescription: owners\n' >repo/package/DEBIAN/control
	printf '#!/bin/sh\nset -e\nmkdir -p /srv/e2e && chown daemon:mail /srv/e2e && su -s /bin/sh -c "id -u" daemon >/srv/e2e-daemon\n' >repo/package/DEBIAN/postinst
	chmod 755 repo/package/DEBIAN/postinst
	dpkg-deb --root-owner-group --build repo/package repo/e2e-owners.deb || return 1
	{
		dpkg-deb -f repo/e2e-owners.deb
		echo "Filename: ./e2e-owners.deb"
		echo "Size: $(stat -c %s repo/e2e-owners.deb)"
		echo "SHA256: $(sha256sum <repo/e2e-owners.deb | cut -d' ' -f1)"
	} >repo/Packages
	chmod 755 . repo && chown 54321:54321 user && chmod a+r debian.tar repo/*
	cp /etc/passwd user/passwd && echo 'e2e:x:54321:54321::/nonexistent:/bin/sh' >>user/passwd
	echo 'e2e:700000:65536' >user/subid
	unshare --mount sh -ec '
		for f in passwd:passwd subuid:subid subgid:subid; do touch /etc/${f%:*}; mount --bind user/${f#*:} /etc/${f%:*}; done
		HOME=$PWD/user exec setpriv --reuid 54321 --regid 54321 --clear-groups "$@"' sh \
		"$anyarch" run -V "$work/repo:/repo:ro" debian.tar -- sh -ec '
			test "$(wc -l </proc/self/uid_map)" = 2
			rm -f /etc/apt/sources.list.d/*; echo "deb [trusted=yes] file:/repo ./" >/etc/apt/sources.list
			mkdir -p /var/cache/apt/archives/partial /var/lib/apt/lists/partial
			chmod 1777 /tmp; apt-get update && apt-get install -y e2e-owners
			test "$(stat -c %U:%G /srv/e2e) $(cat /srv/e2e-daemon)" = "daemon:mail 1"; chmod 600 /dev/null && exit 9 || exit 33' || {
		local code=$?
		[ $code = 33 ] && return 0
		return $code
	}
	return 1
}

own_docker() {
	local storage=overlay2
	mkdir -p private/{a,b,c,d}
	# Not where the folder itself lies on an overlay.
	if mount -t overlay -o "lowerdir=private/a,upperdir=private/b,workdir=private/c" overlay private/d 2>/dev/null; then
		umount private/d
	else
		storage=vfs
	fi
	export DOCKER_HOST=unix://$work/own-docker.sock DOCKER_CONFIG=$work/docker-config STORAGE_DRIVER=${storage%2}
	dockerd --host "$DOCKER_HOST" --data-root "$work/own-docker" --exec-root "$work/own-docker-exec" --pidfile "$work/own-docker.pid" \
		--iptables=false --ip6tables=false --bridge=none --storage-driver=$storage >"$work/own-docker.log" 2>&1 8>&- 9>&- &
	daemon=$!
	for _ in $(seq 300); do
		docker version >/dev/null 2>&1 && return 0
		kill -0 $daemon 2>/dev/null || break
		sleep 0.2
	done
	tail -n 20 "$work/own-docker.log"
	return 1
}

docker_load() {
	docker load -q -i images1.tar || return 1
	local tag
	for tag in latest 9 register aarch64 aarch64-9 x86_64-aarch64 x86_64-aarch64-9 s390x s390x-9 x86_64-s390x x86_64-s390x-9; do
		docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.version"}}' anyarch:$tag | grep -qx 9 || { echo "tag $tag"; return 1; }
	done
	expect '[/entrypoint]' docker image inspect --format '{{.Config.Entrypoint}}' anyarch:latest
}

# The registration of this user namespace, made by a container, serves what is outside of it.
docker_register() {
	docker run --rm --network none --privileged anyarch:latest --reset -p yes || return 1
	cat /proc/sys/fs/binfmt_misc/qemu-aarch64 /proc/sys/fs/binfmt_misc/qemu-s390x
	grep -qx 'interpreter /usr/bin/qemu-aarch64-static' /proc/sys/fs/binfmt_misc/qemu-aarch64 && grep -qx 'flags: F' /proc/sys/fs/binfmt_misc/qemu-s390x || return 1
	status 42 "$guest_programs/aarch64" start && status 42 "$guest_programs/s390x" start || return 1
	"$anyarch" register --reset arm64 && status 42 "$guest_programs/aarch64" start || return 1
	[ ! -e /proc/sys/fs/binfmt_misc/qemu-s390x ]
}

docker_debian() {
	docker load -q -i debian.tar || return 1
	local run="docker run --rm --network none"
	expect aarch64 $run e2e-debian:1 || return 1
	expect "b /tmp nobody" $run -e A=b -w /tmp -u nobody e2e-debian:1 sh -c 'echo $A $(pwd) $(id -un)' || return 1
	status 37 $run e2e-debian:1 sh -c 'exit 37'
}

docker_buildx() {
	mkdir -p context
	printf 'FROM e2e-debian:1\nRUN test $(uname -m) = aarch64 && groupadd e2e && useradd -g e2e e2e && su e2e -c "id -un >/tmp/made"\nCMD ["cat", "/tmp/made"]\n' >context/Dockerfile
	docker buildx build --progress plain --network none --platform linux/arm64 -t e2e-built context || return 1
	expect e2e docker run --rm --network none e2e-built
}

docker_explain() {
	local out
	out=$("$anyarch" explain e2e-built) || return 1
	echo "$out"
	grep -q "e2e-built: image of docker's for linux/arm64" <<<"$out" && grep -q 'program:   /usr/bin/cat' <<<"$out" && grep -q 'runs here: yes' <<<"$out"
}

docker_image_load() {
	"$anyarch" image build --to arm64 --version 8 --name e2e-loaded --load || return 1
	docker image inspect e2e-loaded:aarch64-8 >/dev/null
}

# A registry of this test's own.
registry() {
	local port code
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$work/registry" "$port" >registry.yml
	docker-registry serve registry.yml >registry.log 2>&1 8>&- 9>&- &
	local server=$!
	for _ in $(seq 100); do
		python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null && break
		sleep 0.1
	done
	registry_steps "127.0.0.1:$port/e2e"
	code=$?
	kill $server
	wait $server
	[ $code = 0 ] || tail -n 20 registry.log
	return $code
}
registry_steps() {
	export XDG_CACHE_HOME=$work/pulled
	"$anyarch" image build --to arm64,s390x --version 9 --push "$1/tools" || return 1
	docker buildx imagetools inspect "$1/tools:latest" >theirs || return 1
	"$anyarch" image inspect "$1/tools:latest" >ours && diff theirs ours || return 1
	docker buildx imagetools inspect --raw "$1/tools:latest" >theirs || return 1
	"$anyarch" image inspect --raw "$1/tools:latest" >ours && diff theirs ours || return 1
	# An index of several platforms, with annotations.
	python3 - "http://${1%/*}/v2/${1#*/}/tools/manifests" <<'END_PYTHON' || return 1
import json, sys, urllib.request
kind = "application/vnd.oci.image.index.v1+json"
def top(tag):
    return json.load(urllib.request.urlopen(urllib.request.Request(f"{sys.argv[1]}/{tag}", headers={"Accept": kind})))
one, two, three = (top(t)["manifests"][0] for t in ("aarch64", "s390x", "register"))
one["platform"] = {"os": "linux", "architecture": "arm", "variant": "v7"}
three.update(platform={"os": "unknown", "architecture": "unknown"}, annotations={"org.example.a": "one", "org.example.longer": "two"})
index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [one, three, two]}).encode()
urllib.request.urlopen(urllib.request.Request(f"{sys.argv[1]}/several", data=index, method="PUT", headers={"Content-Type": kind}))
END_PYTHON
	docker buildx imagetools inspect "$1/tools:several" >theirs || return 1
	"$anyarch" image inspect "$1/tools:several" >ours && diff theirs ours || return 1
	skopeo copy --dest-tls-verify=false docker-archive:debian.tar "docker://$1/debian:1" || return 1
	docker buildx imagetools inspect "$1/debian:1" >theirs || return 1
	"$anyarch" image inspect "$1/debian:1" >ours && diff theirs ours || return 1
	skopeo copy --src-tls-verify=false "docker://$1/tools:s390x-9" dir:from-registry || return 1
	"$anyarch" image copy --platform linux/arm64 "$1/debian:1" pulled-layout:1 || return 1
	"$anyarch" image copy pulled-layout:1 "docker://$1/copy:2" || return 1
	"$anyarch" explain "$1/copy:2" | grep 'runs here: yes' || return 1
	expect aarch64 "$anyarch" run "$1/copy:2"
}

podman_() {
	local podman="podman --root $work/podman --runroot $work/podman-run --cgroup-manager=cgroupfs"
	$podman load -q -i images1.tar && $podman image exists localhost/anyarch:x86_64-s390x-9 || return 1
	$podman load -q -i debian.tar || return 1
	expect aarch64 $podman --runtime runc run --rm --network none e2e-debian:1 || return 1
	status 37 $podman --runtime runc run --rm --network none e2e-debian:1 sh -c 'exit 37'
}

buildah_() {
	local buildah="buildah --root $work/podman --runroot $work/podman-run" isolation
	printf 'FROM localhost/e2e-debian:1\nRUN test $(uname -m) = aarch64 && dpkg --print-architecture >/made\n' >Containerfile
	for isolation in "chroot" "oci --runtime runc --network none"; do
		$buildah bud --isolation $isolation -f Containerfile -t "made-${isolation%% *}" . || return 1
		expect arm64 podman --root "$work/podman" --runroot "$work/podman-run" --cgroup-manager=cgroupfs --runtime runc run --rm --network none \
			"localhost/made-${isolation%% *}" cat /made || return 1
	done
}

skopeo_() {
	skopeo copy --dest-compress-level 1 docker-archive:debian.tar oci:layout:debian || return 1
	"$anyarch" image copy --platform linux/arm64 layout:debian copied:again && skopeo copy oci:copied:again dir:from-ours || return 1
	"$anyarch" image copy debian.tar oci-archive:copied.tar && skopeo inspect oci-archive:copied.tar || return 1
	skopeo copy oci:images:register dir:register && skopeo inspect --config oci:images:s390x >config || return 1
	cat config
	grep -q '"org.opencontainers.image.version": "9"' config && grep -q '"org.opencontainers.image.source": "https://' config
}

umoci_() {
	umoci unpack --image layout:debian umoci || return 1
	python3 -c 'import json; c = json.load(open("umoci/config.json")); c["process"]["terminal"] = False; json.dump(c, open("umoci/config.json", "w"))' || return 1
	expect aarch64 runc --root "$work/runc" run --bundle umoci e2e-umoci-$$
}
