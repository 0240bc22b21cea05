#!/bin/sh
# Several platforms in one call of buildx: platforms.sh
# `cargo xtask check-docker` runs it in a Debian sid, whose docker has containerd's image store, within
# `anyarch with --net none`: /test/busybox-ARCH lies there for each of the platforms.
set -u
platforms=linux/amd64,linux/arm64,linux/riscv64
failed=0 passed=0
try() { # TITLE COMMAND...
	title=$1
	shift
	if "$@" >/tmp/log 2>&1; then
		passed=$((passed + 1))
		echo "test docker::$title ... ok"
	else
		failed=$((failed + 1))
		echo "test docker::$title ... FAILED"
		tail -n 30 /tmp/log
	fi
}
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

try "a dockerd with a network and an image store of its own" daemon
try "a registry" registry
try "a build's context" context
try "docker buildx build --platform three at once" build -t multi
try "docker run --platform each of them" runs multi
try "docker run -p, of an arm64 server" published
try "docker buildx build --platform three at once --push" build -t 127.0.0.1:5000/multi:1 --push
try "docker buildx imagetools inspect, docker run by digest" pushed
echo "test result: $([ $failed = 0 ] && echo ok || echo FAILED). $passed passed; $failed failed"
[ $failed = 0 ]
