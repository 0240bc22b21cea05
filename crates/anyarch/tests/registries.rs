//! Registries that behave badly: what they send, whom they send us to, and who gets which
//! credentials.

mod common;
use anyarch_tool::oci::media;
use common::registry::*;
use common::text;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// `user:pass`.
const BASIC: &str = "Basic dXNlcjpwYXNz";

/// A user with a password for `127.0.0.1:PORT` in docker's configuration.
fn with_password(port: u16) -> User {
    let user = User::new();
    login(&user, port, json!({ "auth": BASIC.strip_prefix("Basic ") }));
    user
}

fn login(user: &User, port: u16, entry: Value) {
    user.file(".docker/config.json", &json!({ "auths": { format!("127.0.0.1:{port}"): entry } }).to_string());
}

fn challenge(header: &str) -> Reply {
    Reply::of(401, "").header("WWW-Authenticate", header)
}

/// A registry that wants this `Authorization` and else sends this challenge; the port is told to
/// whoever makes it.
fn guarded(
    files: Files,
    wanted: &'static str,
    challenge_of: impl Fn(u16) -> Vec<String> + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    Server::start_at(listener, None, move |seen| {
        if seen.path.starts_with("/token") {
            return match seen.header("authorization") {
                BASIC => Reply::of(200, r#"{"token":"yes"}"#),
                _ => Reply::of(200, r#"{"access_token":"anonymous"}"#),
            };
        }
        if seen.path == "/v2/" || seen.header("authorization") == wanted {
            return files.reply(seen);
        }
        let headers = challenge_of(port).into_iter();
        headers.fold(Reply::of(401, ""), |reply, header| reply.header("WWW-Authenticate", header))
    })
}

fn bearer(port: u16) -> String {
    format!("Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"a, \\\"b\\\"\"")
}

#[test]
fn passwords_tokens_and_several_challenges() {
    // Basic alone.
    let server = guarded(one_image(), BASIC, |_| vec!["Basic realm=\"x\"".into()]);
    with_password(server.port).pulls(&server.name());
    User::new().refuses(&server.name(), "denies access to team/thing");
    // A password that no header can hold is refused, not sent in part.
    let user = User::new();
    login(&user, server.port, json!({ "registrytoken": "a\r\nX: y" }));
    user.refuses(&server.name(), "");
    // Bearer is taken before Basic, in one header or several, among others that are not known.
    for form in 0..3 {
        let server = guarded(one_image(), "Bearer yes", move |port| match form {
            0 => vec![format!("Basic realm=\"x\", {}", bearer(port))],
            1 => vec!["Negotiate".into(), "Basic realm=\"x\"".into(), bearer(port)],
            _ => vec![bearer(port).replace("Bearer", "bearer"), "Digest realm=\"x\", nonce=\"y\"".into()],
        });
        with_password(server.port).pulls(&server.name());
        let asked = server.seen().into_iter().find(|s| s.path.starts_with("/token")).unwrap();
        assert_eq!(asked.header("authorization"), BASIC);
        let query = "scope=repository%3Ateam%2Fthing%3Apull&service=a%2C%20%22b%22";
        assert_eq!(asked.path, format!("/token?{query}"));
    }
    // Nobody in particular is enough for a public image.
    let server = guarded(one_image(), "Bearer anonymous", |port| vec![bearer(port)]);
    User::new().pulls(&server.name());
    // Basic where the token server gives nothing.
    let server = guarded(one_image(), BASIC, |port| {
        vec![format!("Bearer realm=\"http://127.0.0.1:{port}/nothing\""), "Basic realm=\"x\"".into()]
    });
    with_password(server.port).pulls(&server.name());
    let server = guarded(one_image(), BASIC, |_| vec!["Negotiate".into()]);
    with_password(server.port)
        .refuses(&server.name(), "authentication that anyarch does not know: Negotiate");
}

#[test]
fn identity_tokens_and_helpers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let files = one_image();
    let server = Server::start_at(listener, None, move |seen| {
        let form = String::from_utf8_lossy(&seen.body);
        match seen.path.as_str() {
            "/token" if seen.method == "POST" && form.contains("refresh_token=it%2Fsecret") => {
                assert_eq!(seen.header("authorization"), "");
                assert!(
                    form.contains("grant_type=refresh_token") && form.contains("scope=repository%3Ateam")
                );
                Reply::of(200, r#"{"access_token":"yes"}"#)
            }
            p if p.starts_with("/token") => Reply::of(401, ""),
            _ if seen.header("authorization") == "Bearer yes" => files.reply(seen),
            _ => challenge(&bearer(port)),
        }
    });
    let host = format!("127.0.0.1:{port}");
    let user = User::new();
    login(&user, port, json!({ "auth": "eDo=", "identitytoken": "it/secret" }));
    user.pulls(&server.name());
    login(&user, port, json!({ "identitytoken": "other" }));
    user.refuses(&server.name(), "denies access");
    login(&user, port, json!({ "registrytoken": "yes" }));
    user.pulls(&server.name());

    // The helper is asked for the registry, and gives an identity token.
    let helper = |user: &User, name: &str, script: &str| {
        user.file(&format!("bin/docker-credential-{name}"), &format!("#!/bin/sh\n{script}\n"));
        let path = user.home().join(format!("bin/docker-credential-{name}"));
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let answer = format!(
        r#"[ "$1 $(cat)" = "get {host}" ] && echo '{{"ServerURL":"x","Username":"<token>","Secret":"it/secret"}}'"#
    );
    let user = User::new();
    helper(&user, "one", &answer);
    user.file(
        ".docker/config.json",
        &json!({ "credHelpers": { &host: "one" }, "credsStore": "absent" }).to_string(),
    );
    user.pulls(&server.name());
    user.file(".docker/config.json", &json!({ "credsStore": "one" }).to_string());
    user.pulls(&server.name());
    // Without reading its input, and without an answer: again and again, for it may be the faster
    // one.
    helper(&user, "one", "exec <&-; echo credentials not found; exit 1");
    for _ in 0..5 {
        user.refuses(&server.name(), "denies access");
    }
    user.file(".docker/config.json", &json!({ "credHelpers": { &host: "absent" } }).to_string());
    user.refuses(&server.name(), "docker-credential-absent cannot be started");
    // containers' file goes before docker's, and the most exact name before others.
    let user = User::new();
    login(&user, port, json!({ "identitytoken": "other" }));
    let entries = json!({ "auths": { &host: { "identitytoken": "other" }, format!("{host}/team"): { "identitytoken": "it/secret" } } });
    user.file("run/containers/auth.json", &entries.to_string());
    user.pulls(&server.name());
    let user = user.variable("REGISTRY_AUTH_FILE", "/nonexistent");
    user.refuses(&server.name(), "denies access");
    user.file(".docker/config.json", "{");
    user.refuses(&server.name(), "config.json is not JSON");
}

#[test]
fn redirects_keep_the_token_on_the_server_and_take_it_nowhere_else() {
    // The other server answers what it is asked, or asks who we are.
    let lure = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (files, luring) = (one_image(), lure.clone());
    let other = Server::start(move |seen| match luring.load(Ordering::SeqCst) {
        true => challenge("Basic realm=\"x\""),
        false => files.reply(&Seen { path: seen.path.replace("/elsewhere", ""), ..seen.clone() }),
    });
    let (files, port) = (one_image(), other.port);
    let server = Server::start(move |seen| {
        if seen.path == "/v2/" {
            return Reply::of(200, "");
        }
        if seen.header("authorization") != BASIC {
            return challenge("Basic realm=\"x\"");
        }
        let own = seen.path.replace("/moved", "");
        match () {
            () if own.contains("/blobs/") => {
                Reply::of(307, "").header("Location", format!("http://127.0.0.1:{port}/elsewhere{own}"))
            }
            // Within the server: absolute, and relative to where one is.
            () if seen.path.starts_with("/moved") => files.reply(&Seen { path: own, ..seen.clone() }),
            () => Reply::of(302, "").header("Location", format!("/moved{own}")),
        }
    });
    let user = with_password(server.port);
    user.pulls(&server.name());
    let moved: Vec<_> = server.seen().into_iter().filter(|s| s.path.starts_with("/moved")).collect();
    assert!(!moved.is_empty() && moved.iter().all(|s| s.header("authorization") == BASIC));
    let elsewhere = other.seen();
    assert!(
        elsewhere.len() >= 2 && elsewhere.iter().all(|s| s.header("authorization").is_empty()),
        "{elsewhere:?}"
    );
    lure.store(true, Ordering::SeqCst);
    let said = user.refuses(&server.name(), "to which the registry");
    assert!(said.contains(&format!("127.0.0.1:{port}, to which")) && said.contains("401"), "{said}");
    assert!(other.seen().iter().all(|s| s.header("authorization").is_empty()));
    // For ever.
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v2/" => Reply::of(200, ""),
        path => Reply::of(302, "").header("Location", format!("{path}x")),
    });
    User::new().refuses(&server.name(), "sends us on more than 10 times");
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v2/" => Reply::of(200, ""),
        _ => Reply::of(302, "").header("Location", "file:///etc/passwd"),
    });
    User::new().refuses(&server.name(), "`file:///etc/passwd` is no address");
}

#[test]
fn credentials_go_to_no_token_server_of_another_site() {
    // One machine with two names: the registry has one, the token server the other.
    let server =
        guarded(one_image(), "Bearer yes", |port| vec![bearer(port).replace("127.0.0.1", "localhost")]);
    let user = with_password(server.port);
    let said = user.refuses(&server.name(), "denies access");
    assert!(said.contains("not sent to its token server localhost"), "{said}");
    let asked: Vec<_> = server.seen().into_iter().filter(|s| s.path.starts_with("/token")).collect();
    assert!(!asked.is_empty() && asked.iter().all(|s| s.header("authorization").is_empty()));
    user.variable("ANYARCH_TOKEN_HOSTS", "a.example,LocalHost").pulls(&server.name());
    for realm in ["", "nonsense", "ftp://127.0.0.1/x", "http://u:p@127.0.0.1/x"] {
        let server = guarded(one_image(), "Bearer yes", move |_| vec![format!("Bearer realm=\"{realm}\"")]);
        with_password(server.port).refuses(&server.name(), "address");
    }
}

#[test]
fn busy_servers_are_waited_for_as_long_as_they_say() {
    let count = AtomicU32::new(0);
    let files = one_image();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Server::start_at(listener, None, move |seen| {
        if seen.path.starts_with("/token") {
            return match count.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::of(429, "").header("Retry-After", "1"),
                _ => Reply::of(200, r#"{"token":"yes"}"#),
            };
        }
        if seen.path != "/v2/" && seen.header("authorization") != "Bearer yes" {
            return challenge(&bearer(port));
        }
        if seen.path.contains("/manifests/") && count.fetch_add(1, Ordering::SeqCst) == 2 {
            return Reply::of(503, "").header("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT");
        }
        files.reply(seen)
    });
    let start = Instant::now();
    let said = User::new().pulls(&server.name());
    assert!(start.elapsed() >= Duration::from_secs(1), "{said}");
    assert!(said.contains("is busy, waiting 1.0 s"), "{said}");
    assert_eq!(server.seen().iter().filter(|s| s.path.starts_with("/token")).count(), 2);

    let server = Server::start(|_| Reply::of(429, "").header("Retry-After", "60"));
    let said = User::new().refuses(&server.name(), "has had too many requests from here (Retry-After: 60)");
    assert!(said.contains("docker login 127.0.0.1"), "{said}");
    assert!(server.seen().len() <= 2);
    let server = Server::start(|_| Reply::of(503, "").header("Retry-After", "0"));
    User::new().refuses(&server.name(), "is not available");
    let user = User::new().variable("ANYARCH_REGISTRY_WAIT", "x");
    assert_eq!(user.pull(&server.name()).status.code(), Some(2));
}

#[test]
fn servers_that_stall_are_left() {
    let quick = || User::new().variable("ANYARCH_REGISTRY_TIMEOUT", "1");
    let check = |words: &str, reply: fn(&Files, &Seen) -> Reply| {
        let files = one_image();
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/v2/" => Reply::of(200, ""),
            _ => reply(&files, seen),
        });
        let start = Instant::now();
        quick().refuses(&server.name(), words);
        assert!(start.elapsed() < Duration::from_secs(19), "{words}: {:?}", start.elapsed());
    };
    check("cannot be reached: it is silent", |_, _| Reply::silent());
    check("was cut off: it is silent", |files, seen| files.reply(seen).stall(10));
    check("did not arrive: the connection broke: it is silent", |files, seen| {
        match seen.path.contains("/blobs/") {
            true => files.reply(seen).stall(0),
            false => files.reply(seen),
        }
    });
    // One that stalls now and then is asked for the rest.
    let (files, count) = (one_image(), AtomicU32::new(0));
    let server = Server::start(move |seen| {
        let first = seen.path.contains("/blobs/") && count.fetch_add(1, Ordering::SeqCst) == 1;
        if first { files.reply(seen).stall(1000) } else { files.reply(seen) }
    });
    let said = User::new().variable("ANYARCH_REGISTRY_TIMEOUT", "3").pulls(&server.name());
    assert!(said.contains("it is silent"), "{said}");
    assert!(server.seen().iter().any(|s| s.header("range") == "bytes=1000-"));
}

#[test]
fn broken_blobs_are_continued_or_named() {
    // Cut off, at another place each time.
    let (files, count) = (one_image(), AtomicU32::new(0));
    let server = Server::start(move |seen| {
        let n = count.fetch_add(1, Ordering::SeqCst) as usize;
        let cut = seen.path.contains("/blobs/") && !n.is_multiple_of(4);
        if cut { files.reply(seen).cut(30_000 + n) } else { files.reply(seen) }
    });
    User::new().pulls(&server.name());
    assert!(server.seen().iter().any(|s| s.header("range").starts_with("bytes=3")));
    // Always.
    let files = one_image();
    let server = Server::start(move |seen| {
        if seen.path.contains("/blobs/") { files.reply(seen).cut(0) } else { files.reply(seen) }
    });
    let said = User::new().refuses(&server.name(), "did not arrive");
    assert!(said.contains("goes on where it stopped"), "{said}");
    // Corrupted, longer and shorter than its descriptor says.
    for change in
        [|b: &mut Vec<u8>| b[5] ^= 1, |b: &mut Vec<u8>| b.extend([0; 5000]), |b: &mut Vec<u8>| b.truncate(20)]
    {
        let files = one_image();
        for (path, (_, bytes)) in files.0.lock().unwrap().iter_mut() {
            if path.contains("/blobs/") {
                change(bytes);
            }
        }
        let server = Server::start(move |seen| files.reply(seen));
        let out = User::new().pull(&server.name());
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(9), "{said}");
        assert!(said.contains("sent sha256:") || said.contains("did not arrive"), "{said}");
    }
    // What another run has left half-way, and is not of this blob, is no reason to fail.
    let files = one_image();
    let server = Server::start({
        let files = files.clone();
        move |seen| files.reply(seen)
    });
    let user = User::new();
    let _ = user.pull(&server.name());
    let cache = user.dir.path().join("cache/anyarch/images");
    let blobs: Vec<_> =
        walk(&cache).into_iter().filter(|p| p.parent().unwrap().ends_with("blobs/sha256")).collect();
    assert!(!blobs.is_empty());
    for blob in blobs {
        let long = std::fs::metadata(&blob).unwrap().len() > 1000;
        std::fs::remove_file(&blob).unwrap();
        if long {
            std::fs::write(blob.with_extension("part"), [7; 500]).unwrap();
        }
    }
    let out = user.pull_on(&server.name());
    assert!(out.status.success(), "{}", text(&out.stderr));
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut list = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() { list.extend(walk(&entry.path())) } else { list.push(entry.path()) }
    }
    list
}

#[test]
fn manifests_that_are_none_are_called_what_they_are() {
    let check = |words: &str, reply: fn(&Files, &Seen) -> Reply| {
        let files = one_image();
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/v2/" => Reply::of(200, ""),
            _ => reply(&files, seen),
        });
        User::new().refuses(&server.name(), words)
    };
    check("has no manifest latest of team/thing", |_, seen| Files::default().reply(seen));
    check("is larger than 4194304 bytes", |_, _| Reply::of(200, vec![b' '; 5 << 20]));
    // Without an announced length.
    check("is larger than 4194304 bytes", |_, _| {
        let body =
            [format!("{:x}\r\n", 5 << 20).into_bytes(), vec![b' '; 5 << 20], b"\r\n0\r\n\r\n".to_vec()]
                .concat();
        Reply::of(200, body).header("Transfer-Encoding", "chunked").without_length()
    });
    check("was cut off", |files, seen| files.reply(seen).cut(50));
    check("is not JSON", |_, _| Reply::of(200, "{").header("Content-Type", media::MANIFEST));
    for status in [200, 404, 500] {
        let page = format!("answers with a web page ({status})");
        let server = Server::start(move |_| {
            Reply::of(status, "<!DOCTYPE html>\n<p>Sign in</p>")
                .header("Content-Type", "text/html; charset=utf-8")
        });
        let said = User::new().refuses(&server.name(), &page);
        assert!(said.contains("it is no registry") && !said.contains("Sign in"), "{said}");
    }
    check("answers with a web page", |_, _| Reply::of(200, "\n <html>"));
    check("is a manifest of schema 1", |_, _| {
        Reply::of(200, r#"{"schemaVersion":1,"fsLayers":[]}"#)
            .header("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws")
    });
    check("is a manifest of schema 1", |_, _| Reply::of(200, r#"{"schemaVersion":1,"fsLayers":[]}"#));
    check("is both an index and a manifest", |_, _| Reply::of(200, r#"{"manifests":[],"layers":[]}"#));
    check("answers 500 (\\u{1b}[2J) for", |_, _| Reply::of(500, r#"{"errors":[{"message":"\u001b[2J"}]}"#));
    // Another manifest than the one that the digest names.
    let files = one_image();
    let server = Server::start(move |seen| {
        files.reply(&Seen { path: seen.path.replace(&"0".repeat(64), "X"), ..seen.clone() })
    });
    let name = format!("{}@sha256:{}", server.name(), "0".repeat(64));
    User::new().refuses(&name, "has no manifest");
    let server = Server::start(|_| Reply::of(200, "{}").header("Content-Type", media::MANIFEST));
    let name = format!("{}@sha256:{}", server.name(), "0".repeat(64));
    User::new().refuses(&name, "sent a manifest with the digest sha256:");
}

#[test]
fn indexes_within_indexes() {
    let files = Files::default();
    let index = |list: Vec<Value>, kind: &str| {
        files.manifest(
            "team/thing",
            kind,
            &json!({ "schemaVersion": 2, "mediaType": kind, "manifests": list }),
        )
    };
    let image = |architecture: &str| files.image("team/thing", architecture);
    let inner = index(vec![image("s390x"), image("arm64")], media::INDEX);
    let middle = index(vec![inner, image("riscv64")], media::DOCKER_INDEX);
    let top = index(vec![image("ppc64le"), middle], media::INDEX);
    files.tag("team/thing", "latest", &top);
    // More than anybody needs.
    let mut deep = image("s390x");
    for _ in 0..70 {
        deep = index(vec![deep], media::INDEX);
    }
    files.tag("team/thing", "deep", &deep);
    let server = Server::start(move |seen| files.reply(seen));
    let user = User::new();
    for platform in ["s390x", "arm64", "riscv64", "ppc64le"] {
        let to = user.dir.path().join(platform);
        let to = to.to_str().unwrap();
        let out = user.anyarch(&["image", "copy", "--platform", platform, &server.name(), to]);
        assert!(out.status.success(), "{platform}: {}", text(&out.stderr));
        let index = std::fs::read_to_string(format!("{to}/index.json")).unwrap();
        assert!(index.contains(&format!("\"architecture\":\"{platform}\"")), "{index}");
    }
    let said = user.refuses(&server.name(), "none is this machine's");
    for platform in ["linux/s390x", "linux/arm64", "linux/riscv64", "linux/ppc64le"] {
        assert!(said.contains(platform), "{said}");
    }
    user.refuses(&format!("{}:deep", server.name()), "more than 64 indexes");
    // The same in a folder.
    use anyarch_tool::oci::{Layout, Platform};
    let folder = common::crafted(user.dir.path(), &common::one_entry(tar::EntryType::Regular, "a", "", b"x"));
    let layout = Layout::open(&folder).unwrap().unwrap();
    let mut entry = layout.index().unwrap().remove(0);
    entry.platform = Some(Platform::of_words("s390x").unwrap());
    for deep in [3, 70] {
        for _ in 0..deep {
            let index = json!({ "schemaVersion": 2, "manifests": [entry.json()] });
            entry = layout.add(index.to_string().as_bytes(), media::INDEX).unwrap();
        }
        layout.write_index(std::slice::from_ref(&entry)).unwrap();
        let out = user.pull(folder.to_str().unwrap());
        let said = text(&out.stderr);
        match deep {
            3 => assert!(out.status.success(), "{said}"),
            _ => assert!(said.contains("more than 64 indexes"), "{said}"),
        }
    }
}

/// Takes uploads as well.
fn receive(files: &Files, seen: &Seen) -> Reply {
    match seen.method.as_str() {
        "POST" => Reply::of(202, "").header("Location", "one?state=x"),
        "PUT" => {
            let kind = seen.header("content-type");
            match seen.path.split_once("digest=") {
                Some((upload, digest)) => {
                    let repository = upload.split("/uploads/").next().unwrap();
                    assert_eq!(files.put(&format!("{repository}/{digest}"), kind, &seen.body), digest);
                }
                None => {
                    let digest = files.put(&seen.path, kind, &seen.body);
                    let folder = seen.path.rsplit_once('/').unwrap().0;
                    files.put(&format!("{folder}/{digest}"), kind, &seen.body);
                }
            }
            Reply::of(201, "")
        }
        _ => files.reply(seen),
    }
}

#[test]
fn images_go_to_a_registry_and_come_back() {
    common::need_qemu("s390x");
    let files = Files::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Whose tokens are good for a few requests only, uploads included.
    let count = AtomicU32::new(0);
    let server = Server::start_at(listener, None, move |seen| {
        let n = count.fetch_add(1, Ordering::SeqCst) / 5;
        if seen.path.starts_with("/token") {
            assert!(seen.path.contains("%3Apull%2Cpush") || !seen.path.contains("push"));
            return Reply::of(200, format!("{{\"token\":\"{n}\"}}"));
        }
        let good =
            [n, n.saturating_sub(1)].iter().any(|n| seen.header("authorization") == format!("Bearer {n}"));
        if seen.path != "/v2/" && !good {
            return challenge(&bearer(port));
        }
        receive(&files, seen)
    });
    let guest = format!("qemu:{}", common::guest("s390x").display());
    let user = User::new();
    let words =
        ["image", "build", "--to", "s390x", "--engine", &guest, "--version", "9", "--push", &server.name()];
    let out = user.anyarch(&words);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(text(&out.stdout).lines().count(), 7);
    user.pulls(&format!("{}:s390x", server.name()));
    let out = user.anyarch(&["image", "inspect", &format!("{}:latest", server.name())]);
    let shown = text(&out.stdout);
    assert!(shown.starts_with("Name:      127.0.0.1") && shown.contains("Platform:  linux/amd64"), "{shown}");
}

#[test]
fn uploads_elsewhere_carry_no_token() {
    let files = one_image();
    let elsewhere = Files::default();
    let other = Server::start(move |seen| receive(&elsewhere, seen));
    let port = other.port;
    let server = Server::start(move |seen| match seen.method.as_str() {
        _ if seen.path != "/v2/" && seen.header("authorization") != BASIC => challenge("Basic realm=\"x\""),
        "POST" => Reply::of(202, "").header("Location", format!("http://127.0.0.1:{port}/x/uploads/one")),
        "HEAD" => Reply::of(404, ""),
        _ => receive(&files, seen),
    });
    let user = with_password(server.port);
    user.pulls(&server.name());
    let from = user.dir.path().join("pulled");
    let out =
        user.anyarch(&["image", "copy", from.to_str().unwrap(), &format!("docker://{}:two", server.name())]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert_eq!(other.seen().len(), 2);
    assert!(other.seen().iter().all(|s| s.method == "PUT" && s.header("authorization").is_empty()));
}

#[test]
fn what_was_pulled_runs_while_its_registry_is_away() {
    let mode = std::sync::Arc::new(AtomicU32::new(0));
    let (files, now) = (one_image(), mode.clone());
    let new = Files::default();
    let image = new.image("team/thing", "arm64");
    new.tag("team/thing", "latest", &image);
    let server = Server::start(move |seen| match now.load(Ordering::SeqCst) {
        _ if seen.path == "/v2/" => Reply::of(200, ""),
        0 => files.reply(seen),
        1 => Reply::of(503, "").header("Retry-After", "0"),
        2 => Reply::silent(),
        3 => Reply::of(404, ""),
        // It has a newer one, and cannot give it.
        _ if seen.path.contains("/blobs/") => Reply::of(429, "").header("Retry-After", "60"),
        _ => new.reply(seen),
    });
    let user = User::new().variable("ANYARCH_REGISTRY_TIMEOUT", "3");
    user.pulls(&server.name());
    let to = user.dir.path().join("pulled");
    for (number, words) in [(1, "is not available"), (2, "it is silent")] {
        mode.store(number, Ordering::SeqCst);
        std::fs::remove_dir_all(&to).unwrap();
        let out = user.pull_on(&server.name());
        let said = text(&out.stderr);
        assert!(out.status.success() && said.contains(words), "{said}");
        assert!(said.contains("the image is the one that was pulled before"), "{said}");
        assert!(std::fs::read_to_string(to.join("index.json")).unwrap().contains("s390x"));
        // Of another name nothing is known.
        let out = user.pull_on(&format!("{}:other", server.name()));
        assert_eq!(out.status.code(), Some(9), "{}", text(&out.stderr));
    }
    for (number, words) in [(3, "has no manifest"), (4, "has had too many requests")] {
        mode.store(number, Ordering::SeqCst);
        let out = user.pull_on(&server.name());
        assert_eq!(out.status.code(), Some(9));
        assert!(text(&out.stderr).contains(words), "{}", text(&out.stderr));
    }
}

/// `run` asks as docker does; what it runs comes from the cache.
#[test]
fn a_registry_is_asked_when_it_is_to_be() {
    common::need_namespaces();
    let files = one_image();
    let server = Server::start(move |seen| files.reply(seen));
    let user = User::new();
    let name = server.name();
    let run = |more: &[&str]| {
        let before = server.seen().len();
        let words = [&["run", "--engine", "qemu"], more, &[name.as_str()]].concat();
        let out = user.anyarch(&words);
        (out.status.code(), text(&out.stderr), server.seen().len() - before)
    };
    let (code, said, asked) = run(&["--pull", "never"]);
    assert!(code == Some(9) && said.contains("was not pulled before") && asked == 0, "{said} {asked}");
    // That the image has nothing to run is found when it is there.
    for (more, asks) in [
        (&[][..], true),
        (&[], false),
        (&["--pull", "never"], false),
        (&["--pull", "always"], true),
        (&[], false),
    ] {
        let (code, said, asked) = run(more);
        assert!(code != Some(9) && code != Some(0), "{more:?}: {said}");
        assert_eq!(asked > 0, asks, "{more:?}: {asked} {said}");
    }
}

#[test]
fn names_and_versions_that_no_registry_takes_are_refused_before_anything_is_made() {
    let user = User::new();
    let to = user.dir.path().join("images.tar");
    for (option, value) in [
        ("--version", "1.0+dirty"),
        ("--version", "-1"),
        ("--version", ""),
        ("--version", &"1".repeat(97)),
        ("--name", "Anyarch"),
        ("--name", "a:tag"),
        ("--name", "a//b"),
        ("--name", "a@sha256:0"),
    ] {
        let out = user.anyarch(&[
            "image",
            "build",
            "--to",
            "arm64",
            "-o",
            to.to_str().unwrap(),
            &format!("{option}={value}"),
        ]);
        assert_eq!(out.status.code(), Some(2), "{option} {value}: {}", text(&out.stderr));
        assert!(!to.exists());
    }
    let out = user.anyarch(&["image", "build", "--to", "arm64", "--push", "127.0.0.1:1/A"]);
    assert_eq!(out.status.code(), Some(2), "{}", text(&out.stderr));
}

#[test]
fn who_waits_is_told_on_a_terminal_only() {
    let files = one_image();
    let server = Server::start(move |seen| {
        if seen.path.contains("/manifests/") {
            std::thread::sleep(Duration::from_secs(3));
        }
        files.reply(seen)
    });
    let user = User::new();
    let words = format!("{} image inspect {}", common::ANYARCH, server.name());
    let out = user.on_terminal(&words);
    let shown = text(&out.stdout);
    assert!(out.status.success() && shown.contains("asking 127.0.0.1:"), "{shown}");
    let out = user.on_terminal(&words.replace("image", "-q image"));
    assert!(out.status.success() && !text(&out.stdout).contains("asking"), "{}", text(&out.stdout));
    let out = user.anyarch(&["image", "inspect", &server.name()]);
    assert!(out.status.success() && out.stderr.is_empty(), "{}", text(&out.stderr));
}
