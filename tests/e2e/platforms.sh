#!/bin/sh
# What bookworm's docker cannot, and apptainer, which bookworm has not: platforms.sh
# `cargo xtask check-docker` runs it in a Debian sid, whose docker has containerd's image store, within
# `anyarch with --net user`: /test/busybox-ARCH lies there for each of the platforms, and
# http://10.99.0.1:8000/page is served outside of that network.
set -u
platforms=linux/amd64,linux/arm64,linux/riscv64
# shellcheck source=tests/e2e/steps.sh
. /test/steps.sh
steps "docker::" "/tmp/log"
daemon() {
	mkdir -p /etc/docker /run/lock
	echo '{ "features": { "containerd-snapshotter": true }, "insecure-registries": ["127.0.0.1:5000"] }' >/etc/docker/daemon.json
	dockerd >/tmp/dockerd.log 2>&1 &
	for _ in $(seq 300); do
		docker version >/dev/null 2>&1 && docker info --format '{{.DriverStatus}}' | grep io.containerd.snapshotter && return 0
		sleep 0.2
	done
	tail -n 30 /tmp/dockerd.log
	return 1
}
registry() {
	printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp/registry}}\nhttp: {addr: "127.0.0.1:5000"}\n' >/tmp/registry.yml
	docker-registry serve /tmp/registry.yml >/tmp/registry.log 2>&1 &
	for _ in $(seq 100); do
		if curl -sf http://127.0.0.1:5000/v2/; then return 0; fi
		sleep 0.2
	done
	return 1
}
# What RUN does is done by programs of each platform.
context() {
	mkdir -p /tmp/context && cp /test/busybox-* /tmp/context && cat >/tmp/context/Dockerfile <<-'END'
		FROM scratch
		ARG TARGETARCH
		COPY busybox-$TARGETARCH /bin/busybox
		RUN ["/bin/busybox", "sh", "-c", "/bin/busybox uname -m >/arch"]
		ENTRYPOINT ["/bin/busybox"]
		CMD ["cat", "/arch"]
	END
}
build() { docker buildx build --progress plain --platform $platforms "$@" /tmp/context; }
runs() { # IMAGE
	for it in amd64:x86_64 arm64:aarch64 riscv64:riscv64; do
		[ "$(docker run --rm --network none --platform "linux/${it%:*}" "$1")" = "${it#*:}" ] || return 1
		# It tells so itself as well, not only its build.
		[ "$(docker run --rm --network none --platform "linux/${it%:*}" "$1" uname -m)" = "${it#*:}" ] || return 1
	done
}
manifests() { # NAME: the platforms of an index
	docker buildx imagetools inspect "$1" | sed -n 's/^ *Platform: *//p' | grep -v unknown | sort | paste -sd, -
}
pushed() {
	name=127.0.0.1:5000/multi
	[ "$(manifests $name:1)" = "$platforms" ] || return 1
	digest=$(docker buildx imagetools inspect $name:1 | sed -n 's/^Digest: *//p') && docker image rm $name:1 &&
		docker run --rm --platform linux/arm64 --pull always "$name@$digest" | grep -x aarch64
}
published() {
	docker run -d --name web -p 8080:80 --platform linux/arm64 multi httpd -f -p 80 -h / && sleep 1 &&
		curl -sf http://127.0.0.1:8080/arch | grep -x aarch64
	code=$?
	docker rm -f web
	return $code
}

# Out of a container's network, through the daemon's bridge and anyarch's way out.
way_out() {
	docker run --rm --platform linux/arm64 multi wget -q -O - http://10.99.0.1:8000/page | grep -x served
}
way_out_of_a_build() {
	printf 'FROM multi\nRUN ["/bin/busybox", "wget", "-q", "-O", "/page", "http://10.99.0.1:8000/page"]\n' >/tmp/context/Dockerfile.out
	docker buildx build --progress plain --platform linux/riscv64 -f /tmp/context/Dockerfile.out -t out /tmp/context &&
		docker run --rm --platform linux/riscv64 out cat /page | grep -x served
}

# apptainer looks for an entry qemu-ARCH by that name before it tries.
apptainer_builds() {
	docker save --platform linux/arm64 -o /tmp/multi.tar multi && apptainer build --arch arm64 /tmp/multi.sif docker-archive:/tmp/multi.tar &&
		apptainer build --sandbox --arch arm64 /tmp/multi.sandbox docker-archive:/tmp/multi.tar
}
apptainer_runs() { # COMMAND
	[ "$(apptainer "$@")" = aarch64 ]
}

# Native nodes: one that does not run arm64, and one that does. The second is a dockerd in a user
# namespace of its own with the handler, which the first then has no more.
nodes() {
	echo '{ "features": { "containerd-snapshotter": true } }' >/tmp/two.json
	/test/anyarch with arm64 -- dockerd --config-file /tmp/two.json --host unix:///tmp/two-docker.sock --data-root /var/lib/docker-two \
		--exec-root /tmp/two-exec --pidfile /tmp/two.pid --bridge=none --iptables=false --ip6tables=false >/tmp/two.log 2>&1 &
	for _ in $(seq 300); do
		docker -H unix:///tmp/two-docker.sock version >/dev/null 2>&1 && break
		sleep 0.2
	done
	echo -1 >/proc/sys/fs/binfmt_misc/qemu-aarch64
	python3 /test/buildkit.py /var/run/docker.sock /tmp/one.sock &
	python3 /test/buildkit.py /tmp/two-docker.sock /tmp/two.sock &
	for _ in $(seq 100); do
		[ ! -S /tmp/one.sock ] || [ ! -S /tmp/two.sock ] || return 0
		sleep 0.1
	done
	tail -n 30 /tmp/two.log
	return 1
}
build_on() { # BUILDER PLATFORMS MORE...
	builder=$1 wanted=$2
	shift 2
	docker buildx build --builder "$builder" --progress plain --network none --no-cache --platform "$wanted" "$@" /tmp/context
}
first_cannot() { ! build_on default linux/arm64 && grep -q 'exec format error' /tmp/log; }
create() { docker buildx create --name nodes --driver remote --node one --platform linux/amd64 unix:///tmp/one.sock; }
append() {
	docker buildx create --append --name nodes --driver remote --node two --platform linux/arm64 unix:///tmp/two.sock &&
		docker buildx inspect --bootstrap nodes && docker buildx ls | grep -A 3 nodes | grep -c running | grep -x 2
}
on_both() {
	build_on nodes linux/amd64,linux/arm64 -t 127.0.0.1:5000/nodes:1 --push && [ "$(manifests 127.0.0.1:5000/nodes:1)" = linux/amd64,linux/arm64 ]
}

step "a dockerd with a network and an image store of its own" daemon
step "a registry" registry
step "a build's context" context
step "docker buildx build --platform three at once" build -t multi
step "docker run --platform each of them" runs multi
step "docker run -p, of an arm64 server" published
step "docker buildx build --platform three at once --push" build -t 127.0.0.1:5000/multi:1 --push
step "docker buildx imagetools inspect, docker run by digest" pushed
step "docker run, out of a bridge's network" way_out
step "docker buildx build, out of a bridge's network" way_out_of_a_build
step "apptainer build of an arm64 docker archive" apptainer_builds
step "apptainer exec" apptainer_runs exec /tmp/multi.sif /bin/busybox uname -m
step "apptainer run" apptainer_runs run /tmp/multi.sif uname -m
step "apptainer exec of a sandbox" apptainer_runs exec /tmp/multi.sandbox /bin/busybox uname -m
step "a second dockerd with an arm64 handler" nodes
step "the first node does not build for arm64" first_cannot
step "docker buildx create --driver remote" create
step "docker buildx create --append" append
step "docker buildx build --platform of two nodes --push" on_both
steps_end
