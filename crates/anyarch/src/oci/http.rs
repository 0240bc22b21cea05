//! Requests to registries and to whom they send us: proxies, certificates, redirects, patience.
//!
//! The HTTP and TLS are ureq's and rustls's. Redirects are followed here, because each host has
//! certificates and trust of its own, and because `Authorization` stays with the very server it is
//! for (scheme, name and port); which proxy is meant, because one variable is for one scheme and
//! the loopback has none.

use super::MAX_DOCUMENT;
use super::dns::Dns;
use super::endpoint::{self, Trust, bare, in_range, is_loopback};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::ui;
use indicatif::ProgressBar;
use rustls::pki_types::PrivateKeyDer;
use rustls_native_certs::load_certs_from_paths;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use ureq::http::{Method, Request, Response, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Proxy, SendBody};

/// How often a request is made where the server says that it is too busy.
const ATTEMPTS: u32 = 5;
/// How many redirects are followed.
const REDIRECTS: u32 = 10;

/// What a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Nothing.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// A file of this many bytes, and what shows how much of it is sent.
    File(&'a File, u64, &'a ProgressBar),
}

/// Why there is no answer.
pub(crate) struct Broken {
    /// As a failure of a command.
    pub failure: Failure,
    /// Whether the same request may succeed.
    pub again: bool,
    /// Whether a server without TLS would explain it: no connection, or no TLS on it.
    pub no_tls: bool,
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        Broken { failure, again: false, no_tls: false }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Failure {
        broken.failure
    }
}

/// An answer, and who gave it.
pub(crate) struct Answer {
    /// The answer.
    pub response: Response<Body>,
    /// The address, redirects followed.
    pub url: Uri,
}

impl Answer {
    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header's value, the first of several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The body of a document, which is to be small.
    pub(crate) fn document(&mut self, what: &str) -> Result<Vec<u8>> {
        let body = self.response.body_mut();
        let long =
            || Failure::new(Code::Image, format!("{what} is larger than {MAX_DOCUMENT} bytes: refused"));
        if body.content_length().is_some_and(|l| l > MAX_DOCUMENT) {
            return Err(long());
        }
        body.with_config().limit(MAX_DOCUMENT).read_to_vec().map_err(|e| match e {
            ureq::Error::BodyExceedsLimit(_) => long(),
            e => Failure::new(Code::Image, format!("{what} was cut off: {}", reason(&e))),
        })
    }
}

/// The servers spoken to.
pub(crate) struct Http {
    agents: HashMap<String, Agent>,
    /// How a host is spoken to that was asked for by its name.
    known: HashMap<String, Trust>,
    patience: Patience,
}

/// How long a server is waited for.
struct Patience {
    /// For it to say something.
    silence: Duration,
    /// As long as it asks for (Retry-After).
    busy: Duration,
}

impl Http {
    /// None yet.
    pub(crate) fn new() -> Result<Http> {
        let seconds = |name: &str, default: f64| -> Result<Duration> {
            let Some(text) = std::env::var(name).ok().filter(|t| !t.is_empty()) else {
                return Ok(Duration::from_secs_f64(default));
            };
            let value = text.parse().ok().filter(|s| (0.01..=86400.0).contains(s));
            match value {
                Some(value) => Ok(Duration::from_secs_f64(value)),
                None => fail!(Code::Usage, "{name}={text}: seconds are meant, from 0.01 to 86400"),
            }
        };
        let patience = Patience {
            silence: seconds("ANYARCH_REGISTRY_TIMEOUT", 60.0)?,
            busy: seconds("ANYARCH_REGISTRY_WAIT", 30.0)?,
        };
        Ok(Http { agents: HashMap::new(), known: HashMap::new(), patience })
    }

    /// Says how a host is spoken to.
    pub(crate) fn know(&mut self, host: &str, trust: Trust) {
        self.known.insert(host.into(), trust);
    }

    /// A request. `authorization` goes to the server of `url` and to no other.
    ///
    /// # Errors
    /// Where there is no answer; an answer of any status is one. A server that says that it is busy
    /// is asked again, after as long as it says and `ANYARCH_REGISTRY_WAIT` allows.
    pub(crate) fn send(
        &mut self,
        method: &Method,
        url: &str,
        headers: &[(&str, String)],
        payload: Payload<'_>,
        authorization: Option<&str>,
    ) -> std::result::Result<Answer, Broken> {
        let mut url = parse(url)?;
        let first = origin(&url);
        let (mut redirects, mut attempt) = (0, 0);
        loop {
            let own = origin(&url) == first;
            let response = self.once(method, &url, headers, payload, authorization.filter(|_| own))?;
            let answer = Answer { response, url: url.clone() };
            match answer.status() {
                301 | 302 | 303 | 307 | 308 if answer.header("location").is_some() => {
                    let next = parse(&join(&url, answer.header("location").unwrap_or_default()))?;
                    // What a request carries may be a secret, and is for this server alone.
                    let carries = !matches!(*method, Method::GET | Method::HEAD);
                    let repeated = matches!(answer.status(), 307 | 308) && origin(&next) == origin(&url);
                    if carries && !repeated {
                        return Ok(answer);
                    }
                    if url.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                        fail_broken(format!(
                            "{} sends us to {next}, without encryption: refused",
                            authority(&url)
                        ))?;
                    }
                    redirects += 1;
                    if redirects > REDIRECTS {
                        fail_broken(format!("{} sends us on more than {REDIRECTS} times", authority(&url)))?;
                    }
                    detail!("{} sends us to {}", authority(&url), authority(&next));
                    url = next;
                }
                429 | 503 => {
                    attempt += 1;
                    let asked = answer.header("retry-after").and_then(retry_after);
                    let wait = asked.unwrap_or(Duration::from_secs(1 << attempt.min(4)) / 2);
                    if attempt >= ATTEMPTS || wait > self.patience.busy {
                        return Ok(answer);
                    }
                    let busy = format!("{} is busy, waiting {:.1} s", authority(&url), wait.as_secs_f32());
                    if wait > Duration::from_secs(1) && !ui::quiet() {
                        eprintln!("anyarch: {busy}");
                    } else {
                        detail!("{busy}");
                    }
                    std::thread::sleep(wait);
                }
                _ => return Ok(answer),
            }
        }
    }

    fn once(
        &mut self,
        method: &Method,
        url: &Uri,
        headers: &[(&str, String)],
        payload: Payload<'_>,
        authorization: Option<&str>,
    ) -> std::result::Result<Response<Body>, Broken> {
        let agent = self.agent(url)?;
        let mut request = Request::builder().method(method.clone()).uri(url.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        if let Payload::File(_, length, _) = payload {
            request = request.header("Content-Length", length);
        }
        // A value of a registry's or a token server's that no header can hold.
        let unsound = |e| {
            Failure::new(Code::Image, format!("no request can be made of what {} says: {e}", authority(url)))
        };
        let sent = match payload {
            Payload::Nothing if matches!(*method, Method::GET | Method::HEAD) => {
                agent.run(request.body(()).map_err(unsound)?)
            }
            Payload::Nothing => agent.run(request.body(&[][..]).map_err(unsound)?),
            Payload::Bytes(bytes) => agent.run(request.body(bytes).map_err(unsound)?),
            Payload::File(file, length, bar) => {
                // Each request sends it from its beginning.
                let file = file.try_clone().and_then(|mut f| std::io::Seek::rewind(&mut f).map(|()| f));
                let file = file.or_fail(Code::Failed, || "cannot read a blob".into())?;
                agent.run(
                    request
                        .body(SendBody::from_owned_reader(bar.wrap_read(file.take(length))))
                        .map_err(unsound)?,
                )
            }
        };
        sent.map_err(|e| unreachable(url, &e))
    }

    /// The one that speaks to a server.
    fn agent(&mut self, url: &Uri) -> Result<Agent> {
        let key = origin(url);
        if let Some(agent) = self.agents.get(&key) {
            return Ok(agent.clone());
        }
        let host = authority(url);
        let mut tls = TlsConfig::builder();
        if url.scheme_str() == Some("https") {
            let trust = match self.known.get(&host) {
                Some(trust) => *trust,
                None => endpoint::trust(&host)?,
            };
            let (roots, client) = certificates(&host)?;
            tls = tls.root_certs(roots).client_cert(client).disable_verification(trust == Trust::Insecure);
        }
        let silence = Some(self.patience.silence);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy(url)?)
            .user_agent(concat!("anyarch/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(silence)
            .timeout_recv_response(silence)
            .timeout_per_read(silence)
            .timeout_per_write(silence)
            .tls_config(tls.build())
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), Dns);
        self.agents.insert(key, agent.clone());
        Ok(agent)
    }
}

fn fail_broken(what: String) -> Result<()> {
    Err(Failure::new(Code::Image, what))
}

fn parse(url: &str) -> Result<Uri> {
    let uri: Uri = url.parse().or_fail(Code::Image, || format!("`{url}` is no address"))?;
    // A name and a password in an address would go to whoever it names.
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    if !matches!(uri.scheme_str(), Some("http" | "https")) || !plain {
        fail!(Code::Image, "`{url}` is no address of a registry");
    }
    Ok(uri)
}

/// `HOST[:PORT]`.
pub(crate) fn authority(url: &Uri) -> String {
    url.authority().map(|a| a.as_str().to_ascii_lowercase()).unwrap_or_default()
}

/// The server: scheme, name and port.
pub(crate) fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("");
    let port = url.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
    format!("{scheme}://{}:{port}", url.host().unwrap_or("").to_ascii_lowercase())
}

/// An address that an answer refers to (RFC 3986, section 5.2.2, without `..`).
pub(crate) fn join(base: &Uri, reference: &str) -> String {
    let scheme = base.scheme_str().unwrap_or("https");
    let server = format!("{scheme}://{}", authority(base));
    let reference = reference.split('#').next().unwrap_or(reference);
    if reference.contains("://") && !reference.starts_with(['/', '?']) {
        reference.into()
    } else if reference.starts_with("//") {
        format!("{scheme}:{reference}")
    } else if reference.starts_with('/') {
        format!("{server}{reference}")
    } else if reference.starts_with('?') || reference.is_empty() {
        format!("{server}{}{reference}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{server}{folder}/{reference}")
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// What is wrong, in a reader's words.
pub(crate) fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(
            ureq::Timeout::PerRead | ureq::Timeout::PerWrite | ureq::Timeout::RecvResponse,
        ) => "it is silent (ANYARCH_REGISTRY_TIMEOUT)".into(),
        ureq::Error::Timeout(_) => "no connection in time (ANYARCH_REGISTRY_TIMEOUT)".into(),
        ureq::Error::Io(e) => match e.get_ref().and_then(|e| e.downcast_ref::<ureq::Error>()) {
            Some(inner) => reason(inner),
            None => e.to_string(),
        },
        other => other.to_string(),
    }
}

fn unreachable(url: &Uri, error: &ureq::Error) -> Broken {
    let host = authority(url);
    let tls = match error {
        ureq::Error::Rustls(e) => Some(e),
        ureq::Error::Io(e) => e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()),
        _ => None,
    };
    let failure = match (error, tls) {
        (ureq::Error::HostNotFound, _) => Failure::new(Code::Image, format!("the registry {host} has no address"))
            .mend(format!("check the name: getent hosts {}", bare(&host))),
        (_, Some(rustls::Error::InvalidCertificate(why))) => Failure::new(
            Code::Image,
            format!("the certificate of the registry {host} is not trusted: {why}"),
        )
        .mend(format!(
            "put its authority's certificate into /etc/docker/certs.d/{host}/ca.crt, or name it in SSL_CERT_FILE"
        )),
        _ => Failure::new(Code::Image, format!("the registry {host} cannot be reached: {}", reason(error))),
    };
    let refused = matches!(tls, Some(rustls::Error::InvalidCertificate(_)));
    let no_tls = match tls {
        // What it says is no TLS. Any other error of TLS comes from a server that speaks it.
        Some(error) => matches!(error, rustls::Error::InvalidMessage(_)),
        None => !matches!(error, ureq::Error::ConnectProxyFailed(_) | ureq::Error::HostNotFound),
    };
    Broken { failure, again: !refused, no_tls }
}

/// What the machine trusts, or `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set, and what
/// certs.d has for this host: its authorities (`*.crt`) and our own certificate (`*.cert` with
/// `*.key`).
fn certificates(host: &str) -> Result<(RootCerts, Option<ClientCert>)> {
    let mut more = Vec::new();
    let mut client = None;
    let user = endpoint::user_config("containers/certs.d");
    let folders = ["/etc/docker/certs.d", "/etc/containers/certs.d"].map(PathBuf::from);
    for folder in folders.into_iter().chain(user) {
        let Ok(entries) = fs::read_dir(folder.join(host)) else { continue };
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        files.sort();
        for file in files {
            match file.extension().and_then(|e| e.to_str()) {
                Some("crt") => more.extend(pem_certificates(&file)?),
                Some("cert") => client = client_certificate(&file)?.or(client),
                _ => {}
            }
        }
    }
    let machine = machine_certificates()?;
    let roots = match (machine.is_empty(), more.is_empty()) {
        // Those built in, where the machine has none.
        (true, true) => RootCerts::WebPki,
        _ => RootCerts::new_with_certs(&[machine, &more].concat()),
    };
    Ok((roots, client))
}

fn machine_certificates() -> Result<&'static [Certificate<'static>]> {
    static FOUND: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    // A variable that is empty counts for nothing, as for other programs.
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let (file, dirs, variable) = match (named("SSL_CERT_FILE"), named("SSL_CERT_DIR")) {
        (None, None) => {
            let found = openssl_probe::probe();
            (found.cert_file, found.cert_dir, None)
        }
        (Some(file), None) => (Some(file.into()), vec![], Some("SSL_CERT_FILE")),
        (file, Some(dirs)) => {
            (file.map(PathBuf::from), std::env::split_paths(&dirs).collect(), Some("SSL_CERT_DIR"))
        }
    };
    let mut found = load_certs_from_paths(file.as_deref(), None);
    for dir in &dirs {
        let more = load_certs_from_paths(None, Some(dir));
        found.certs.extend(more.certs);
        found.errors.extend(more.errors);
    }
    for error in &found.errors {
        detail!("{error}");
    }
    if let Some(name) = variable.filter(|_| found.certs.is_empty()) {
        let why = found.errors.first().map_or("it has none".to_string(), ToString::to_string);
        fail!(Code::Image, "{name} gives no certificates: {why}");
    }
    let certificates = found.certs.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
    Ok(FOUND.get_or_init(|| certificates))
}

/// What a file of certs.d has; `None` where it is for other users, as the keys of docker's daemon
/// are.
fn pem_items(file: &Path) -> Result<Option<Vec<PemItem<'static>>>> {
    let what = || format!("cannot read {}", file.display());
    let pem = match fs::read(file) {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            detail!("{}: {e}", what());
            return Ok(None);
        }
        pem => pem.or_fail(Code::Image, what)?,
    };
    ureq::tls::parse_pem(&pem).collect::<std::result::Result<_, _>>().or_fail(Code::Image, what).map(Some)
}

fn pem_certificates(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let of = |item| if let PemItem::Certificate(c) = item { Some(c) } else { None };
    let Some(items) = pem_items(file)? else { return Ok(vec![]) };
    let found: Vec<_> = items.into_iter().filter_map(of).collect();
    if found.is_empty() {
        fail!(Code::Image, "{} has no certificate", file.display());
    }
    Ok(found)
}

fn client_certificate(file: &Path) -> Result<Option<ClientCert>> {
    let key = file.with_extension("key");
    let of = |item| if let PemItem::PrivateKey(k) = item { Some(k) } else { None };
    let Some(items) = pem_items(&key)? else { return Ok(None) };
    let Some(found) = items.into_iter().find_map(of) else {
        fail!(Code::Image, "{} has no private key", key.display());
    };
    let chain = pem_certificates(file)?;
    if chain.is_empty() {
        return Ok(None);
    }
    // ureq panics where they do not fit.
    let what = || format!("{} and {} do not belong together", file.display(), key.display());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let der = PrivateKeyDer::try_from(found.der().to_vec()).or_fail(Code::Image, what)?;
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .or_fail(Code::Image, what)?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_client_auth_cert(chain.iter().map(|c| c.der().to_vec().into()).collect(), der)
        .or_fail(Code::Image, what)?;
    Ok(Some(ClientCert::new_with_certs(&chain, found)))
}

/// The proxy to a server: `HTTPS_PROXY` or `HTTP_PROXY` by its scheme, else `ALL_PROXY`, in
/// capitals or not; none for what `NO_PROXY` names and for this machine.
fn proxy(url: &Uri) -> Result<Option<Proxy>> {
    let env = |name: &str| {
        let text = std::env::var(name).ok().filter(|v| !v.is_empty());
        text.or_else(|| std::env::var(name.to_ascii_lowercase()).ok().filter(|v| !v.is_empty()))
    };
    let host = authority(url);
    let own = if url.scheme_str() == Some("https") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let Some((name, text)) = [own, "ALL_PROXY"].into_iter().find_map(|n| Some((n, env(n)?))) else {
        return Ok(None);
    };
    if is_loopback(&host) || env("NO_PROXY").is_some_and(|list| is_excepted(&list, url)) {
        return Ok(None);
    }
    let proxy = Proxy::new(&text)
        .ok()
        .filter(|p| matches!(p.protocol(), ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https));
    match proxy {
        Some(proxy) => Ok(Some(proxy)),
        // Its value may have a password.
        None => {
            fail!(Code::Usage, "{name} is no address of a proxy that speaks HTTP: http://HOST:PORT is meant")
        }
    }
}

/// Whether `NO_PROXY` names a server, as Go's programs (docker, podman) read it: names with
/// everything below them (`.NAME` without the name itself), `NAME:PORT`, addresses, ranges of
/// addresses, and `*`.
fn is_excepted(list: &str, url: &Uri) -> bool {
    let host = bare(url.host().unwrap_or("")).to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 });
    list.split([',', ' ']).filter(|item| !item.is_empty()).any(|item| {
        let item = item.to_ascii_lowercase();
        if item == "*" {
            return true;
        }
        if let Ok(address) = host.parse() {
            let only =
                item.parse::<std::net::SocketAddr>().is_ok_and(|s| s.ip() == address && s.port() == port);
            return only || in_range(bare_range(&item), address);
        }
        let (name, only) = item.rsplit_once(':').map_or((item.as_str(), None), |(n, p)| (n, Some(p)));
        if only.is_some_and(|p| p.parse() != Ok(port)) {
            return false;
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        match name.strip_prefix('.') {
            Some(_) => host.ends_with(name),
            None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

/// `[::1]` is an address as well.
fn bare_range(item: &str) -> &str {
    item.strip_prefix('[').and_then(|i| i.strip_suffix(']')).unwrap_or(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_joined() {
        let base: Uri = "https://a.example:5000/v2/x/blobs/uploads/?s=1".parse().unwrap();
        let check = |reference: &str, want: &str| assert_eq!(join(&base, reference), want, "{reference}");
        check("https://b.example/x", "https://b.example/x");
        check("//b.example/x", "https://b.example/x");
        check("/x?y=http://z", "https://a.example:5000/x?y=http://z");
        check("one?y", "https://a.example:5000/v2/x/blobs/uploads/one?y");
        check("?y", "https://a.example:5000/v2/x/blobs/uploads/?y");
        check("/x#y", "https://a.example:5000/x");
    }

    #[test]
    fn servers_are_told_apart() {
        let same = |a: &str, b: &str| origin(&a.parse().unwrap()) == origin(&b.parse().unwrap());
        assert!(same("https://a.example/x", "https://A.example:443/y"));
        assert!(!same("https://a.example/", "http://a.example/"));
        assert!(!same("https://a.example/", "https://a.example:5000/"));
        assert!(!same("https://a.example/", "https://b.a.example/"));
        for bad in ["ftp://a/", "https://u:p@a/", "file:///etc/passwd", "a", "/x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn waits_are_read() {
        assert_eq!(retry_after("120"), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after("soon"), None);
        assert!(retry_after("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(1 << 20));
    }

    #[test]
    fn exceptions_from_proxies_are_gos() {
        let check = |list: &str, url: &str, want: bool| {
            assert_eq!(is_excepted(list, &url.parse().unwrap()), want, "{list} {url}");
        };
        check("example.org", "https://example.org/", true);
        check("example.org", "https://a.example.org/", true);
        check("example.org", "https://aexample.org/", false);
        check(".example.org", "https://example.org/", false);
        check(".example.org", "https://a.example.org/", true);
        check("*.example.org", "https://a.example.org/", true);
        check("example.org:5000", "https://example.org:5000/", true);
        check("example.org:5000", "https://example.org/", false);
        check("a, b ,EXAMPLE.org", "https://Example.ORG/", true);
        check("10.0.0.0/8", "https://10.1.2.3:5000/", true);
        check("10.0.0.0/8", "https://11.1.2.3/", false);
        check("10.1.2.3", "https://10.1.2.3/", true);
        check("10.1.2.3:443", "https://10.1.2.3/", true);
        check("10.1.2.3:444", "https://10.1.2.3/", false);
        check("[fd00::1]", "https://[fd00::1]/", true);
        check("fd00::/8", "https://[fd00::1]:5000/", true);
        check("*", "https://a/", true);
        check("", "https://a/", false);
    }
}
