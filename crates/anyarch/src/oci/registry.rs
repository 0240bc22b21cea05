//! A client of the distribution API: pulls and pushes images, with the credentials that docker has.
//!
//! A blob is written to a file beside its place, hashed while it arrives, and renamed only when its digest is right.
//! One that stops half-way is continued where it stopped (a Range request), a few times; what has arrived is kept for the
//! next run.

use super::{Descriptor, Digest, Layout, MAX_DOCUMENT, Platform, choose, copy_hashing, document, media};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use crate::ui;
use base64::Engine as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;
use ureq::http::Response;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

/// Where references without a host lead.
const DEFAULT_REGISTRY: &str = "docker.io";
/// How often a blob that stops half-way is continued.
const ATTEMPTS: u32 = 5;

/// `[HOST/]NAME[:TAG][@DIGEST]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry's name.
    pub host: String,
    /// The repository.
    pub name: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
}

impl Reference {
    /// Reads one, by docker's rules.
    pub fn parse(text: &str) -> Result<Reference> {
        let (rest, digest) = text.split_once('@').map_or((text, None), |(r, d)| (r, Some(d.to_string())));
        if let Some(digest) = &digest {
            Digest::parse(digest)?;
        }
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_string())),
            _ => (rest, None),
        };
        let (host, name) = match path.split_once('/') {
            Some((host, name)) if host.contains(['.', ':']) || host == "localhost" => {
                (host.to_string(), name.to_string())
            }
            _ => (DEFAULT_REGISTRY.to_string(), path.to_string()),
        };
        let name =
            if host == DEFAULT_REGISTRY && !name.contains('/') { format!("library/{name}") } else { name };
        let sound = !name.is_empty()
            && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
            && name.split('/').all(|part| {
                !part.is_empty()
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
            })
            && tag.as_deref().is_none_or(|t| {
                !t.is_empty()
                    && t.len() <= 128
                    && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            });
        if !sound {
            fail!(Code::Image, "`{text}` is neither a file or folder here nor an image's name");
        }
        let tag = if tag.is_none() && digest.is_none() { Some("latest".into()) } else { tag };
        Ok(Reference { host, name, tag, digest })
    }

    /// What is asked for.
    fn selector(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// The host that answers; docker.io's API has another name.
    fn endpoint(&self) -> String {
        if self.host == DEFAULT_REGISTRY {
            format!("registry-1.{DEFAULT_REGISTRY}")
        } else {
            self.host.clone()
        }
    }

    /// As docker does: no TLS on this machine itself.
    fn scheme(&self) -> &'static str {
        let bare = self.host.split(':').next().unwrap_or("");
        if bare == "localhost" || bare.starts_with("127.") { "http" } else { "https" }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.host, self.name)?;
        self.tag.as_ref().map_or(Ok(()), |t| write!(f, ":{t}"))?;
        self.digest.as_ref().map_or(Ok(()), |d| write!(f, "@{d}"))
    }
}

/// A conversation with one repository.
pub struct Client {
    agent: Agent,
    reference: Reference,
    /// `Bearer ...` or `Basic ...`, once the registry asked for it.
    authorization: Option<String>,
    actions: &'static str,
}

impl Client {
    /// For pulling.
    pub fn pull(reference: &Reference) -> Result<Client> {
        Client::new(reference, "pull")
    }

    /// For pushing.
    pub fn push(reference: &Reference) -> Result<Client> {
        Client::new(reference, "pull,push")
    }

    fn new(reference: &Reference, actions: &'static str) -> Result<Client> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("anyarch/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots()).build())
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), super::dns::Dns);
        Ok(Client { agent, reference: reference.clone(), authorization: None, actions })
    }

    fn url(&self, rest: &str) -> String {
        format!(
            "{}://{}/v2/{}/{rest}",
            self.reference.scheme(),
            self.reference.endpoint(),
            self.reference.name
        )
    }

    /// A request, repeated once with what the registry wants to see.
    fn get(&mut self, url: &str, headers: &[(&str, String)], head: bool) -> Result<Response<Body>> {
        for attempt in 0..2 {
            let mut request = if head { self.agent.head(url) } else { self.agent.get(url) };
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            if let Some(authorization) = &self.authorization {
                request = request.header("Authorization", authorization);
            }
            let response = request.call().map_err(|e| self.unreachable(&e))?;
            if response.status() != 401 || attempt == 1 {
                return Ok(response);
            }
            self.authorize(&response)?;
        }
        unreachable!("the loop returns at its second turn")
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let host = &self.reference.host;
        match error {
            ureq::Error::HostNotFound => {
                Failure::new(Code::Image, format!("the registry {host} has no address"))
                    .mend("check the name and /etc/resolv.conf")
            }
            other => Failure::new(Code::Image, format!("the registry {host} cannot be reached: {other}")),
        }
    }

    /// Gets what `WWW-Authenticate` asks for.
    fn authorize(&mut self, response: &Response<Body>) -> Result<()> {
        let challenge = response
            .headers()
            .get("www-authenticate")
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_string();
        let credentials = credentials(&self.reference.host)?;
        let basic = credentials.as_ref().map(|(user, secret)| {
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{secret}")))
        });
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge.as_str(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let Some(basic) = basic else { return Err(self.denied()) };
            self.authorization = Some(basic);
            return Ok(());
        }
        let parameter =
            |name: &str| parameters_of(parameters).into_iter().find(|(k, _)| k == name).map(|(_, v)| v);
        let Some(realm) = parameter("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer")) else {
            fail!(
                Code::Image,
                "the registry {} wants an authentication that anyarch does not know: {challenge}",
                self.reference.host
            );
        };
        let plain = realm.starts_with("http://") && self.reference.scheme() == "https";
        if plain {
            fail!(
                Code::Image,
                "the registry {} sends us to {realm} for a token, without encryption: refused",
                self.reference.host
            );
        }
        let scope = format!("repository:{}:{}", self.reference.name, self.actions);
        let mut request = self.agent.get(&realm).query("scope", &scope);
        if let Some(service) = parameter("service") {
            request = request.query("service", &service);
        }
        if let Some(basic) = &basic {
            request = request.header("Authorization", basic);
        }
        let mut answer = request.call().map_err(|e| self.unreachable(&e))?;
        if answer.status() != 200 {
            return Err(self.denied());
        }
        let text = answer
            .body_mut()
            .with_config()
            .limit(MAX_DOCUMENT)
            .read_to_vec()
            .or_fail(Code::Image, || "the registry's token".into())?;
        let value = document(&text, "the registry's token")?;
        let Some(token) = value["token"].as_str().or(value["access_token"].as_str()) else {
            fail!(Code::Image, "the registry {} gave no token", self.reference.host);
        };
        self.authorization = Some(format!("Bearer {token}"));
        Ok(())
    }

    fn denied(&self) -> Failure {
        Failure::new(
            Code::Image,
            format!(
                "the registry {} denies access to {}, or it does not exist",
                self.reference.host, self.reference.name
            ),
        )
        .mend(format!("docker login {} (or podman login, skopeo login)", self.reference.host))
    }

    /// A failure for an answer that is not success.
    fn refused(&self, response: &mut Response<Body>, what: &str) -> Failure {
        let status = response.status().as_u16();
        match status {
            401 | 403 => return self.denied(),
            429 => {
                let after = response
                    .headers()
                    .get("retry-after")
                    .and_then(|v| v.to_str().ok())
                    .map(|s| format!(", for {s} s"))
                    .unwrap_or_default();
                return Failure::new(
                    Code::Image,
                    format!(
                        "the registry {} has had too many requests from here{after}",
                        self.reference.host
                    ),
                )
                .mend(format!("docker login {}: accounts have a higher limit", self.reference.host));
            }
            404 => return Failure::new(Code::Image, format!("the registry has no {what}")),
            _ => {}
        }
        let body = response.body_mut().with_config().limit(MAX_DOCUMENT).read_to_vec().unwrap_or_default();
        let message = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|v| v["errors"][0]["message"].as_str().map(str::to_string));
        let message = message.map(|m| format!(" ({m})")).unwrap_or_default();
        Failure::new(
            Code::Image,
            format!("the registry {} answers {status}{message} for {what}", self.reference.host),
        )
    }

    /// A manifest or index: its descriptor and bytes, the digest verified where one was asked for.
    fn manifest(&mut self, selector: &str) -> Result<(Descriptor, Vec<u8>)> {
        let accept = [media::INDEX, media::MANIFEST, media::DOCKER_INDEX, media::DOCKER_MANIFEST].join(", ");
        let url = self.url(&format!("manifests/{selector}"));
        let mut response = self.get(&url, &[("Accept", accept)], false)?;
        if response.status() != 200 {
            return Err(
                self.refused(&mut response, &format!("manifest {selector} of {}", self.reference.name))
            );
        }
        let kind =
            response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or(media::MANIFEST);
        let media_type = kind.split(';').next().unwrap_or(kind).to_string();
        let bytes = response.body_mut().with_config().limit(MAX_DOCUMENT).read_to_vec();
        let bytes = bytes.or_fail(Code::Image, || format!("the manifest {selector} was cut off"))?;
        let digest = Digest::of(&bytes);
        if selector.starts_with("sha256:") && digest.to_string() != selector {
            fail!(
                Code::Image,
                "the registry {} sent a manifest with the digest {digest} for {selector}",
                self.reference.host
            );
        }
        let d = Descriptor {
            media_type,
            digest,
            size: bytes.len() as u64,
            platform: None,
            annotations: Value::Null,
        };
        Ok((d, bytes))
    }

    /// The top of what the reference names, whole; for `image inspect`.
    pub fn top(&mut self) -> Result<(Descriptor, Vec<u8>)> {
        let selector = self.reference.selector().to_string();
        self.manifest(&selector)
    }

    /// Pulls one platform's image into a layout; its manifest.
    pub fn pull_image(&mut self, layout: &Layout, wanted: Option<&Platform>) -> Result<Descriptor> {
        let (mut top, mut bytes) = self.top()?;
        let mut platform = None;
        if top.is_index() {
            let value = document(&bytes, "the index")?;
            let list: Vec<Descriptor> = value["manifests"]
                .as_array()
                .into_iter()
                .flatten()
                .map(Descriptor::parse)
                .collect::<Result<_>>()?;
            let chosen = choose(&list, wanted)?;
            platform = chosen.platform.clone();
            (top, bytes) = self.manifest(&chosen.digest.to_string())?;
        }
        self.pull_manifest(layout, &bytes)?;
        let mut manifest = layout.add(&bytes, &top.media_type)?;
        let image = layout.read_image(&manifest)?;
        let have = image.platform();
        if let Some(wanted) = wanted.filter(|w| platform.is_none() && have.architecture != w.architecture) {
            fail!(Code::Image, "{} is an image for {have} only, not for {wanted}", self.reference);
        }
        manifest.platform = Some(platform.unwrap_or(have));
        Ok(manifest)
    }

    /// Everything a manifest names.
    fn pull_manifest(&mut self, layout: &Layout, bytes: &[u8]) -> Result<()> {
        let value = document(bytes, "the manifest")?;
        let mut blobs = vec![Descriptor::parse(&value["config"])?];
        for layer in value["layers"].as_array().into_iter().flatten() {
            blobs.push(Descriptor::parse(layer)?);
        }
        let total: u64 = blobs.iter().filter(|b| !layout.path(&b.digest).exists()).map(|b| b.size).sum();
        let bar = progress(&self.reference.to_string(), total);
        for blob in &blobs {
            self.blob(layout, blob, &bar)?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn blob(&mut self, layout: &Layout, d: &Descriptor, bar: &ProgressBar) -> Result<()> {
        let place = layout.path(&d.digest);
        if place.exists() && layout.verify(d).is_ok() {
            return Ok(());
        }
        let part = place.with_extension("part");
        let what = || format!("cannot write {}", part.display());
        let mut reason = String::new();
        for attempt in 0..ATTEMPTS {
            let have = fs::metadata(&part).map_or(0, |m| m.len());
            if d.size == 0 || have < d.size {
                match self.piece(&part, d, have, bar) {
                    Ok(()) => {}
                    Err(Piece::Final(failure)) => return Err(failure),
                    Err(Piece::Again(why)) => {
                        detail!("{}: {why}, attempt {}", d.digest, attempt + 1);
                        reason = why;
                        std::thread::sleep(Duration::from_millis(100 << attempt));
                        continue;
                    }
                }
            }
            let mut file = File::open(&part).or_fail(Code::Failed, what)?;
            let (digest, size) =
                copy_hashing(&mut file, &mut std::io::sink(), |_| {}).or_fail(Code::Failed, what)?;
            if d.size != 0 && size < d.size {
                reason = format!("the registry stopped after {size} of {} bytes", d.size);
                continue;
            }
            if digest != d.digest {
                let _ = fs::remove_file(&part);
                fail!(
                    Code::Image,
                    "the registry {} sent {digest} for the blob {}",
                    self.reference.host,
                    d.digest
                );
            }
            file.sync_all().or_fail(Code::Failed, what)?;
            return fs::rename(&part, &place).or_fail(Code::Failed, what);
        }
        Err(Failure::new(Code::Image, format!("the blob {} did not arrive: {reason}", d.digest))
            .mend("run it again: it goes on where it stopped"))
    }

    /// One request for what is missing.
    fn piece(
        &mut self,
        part: &Path,
        d: &Descriptor,
        have: u64,
        bar: &ProgressBar,
    ) -> std::result::Result<(), Piece> {
        let url = self.url(&format!("blobs/{}", d.digest));
        let range = if have > 0 { vec![("Range", format!("bytes={have}-"))] } else { vec![] };
        let mut response = self.get(&url, &range, false).map_err(|f| Piece::Again(f.what))?;
        let append = match response.status().as_u16() {
            200 => false,
            206 => true,
            500..=599 => return Err(Piece::Again(format!("the registry answers {}", response.status()))),
            _ => return Err(Piece::Final(self.refused(&mut response, &format!("blob {}", d.digest)))),
        };
        let open = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(part);
        let mut file = open.map_err(|e| {
            Piece::Final(Failure::new(Code::Failed, format!("cannot write {}: {e}", part.display())))
        })?;
        // A registry that sends more than the descriptor says is not read to its end.
        let left = if d.size == 0 { u64::MAX } else { d.size - if append { have } else { 0 } + 1 };
        let mut body = response.into_body().into_reader().take(left);
        let mut buffer = vec![0; 1 << 16];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    bar.inc(n as u64);
                    file.write_all(&buffer[..n]).map_err(|e| {
                        Piece::Final(Failure::new(
                            Code::Failed,
                            format!("cannot write {}: {e}", part.display()),
                        ))
                    })?;
                }
                Err(error) => return Err(Piece::Again(format!("the connection broke: {error}"))),
            }
        }
    }

    /// Pushes a manifest with everything it names; index entries first.
    pub fn push_manifest(&mut self, layout: &Layout, d: &Descriptor, tag: Option<&str>) -> Result<()> {
        let bytes = layout.bytes(d)?;
        let value = document(&bytes, "the manifest")?;
        for item in value["manifests"].as_array().into_iter().flatten() {
            self.push_manifest(layout, &Descriptor::parse(item)?, None)?;
        }
        let layers = value["layers"].as_array().into_iter().flatten();
        for item in value.get("config").into_iter().chain(layers) {
            self.push_blob(layout, &Descriptor::parse(item)?)?;
        }
        let selector = tag.map_or(d.digest.to_string(), str::to_string);
        let url = self.url(&format!("manifests/{selector}"));
        let mut request = self.agent.put(&url).header("Content-Type", &d.media_type);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = request.send(&bytes[..]).map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(self.refused(&mut response, &format!("manifest {selector} (push)")));
        }
        Ok(())
    }

    fn push_blob(&mut self, layout: &Layout, d: &Descriptor) -> Result<()> {
        let url = self.url(&format!("blobs/{}", d.digest));
        if self.get(&url, &[], true)?.status() == 200 {
            return Ok(());
        }
        layout.verify(d)?;
        let url = self.url("blobs/uploads/");
        let mut response = None;
        for _ in 0..2 {
            let mut request = self.agent.post(&url);
            if let Some(authorization) = &self.authorization {
                request = request.header("Authorization", authorization);
            }
            let answer = request.send_empty().map_err(|e| self.unreachable(&e))?;
            if answer.status() != 401 {
                response = Some(answer);
                break;
            }
            self.authorize(&answer)?;
        }
        let Some(mut response) = response else { return Err(self.denied()) };
        if response.status() != 202 {
            return Err(self.refused(&mut response, "upload"));
        }
        let location =
            response.headers().get("location").and_then(|v| v.to_str().ok()).unwrap_or("").to_string();
        let base = format!("{}://{}", self.reference.scheme(), self.reference.endpoint());
        let location = if location.starts_with('/') { format!("{base}{location}") } else { location };
        let to = format!("{location}{}digest={}", if location.contains('?') { '&' } else { '?' }, d.digest);
        let mut request = self
            .agent
            .put(&to)
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", d.size.to_string());
        if let Some(authorization) = self.authorization.as_ref().filter(|_| to.starts_with(&base)) {
            request = request.header("Authorization", authorization);
        }
        let file = layout.blob(&d.digest)?;
        let mut response =
            request.send(ureq::SendBody::from_owned_reader(file)).map_err(|e| self.unreachable(&e))?;
        if response.status() != 201 {
            return Err(self.refused(&mut response, &format!("blob {} (push)", d.digest)));
        }
        Ok(())
    }
}

/// Why a request for a blob ended.
enum Piece {
    /// May be better the next time.
    Again(String),
    /// Will not.
    Final(Failure),
}

fn progress(name: &str, total: u64) -> ProgressBar {
    let target = if ui::quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style);
    bar.set_message(ui::plain(name).into_owned());
    bar
}

/// `key="value",key=value`.
pub fn parameters_of(text: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut rest = text.trim();
    while let Some((key, tail)) = rest.split_once('=') {
        let (value, after) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => tail.find(',').map_or((tail, ""), |at| tail.split_at(at)),
        };
        list.push((key.trim().to_ascii_lowercase(), value.to_string()));
        rest = after.trim_start_matches([',', ' ']);
    }
    list
}

/// User and secret for a registry: docker's configuration with its helpers, then podman's.
fn credentials(host: &str) -> Result<Option<(String, String)>> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(std::path::PathBuf::from);
    let home = env("HOME").unwrap_or_default();
    let docker = env("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker")).join("config.json");
    let podman =
        env("REGISTRY_AUTH_FILE").or_else(|| env("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")));
    // docker.io's credentials lie under the address of its first version.
    let keys: Vec<String> = if host == DEFAULT_REGISTRY {
        vec![format!("https://index.{host}/v1/"), format!("index.{host}"), host.to_string()]
    } else {
        vec![host.to_string(), format!("https://{host}")]
    };
    for file in podman.into_iter().chain([docker]) {
        let Ok(text) = fs::read(&file) else { continue };
        let value = document(&text, &file.display().to_string())?;
        for key in &keys {
            let helper = value["credHelpers"][key].as_str().or(value["credsStore"].as_str());
            if let Some(found) = helper.and_then(|h| from_helper(h, key)) {
                return Ok(Some(found));
            }
            if let Some(auth) = value["auths"][key]["auth"].as_str() {
                let plain = base64::engine::general_purpose::STANDARD
                    .decode(auth)
                    .ok()
                    .and_then(|b| String::from_utf8(b).ok());
                let Some((user, secret)) = plain.as_deref().and_then(|p| p.split_once(':')) else {
                    fail!(Code::Image, "the credentials for {key} in {} are damaged", file.display());
                };
                return Ok(Some((user.to_string(), secret.to_string())));
            }
        }
    }
    Ok(None)
}

/// `docker-credential-NAME get`.
fn from_helper(name: &str, key: &str) -> Option<(String, String)> {
    use std::process::{Command, Stdio};
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(key.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    let value: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some((value["Username"].as_str()?.to_string(), value["Secret"].as_str()?.to_string()))
}

/// The machine's certificates where it has them (a company's own are among them), else those built in.
fn roots() -> ureq::tls::RootCerts {
    let places = [
        std::env::var("SSL_CERT_FILE").unwrap_or_default(),
        "/etc/ssl/certs/ca-certificates.crt".into(),
        "/etc/pki/tls/certs/ca-bundle.crt".into(),
        "/etc/ssl/cert.pem".into(),
    ];
    for place in places.iter().filter(|p| !p.is_empty()) {
        let Ok(pem) = fs::read(place) else { continue };
        let certificates: Vec<_> = ureq::tls::parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(c)) => Some(c),
                _ => None,
            })
            .collect();
        if !certificates.is_empty() {
            return ureq::tls::RootCerts::new_with_certs(&certificates);
        }
    }
    ureq::tls::RootCerts::WebPki
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_dockers() {
        let check = |text: &str, want: &str| {
            assert_eq!(Reference::parse(text).map(|r| r.to_string()).unwrap_or_default(), want, "{text}")
        };
        check("debian", "docker.io/library/debian:latest");
        check("debian:12", "docker.io/library/debian:12");
        check("arm64v8/debian", "docker.io/arm64v8/debian:latest");
        check("example.org/a/b:c", "example.org/a/b:c");
        check("localhost:5000/a", "localhost:5000/a:latest");
        check("localhost/a", "localhost/a:latest");
        let digest = format!("sha256:{}", "0".repeat(64));
        check(&format!("a@{digest}"), &format!("docker.io/library/a@{digest}"));
        for bad in ["", "./x", "A", "a//b", "a:", "a@sha256:1", "../x", "a b"] {
            check(bad, "");
        }
    }

    #[test]
    fn challenges_are_read() {
        let list = parameters_of(
            r#"realm="https://auth.example/token",service="registry.example", scope="repository:a:pull,push",x=y"#,
        );
        let get = |n: &str| list.iter().find(|(k, _)| k == n).map(|(_, v)| v.as_str());
        assert_eq!(get("realm"), Some("https://auth.example/token"));
        assert_eq!(get("scope"), Some("repository:a:pull,push"));
        assert_eq!(get("x"), Some("y"));
    }
}
