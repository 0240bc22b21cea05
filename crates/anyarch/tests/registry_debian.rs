//! Debian's docker-registry behind TLS of a private authority, with passwords and with tokens.

mod common;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::registry::*;
use common::text;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// `docker-registry serve`, ended with the test.
struct Debians {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Drop for Debians {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Debians {
    fn start(authority: &Authority, auth: Value) -> Debians {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (certificate, key) = authority.issue("DNS:registry.test");
        let (own_certificate, own_key) = (dir.path().join("x.crt"), dir.path().join("x.key"));
        std::fs::copy(certificate, &own_certificate).unwrap();
        std::fs::copy(key, &own_key).unwrap();
        let conf = json!({
            "version": 0.1,
            "storage": { "filesystem": { "rootdirectory": dir.path().join("data") } },
            "http": {
                "addr": format!("127.0.0.1:{port}"),
                "tls": { "certificate": own_certificate, "key": own_key },
            },
            "auth": auth,
        });
        // JSON is YAML.
        std::fs::write(dir.path().join("conf.yml"), conf.to_string()).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(dir.path().join("conf.yml")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().expect("docker-registry is missing: apt install docker-registry");
        let mut registry = Debians { child, port, dir };
        for _ in 0..300 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return registry;
            }
            assert!(registry.child.try_wait().unwrap().is_none(), "it ended: {}", registry.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("it does not listen: {}", registry.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn host(&self) -> String {
        format!("registry.test:{}", self.port)
    }
}

/// A layout with an image that no registry has.
fn layout(user: &User) -> PathBuf {
    common::crafted(user.dir.path(), &common::one_entry(tar::EntryType::Regular, "a", "", &[7; 300_000]))
}

fn user(authority: &Authority, host: &str, auth: Option<&str>) -> User {
    let user = User::new().with_etc("registry.test auth.registry.test");
    user.etc(&format!("docker/certs.d/{host}/ca.crt"), &authority.ca_text());
    if let Some(auth) = auth {
        let entry = json!({ "auth": STANDARD.encode(auth) });
        user.file(".docker/config.json", &json!({ "auths": { host: entry } }).to_string());
    }
    user
}

/// Pushes, inspects and pulls; what was pushed is what comes back.
fn there_and_back(user: &User, name: &str, registry: &Debians) {
    let from = layout(user);
    let out = user.anyarch(&["image", "copy", "-v", from.to_str().unwrap(), &format!("docker://{name}")]);
    assert!(out.status.success(), "{}\n{}", text(&out.stderr), registry.log());
    let out = user.anyarch(&["image", "inspect", name]);
    assert!(text(&out.stdout).contains("Digest:    sha256:"), "{}", text(&out.stderr));
    user.pulls(name);
    let blobs = |layout: &Path| -> Vec<String> {
        let list = std::fs::read_dir(layout.join("blobs/sha256")).unwrap();
        let mut names: Vec<_> = list.flatten().map(|e| e.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(blobs(&from), blobs(&user.dir.path().join("pulled")));
}

#[test]
fn passwords() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("htpasswd");
    // docker-registry takes bcrypt only.
    let script = r#"print "me:", crypt("se:cret", '$2b$05$' . "abcdefghijklmnopqrstuu"), "\n""#;
    let line = Command::new("perl").args(["-e", script]).output().unwrap().stdout;
    assert!(line.starts_with(b"me:$2b$"), "{}", text(&line));
    std::fs::write(&file, line).unwrap();
    let registry = Debians::start(&authority, json!({ "htpasswd": { "realm": "test", "path": file } }));
    let host = registry.host();
    let name = format!("{host}/team/thing:1");
    there_and_back(&user(&authority, &host, Some("me:se:cret")), &name, &registry);
    user(&authority, &host, Some("me:wrong")).refuses(&name, "denies access to team/thing");
    user(&authority, &host, None).refuses(&name, &format!("docker login {host}"));
    let with = user(&authority, &host, Some("me:se:cret"));
    with.refuses(&format!("{host}/team/other"), "has no manifest latest of team/other");
}

/// A token of the distribution's specification, signed by openssl.
fn token(keys: &Path, scope: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let pem = std::fs::read_to_string(keys.join("token.crt")).unwrap();
    let der: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
    let mut words = scope.splitn(3, ':');
    let (kind, name, actions) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let actions: Vec<&str> = actions.split(',').collect();
    let head = json!({ "typ": "JWT", "alg": "RS256", "x5c": [der] });
    let claims = json!({
        "iss": "issuer", "sub": "me", "aud": "service", "exp": now + 60, "nbf": now - 60, "iat": now - 60, "jti": "1",
        "access": [{ "type": kind, "name": name, "actions": actions }],
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(&claims));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-binary", "-sign"])
        .arg(keys.join("token.key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(signed.as_bytes()).unwrap();
    let signature = openssl.wait_with_output().unwrap().stdout;
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn tokens() {
    let authority = Authority::new();
    let keys = tempfile::tempdir().unwrap();
    let words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=token -keyout token.key -out token.crt";
    let out = Command::new("openssl").args(words.split(' ')).current_dir(keys.path()).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    let folder = keys.path().to_path_buf();
    let tls = authority.tls("DNS:auth.registry.test", false);
    // Everybody may pull, and only who is known may push.
    let server = Server::with_tls(tls, move |seen| {
        let (_, query) = seen.path.split_once('?').unwrap();
        let field =
            |name: &str| query.split('&').find_map(|f| f.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
        assert_eq!(field("service"), "service");
        let scope = field("scope").replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
        let known = format!("Basic {}", STANDARD.encode("me:secret"));
        match seen.header("authorization") {
            a if a == known => {}
            "" if scope.ends_with(":pull") => {}
            _ => return Reply::of(401, ""),
        }
        Reply::of(200, json!({ "token": token(&folder, &scope), "expires_in": 60 }).to_string())
    });
    let auth = json!({ "token": {
        "realm": format!("https://auth.registry.test:{}/token", server.port), "service": "service", "issuer": "issuer",
        "rootcertbundle": keys.path().join("token.crt"),
    }});
    let registry = Debians::start(&authority, auth);
    let host = registry.host();
    let name = format!("{host}/team/thing:1");
    let user = |auth: Option<&str>| {
        let user = user(&authority, &host, auth);
        user.etc(&format!("docker/certs.d/auth.registry.test:{}/ca.crt", server.port), &authority.ca_text());
        user
    };
    there_and_back(&user(Some("me:secret")), &name, &registry);
    user(None).pulls(&name);
    let nobody = user(None);
    let from = layout(&nobody);
    let out = nobody.anyarch(&["image", "copy", from.to_str().unwrap(), &format!("docker://{name}")]);
    assert_eq!(out.status.code(), Some(9));
    assert!(text(&out.stderr).contains("denies access to team/thing"), "{}", text(&out.stderr));
    user(Some("me:wrong")).refuses(&name, "denies access to team/thing");
}
