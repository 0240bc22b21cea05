//! A registry in this process that does what a test wants: well, badly, or never.
//!
//! A server hands every request to a closure and notes it; the answer may be cut off or stall. TLS
//! is that of a private authority, made by openssl.

#![allow(dead_code)]

use anyarch_tool::oci::{Digest, media};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in small letters.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer.
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How much of the body is sent.
    sent: usize,
    /// Whether the connection stays open without a word afterwards.
    stall: bool,
    /// Whether its length is left out.
    unmeasured: bool,
    /// Whether there is no answer at all.
    silent: bool,
}

impl Reply {
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: vec![],
            body: body.into(),
            sent: usize::MAX,
            stall: false,
            unmeasured: false,
            silent: false,
        }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The connection ends after these many bytes of the body.
    pub fn cut(mut self, sent: usize) -> Reply {
        self.sent = sent;
        self
    }

    /// Nothing comes after these many bytes of the body.
    pub fn stall(mut self, sent: usize) -> Reply {
        self.sent = sent;
        self.stall = true;
        self
    }

    /// Without an announced length: the headers say how it ends.
    pub fn without_length(mut self) -> Reply {
        self.unmeasured = true;
        self
    }

    /// Nothing comes at all.
    pub fn silent() -> Reply {
        Reply { silent: true, ..Reply::of(200, "") }
    }
}

pub struct Server {
    pub port: u16,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Without TLS.
    pub fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        Server::start_at(TcpListener::bind("127.0.0.1:0").unwrap(), None, handler)
    }

    pub fn with_tls(
        tls: Arc<ServerConfig>,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Server::start_at(TcpListener::bind("127.0.0.1:0").unwrap(), Some(tls), handler)
    }

    /// On a socket that is there already, so that answers can name its port.
    pub fn start_at(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let server = Server { port: listener.local_addr().unwrap().port(), log: Arc::default() };
        let (log, handler) = (server.log.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, handler, tls) = (log.clone(), handler.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => one(stream, &log, &*handler),
                    Some(tls) => {
                        one(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &log, &*handler)
                    }
                });
            }
        });
        server
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    /// `127.0.0.1:PORT/team/thing`.
    pub fn name(&self) -> String {
        format!("127.0.0.1:{}/team/thing", self.port)
    }
}

/// One request of one connection.
fn one(stream: impl Read + Write, log: &Mutex<Vec<Seen>>, handler: &dyn Fn(&Seen) -> Reply) {
    let mut reader = BufReader::new(stream);
    let mut line = || -> Option<String> {
        let mut bytes = Vec::new();
        reader.read_until(b'\n', &mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end().to_string())
    };
    // What speaks TLS to a server without gets no answer.
    let Some(first) = line().filter(|l| l.contains(" HTTP/1.1")) else { return };
    let mut headers = HashMap::new();
    while let Some((name, value)) =
        line().and_then(|l| l.split_once(':').map(|(n, v)| (n.to_string(), v.to_string())))
    {
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let mut words = first.split(' ').map(str::to_string);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut body = vec![0; headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let seen = Seen { method, path, headers, body };
    log.lock().unwrap().push(seen.clone());
    let reply = handler(&seen);
    let stream = reader.get_mut();
    let idle = Duration::from_secs(20);
    if reply.silent {
        std::thread::sleep(idle);
        return;
    }
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    if !reply.unmeasured {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    if seen.method != "HEAD" {
        bytes.extend(&reply.body[..reply.body.len().min(reply.sent)]);
    }
    // The other side may have had enough.
    let _ = stream.write_all(&bytes);
    let _ = stream.flush();
    if reply.stall {
        std::thread::sleep(idle);
    }
}

/// Media types and contents, by path.
type ByPath = HashMap<String, (String, Vec<u8>)>;

/// What a registry has.
#[derive(Clone, Default)]
pub struct Files(pub Arc<Mutex<ByPath>>);

impl Files {
    pub fn put(&self, path: &str, kind: &str, bytes: &[u8]) -> String {
        self.0.lock().unwrap().insert(path.into(), (kind.into(), bytes.into()));
        Digest::of(bytes).to_string()
    }

    /// A manifest or index under its digest; its descriptor.
    pub fn manifest(&self, name: &str, kind: &str, value: &Value) -> Value {
        let bytes = value.to_string();
        let digest = Digest::of(bytes.as_bytes());
        self.put(&format!("/v2/{name}/manifests/{digest}"), kind, bytes.as_bytes());
        json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
    }

    /// A tag for what has this descriptor.
    pub fn tag(&self, name: &str, tag: &str, descriptor: &Value) {
        let by_digest = format!("/v2/{name}/manifests/{}", descriptor["digest"].as_str().unwrap());
        let (kind, bytes) = self.0.lock().unwrap()[&by_digest].clone();
        self.put(&format!("/v2/{name}/manifests/{tag}"), &kind, &bytes);
    }

    /// An image with a layer of 100 000 bytes and more; its manifest's descriptor, with its
    /// platform.
    pub fn image(&self, name: &str, architecture: &str) -> Value {
        let content: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect();
        let layer = super::one_entry(tar::EntryType::Regular, "a", "", &content);
        let blob = |bytes: &[u8], kind: &str| {
            let digest = Digest::of(bytes).to_string();
            self.put(&format!("/v2/{name}/blobs/{digest}"), "application/octet-stream", bytes);
            json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
        };
        let layers = [blob(&layer, "application/vnd.oci.image.layer.v1.tar")];
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
        });
        let config = blob(config.to_string().as_bytes(), media::CONFIG);
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers });
        let mut descriptor = self.manifest(name, media::MANIFEST, &manifest);
        descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
        descriptor
    }

    /// What there is, by GET and HEAD, with ranges.
    pub fn reply(&self, seen: &Seen) -> Reply {
        if seen.path == "/v2/" {
            return Reply::of(200, "{}");
        }
        let Some((kind, bytes)) = self.0.lock().unwrap().get(&seen.path).cloned() else {
            let why = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}"#;
            return Reply::of(404, why).header("Content-Type", "application/json");
        };
        let from =
            seen.header("range").strip_prefix("bytes=").and_then(|r| r.trim_end_matches('-').parse().ok());
        let reply = match from {
            Some(from) if from < bytes.len() => {
                let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                Reply::of(206, &bytes[from..]).header("Content-Range", range)
            }
            Some(_) => Reply::of(416, ""),
            None => Reply::of(200, bytes),
        };
        reply.header("Content-Type", kind)
    }
}

/// Those of a registry with one image, `team/thing:latest`.
pub fn one_image() -> Files {
    let files = Files::default();
    let image = files.image("team/thing", "s390x");
    files.tag("team/thing", "latest", &image);
    files
}

/// A user: a home folder, and nothing of the machine's user in the environment.
pub struct User {
    pub dir: tempfile::TempDir,
    variables: Vec<(String, String)>,
    /// Another /etc.
    etc: bool,
}

impl User {
    pub fn new() -> User {
        let user = User { dir: tempfile::tempdir().unwrap(), variables: vec![], etc: false };
        std::fs::create_dir_all(user.home()).unwrap();
        user
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// An /etc in which these names are this machine's.
    pub fn with_etc(mut self, names: &str) -> User {
        super::need_namespaces();
        self.etc = true;
        self.etc("hosts", &format!("127.0.0.1 localhost {names}\n"));
        self.etc("nsswitch.conf", "hosts: files\n");
        self.etc("passwd", "root:x:0:0::/:/bin/sh\n");
        self
    }

    /// A file of /etc.
    pub fn etc(&self, path: &str, text: &str) {
        write(&self.dir.path().join("etc").join(path), text);
    }

    /// A file of the home folder.
    pub fn file(&self, path: &str, text: &str) {
        write(&self.home().join(path), text);
    }

    pub fn variable(mut self, name: &str, value: impl Into<String>) -> User {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The environment of a command: no more than this.
    fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", self.home().join("bin").display()));
        command.env("HOME", self.home()).env("XDG_CACHE_HOME", self.dir.path().join("cache"));
        command.env("ANYARCH_REGISTRY_TIMEOUT", "10").env("XDG_RUNTIME_DIR", self.home().join("run"));
        command.envs(self.variables.iter().map(|(n, v)| (n, v)));
    }

    pub fn anyarch(&self, args: &[&str]) -> Output {
        let mut command = if self.etc {
            let mut command = Command::new("unshare");
            let script = r#"mount --bind "$1" /etc && shift && exec "$@""#;
            command
                .args(["-Urm", "sh", "-c", script, "sh"])
                .arg(self.dir.path().join("etc"))
                .arg(super::ANYARCH);
            command
        } else {
            Command::new(super::ANYARCH)
        };
        self.prepare(&mut command);
        command.args(args).output().unwrap()
    }

    /// A command line with a terminal of its own; what that shows.
    pub fn on_terminal(&self, words: &str) -> Output {
        let mut command = Command::new("script");
        self.prepare(&mut command);
        command.env("TERM", "xterm").args(["-qec", words, "/dev/null"]);
        command.output().unwrap()
    }

    /// Pulls an image to a folder of its own, without a cache.
    pub fn pull(&self, name: &str) -> Output {
        let _ = std::fs::remove_dir_all(self.dir.path().join("cache"));
        let _ = std::fs::remove_dir_all(self.dir.path().join("pulled"));
        self.pull_on(name)
    }

    /// The same with what the cache has.
    pub fn pull_on(&self, name: &str) -> Output {
        let to = self.dir.path().join("pulled");
        self.anyarch(&["image", "copy", "-v", name, to.to_str().unwrap()])
    }

    pub fn pulls(&self, name: &str) -> String {
        let out = self.pull(name);
        let said = super::text(&out.stderr);
        assert!(out.status.success(), "{name}: {said}");
        said
    }

    /// Fails with exit code 9, and says this.
    pub fn refuses(&self, name: &str, words: &str) -> String {
        let out = self.pull(name);
        let said = super::text(&out.stderr);
        assert_eq!(out.status.code(), Some(9), "{name}: {said}");
        assert!(said.contains(words), "`{words}` is not in: {said}");
        said
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A private authority and a certificate of it for these names; each test has its own.
pub struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Authority {
        let authority = Authority { dir: tempfile::tempdir().unwrap() };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt",
        );
        authority
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    pub fn ca_text(&self) -> String {
        std::fs::read_to_string(self.ca()).unwrap()
    }

    fn openssl(&self, words: &str) {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(self.dir.path()).output();
        let output = output.expect("openssl is missing: apt install openssl");
        assert!(output.status.success(), "openssl {words}: {}", super::text(&output.stderr));
    }

    /// A certificate; the files of it and of its key.
    pub fn issue(&self, names: &str) -> (PathBuf, PathBuf) {
        self.openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -keyout x.key -out x.csr");
        write(
            &self.dir.path().join("x.ext"),
            &format!("subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n"),
        );
        self.openssl(
            "x509 -req -in x.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile x.ext -out x.crt",
        );
        (self.dir.path().join("x.crt"), self.dir.path().join("x.key"))
    }

    /// For a server of these names; with `clients`, one that wants a certificate of this authority.
    pub fn tls(&self, names: &str, clients: bool) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(names);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if clients {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(self.ca()).unwrap()).unwrap();
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
        builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap().into()
    }
}

/// A proxy that knows CONNECT, and takes every name for this machine's.
pub struct Proxy {
    pub port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), log: Arc::default() };
        let log = proxy.log.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                std::thread::spawn(move || tunnel(stream, &log));
            }
        });
        proxy
    }

    /// The heads of all requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn tunnel(mut from: TcpStream, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    log.lock().unwrap().push(head.clone());
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let port: u16 = target.rsplit_once(':')?.1.parse().ok()?;
    let mut to = TcpStream::connect(("127.0.0.1", port)).ok()?;
    from.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut back_from, mut back_to) = (to.try_clone().ok()?, from.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut from, &mut to);
    to.shutdown(std::net::Shutdown::Write).ok()
}
