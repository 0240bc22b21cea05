//! How registries are reached: names, certificates, proxies, and what docker and podman are
//! configured with.

mod common;
use common::registry::*;
use common::{need_namespaces, text};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::Command;

/// A registry behind TLS of a private authority, as `registry.test:PORT`.
fn private(clients: bool) -> (Authority, Server, String) {
    let authority = Authority::new();
    let files = one_image();
    let tls = authority.tls("DNS:registry.test,DNS:localhost,IP:127.0.0.1", clients);
    let server = Server::with_tls(tls, move |seen| files.reply(seen));
    let host = format!("registry.test:{}", server.port);
    (authority, server, host)
}

#[test]
fn certificates_of_private_authorities() {
    let (authority, server, host) = private(false);
    let name = format!("{host}/team/thing");
    let user = || User::new().with_etc("registry.test");
    let said = user().refuses(&name, "the certificate of the registry");
    assert!(
        said.contains("is not trusted") && said.contains(&format!("/etc/docker/certs.d/{host}/ca.crt")),
        "{said}"
    );
    assert!(server.seen().is_empty(), "it was spoken to");

    let u = user();
    u.etc(&format!("docker/certs.d/{host}/ca.crt"), &authority.ca_text());
    u.pulls(&name);
    let u = user();
    u.etc(&format!("containers/certs.d/{host}/any.crt"), &authority.ca_text());
    u.pulls(&name);
    let u = user();
    u.file(&format!(".config/containers/certs.d/{host}/ca.crt"), &authority.ca_text());
    u.pulls(&name);
    // For another host's or port's it does not count, and a damaged one is named.
    let u = user();
    u.etc("docker/certs.d/registry.test/ca.crt", &authority.ca_text());
    u.refuses(&name, "is not trusted");
    u.etc(&format!("docker/certs.d/{host}/ca.crt"), "nothing");
    u.refuses(&name, "ca.crt has no certificate");

    user().variable("SSL_CERT_FILE", authority.ca().to_str().unwrap()).pulls(&name);
    let u = user();
    u.file("certs/a.pem", &authority.ca_text());
    let folder = u.home().join("certs");
    let u = u.variable("SSL_CERT_DIR", folder.to_str().unwrap());
    u.pulls(&name);
    // The machine's own count where the variables say nothing.
    let u = user();
    u.etc("ssl/certs/ca-certificates.crt", &authority.ca_text());
    u.variable("SSL_CERT_FILE", "").variable("SSL_CERT_DIR", "").pulls(&name);
    user().variable("SSL_CERT_FILE", "/nonexistent").refuses(&name, "SSL_CERT_FILE gives no certificates");
    // A name that the certificate lacks.
    let other =
        User::new().with_etc("other.test").variable("SSL_CERT_FILE", authority.ca().to_str().unwrap());
    other.refuses(&format!("other.test:{}/team/thing", server.port), "is not trusted");
}

#[test]
fn a_registry_may_want_our_certificate() {
    let (authority, _server, host) = private(true);
    let name = format!("{host}/team/thing");
    let user = User::new().with_etc("registry.test");
    user.etc(&format!("docker/certs.d/{host}/ca.crt"), &authority.ca_text());
    user.refuses(&name, "cannot be reached");
    let (certificate, key) = authority.issue("DNS:client.test");
    user.etc(&format!("docker/certs.d/{host}/client.cert"), &std::fs::read_to_string(certificate).unwrap());
    user.refuses(&name, "client.key");
    let (key, other) = (std::fs::read_to_string(key).unwrap(), authority.issue("DNS:other.test").1);
    user.etc(&format!("docker/certs.d/{host}/client.key"), &key);
    user.pulls(&name);
    user.etc(&format!("docker/certs.d/{host}/client.key"), &std::fs::read_to_string(other).unwrap());
    user.refuses(&name, "do not belong together");
    user.etc(&format!("docker/certs.d/{host}/client.key"), &authority.ca_text());
    user.refuses(&name, "client.key has no private key");
}

#[test]
fn this_machines_registries_may_have_tls_or_none() {
    let (authority, server, _) = private(false);
    let name = format!("localhost:{}/team/thing", server.port);
    // A certificate that is not trusted is no reason to go without.
    User::new().refuses(&name, "is not trusted");
    let user = User::new();
    user.file(&format!(".config/containers/certs.d/localhost:{}/ca.crt", server.port), &authority.ca_text());
    user.pulls(&name);
    let files = one_image();
    let plain = Server::start(move |seen| files.reply(seen));
    let said = User::new().pulls(&format!("localhost:{}/team/thing", plain.port));
    assert!(said.contains("without TLS"), "{said}");
    // From TLS nothing leads to a place without.
    let port = plain.port;
    let tls = authority.tls("DNS:localhost", false);
    let server = Server::with_tls(tls, move |seen| match seen.path.as_str() {
        "/v2/" => Reply::of(200, ""),
        path => Reply::of(307, "").header("Location", format!("http://localhost:{port}{path}")),
    });
    let user = User::new().variable("SSL_CERT_FILE", authority.ca().to_str().unwrap());
    user.refuses(&format!("localhost:{}/team/thing", server.port), "without encryption: refused");
}

#[test]
fn insecure_registries_are_configured() {
    let files = one_image();
    let plain = Server::start(move |seen| files.reply(seen));
    let (_authority, tls, _) = private(false);
    let hosts = [format!("registry.test:{}", plain.port), format!("registry.test:{}", tls.port)];
    let user = || User::new().with_etc("registry.test");
    for host in &hosts {
        let name = format!("{host}/team/thing");
        assert_eq!(user().pull(&name).status.code(), Some(9), "{host}");
        user().variable("ANYARCH_INSECURE_REGISTRIES", format!("a.test, {host}")).pulls(&name);
        let u = user();
        u.etc("docker/daemon.json", &json!({ "insecure-registries": [host] }).to_string());
        u.pulls(&name);
        let u = user();
        u.etc("docker/daemon.json", &json!({ "insecure-registries": ["127.0.0.0/8"] }).to_string());
        u.pulls(&name);
        let u = user();
        u.file(
            ".config/docker/daemon.json",
            &json!({ "insecure-registries": [format!("https://{host}/")] }).to_string(),
        );
        u.pulls(&name);
        let u = user();
        u.etc(
            "containers/registries.conf",
            &format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"),
        );
        u.pulls(&name);
        // A file beside it, for one namespace only.
        let u = user();
        u.etc("containers/registries.conf", &format!("[[registry]]\nlocation = \"{host}\"\n"));
        let part =
            format!("[[registry]]\nprefix = \"{host}/team\"\nlocation = \"{host}/team\"\ninsecure = true\n");
        u.etc("containers/registries.conf.d/a.conf", &part);
        u.pulls(&name);
        // The user's file takes the machine's place.
        u.etc("containers/registries.conf.d/a.conf", "");
        u.file(".config/containers/registries.conf", &part);
        u.pulls(&name);
        u.file(".config/containers/registries.conf", "[[registry]]\nlocation = 1 2\n");
        u.refuses(&name, "registries.conf is not sound TOML");
    }
    let u = user();
    u.etc("docker/daemon.json", "{");
    u.refuses(&format!("{}/team/thing", hosts[0]), "daemon.json is not JSON");
    // Only what is named.
    let u = user().variable("ANYARCH_INSECURE_REGISTRIES", "registry.test,10.0.0.0/8");
    assert_eq!(u.pull(&format!("{}/team/thing", hosts[0])).status.code(), Some(9));
}

#[test]
fn mirrors_are_asked_first_and_get_no_credentials_of_others() {
    let files = Files::default();
    let image = files.image("library/thing", "s390x");
    files.tag("library/thing", "latest", &image);
    let image = files.image("copies/team/thing", "s390x");
    files.tag("copies/team/thing", "latest", &image);
    let (first, second) = (files.clone(), files.clone());
    let mirror = Server::start(move |seen| first.reply(seen));
    let origin = Server::start(move |seen| second.reply(seen));
    // docker's, of docker.io, which is not asked.
    let user = User::new();
    user.file(
        ".config/docker/daemon.json",
        &json!({ "registry-mirrors": [format!("http://127.0.0.1:{}/", mirror.port)] }).to_string(),
    );
    let password = json!({ "auth": "dXNlcjpwYXNz" });
    user.file(
        ".docker/config.json",
        &json!({ "auths": { "https://index.docker.io/v1/": password } }).to_string(),
    );
    user.pulls("thing");
    assert!(!mirror.seen().is_empty());
    // containers', by a prefix: the mirror, then the location.
    let conf = |rest: &str| {
        format!(
            "[[registry]]\nprefix = \"a.test/team\"\nlocation = \"127.0.0.1:{}/copies/team\"\n{rest}[[registry.mirror]]\nlocation = \"127.0.0.1:{}/copies/team\"\n",
            origin.port, mirror.port
        )
    };
    let user = User::new();
    let file = user.home().join("registries.conf");
    let user = user.variable("CONTAINERS_REGISTRIES_CONF", file.to_str().unwrap());
    user.file("registries.conf", &conf(""));
    user.pulls("a.test/team/thing");
    assert!(origin.seen().is_empty());
    user.file("registries.conf", &conf("mirror-by-digest-only = true\n"));
    user.pulls("a.test/team/thing");
    assert!(!origin.seen().is_empty());
    user.file("registries.conf", &conf("blocked = true\n"));
    user.refuses("a.test/team/thing", "is blocked by registries.conf");

    // A mirror that asks who we are, and has not what is wanted: the registry is asked, and each
    // gets its own.
    let wanting = Server::start(|_| Reply::of(401, "").header("WWW-Authenticate", "Basic realm=\"x\""));
    let user = User::new();
    let file = user.home().join("registries.conf");
    let user = user.variable("CONTAINERS_REGISTRIES_CONF", file.to_str().unwrap());
    user.file(
        "registries.conf",
        &format!(
            "[[registry]]\nlocation = \"127.0.0.1:{}\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:{}\"\n",
            origin.port, wanting.port
        ),
    );
    user.file(
        ".docker/config.json",
        &json!({ "auths": { format!("127.0.0.1:{}", origin.port): password } }).to_string(),
    );
    let said = user.pulls(&format!("127.0.0.1:{}/library/thing", origin.port));
    assert!(said.contains("the mirror 127.0.0.1"), "{said}");
    assert!(wanting.seen().iter().all(|s| s.header("authorization").is_empty()));
}

#[test]
fn proxies_are_for_others_and_not_for_this_machine() {
    let (authority, server, host) = private(false);
    let name = format!("{host}/team/thing");
    let proxy = Proxy::start();
    let with = |names: &str| {
        let user = User::new().with_etc(names).variable("SSL_CERT_FILE", authority.ca().to_str().unwrap());
        user.variable("https_proxy", format!("http://me:secret@127.0.0.1:{}", proxy.port))
    };
    // The proxy knows the name; this machine need not.
    with("").pulls(&name);
    let seen = proxy.seen();
    assert!(seen.iter().all(|s| s.starts_with(&format!("CONNECT {host} "))), "{seen:?}");
    assert!(seen.iter().all(|s| s.contains("Proxy-Authorization: Basic bWU6c2VjcmV0")), "{seen:?}");
    assert!(!seen.is_empty() && server.seen().iter().all(|s| s.header("proxy-authorization").is_empty()));
    with("registry.test").variable("NO_PROXY", "a.test,.test").pulls(&name);
    with("").pulls(&format!("localhost:{}/team/thing", server.port));
    assert_eq!(proxy.seen().len(), seen.len(), "it was asked");
    let other = User::new().with_etc("").variable("ALL_PROXY", "socks5://127.0.0.1:1");
    let out = other.pull(&name);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("ALL_PROXY is no address of a proxy that speaks HTTP"));
    // It refuses.
    let refusing = Server::start(|_| Reply::of(403, ""));
    let user = User::new().with_etc("").variable("HTTPS_PROXY", format!("127.0.0.1:{}", refusing.port));
    user.refuses(&name, "proxy");
}

// ---- names --------------------------------------------------------------------------------------

/// What the test's name server says of a name: addresses, none, or no answer that can be used.
enum Zone {
    Has(&'static [&'static str]),
    None,
    Fails,
    /// Too long for a datagram.
    Long,
}

fn zone(name: &str) -> Zone {
    match name {
        "a.one.test" => Zone::Has(&["10.0.0.1", "fd00::1"]),
        "b.two.test" => Zone::Has(&["10.0.0.2"]),
        "c.d" => Zone::Has(&["10.0.0.3"]),
        "c.d.one.test" => Zone::Has(&["10.0.0.4"]),
        "six.test" => Zone::Has(&["fd00::6"]),
        "fails.test" | "shaky.one.test" => Zone::Fails,
        "shaky.two.test" => Zone::Has(&["10.0.0.5"]),
        "long.test" => Zone::Long,
        _ => Zone::None,
    }
}

fn answer(query: &[u8], tcp: bool) -> Option<Vec<u8>> {
    use simple_dns::rdata::{A, AAAA, RData};
    use simple_dns::{CLASS, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
    let query = Packet::parse(query).ok()?;
    let question = query.questions.first()?;
    let mut packet = Packet::new_reply(query.id());
    packet.set_flags(PacketFlag::RECURSION_DESIRED | PacketFlag::RECURSION_AVAILABLE);
    packet.questions.push(question.clone());
    let mut add = |address: IpAddr| {
        let (kind, data) = match address {
            IpAddr::V4(a) => (TYPE::A, RData::A(A::from(a))),
            IpAddr::V6(a) => (TYPE::AAAA, RData::AAAA(AAAA::from(a))),
        };
        if question.qtype == QTYPE::TYPE(kind) {
            packet.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 60, data));
        }
    };
    match zone(&question.qname.to_string().to_ascii_lowercase()) {
        Zone::Has(list) => list.iter().for_each(|a| add(a.parse().unwrap())),
        Zone::None => *packet.rcode_mut() = RCODE::NameError,
        Zone::Fails => *packet.rcode_mut() = RCODE::ServerFailure,
        Zone::Long if tcp => (0..40).for_each(|i| add([10, 1, 0, i].into())),
        Zone::Long => packet.set_flags(PacketFlag::TRUNCATION),
    }
    packet.build_bytes_vec().ok()
}

fn name_server(address: &str) {
    let udp = UdpSocket::bind((address, 53)).unwrap();
    let tcp = TcpListener::bind((address, 53)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((n, from)) = udp.recv_from(&mut buffer) {
            let _ = answer(&buffer[..n], false).map(|a| udp.send_to(&a, from));
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            let mut length = [0; 2];
            // glibc asks for both kinds of addresses on one connection.
            while stream.read_exact(&mut length).is_ok() {
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).unwrap();
                let answer = answer(&query, true).unwrap();
                let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], &answer].concat()).unwrap();
            }
        }
    });
}

#[test]
#[ignore = "names_are_found_as_glibc_finds_them runs it in namespaces of its own"]
fn inside() {
    use anyarch_tool::oci::dns::lookup;
    let ours = std::env::var_os("TEST_WITHOUT_GETENT").is_some();
    name_server("127.0.0.1");
    let check = |conf: &str, name: &str, want: Option<&[&str]>| {
        std::fs::write("/etc/resolv.conf", conf).unwrap();
        let want = want.map(|list| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<IpAddr>>());
        let found = lookup(name).map(|mut list| {
            list.sort();
            list
        });
        assert_eq!(found.as_ref().ok(), want.as_ref(), "{conf}{name}: {found:?}");
    };
    let search = "nameserver 127.0.0.1\nsearch one.test two.test\noptions timeout:1\n";
    check(search, "a", Some(&["10.0.0.1", "fd00::1"]));
    check(search, "b", Some(&["10.0.0.2"]));
    check(search, "nothing", Some(&[]));
    // With as many dots as ndots says the name itself comes first.
    check(search, "c.d", Some(&["10.0.0.3"]));
    check(&format!("{search}options ndots:2\n"), "c.d", Some(&["10.0.0.4"]));
    check(search, "c.d.", Some(&["10.0.0.3"]));
    check(search, "a.", Some(&[]));
    check(search, "six.test", Some(&["fd00::6"]));
    // /etc/hosts goes before name servers, and is for the whole name.
    std::fs::write("/etc/hosts", "127.0.0.1 localhost\n10.9.9.9 fixed.test a.one.test\n").unwrap();
    check(search, "fixed.test", Some(&["10.9.9.9"]));
    check(search, "a.one.test", Some(&["10.9.9.9"]));
    // Another domain of the search may have what one fails for.
    check(search, "shaky", Some(&["10.0.0.5"]));
    let forty: Vec<String> = (0..40).map(|i| format!("10.1.0.{i}")).collect();
    let forty: Vec<&str> = forty.iter().map(String::as_str).collect();
    check(search, "long.test", Some(&forty));
    check(&format!("{search}options use-vc\n"), "c.d", Some(&["10.0.0.3"]));
    // A server that nobody answers for is passed over.
    check(&format!("nameserver 127.0.0.9\n{search}"), "c.d", Some(&["10.0.0.3"]));
    // getent(1) does not tell a failure from a name that is not there; we do.
    check(search, "fails.test", if ours { None } else { Some(&[]) });
    check("nameserver 127.0.0.9\noptions timeout:1 attempts:1\n", "c.d", if ours { None } else { Some(&[]) });
    assert_eq!(lookup("localhost").unwrap()[0], IpAddr::from([127, 0, 0, 1]));
}

#[test]
fn names_are_found_as_glibc_finds_them() {
    need_namespaces();
    for without in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in
            [("hosts", "127.0.0.1 localhost\n"), ("nsswitch.conf", "hosts: files dns\n"), ("resolv.conf", "")]
        {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let script = "set -e\nip link set lo up\nmount --bind \"$1\" /etc\n\
            [ -z \"$TEST_WITHOUT_GETENT\" ] || mount --bind /dev/null /usr/bin/getent\n\
            exec \"$2\" --exact inside --include-ignored --nocapture";
        let mut command = Command::new("unshare");
        command
            .args(["-Urmn", "sh", "-c", script, "sh"])
            .arg(dir.path())
            .arg(std::env::current_exe().unwrap());
        if without {
            command.env("TEST_WITHOUT_GETENT", "1");
        }
        let out = command.output().unwrap();
        let said = format!("{}{}", text(&out.stdout), text(&out.stderr));
        assert!(out.status.success() && said.contains("1 passed"), "without getent: {without}\n{said}");
    }
}
