//! `--net user`: a network of the command's own with a way out, by slirp4netns and by pasta.
//!
//! The machine is a network namespace with a neighbour (10.99.0.1), which has a web server and
//! answers questions for names. Nothing outside of these namespaces is asked.

mod common;
use anyarch_harness::guests::GUESTS;
use common::*;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a shell script with `$A` as the executable on such a machine, in the folder.
fn on_a_machine(dir: &Path, script: &str) -> Output {
    need_namespaces();
    for program in ["slirp4netns", "pasta"] {
        let found = Path::new("/usr/bin").join(program).exists();
        assert!(found, "{program} is missing: apt install slirp4netns passt");
    }
    let tun = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
    tun.unwrap_or_else(|error| {
        panic!("/dev/net/tun: {error}; sudo modprobe tun; sudo chmod 666 /dev/net/tun")
    });
    std::fs::create_dir(dir.join("www")).unwrap();
    std::fs::write(dir.join("www/page"), "served\n").unwrap();
    std::fs::write(dir.join("resolv.conf"), "nameserver 10.99.0.1\nsearch example.org\n").unwrap();
    // Every question is answered with its bytes, reversed.
    let names = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('10.99.0.1', 53))\n\
                 while True:\n  q, who = s.recvfrom(600); s.sendto(q[::-1], who)\n";
    std::fs::write(dir.join("names.py"), names).unwrap();
    let ask = "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)\n\
               s.sendto(b'question', (sys.argv[1], 53)); print(s.recv(600).decode())\n";
    std::fs::write(dir.join("ask.py"), ask).unwrap();
    let get = "import sys, urllib.request as u\no = u.build_opener(u.ProxyHandler({}))\n\
               try: print(o.open(sys.argv[1] + '/page', timeout=3).read().decode(), end='')\n\
               except OSError: print('nobody')\n";
    std::fs::write(dir.join("get.py"), get).unwrap();
    let neighbour = "ip link set lo up; ip addr add 10.99.0.1/24 dev v1; ip link set v1 up; \
                     python3 names.py & exec python3 -m http.server --directory www 8000 >/dev/null 2>&1";
    let script = format!(
        "set -e; cd {dir}; mount --bind resolv.conf /etc/resolv.conf; ip link set lo up\n\
         mkfifo go; unshare -n sh -c 'read x <go; {neighbour}' & peer=$!\n\
         while [ $(readlink /proc/$peer/ns/net) = $(readlink /proc/self/ns/net) ]; do sleep 0.05; done\n\
         ip link add v0 type veth peer name v1 netns $peer; ip addr add 10.99.0.2/24 dev v0; ip link set v0 up\n\
         ip route add default via 10.99.0.1; echo >go; rm go\n\
         python3 -m http.server --bind 127.0.0.1 --directory www 8001 >/dev/null 2>&1 &\n\
         for url in 10.99.0.1:8000 127.0.0.1:8001; do\n\
           until [ \"$(python3 get.py http://$url)\" = served ]; do sleep 0.1; done; done\n\
         {script}",
        dir = dir.display(),
    );
    Command::new("unshare")
        .args(["-Urnmpf", "--mount-proc", "--kill-child", "sh", "-c", &script])
        .envs([("A", ANYARCH.as_ref()), ("ANYARCH_EMU", anyarch_harness::emulator().as_os_str())])
        .output()
        .expect("unshare")
}

#[test]
fn a_network_of_ones_own_has_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    busybox_root(&GUESTS[0], &root);
    for (name, resolver, gateway) in
        [("slirp4netns", "10.0.2.3", "10.0.2.2"), ("pasta", "169.254.1.1", "10.99.0.1")]
    {
        let place = dir.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let script = format!(
            "$A with --net {name} arm64 -- sh -c '\
               cat /etc/resolv.conf; python3 get.py http://10.99.0.1:8000; python3 ask.py {resolver}; \
               python3 get.py http://127.0.0.1:8001; python3 get.py http://{gateway}:8001; \
               ls /sys/class/net | wc -l; ip link add b0 type bridge && exit 7' || echo $?\n\
             $A run --net {name} {root} -- /bin/sh -c '\
               busybox cat /etc/resolv.conf; busybox wget -q -O - http://10.99.0.1:8000/page; exit 8' || echo $?\n\
             [ ! -e /sys/class/net/b0 ] && echo unchanged; cat /etc/resolv.conf",
            root = root.display()
        );
        let out = on_a_machine(&place, &script);
        let asked = format!("nameserver {resolver}\nsearch example.org\n");
        let want = format!(
            "{asked}served\nnoitseuq\nnobody\nnobody\n2\n7\n{asked}served\n8\nunchanged\n\
             nameserver 10.99.0.1\nsearch example.org\n"
        );
        assert_eq!(text(&out.stdout), want, "{name}: {}", text(&out.stderr));
    }
}

#[test]
fn the_first_program_that_is_installed_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let script = "\
        interfaces='ls /sys/class/net'\n\
        $A with --net user arm64 -- $interfaces\n\
        mount --bind /dev/null /usr/bin/slirp4netns; $A with --net user arm64 -- $interfaces\n\
        $A with --net slirp4netns arm64 -- true || echo $?\n\
        mount --bind /dev/null /usr/bin/pasta; $A with --net user arm64 -- true || echo $?\n\
        $A with --net pasta arm64 -- true || echo $?\n\
        $A with --net bridge arm64 -- true || echo $?\n\
        umount /usr/bin/pasta; mount --bind /bin/false /usr/bin/pasta; $A with --net user arm64 -- true || echo $?\n\
        mount -t tmpfs tmpfs /dev/net; $A with --net user arm64 -- true || echo $?\n";
    let out = on_a_machine(dir.path(), script);
    let said = text(&out.stderr);
    assert_eq!(text(&out.stdout), "lo\ntap0\nlo\nv0\n125\n125\n125\n2\n125\n125\n", "{said}");
    for line in [
        "--net slirp4netns: slirp4netns is not installed\n",
        "--net user: slirp4netns or pasta is not installed\n  mend: apt install slirp4netns, or passt;",
        "--net pasta: pasta is not installed\n  mend: apt install passt\n",
        "nobody makes a bridge of the machine's: --net user",
        "there is no way out: pasta ended (exit status: 1)\n",
        "--net user: cannot open /dev/net/tun: ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// However anyarch ends, its program does.
#[test]
fn nothing_is_left_of_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let script = "\
        count() { cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^slirp4netns\\|^pas[st]' || true; }\n\
        gone() { for i in $(seq 100); do [ $(count) = 0 ] && echo gone && return; sleep 0.1; done; ps ax; }\n\
        for name in slirp4netns pasta; do\n\
          $A with --net $name arm64 -- true; gone\n\
          for signal in TERM KILL; do\n\
            rm -f started; $A with --net $name arm64 -- sh -c ': >started; exec sleep 1000' & pid=$!\n\
            until [ -e started ]; do sleep 0.05; done; [ $(count) != 0 ] && echo there\n\
            kill -$signal $pid; wait $pid || echo $?; gone\n\
          done\n\
        done";
    let out = on_a_machine(dir.path(), script);
    let one = "gone\nthere\n143\ngone\nthere\n137\ngone\n";
    assert_eq!(text(&out.stdout), one.repeat(2), "{}", text(&out.stderr));
}
