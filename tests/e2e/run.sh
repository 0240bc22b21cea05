#!/bin/bash
# End to end: a foreign Debian from the mirror is made, filled with packages and used, every program of it under the emulator
# through binfmt_misc; then the same tree runs as a container. `cargo xtask e2e` calls this for each guest with a release build.
#
#   run.sh EMULATOR --machine NAME --arch NAME --platform NAME --suite NAME --match MAGIC:MASK [--keep DIR] [--only-base] [--no-docker]
#
# The guest is named as the kernel, Debian and images (behind linux/) name it; the match is what binfmt_misc shall compare. Root is needed: dockerd runs in no user namespace.
# The handler is registered under a name of its own for the time of the test. It is removed with everything else that the test made, also if the test
# is killed (a process of its own waits for that), and what even that one left behind is removed by the next run.
# What was downloaded stays in $XDG_CACHE_HOME/anyarch, so that a second run needs little from the network.
set -u -o pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

emulator= machine= arch= platform= suite= match= keep= docker=yes packages=yes
while [ $# -gt 0 ]; do
	case $1 in
	--machine) machine=$2; shift ;;
	--arch) arch=$2; shift ;;
	--platform) platform=linux/$2; shift ;;
	--suite) suite=$2; shift ;;
	--match) match=$2; shift ;;
	--keep) keep=$2; shift ;;
	--only-base) packages=no docker=no ;;
	--no-docker) docker=no ;;
	-*) echo "e2e: unknown option $1" >&2; exit 2 ;;
	*) emulator=$1 ;;
	esac
	shift
done
[ -x "$emulator" ] || { echo "e2e: no emulator '$emulator'" >&2; exit 2; }
[ -n "$machine" ] && [ -n "$arch" ] && [ -n "$platform" ] && [ -n "$suite" ] && [ -n "$match" ] || { echo "e2e: no guest" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "e2e: needs root" >&2; exit 2; }

cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyarch
mkdir -p "$cache/debs/$arch" "$cache/archives/$arch/partial"
binfmt=/proc/sys/fs/binfmt_misc

# One end-to-end test of a guest at a time: the handler is the machine's. So another one's is a leftover.
exec 9>"$cache/lock-$arch"
flock 9
for entry in "$binfmt/anyarch-e2e-$arch-"*; do
	[ -e "$entry" ] && echo -1 >"$entry"
done

work=$(mktemp -d "${TMPDIR:-/var/tmp}/anyarch-e2e.XXXXXX")
tree=${keep:-$work/tree}
name=anyarch-e2e-$arch-$$
passed=0 failed=0 image=anyarch-e2e

# Removes what the test made outside of its tree, in whatever state it is.
clean() {
	local pid=$(cat "$work/docker.pid" 2>/dev/null)
	if [ -n "$pid" ] && grep -qs "$work/docker" "/proc/$pid/cmdline"; then
		kill "$pid" 2>/dev/null
		for _ in $(seq 50); do
			[ -e "/proc/$pid" ] || break
			sleep 0.2
		done
	fi
	[ -e "$binfmt/$name" ] && echo -1 >"$binfmt/$name"
	for m in dev/pts dev/shm dev proc sys var/cache/apt/archives; do
		mountpoint -q "$tree/$m" && umount -l "$tree/$m"
	done
	grep -o "$work/docker[^ ]*" /proc/self/mounts | sort -r | while read -r m; do umount -l "$m" 2>/dev/null; done
	rm -rf --one-file-system "$work"
}

finish() {
	trap - EXIT INT TERM
	clean 2>/dev/null
	echo
	echo "test result: $([ $failed = 0 ] && echo ok || echo FAILED). $passed passed; $failed failed; 0 ignored; finished in ${SECONDS}s"
	# Without a number it would be the status from before the trap.
	[ $failed = 0 ]
	exit $?
}
trap finish EXIT
trap 'failed=$((failed + 1)); exit 1' INT TERM
# The end of the pipe closes with the test and all that it started, however they end. The lock is not this process's to hold.
exec 8> >(exec 9>&-; trap '' INT TERM HUP; cat >/dev/null; [ ! -e "$work" ] || clean 2>/dev/null)

# step TITLE COMMAND...: the output is shown only if it fails. A failed step ends the test, unless it is marked with `maybe`.
step() {
	local title=$1 start=$(date +%s.%N)
	shift
	if "$@" >"$work/log" 2>&1; then
		passed=$((passed + 1))
		printf 'test %s ... ok (%.1f s)\n' "$title" "$(echo "$(date +%s.%N) - $start" | bc)"
	else
		local status=$?
		failed=$((failed + 1))
		printf 'test %s ... FAILED (status %d)\n' "$title" $status
		tail -n 40 "$work/log" | sed 's/^/    /'
		return 1
	fi
}
must() { step "$@" || exit 1; }

# The mirror that this machine itself uses (Ubuntu uses none of Debian's); the host's suite need not be ours.
mirrors() { apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u; }
mirror=$(mirrors | awk '$3 == "main" && $2 !~ /-/ && $1 ~ /debian\/?$/ { print $1; exit }')
mirror=${mirror:-http://deb.debian.org/debian}

register() {
	[ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt || return 1
	printf '%s' ":$name:M::$match:$emulator:PF" >$binfmt/register
}

first_stage() {
	debootstrap --arch="$arch" --foreign --variant=minbase --cache-dir="$cache/debs/$arch" "$suite" "$tree" "$mirror"
}

prepare() {
	# The release alone: updates would be more of the same programs.
	echo "deb $mirror $suite main" >"$tree/etc/apt/sources.list"
	printf 'APT::Install-Recommends "0";\nAcquire::Languages "none";\n' >"$tree/etc/apt/apt.conf.d/90e2e"
	# A proxy that this machine's apt goes through.
	apt-config dump | grep '^Acquire::.*Proxy' >"$tree/etc/apt/apt.conf.d/91e2e-proxy"
	cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
	chmod +x "$tree/usr/sbin/policy-rc.d"
	mount -t proc proc "$tree/proc" &&
		mount --rbind /dev "$tree/dev" && mount --make-rslave "$tree/dev" &&
		mount --bind "$cache/archives/$arch" "$tree/var/cache/apt/archives"
}

in_tree() { chroot "$tree" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

compile() {
	cat >"$tree/root/hello.c" <<-'END'
		#include <math.h>
		#include <pthread.h>
		#include <stdio.h>
		static void *body(void *p) { return (void *)((long)p * 2); }
		int main(int argc, char **argv)
		{
			pthread_t t;
			void *r;
			pthread_create(&t, 0, body, (void *)21);
			pthread_join(t, &r);
			printf("%s %ld %.3f\n", argv[1], (long)r, sqrt(2.0 * argc));
			return 42;
		}
	END
	in_tree gcc -O2 -g -o /root/hello /root/hello.c -lm -pthread || return 1
	[ "$(in_tree /root/hello word)" = "word 42 2.000" ] || { in_tree /root/hello word; return 1; }
	in_tree /root/hello x >/dev/null
	[ $? = 42 ]
}

compile_cxx() {
	cat >"$tree/root/hello.cc" <<-'END'
		#include <iostream>
		#include <map>
		#include <numeric>
		#include <regex>
		#include <stdexcept>
		#include <string>
		#include <thread>
		#include <vector>
		int main()
		{
			std::vector<std::thread> threads;
			std::vector<long long> sums(4);
			for (int i = 0; i < 4; i++)
				threads.emplace_back([&, i] { for (int k = 0; k < 100000; k++) sums[i] += (long long)k * i; });
			for (auto &t : threads)
				t.join();
			std::map<std::string, double> map{ { "b", 2.5 }, { "a", 1.5 } };
			try {
				map.at("c");
			} catch (const std::out_of_range &) {
				std::cout << map.begin()->first << ' ' << std::accumulate(sums.begin(), sums.end(), 0LL) << ' '
					  << std::regex_replace("hello world", std::regex("o"), "0") << std::endl;
			}
		}
	END
	in_tree g++ -O2 -o /root/hello++ /root/hello.cc -pthread || return 1
	expect "a 29999700000 hell0 w0rld" in_tree /root/hello++
}

python() {
	local out
	out=$(in_tree python3 -c '
import sys, platform, json, subprocess, threading, hashlib, zlib, decimal, multiprocessing as mp
def square(x): return x * x
assert platform.machine() == sys.argv[1], platform.machine()
assert json.loads(json.dumps({"a": [1, 2.5, None]})) == {"a": [1, 2.5, None]}
assert hashlib.sha256(b"x" * 1000).hexdigest().startswith("44f8354494a5ba03")
assert zlib.decompress(zlib.compress(b"abc" * 9999)) == b"abc" * 9999
assert subprocess.run(["sh", "-c", "echo $((6*7)); exit 3"], capture_output=True).stdout == b"42\n"
assert str(decimal.Decimal(2).sqrt())[:8] == "1.414213"
l = []; ts = [threading.Thread(target=l.append, args=(i,)) for i in range(20)]
[t.start() for t in ts]; [t.join() for t in ts]; assert sorted(l) == list(range(20))
with mp.Pool(2) as p: assert p.map(square, range(50)) == [i * i for i in range(50)]
try: 1 // 0
except ZeroDivisionError: print("python", sum(i ** 3 % 7 for i in range(100000)), 2 ** 200 % 1000007)
' "$machine") || { echo "$out"; return 1; }
	echo "$out"
	[ "$out" = "$(python3 -c 'print("python", sum(i ** 3 % 7 for i in range(100000)), 2 ** 200 % 1000007)')" ]
}

git_() {
	in_tree sh -e -c '
cd /root; rm -rf repo copy; git init -q repo; cd repo
git config user.email e2e@example.org; git config user.name e2e
for i in 1 2 3 4 5; do seq $i 1000 > file$i; git add .; git commit -qm "commit $i"; done
git gc -q; git fsck --strict; cd ..; git clone -q repo copy; cd copy
test "$(git log --oneline | wc -l)" = 5; git diff --stat HEAD~2 | tail -1; cmp file3 ../repo/file3'
}

perl_() {
	[ "$(in_tree perl -MList::Util=sum -MPOSIX -e 'my %h; $h{$_ % 17} += $_ for 1..20000; print join(",", map { $h{$_} } sort { $a <=> $b } keys %h) , " ", POSIX::floor(3.7), " ", "abc" =~ /(b.)/ ? $1 : "", "\n"' | md5sum)" = \
	  "$(perl -MList::Util=sum -MPOSIX -e 'my %h; $h{$_ % 17} += $_ for 1..20000; print join(",", map { $h{$_} } sort { $a <=> $b } keys %h) , " ", POSIX::floor(3.7), " ", "abc" =~ /(b.)/ ? $1 : "", "\n"' | md5sum)" ]
}

shell() {
	in_tree sh -e -c '
test "$(uname -m)" = "$0"; test "$(dpkg --print-architecture)" = "$1"
for i in $(seq 100); do /bin/true; done
seq 100000 | sort -rn | head -3 | tr "\n" " " | grep -q "^100000 99999 99998 $"
tar cf - /etc | tar tf - | wc -l; find /usr -type f | xargs -n 50 md5sum | sort | md5sum
dpkg --verify; dpkg -l | grep -c ^ii' "$machine" "$arch"
}

user() { in_tree su -s /bin/sh -c 'id -un; touch /tmp/e2e-of-nobody; ! touch /root/x 2>/dev/null' nobody; }

# The host tool beside the emulator, with namespaces of its own: nothing of this is the machine's.
anyarch=${emulator%/*}/anyarch
inside='echo "$(uname -m) $(id -u) $(sh -c "exec dpkg --print-architecture") $(grep -c "^processor" /proc/cpuinfo)"'
run_by_root() { expect "$machine 0 $arch $(grep -c ^processor /proc/cpuinfo)" "$anyarch" run --read-only "$tree" -- sh -c "$inside"; }
run_by_user() {
	chmod 755 "$work"
	HOME=/nonexistent expect "$machine 0 $arch $(grep -c ^processor /proc/cpuinfo)" \
		setpriv --reuid 54321 --regid 54321 --clear-groups "$anyarch" run --read-only "$tree" -- sh -c "$inside"
}
registered_and_verified() {
	unshare -Urm sh -ec 'mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; "$0" register "$1"; "$0" verify "$1"; "$0" unregister "$1"' "$anyarch" "$machine"
}

# A daemon of our own, with nothing of the machine's: its socket, state and images lie in the work folder.
docker_start() {
	# vfs copies the whole tree for every container and every step of a build: only where the file system carries no overlay.
	local driver=vfs
	mkdir -p "$work"/probe/{lower,upper,work,merged}
	if mount -t overlay overlay -o "lowerdir=$work/probe/lower,upperdir=$work/probe/upper,workdir=$work/probe/work" "$work/probe/merged"; then
		umount "$work/probe/merged" && driver=overlay2
	fi
	dockerd --host "unix://$work/docker.sock" --data-root "$work/docker" --exec-root "$work/docker-exec" --pidfile "$work/docker.pid" \
		--iptables=false --ip6tables=false --bridge=none --storage-driver=$driver >"$work/docker.log" 2>&1 8>&- 9>&- &
	local daemon=$!
	for _ in $(seq 150); do
		docker -H "unix://$work/docker.sock" version >/dev/null 2>&1 && return 0
		kill -0 $daemon 2>/dev/null || break
		sleep 0.2
	done
	tail -n 20 "$work/docker.log"
	return 1
}
# expect TEXT COMMAND...: the command prints it.
expect() {
	local wanted=$1 got
	shift
	got=$("$@")
	[ "$got" = "$wanted" ] || { echo "$*: expected '$wanted', got '$got'"; return 1; }
}
in_docker() { docker -H "unix://$work/docker.sock" "$@"; }
docker_layer() { tar -C "$tree" --one-file-system --exclude=./var/cache/apt/archives --exclude=./var/lib/apt/lists --exclude=./dev --exclude=./proc -cf - .; }
# An archive: docker's import forgets the architecture of a platform and its variant.
docker_load() {
	local dir=$work/archive sum words variant=
	IFS=/ read -ra words <<<"$platform"
	[ ${#words[@]} -lt 3 ] || variant="\"variant\":\"${words[2]}\","
	mkdir -p "$dir" && docker_layer >"$dir/layer.tar" && sum=$(sha256sum <"$dir/layer.tar") || return 1
	printf '{"architecture":"%s",%s"os":"linux","config":{"Env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
		"${words[1]}" "$variant" "${sum%% *}" >"$dir/config.json"
	printf '[{"Config":"config.json","RepoTags":["%s:latest"],"Layers":["layer.tar"]}]' "$image" >"$dir/manifest.json"
	tar -C "$dir" -cf - manifest.json config.json layer.tar | in_docker load && rm -r "$dir"
}
docker_run() {
	local run="run --rm --network none --platform $platform"
	expect "$machine" in_docker $run $image uname -m || return 1
	expect "b /tmp nobody" in_docker $run -e A=b -w /tmp -u nobody $image sh -c 'echo $A $(pwd) $(id -un)' || return 1
	expect "37" sh -c "docker -H unix://$work/docker.sock $run $image sh -c 'exit 37'; echo \$?" || return 1
	expect 42 sh -c "echo 'print(6*7)' | docker -H unix://$work/docker.sock $run -i $image python3"
}
docker_build() {
	mkdir -p "$work/build"
	printf 'FROM '"$image"'\nRUN echo "int main(void){return 7;}" > /a.c && gcc -o /a /a.c\nRUN ["/usr/bin/python3", "-c", "open(\\"/made\\", \\"w\\").write(\\"x\\")"]\nCMD ["/a"]\n' >"$work/build/Dockerfile"
	DOCKER_BUILDKIT=0 in_docker build --network none -t $image-built "$work/build" || return 1
	in_docker run --rm --network none $image-built
	[ $? = 7 ]
}

# docker's builder, which Debian has only in newer suites, by an apt of its own.
buildx_plugin() {
	local dir=$cache/buildx
	local plugin=$dir/root/usr/libexec/docker/cli-plugins/docker-buildx lock
	# Of the tests of several guests one fetches it.
	exec {lock}>"$dir.lock" && flock $lock || return 1
	if [ ! -x "$plugin" ]; then
		mkdir -p "$dir/lists/partial" "$dir/archives/partial" && : >"$dir/status" && echo "deb $mirror sid main" >"$dir/sources.list"
		(
			cd "$dir" && for words in update 'download docker-buildx'; do
				apt-get -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$dir/lists" \
					-o Dir::State::status="$dir/status" -o Dir::Cache="$dir" -o Dir::Cache::archives="$dir/archives" -o APT::Sandbox::User=root \
					-o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false $words || exit 1
			done
			dpkg -x docker-buildx_*.deb root && rm -rf lists docker-buildx_*.deb
		) || return 1
	fi
	exec {lock}>&-
	mkdir -p "$work/docker-config/cli-plugins" && ln -sf "$plugin" "$work/docker-config/cli-plugins/docker-buildx" &&
		echo '{}' >"$work/docker-config/config.json"
}

docker_platform() {
	mkdir -p "$work/buildx"
	printf 'FROM '"$image"'\nARG TARGETPLATFORM\nRUN test $(uname -m) = '"$machine"' && groupadd e2e && useradd -g e2e e2e && su e2e -c "id -un >/tmp/made" && echo $TARGETPLATFORM >>/tmp/made\nCMD ["cat", "/tmp/made"]\n' >"$work/buildx/Dockerfile"
	DOCKER_CONFIG=$work/docker-config in_docker buildx build --progress plain --network none --platform "$platform" -t $image-buildx "$work/buildx" || return 1
	expect "e2e
$platform" in_docker run --rm --network none --platform "$platform" $image-buildx
}

echo "end to end: $suite of $arch, from the configured mirror, with $emulator"
must register register
[ -e "$tree/debootstrap/debootstrap" ] || must "debootstrap first stage" first_stage
must "debootstrap second stage" chroot "$tree" /debootstrap/debootstrap --second-stage
step "anyarch run by root" run_by_root
step "anyarch run by an ordinary user" run_by_user
step "anyarch register and verify" registered_and_verified
must "mounts" prepare
step "shell" shell
step "another user" user
if [ $packages = yes ]; then
	must "apt-get update" in_tree apt-get update
	must "apt-get install" in_tree apt-get install -y gcc g++ libc6-dev python3 git perl
	step "compile and run C" compile
	step "compile and run C++" compile_cxx
	step "python3" python
	step "git" git_
	step "perl" perl_
fi
if [ $docker = yes ]; then
	step "buildx plugin" buildx_plugin
	if command -v dockerd >/dev/null; then
		if step "dockerd" docker_start; then
			step "docker load" docker_load && step "docker run" docker_run && step "docker build" docker_build &&
				step "docker buildx build --platform $platform" docker_platform
		fi
	else
		echo "test docker ... FAILED (no dockerd: package docker.io)"
		failed=$((failed + 1))
	fi
fi
if [ $docker = yes ] && [ "$arch" = arm64 ]; then
	. "${0%/*}/containers.sh"
	containers
	# The commands of the documents of what anyarch replaces, with a count of their own.
	step "documents of other tools (tests/e2e/documents.sh)" env MIRROR="$mirror" "${0%/*}/documents.sh" "${emulator%/*}"
fi
