#!/bin/bash
# The commands of other tools' documents, in their order: tonistiigi/binfmt's README,
# multiarch/qemu-user-static's README, Docker's "Multi-platform builds", and the manifest for
# Kubernetes. Each is a test of its own name. Their images are ours under their names.
#
#   documents.sh FOLDER      anyarch and anyarch-emu lie there
#
# All of it runs in `anyarch with`, so in a user namespace with a binfmt_misc of its own, with a
# dockerd and a containerd of its own: the machine's entries and daemons are not used. It needs
# root, docker.io, containerd, runc, buildah, python3-grpcio, python3-yaml and util-linux, and from
# the mirror Debian's busybox-static for three architectures.
set -u -o pipefail
export LC_ALL=C

folder=$(realpath "${1:?a folder with anyarch and anyarch-emu}")
anyarch=$folder/anyarch
tests=$(cd "$(dirname "$0")" && pwd)
programs=$(cd "$(dirname "$0")/../../crates/anyarch/verify/bin" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyarch
B=/proc/sys/fs/binfmt_misc

if [ "${2:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || { echo "documents: needs root" >&2; exit 2; }
	for tool in docker dockerd containerd ctr runc buildah unshare; do
		command -v $tool >/dev/null || { echo "documents: $tool is not installed" >&2; exit 2; }
	done
	work=$(mktemp -d "${TMPDIR:-/var/tmp}/anyarch-documents.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	# A pid namespace: whatever is left of daemons ends with it. No handler is there at first.
	ANYARCH_DOCUMENTS=$work unshare -mpf --mount-proc --propagation private "$anyarch" with arm64 -- "$0" "$folder" inside
	exit
fi

work=$ANYARCH_DOCUMENTS
cd "$work" || exit 2
# Each step is one command of a document, or what makes it possible.
# shellcheck source=tests/e2e/steps.sh
. "$tests/steps.sh"
steps "" "$work/log"
# prints TEXT COMMAND...: its output has this line.
prints() {
	local want=$1 got
	shift
	got=$("$@" 2>&1)
	grep -qxF -- "$want" <<<"$got" || { echo "expected the line '$want' from: $*"; echo "$got"; return 1; }
}
# ends CODE COMMAND...
ends() {
	local want=$1 got
	shift
	"$@"
	got=$?
	[ $got = "$want" ] || { echo "expected exit code $want of: $*; it was $got"; return 1; }
}
nothing_registered() { for e in "$B"/qemu-*; do [ ! -e "$e" ] || return 1; done; }

# busybox ARCH: Debian's static one, fetched by an apt of its own.
busybox() {
	local to=$cache/documents/busybox-$1 dir=$work/apt-$1 words
	[ -x "$to" ] && { echo "$to"; return; }
	mkdir -p "$cache/documents" "$dir/lists/partial" "$dir/archives/partial" && : >"$dir/status" || return 1
	echo "deb ${MIRROR:-http://deb.debian.org/debian} bookworm main" >"$dir/sources.list"
	(
		cd "$dir" && for words in update 'download busybox-static'; do
			# shellcheck disable=SC2086
			apt-get -q -o APT::Architecture="$1" -o APT::Architectures="$1" -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
				-o Dir::State::lists="$dir/lists" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir" -o Dir::Cache::archives="$dir/archives" \
				-o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false $words || exit 1
		done
		dpkg-deb -x busybox-static_*.deb root && cp "$(find root/bin root/usr/bin -name busybox -type f 2>/dev/null | head -n 1)" "$to.new" && mv "$to.new" "$to"
	) >&2 && echo "$to"
}

# distribution NAME ARCH: an image of a foreign system, as the documents use some.
distribution() {
	local root=image-$2 program name
	program=$(busybox "$2") || return 1
	rm -rf "$root" && mkdir -p "$root/bin" "$root/usr/bin" "$root/etc" "$root/tmp" && cp "$program" "$root/bin/busybox" || return 1
	for name in sh uname cat id ls; do ln -s busybox "$root/bin/$name"; done
	echo "NAME=\"$1\"" >"$root/etc/os-release"
	mkdir -p archive && tar -C "$root" --sort=name --numeric-owner --owner 0 --group 0 -cf archive/layer.tar . || return 1
	printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"$2" "$(sha256sum <archive/layer.tar | cut -d' ' -f1)" >archive/config.json
	printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$1" >archive/manifest.json
	tar -C archive -cf - manifest.json config.json layer.tar | docker load -q
}

daemons() {
	export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/config
	mkdir -p config/cli-plugins
	[ ! -x "$cache/buildx/root/usr/libexec/docker/cli-plugins/docker-buildx" ] ||
		ln -s "$cache/buildx/root/usr/libexec/docker/cli-plugins/docker-buildx" config/cli-plugins/docker-buildx
	echo '{}' >config/config.json
	dockerd --host "$DOCKER_HOST" --data-root "$work/docker" --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" \
		--iptables=false --ip6tables=false --bridge=none --storage-driver=vfs >docker.log 2>&1 &
	for _ in $(seq 300); do
		docker version >/dev/null 2>&1 && return 0
		sleep 0.2
	done
	tail -n 20 docker.log
	return 1
}

images() {
	"$anyarch" image build --to arm64,riscv64,s390x,arm --name tonistiigi/binfmt -o ours.tar && docker load -q -i ours.tar || return 1
	local tag
	for tag in latest register x86_64-aarch64 x86_64-s390x; do docker tag tonistiigi/binfmt:$tag multiarch/qemu-user-static:$tag || return 1; done
	distribution alpine:arm64 arm64 && docker tag alpine:arm64 arm64v8/ubuntu && docker tag alpine:arm64 arm64v8/fedora &&
		distribution alpine:s390x s390x && docker tag alpine:s390x s390x/ubuntu
}
run="docker run --rm --network none"

tonistiigi() {
	local P="$run --privileged tonistiigi/binfmt"
	step "docker run --privileged --rm tonistiigi/binfmt --install all" sh -c "$P --install all && [ -e $B/qemu-aarch64 ] && [ -e $B/qemu-s390x ]"
	step "docker run --rm alpine:arm64 uname -m" prints aarch64 $run alpine:arm64 uname -m
	step "docker run --rm alpine:s390x uname -m" prints s390x $run alpine:s390x uname -m
	step "docker run --privileged --rm tonistiigi/binfmt" sh -c "$P | python3 -c 'import json, sys; s = json.load(sys.stdin); assert \"linux/arm64\" in s[\"supported\"] and \"qemu-aarch64\" in s[\"emulators\"]'"
	step "docker run --privileged --rm tonistiigi/binfmt --version" sh -c "$P --version 2>&1 | grep ^binfmt/"
	step "docker run --privileged --rm tonistiigi/binfmt --uninstall qemu-aarch64" sh -c "$P --uninstall qemu-aarch64 && [ ! -e $B/qemu-aarch64 ] && [ -e $B/qemu-s390x ]"
	step "docker run --privileged --rm tonistiigi/binfmt --uninstall 'qemu-*'" sh -c "$P --uninstall 'qemu-*' && ! ls $B/qemu-* 2>/dev/null"
	step "docker run --privileged --rm tonistiigi/binfmt --install arm64,riscv64,arm" sh -c "$P --install arm64,riscv64,arm && [ -e $B/qemu-riscv64 ] && [ -e $B/qemu-arm ] && [ ! -e $B/qemu-s390x ]"
	step "docker run --privileged --rm tonistiigi/binfmt --uninstall arm64,riscv64,arm" sh -c "$P --uninstall arm64,riscv64,arm && ! ls $B/qemu-* 2>/dev/null"
	step "docker run --privileged --rm tonistiigi/binfmt --install nonsense is a failure" sh -c "! $P --install nonsense"
}

multiarch() {
	local P="$run --privileged multiarch/qemu-user-static" E=/usr/bin/qemu-aarch64-static
	step "docker run --rm -t arm64v8/ubuntu uname -m, before: exec format error" sh -c "! $run arm64v8/ubuntu uname -m"
	step "docker run --rm --privileged multiarch/qemu-user-static --reset -p yes" sh -c "$P --reset -p yes && grep -qx 'flags: F' $B/qemu-aarch64"
	step "docker run --rm -t arm64v8/ubuntu uname -m" prints aarch64 $run arm64v8/ubuntu uname -m
	step "docker run --rm -t arm64v8/fedora cat /etc/os-release" prints 'NAME="alpine:arm64"' $run arm64v8/fedora cat /etc/os-release
	step "docker run --rm -t s390x/ubuntu uname -m" prints s390x $run s390x/ubuntu uname -m
	step "docker run --rm --privileged multiarch/qemu-user-static:register --reset" sh -c "$P:register --reset && [ -e $B/qemu-aarch64 ] && ! grep -q '^flags:.*F' $B/qemu-aarch64"
	step "docker create multiarch/qemu-user-static:x86_64-aarch64; docker cp" sh -c "id=\$(docker create multiarch/qemu-user-static:x86_64-aarch64 x) && docker cp -q \$id:$E . 2>/dev/null || docker cp \$id:$E . && docker rm \$id && chmod 755 qemu-aarch64-static"
	step "docker run --rm -t -v $E:$E arm64v8/ubuntu uname -m" prints aarch64 $run -v "$work/qemu-aarch64-static:$E" arm64v8/ubuntu uname -m
	printf 'FROM multiarch/qemu-user-static:x86_64-aarch64 as qemu\nFROM arm64v8/ubuntu\nCOPY --from=qemu %s /usr/bin\n' $E >Dockerfile
	mkdir -p context && mv Dockerfile context
	step "docker build: FROM multiarch/qemu-user-static:x86_64-aarch64 as qemu" sh -c "DOCKER_BUILDKIT=0 docker build --network none -t with-qemu context && $run with-qemu uname -m | grep -qx aarch64"
	step "docker run --rm multiarch/qemu-user-static:x86_64-aarch64 $E --version" sh -c "$run multiarch/qemu-user-static:x86_64-aarch64 $E --version 2>&1 | grep -E '^qemu-aarch64 version [0-9]+'"
	step "docker run --rm --privileged multiarch/qemu-user-static --credential yes --persistent yes" sh -c "$P --reset --credential yes --persistent yes && grep -qx 'flags: OCF' $B/qemu-aarch64"
	step "docker run --rm --privileged multiarch/qemu-user-static --help" sh -c "$P --help | grep -q -- --persistent"
	step "docker run --rm --privileged multiarch/qemu-user-static --reset, with nothing else" sh -c "$P --reset"
	step "unregister leaves nothing" sh -c "'$anyarch' unregister --reset && ! ls $B/qemu-* 2>/dev/null"
}

multi_platform() {
	step "docker run --privileged --rm tonistiigi/binfmt --install all (Docker's page)" $run --privileged tonistiigi/binfmt --install all
	printf 'FROM alpine:arm64\nRUN uname -m >/arch\nCMD ["cat", "/arch"]\n' >context/Dockerfile
	step "docker buildx build --platform linux/arm64 ." docker buildx build --progress plain --network none --platform linux/arm64 -t multi context
	step "docker run --rm --platform linux/arm64 IMAGE" prints aarch64 $run --platform linux/arm64 multi
	step "docker buildx ls has linux/arm64" sh -c "docker buildx ls | grep -q linux/arm64"
	printf 'FROM alpine:arm64 AS build\nARG TARGETOS\nARG TARGETARCH\nRUN echo $TARGETOS/$TARGETARCH >/target\nCMD ["cat", "/target"]\n' >context/Dockerfile
	step "docker buildx build with TARGETOS and TARGETARCH" sh -c "docker buildx build --progress plain --network none --platform linux/arm64 -t target context && $run target | grep -qx linux/arm64"
	"$anyarch" unregister --reset >/dev/null
}

# buildah-bud(1) and buildah-manifest(1): an image of several platforms, made by programs of each.
buildah_manifests() {
	local b="buildah --root $work/buildah --runroot $work/buildah-run --storage-driver vfs" arch
	"$anyarch" register arm64 s390x >/dev/null
	mkdir -p manifests
	for arch in amd64 arm64 s390x; do cp "$(busybox $arch)" manifests/busybox-$arch || return 1; done
	cat >manifests/Containerfile <<-'END_FILE'
		FROM scratch
		ARG TARGETARCH
		COPY busybox-$TARGETARCH /bin/busybox
		RUN ["/bin/busybox", "sh", "-c", "/bin/busybox uname -m >/arch"]
		CMD ["/bin/busybox", "cat", "/arch"]
	END_FILE
	step "buildah build --platform A,B,C --manifest LIST" $b bud --isolation chroot --platform linux/amd64,linux/arm64,linux/s390x --manifest list manifests
	step "buildah manifest inspect LIST" sh -c "$b manifest inspect list | grep '\"architecture\"' | sort | tr -d ' \n' | grep -x '\"architecture\":\"amd64\",\"architecture\":\"arm64\",\"architecture\":\"s390x\",*'"
	step "buildah manifest push --all LIST" $b manifest push --all list oci:list:1
	for arch in amd64:x86_64 arm64:aarch64 s390x:s390x; do
		step "anyarch run --platform linux/${arch%:*} of what buildah pushed" prints "${arch#*:}" "$anyarch" run --platform "linux/${arch%:*}" list:1
	done
	"$anyarch" unregister >/dev/null
}

# The pod as a container of runc and of containerd. The mounts, rights and commands are the
# manifest's for runc; for containerd they are written out as its client takes them.
kubernetes() {
	"$anyarch" deploy kubernetes --image tonistiigi/binfmt:latest >manifest.yaml
	"$anyarch" image unpack ours.tar bundle >/dev/null 2>&1 || "$anyarch" image copy ours.tar pod:1 >/dev/null
	step "anyarch deploy kubernetes: the pod starts under runc" pod_of_runc
	step "anyarch deploy kubernetes: the pod starts under containerd (ctr)" pod_of_containerd
	step "anyarch deploy kubernetes: the pod through containerd's CRI" pod_of_cri
}
pod_config() {
	python3 - "$1" <<'END_PYTHON'
import json, sys, yaml
pod = yaml.safe_load(open("manifest.yaml"))["spec"]["template"]["spec"]
c = pod["containers"][0]
volumes = {v["name"]: v for v in pod["volumes"]}
config = json.load(open("spec/config.json"))
config["process"].update(args=[w for w in c["command"] if w != "--hold"] + c["args"] if sys.argv[1] == "register" else c["readinessProbe"]["exec"]["command"], terminal=False)
caps = ["CAP_" + name for name in c["securityContext"]["capabilities"]["add"]]
config["process"]["capabilities"] = {kind: caps for kind in ("bounding", "effective", "permitted")}
config["process"]["noNewPrivileges"] = not c["securityContext"]["allowPrivilegeEscalation"]
config["root"] = {"path": "../pod-root", "readonly": c["securityContext"]["readOnlyRootFilesystem"]}
for m in c["volumeMounts"]:
    v = volumes[m["name"]]
    if "hostPath" in v:
        config["mounts"].append({"destination": m["mountPath"], "type": "bind", "source": v["hostPath"]["path"], "options": ["rbind", "rslave", "rw"]})
    else:
        config["mounts"].append({"destination": m["mountPath"], "type": "tmpfs", "source": "tmpfs"})
json.dump(config, open("spec/config.json", "w"))
END_PYTHON
}
pod_of_runc() {
	mkdir -p spec pod-root && docker create --name pod tonistiigi/binfmt:latest >/dev/null && docker export pod | tar -C pod-root -xf - && mkdir -p pod-root/binfmt_misc || return 1
	nothing_registered || return 1
	local what
	for what in register verify; do
		rm -f spec/config.json && (cd spec && runc spec) && pod_config $what && runc --root "$work/runc" run --bundle spec "pod-$what" || return 1
	done
	[ -e $B/qemu-aarch64 ] && ends 42 "$programs/aarch64" start && "$anyarch" unregister --reset
}
pod_of_containerd() {
	printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "%s"\n' \
		"$work/containerd" "$work/containerd-state" "$work/containerd.sock" >containerd.toml
	containerd --config containerd.toml >containerd.log 2>&1 &
	local daemon=$! code=1
	for _ in $(seq 100); do
		ctr -a "$work/containerd.sock" version >/dev/null 2>&1 && break
		sleep 0.1
	done
	docker save tonistiigi/binfmt:latest -o saved.tar
	ctr -a "$work/containerd.sock" image import --snapshotter native saved.tar &&
		ctr -a "$work/containerd.sock" run --rm --snapshotter native --privileged=false --cap-add CAP_SYS_ADMIN \
			--mount type=bind,src=$B,dst=/binfmt_misc,options=rbind:rw --mount type=tmpfs,src=tmpfs,dst=/tmp \
			docker.io/tonistiigi/binfmt:latest pod /usr/bin/anyarch --binfmt-misc /binfmt_misc register all &&
		[ -e $B/qemu-aarch64 ] && ends 42 "$programs/aarch64" start && code=0
	kill $daemon
	wait $daemon
	[ $code = 0 ] || tail -n 20 containerd.log
	return $code
}

# As a kubelet does it. A pod's sandbox needs a pause image: one that sleeps.
pod_of_cri() {
	local program
	program=$(busybox amd64) || return 1
	"$anyarch" unregister --reset >/dev/null
	nothing_registered || return 1
	rm -rf pause cri && mkdir -p pause/bin cri && cp "$program" pause/bin/busybox && tar -C pause --numeric-owner --owner 0 --group 0 -cf - . |
		docker import -c 'ENTRYPOINT ["/bin/busybox", "sleep", "100000"]' - anyarch/pause:1 && docker save anyarch/pause:1 -o pause.tar || return 1
	cat >cri.toml <<-END_CONFIG
		version = 2
		root = "$work/cri/root"
		state = "$work/cri/state"
		[grpc]
		  address = "$work/cri.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "docker.io/anyarch/pause:1"
		  disable_apparmor = true
		  restrict_oom_score_adj = true
		[plugins."io.containerd.grpc.v1.cri".containerd]
		  snapshotter = "native"
	END_CONFIG
	# As on a node: mounts are shared, which HostToContainer asks for, and who starts containers owns the
	# network and the host name that the pod shares.
	unshare --net --uts --mount --propagation shared containerd --config cri.toml >cri.log 2>&1 &
	local daemon=$! code=1
	for _ in $(seq 100); do
		ctr -a "$work/cri.sock" version >/dev/null 2>&1 && break
		sleep 0.1
	done
	ctr -a "$work/cri.sock" -n k8s.io image import --snapshotter native pause.tar &&
		ctr -a "$work/cri.sock" -n k8s.io image import --snapshotter native saved.tar &&
		/usr/bin/python3 "$tests/cri.py" "$work/cri.sock" manifest.yaml docker.io/tonistiigi/binfmt:latest "$work/cri" &&
		[ -e $B/qemu-aarch64 ] && ends 42 "$programs/aarch64" start && code=0
	kill $daemon
	wait $daemon
	[ $code = 0 ] || tail -n 20 cri.log
	return $code
}

"$anyarch" unregister >/dev/null
step "a namespace without handlers" nothing_registered
step "a dockerd of its own" daemons
step "images under the documents' names" images
tonistiigi
multiarch
multi_platform
buildah_manifests
kubernetes
kill "$(cat docker.pid)" && wait
echo
steps_end
