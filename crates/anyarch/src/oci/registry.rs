//! A client of the distribution API: pulls and pushes images, with the credentials that docker has.
//!
//! A blob is written to a file beside its place, hashed while it arrives, and renamed only when its
//! digest is right. One that stops half-way is continued where it stopped (a Range request), a few
//! times; what has arrived is kept for the next run.

use super::credentials::{self, Credentials};
use super::endpoint::{self, DEFAULT_REGISTRY, Endpoint, Trust, bare};
use super::http::{Answer, Broken, Http, Payload, authority, join, origin, reason};
use super::progress::{self, Waiting};
use super::{Descriptor, Digest, Layout, MAX_INDEXES, Platform, choose, copy_hashing, document, media};
use crate::failure::{Code, Failure, OrFail, Result, fail};
use indicatif::ProgressBar;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;
use ureq::http::{Method, Uri};

/// What a value in a query or form is written without (RFC 3986, section 2.3).
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
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
        let sound = is_host(&host)
            && is_repository(&name)
            && host.len() + 1 + name.len() <= 255
            && tag.as_deref().is_none_or(is_tag);
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
}

/// `NAME[:PORT]` or `[ADDRESS][:PORT]`.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            ("v6", if rest.is_empty() { None } else { rest.strip_prefix(':').or(Some("")) })
        }
        _ => text.rsplit_once(':').map_or((text, None), |(n, p)| (n, Some(p))),
    };
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    name.split('.').all(label) && port.is_none_or(|p| p.parse::<u16>().is_ok())
}

/// A repository's name by the distribution's specification: parts of small letters and digits, with
/// single `.`, one or two `_`, or any number of `-` between them.
pub(crate) fn is_repository(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part = |part: &str| {
        let words = |b: Option<&u8>| b.is_some_and(|b| word(*b));
        let between = part.split(|c: char| word(c as u8) && c.is_ascii()).filter(|s| !s.is_empty());
        words(part.as_bytes().first()) && words(part.as_bytes().last()) && { between }
            .all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
    };
    text.split('/').all(part)
}

/// A tag by the distribution's specification.
pub(crate) fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b".-".contains(&b))
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.host, self.name)?;
        self.tag.as_ref().map_or(Ok(()), |t| write!(f, ":{t}"))?;
        self.digest.as_ref().map_or(Ok(()), |d| write!(f, "@{d}"))
    }
}

/// A conversation about one repository, with its mirrors and its registry.
pub(crate) struct Client {
    reference: Reference,
    sessions: Vec<Session>,
}

impl Client {
    /// For pulling.
    pub(crate) fn pull(reference: &Reference) -> Result<Client> {
        Client::new(reference, "pull", endpoint::of(reference)?)
    }

    /// For pushing: to the registry itself, never to a mirror.
    pub(crate) fn push(reference: &Reference) -> Result<Client> {
        Client::new(reference, "pull,push", endpoint::of(reference)?.pop().into_iter().collect())
    }

    fn new(reference: &Reference, actions: &'static str, endpoints: Vec<Endpoint>) -> Result<Client> {
        let mut sessions = Vec::new();
        for endpoint in endpoints {
            let mut http = Http::new()?;
            http.know(&endpoint.authority(), endpoint.trust);
            sessions.push(Session { http, endpoint, actions, base: None, authorization: None, away: false });
        }
        Ok(Client { reference: reference.clone(), sessions })
    }

    /// With the first that can; the failure is the registry's own.
    fn each<T>(&mut self, mut step: impl FnMut(&mut Session, &Reference) -> Result<T>) -> Result<T> {
        let last = self.sessions.len() - 1;
        for session in &mut self.sessions[..last] {
            match step(session, &self.reference) {
                Ok(done) => return Ok(done),
                Err(failure) => detail!("the mirror {}: {}", session.endpoint.host, failure.what),
            }
        }
        step(&mut self.sessions[last], &self.reference)
    }

    /// The top of what the reference names, whole; for `image inspect`.
    pub(crate) fn top(&mut self) -> Result<(Descriptor, Vec<u8>)> {
        self.each(|session, reference| session.manifest(reference.selector()))
    }

    /// The platforms of what the reference names; `None` where it is an image without an index.
    pub(crate) fn platforms(&mut self) -> Result<Option<Vec<Platform>>> {
        self.each(|session, reference| {
            let (top, bytes) = session.manifest(reference.selector())?;
            let mut list = Vec::new();
            if !top.is_index() {
                return Ok(None);
            }
            session.leaves(&bytes, &mut 0, &mut list)?;
            Ok(Some(list.into_iter().filter_map(|d| d.platform).collect()))
        })
    }

    /// Pulls one platform's image into a layout; its manifest. While the registry is away, what was
    /// pulled under this name before is taken.
    pub(crate) fn pull_image(&mut self, layout: &Layout, wanted: Option<&Platform>) -> Result<Descriptor> {
        let name = pulled_as(&self.reference, wanted);
        match self.each(|session, reference| session.pull_image(reference, layout, wanted)) {
            Ok(manifest) => {
                layout.remember(&name, &manifest)?;
                Ok(manifest)
            }
            Err(failure) if self.sessions.last().is_some_and(|s| s.away) => match layout.recall(&name) {
                Some(manifest) => {
                    caution!("{}: the image is the one that was pulled before", failure.what);
                    Ok(manifest)
                }
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    /// Pushes a manifest, and everything that it names before it.
    pub(crate) fn push_manifest(&mut self, layout: &Layout, d: &Descriptor, tag: Option<&str>) -> Result<()> {
        self.each(|session, _| session.push_manifest(layout, d, tag, 0))
    }
}

/// Under which name the folder of pulled images has an image.
pub(crate) fn pulled_as(reference: &Reference, wanted: Option<&Platform>) -> String {
    wanted.map_or(reference.to_string(), |w| format!("{reference} for {w}"))
}

/// A conversation with one server about one repository.
struct Session {
    http: Http,
    endpoint: Endpoint,
    actions: &'static str,
    /// `https://HOST`, or `http://HOST` where that is allowed and there is no TLS.
    base: Option<String>,
    /// `Bearer ...` or `Basic ...`, once the registry asked for it.
    authorization: Option<String>,
    /// Whether it, or its token server, could not say anything about the image: not that there is
    /// none, or that it is denied.
    away: bool,
}

impl Session {
    /// The server's address. Where no TLS is allowed, TLS is tried first.
    fn base(&mut self) -> Result<String> {
        if let Some(base) = &self.base {
            return Ok(base.clone());
        }
        let authority = self.endpoint.authority();
        let (secure, plain) = (format!("https://{authority}"), format!("http://{authority}"));
        let base = match self.endpoint.trust {
            Trust::Verified => secure,
            Trust::Plain => plain,
            Trust::Loopback | Trust::Insecure => {
                match self.http.send(&Method::GET, &format!("{secure}/v2/"), &[], Payload::Nothing, None) {
                    Ok(_) => secure,
                    Err(broken) if broken.no_tls => {
                        detail!("without TLS, because with it: {}", broken.failure.what);
                        plain
                    }
                    Err(broken) => return Err(self.noted(broken)),
                }
            }
        };
        self.base = Some(base.clone());
        Ok(base)
    }

    /// The failure, and whether it says that the server is away.
    fn noted(&mut self, broken: Broken) -> Failure {
        self.away |= broken.again;
        broken.failure
    }

    fn url(&mut self, rest: &str) -> Result<String> {
        Ok(format!("{}/v2/{}/{rest}", self.base()?, self.endpoint.name))
    }

    /// Whether an answer is the registry's, not another server's to which it has sent us.
    fn is_own(&self, answer: &Answer) -> bool {
        let base = self.base.as_deref().and_then(|b| b.parse::<Uri>().ok());
        base.is_some_and(|b| origin(&b) == origin(&answer.url))
    }

    /// A request, repeated once with what the registry wants to see. Only the registry is told who
    /// we are.
    fn request(
        &mut self,
        method: &Method,
        url: &str,
        headers: &[(&str, String)],
        payload: Payload<'_>,
    ) -> std::result::Result<Answer, Broken> {
        for attempt in 0..2 {
            let base: Option<Uri> = self.base()?.parse().ok();
            let to: Option<Uri> = url.parse().ok();
            let own = base.zip(to).is_some_and(|(b, t)| origin(&b) == origin(&t));
            let authorization = self.authorization.clone().filter(|_| own);
            let answer = self.http.send(method, url, headers, payload, authorization.as_deref())?;
            if answer.status() != 401 || attempt == 1 || !self.is_own(&answer) {
                return Ok(answer);
            }
            self.authorize(&answer)?;
        }
        unreachable!("the loop returns at its second turn")
    }

    /// Gets what `WWW-Authenticate` asks for: a token where that is offered, else a password.
    fn authorize(&mut self, answer: &Answer) -> Result<()> {
        let headers = answer.response.headers().get_all("www-authenticate");
        let list: Vec<_> = headers.iter().filter_map(|v| v.to_str().ok()).collect();
        let mut challenges: Vec<Challenge> = list.iter().flat_map(|text| challenges(text)).collect();
        challenges.sort_by_key(|c| c.scheme != "bearer");
        let credentials = credentials::find(&self.endpoint.host, &self.endpoint.name)?;
        let mut refusal = None;
        for challenge in &challenges {
            let found = match challenge.scheme.as_str() {
                "bearer" => self.token(challenge, credentials.as_ref()),
                "basic" => credentials.as_ref().and_then(Credentials::basic).ok_or_else(|| self.denied()),
                _ => continue,
            };
            match found {
                Ok(authorization) => {
                    self.authorization = Some(authorization);
                    return Ok(());
                }
                Err(failure) => drop(refusal.get_or_insert(failure)),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            let host = &self.endpoint.host;
            let what = match list.is_empty() {
                true => format!("the registry {host} denies access and does not say what it wants"),
                false => format!(
                    "the registry {host} wants an authentication that anyarch does not know: {}",
                    list.join(", ")
                ),
            };
            Failure::new(Code::Image, what)
        }))
    }

    /// Asks the token server that the registry names (docker's token authentication; with an
    /// identity token, OAuth2).
    fn token(&mut self, challenge: &Challenge, credentials: Option<&Credentials>) -> Result<String> {
        if let Some(Credentials::Registry(token)) = credentials {
            return Ok(format!("Bearer {token}"));
        }
        let host = self.endpoint.host.clone();
        let realm = challenge.parameter("realm").unwrap_or_default();
        let server: Uri = match realm.parse() {
            Ok(uri) if Uri::scheme(&uri).is_some() => uri,
            _ => fail!(
                Code::Image,
                "the registry {host} sends us to `{realm}` for a token, which is no address"
            ),
        };
        let plain = server.scheme_str() == Some("http") && self.base()?.starts_with("https://");
        if plain {
            fail!(
                Code::Image,
                "the registry {host} sends us to {realm} for a token, without encryption: refused"
            );
        }
        let mut credentials = credentials;
        if credentials.is_some() && !may_ask(server.host().unwrap_or(""), bare(&self.endpoint.authority())) {
            let other = server.host().unwrap_or("");
            caution!(
                "the credentials for {host} are not sent to its token server {other}, which is of another site; \
                 if it is the right one: ANYARCH_TOKEN_HOSTS={other}"
            );
            credentials = None;
        }
        let scope = format!("repository:{}:{}", self.endpoint.name, self.actions);
        let mut fields = vec![("scope", scope.as_str())];
        fields.extend(challenge.parameter("service").map(|service| ("service", service)));
        let answer = match credentials {
            Some(Credentials::Identity(token)) => {
                fields.extend([
                    ("grant_type", "refresh_token"),
                    ("client_id", "anyarch"),
                    ("refresh_token", token.as_str()),
                ]);
                let form = [("Content-Type", "application/x-www-form-urlencoded".to_string())];
                self.http.send(&Method::POST, realm, &form, Payload::Bytes(encoded(&fields).as_bytes()), None)
            }
            _ => {
                let mark = if realm.contains('?') { '&' } else { '?' };
                let basic = credentials.and_then(Credentials::basic);
                let url = format!("{realm}{mark}{}", encoded(&fields));
                self.http.send(&Method::GET, &url, &[], Payload::Nothing, basic.as_deref())
            }
        };
        let mut answer = answer.map_err(|b| self.noted(b))?;
        match answer.status() {
            200 => {}
            400 | 401 | 403 => return Err(self.denied()),
            _ => return Err(self.refused(&mut answer, "token")),
        }
        let what = "the answer of the token server";
        let value = document(&answer.document(what)?, what)?;
        match value["token"].as_str().or(value["access_token"].as_str()) {
            Some(token) => Ok(format!("Bearer {token}")),
            None => fail!(Code::Image, "the token server of the registry {host} gave no token"),
        }
    }

    fn denied(&self) -> Failure {
        let host = &self.endpoint.host;
        Failure::new(
            Code::Image,
            format!("the registry {host} denies access to {}, or it does not exist", self.endpoint.name),
        )
        .mend(format!("docker login {host} (or podman login, skopeo login)"))
    }

    /// A failure for an answer that is not success.
    fn refused(&mut self, answer: &mut Answer, what: &str) -> Failure {
        let host = &self.endpoint.host;
        let status = answer.status();
        self.away |= matches!(status, 429 | 500..=599);
        let who = match self.is_own(answer) {
            true => format!("the registry {host}"),
            false => format!("{}, to which the registry {host} sends us,", authority(&answer.url)),
        };
        let after = answer.header("retry-after").map(|s| format!(" (Retry-After: {s})")).unwrap_or_default();
        match status {
            401 | 403 if self.is_own(answer) => return self.denied(),
            429 => {
                return Failure::new(
                    Code::Image,
                    format!("{who} has had too many requests from here{after}"),
                )
                .mend(format!("docker login {host}: accounts have a higher limit"));
            }
            503 => return Failure::new(Code::Image, format!("{who} is not available{after}")),
            _ => {}
        }
        // What is wrong is said by the status; the body, if it is a registry's, says more.
        let body = answer.document("the answer").unwrap_or_default();
        if is_page(answer, &body) {
            return not_a_registry(&who, status, what);
        }
        if status == 404 {
            return Failure::new(Code::Image, format!("{who} has no {what}"));
        }
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = value["errors"][0]["message"].as_str().map(|m| format!(" ({m})")).unwrap_or_default();
        Failure::new(Code::Image, format!("{who} answers {status}{message} for {what}"))
    }

    /// A manifest or index: its descriptor and bytes, the digest verified where one was asked for.
    fn manifest(&mut self, selector: &str) -> Result<(Descriptor, Vec<u8>)> {
        let accept = [media::INDEX, media::MANIFEST, media::DOCKER_INDEX, media::DOCKER_MANIFEST].join(", ");
        let _waiting = Waiting::begin(&format!("asking {}", self.endpoint.host));
        let url = self.url(&format!("manifests/{selector}"))?;
        let what = format!("manifest {selector} of {}", self.endpoint.name);
        let answer = self.request(&Method::GET, &url, &[("Accept", accept)], Payload::Nothing);
        let mut answer = answer.map_err(|b| self.noted(b))?;
        if answer.status() != 200 {
            return Err(self.refused(&mut answer, &what));
        }
        let host = &self.endpoint.host;
        let bytes = answer.document(&format!("the {what}"))?;
        if is_page(&answer, &bytes) {
            return Err(not_a_registry(&format!("the registry {host}"), 200, &what));
        }
        let digest = Digest::of(&bytes);
        if selector.starts_with("sha256:") && digest.to_string() != selector {
            fail!(Code::Image, "the registry {host} sent a manifest with the digest {digest} for {selector}");
        }
        let value = document(&bytes, &format!("the {what}"))?;
        let media_type = kind(&value, answer.header("content-type").unwrap_or(""));
        if media_type.starts_with(media::DOCKER_SCHEMA_1) || value["schemaVersion"] == 1 {
            return Err(Failure::new(
                Code::Image,
                format!("the {what} is a manifest of schema 1, which registries and engines have given up"),
            )
            .mend("pull it with an engine that still knows it, and push it again"));
        }
        if value.get("manifests").is_some()
            && (value.get("layers").is_some() || value.get("config").is_some())
        {
            fail!(Code::Image, "the {what} is both an index and a manifest: refused");
        }
        let size = bytes.len() as u64;
        Ok((Descriptor { media_type, digest, size, platform: None, annotations: Value::Null }, bytes))
    }

    /// The manifests of an index, those of indexes within it included.
    fn leaves(&mut self, bytes: &[u8], seen: &mut usize, list: &mut Vec<Descriptor>) -> Result<()> {
        *seen += 1;
        if *seen > MAX_INDEXES {
            fail!(Code::Image, "the image has more than {MAX_INDEXES} indexes: refused");
        }
        let value = document(bytes, "the index")?;
        for item in value["manifests"].as_array().into_iter().flatten() {
            let d = Descriptor::parse(item)?;
            if d.is_index() {
                let (_, inner) = self.manifest(&d.digest.to_string())?;
                self.leaves(&inner, seen, list)?;
            } else {
                list.push(d);
            }
        }
        Ok(())
    }

    fn pull_image(
        &mut self,
        reference: &Reference,
        layout: &Layout,
        wanted: Option<&Platform>,
    ) -> Result<Descriptor> {
        let top = self.manifest(reference.selector())?;
        let pulled = self.pull_top(reference, layout, wanted, top);
        // What fails from here on is no reason to take another image than the one that it now
        // names.
        self.away = false;
        pulled
    }

    fn pull_top(
        &mut self,
        reference: &Reference,
        layout: &Layout,
        wanted: Option<&Platform>,
        (mut top, mut bytes): (Descriptor, Vec<u8>),
    ) -> Result<Descriptor> {
        let mut platform = None;
        if top.is_index() {
            let mut list = Vec::new();
            self.leaves(&bytes, &mut 0, &mut list)?;
            let chosen = choose(&list, wanted)?;
            platform = chosen.platform.clone();
            (top, bytes) = self.manifest(&chosen.digest.to_string())?;
            if top.is_index() {
                fail!(Code::Image, "the index of {reference} takes the index {} for a manifest", top.digest);
            }
        }
        self.pull_manifest(reference, layout, &bytes)?;
        let mut manifest = layout.add(&bytes, &top.media_type)?;
        let image = layout.read_image(&manifest)?;
        let have = image.platform();
        if let Some(wanted) = wanted.filter(|w| platform.is_none() && have.architecture != w.architecture) {
            fail!(Code::Image, "{reference} is an image for {have} only, not for {wanted}");
        }
        manifest.platform = Some(platform.unwrap_or(have));
        Ok(manifest)
    }

    /// Everything a manifest names.
    fn pull_manifest(&mut self, reference: &Reference, layout: &Layout, bytes: &[u8]) -> Result<()> {
        let value = document(bytes, "the manifest")?;
        let mut blobs = vec![Descriptor::parse(&value["config"])?];
        for layer in value["layers"].as_array().into_iter().flatten() {
            blobs.push(Descriptor::parse(layer)?);
        }
        let total: u64 = blobs.iter().filter(|b| !layout.path(&b.digest).exists()).map(|b| b.size).sum();
        let bar = progress::bytes(&reference.to_string(), total);
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
        let mut why = String::new();
        // What a run before this one has left may be of another blob, or of another registry.
        let mut left_over = part.exists();
        let before = bar.position();
        for attempt in 0..ATTEMPTS {
            let have = fs::metadata(&part).map_or(0, |m| m.len());
            if d.size == 0 || have < d.size {
                match self.piece(&part, d, have, bar, before) {
                    Ok(()) => {}
                    Err(Piece::Final(failure)) => return Err(failure),
                    Err(Piece::Again(reason)) => {
                        detail!("{}: {reason}, attempt {}", d.digest, attempt + 1);
                        why = reason;
                        std::thread::sleep(Duration::from_millis(100 << attempt));
                        continue;
                    }
                }
            }
            let mut file = File::open(&part).or_fail(Code::Failed, what)?;
            let (digest, size) =
                copy_hashing(&mut file, &mut std::io::sink(), |_| {}).or_fail(Code::Failed, what)?;
            if d.size != 0 && size < d.size {
                why = format!("the registry stopped after {size} of {} bytes", d.size);
                continue;
            }
            if digest != d.digest {
                fs::remove_file(&part).or_fail(Code::Failed, what)?;
                if std::mem::take(&mut left_over) {
                    continue;
                }
                fail!(
                    Code::Image,
                    "the registry {} sent {digest} for the blob {}",
                    self.endpoint.host,
                    d.digest
                );
            }
            file.sync_all().or_fail(Code::Failed, what)?;
            return fs::rename(&part, &place).or_fail(Code::Failed, what);
        }
        Err(Failure::new(Code::Image, format!("the blob {} did not arrive: {why}", d.digest))
            .mend("run it again: it goes on where it stopped"))
    }

    /// One request for what is missing.
    fn piece(
        &mut self,
        part: &Path,
        d: &Descriptor,
        have: u64,
        bar: &ProgressBar,
        before: u64,
    ) -> std::result::Result<(), Piece> {
        let url = self.url(&format!("blobs/{}", d.digest)).map_err(Piece::Final)?;
        let range = if have > 0 { vec![("Range", format!("bytes={have}-"))] } else { vec![] };
        let mut answer =
            self.request(&Method::GET, &url, &range, Payload::Nothing).map_err(|b| match b.again {
                true => Piece::Again(b.failure.what),
                false => Piece::Final(b.failure),
            })?;
        let from_there = format!("bytes {have}-");
        let append = match answer.status() {
            200 => false,
            206 if answer.header("content-range").is_none_or(|r| r.starts_with(&from_there)) => true,
            206 | 416 => {
                let _ = fs::remove_file(part);
                return Err(Piece::Again("the registry has another end of it".into()));
            }
            500..=599 => return Err(Piece::Again(format!("the registry answers {}", answer.status()))),
            _ => return Err(Piece::Final(self.refused(&mut answer, &format!("blob {}", d.digest)))),
        };
        let open = OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(part);
        let mut file = open.map_err(|e| {
            Piece::Final(Failure::new(Code::Failed, format!("cannot write {}: {e}", part.display())))
        })?;
        bar.set_position(before + if append { have } else { 0 });
        // A registry that sends more than the descriptor says is not read to its end.
        let left = if d.size == 0 { u64::MAX } else { d.size - if append { have } else { 0 } + 1 };
        let mut body = answer.response.into_body().into_reader().take(left);
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
                Err(error) => {
                    return Err(Piece::Again(format!("the connection broke: {}", reason(&error.into()))));
                }
            }
        }
    }

    /// Index entries come first.
    fn push_manifest(
        &mut self,
        layout: &Layout,
        d: &Descriptor,
        tag: Option<&str>,
        depth: usize,
    ) -> Result<()> {
        if depth > MAX_INDEXES {
            fail!(Code::Image, "the image has more than {MAX_INDEXES} indexes: refused");
        }
        let bytes = layout.bytes(d)?;
        let value = document(&bytes, "the manifest")?;
        for item in value["manifests"].as_array().into_iter().flatten() {
            self.push_manifest(layout, &Descriptor::parse(item)?, None, depth + 1)?;
        }
        let layers = value["layers"].as_array().into_iter().flatten();
        for item in value.get("config").into_iter().chain(layers) {
            self.push_blob(layout, &Descriptor::parse(item)?)?;
        }
        let selector = tag.map_or(d.digest.to_string(), str::to_string);
        let url = self.url(&format!("manifests/{selector}"))?;
        let kind = [("Content-Type", d.media_type.clone())];
        let mut answer = self.request(&Method::PUT, &url, &kind, Payload::Bytes(&bytes))?;
        if !answer.response.status().is_success() {
            return Err(self.refused(&mut answer, &format!("manifest {selector} (push)")));
        }
        Ok(())
    }

    fn push_blob(&mut self, layout: &Layout, d: &Descriptor) -> Result<()> {
        let url = self.url(&format!("blobs/{}", d.digest))?;
        if self.request(&Method::HEAD, &url, &[], Payload::Nothing)?.status() == 200 {
            return Ok(());
        }
        layout.verify(d)?;
        let url = self.url("blobs/uploads/")?;
        let mut answer = self.request(&Method::POST, &url, &[], Payload::Nothing)?;
        if answer.status() != 202 {
            return Err(self.refused(&mut answer, "upload"));
        }
        let location = join(&answer.url, answer.header("location").unwrap_or_default());
        if location.starts_with("http://") && self.base()?.starts_with("https://") {
            fail!(
                Code::Image,
                "the registry {} wants the blob at {location}, without encryption: refused",
                self.endpoint.host
            );
        }
        let to = format!("{location}{}digest={}", if location.contains('?') { '&' } else { '?' }, d.digest);
        let kind = [("Content-Type", "application/octet-stream".to_string())];
        let file = layout.blob(&d.digest)?;
        let size =
            file.metadata().or_fail(Code::Failed, || format!("cannot read the blob {}", d.digest))?.len();
        let bar = progress::bytes(&self.endpoint.host, size);
        let answer = self.request(&Method::PUT, &to, &kind, Payload::File(&file, size, &bar));
        bar.finish_and_clear();
        let mut answer = answer?;
        if answer.status() != 201 {
            return Err(self.refused(&mut answer, &format!("blob {} (push)", d.digest)));
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

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    /// In small letters.
    scheme: String,
    /// Their names in small letters.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
}

/// The challenges of one header, as far as it keeps to the grammar.
pub fn challenges(text: &str) -> Vec<Challenge> {
    let own = |c: http_auth::ChallengeRef<'_>| Challenge {
        scheme: c.scheme.to_ascii_lowercase(),
        parameters: c.params.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.to_unescaped())).collect(),
    };
    http_auth::parser::ChallengeParser::new(text).map_while(std::result::Result::ok).map(own).collect()
}

/// A query or form.
fn encoded(fields: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, &RESERVED));
    fields.iter().map(one).collect::<Vec<_>>().join("&")
}

/// Whether a token server may be told the credentials for a registry: one of the same site
/// (auth.docker.io for registry-1.docker.io), or one that `ANYARCH_TOKEN_HOSTS` names.
fn may_ask(server: &str, registry: &str) -> bool {
    let trusted = std::env::var("ANYARCH_TOKEN_HOSTS").unwrap_or_default();
    same_site(server, registry)
        || trusted.split([',', ' ']).any(|t| !t.is_empty() && t.eq_ignore_ascii_case(server))
}

/// Whether two hosts are one, or have the domain in common that somebody registers: the last two
/// labels, or three below a country's general domains (`co.uk`).
fn same_site(a: &str, b: &str) -> bool {
    const GENERAL: &[&str] = &["ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"];
    let site = |host: &str| {
        let host = bare(host).trim_end_matches('.').to_ascii_lowercase();
        let labels: Vec<&str> = host.split('.').collect();
        let address =
            host.contains(':') || labels.last().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
        let general = matches!(labels[..], [.., second, top] if top.len() == 2 && GENERAL.contains(&second));
        let count = if address {
            usize::MAX
        } else if general {
            3
        } else {
            2
        };
        labels[labels.len().saturating_sub(count)..].join(".")
    };
    let whole = |host: &str| bare(host).trim_end_matches('.').to_ascii_lowercase();
    whole(a) == whole(b) || (site(a) == site(b) && site(a).contains('.'))
}

/// What a document from a registry is: by itself, else by its header, else by what is in it.
fn kind(value: &Value, header: &str) -> String {
    let header = header.split(';').next().unwrap_or(header).trim();
    match value["mediaType"].as_str() {
        Some(kind) if !kind.is_empty() => kind.into(),
        _ if header.starts_with("application/vnd.") => header.into(),
        _ if value.get("manifests").is_some() => media::INDEX.into(),
        _ => media::MANIFEST.into(),
    }
}

/// Whether an answer is for people.
fn is_page(answer: &Answer, body: &[u8]) -> bool {
    answer.header("content-type").is_some_and(|t| t.to_ascii_lowercase().starts_with("text/html"))
        || body.trim_ascii_start().starts_with(b"<")
}

fn not_a_registry(who: &str, status: u16, what: &str) -> Failure {
    Failure::new(
        Code::Image,
        format!("{who} answers with a web page ({status}) for {what}: it is no registry"),
    )
    .mend("check the host in the image's name, and whether a proxy or a portal stands between")
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
    fn names_and_tags_are_registries() {
        for good in ["a", "a/b", "a.b", "a_b", "a__b", "a---b", "0/1", "library/a-1.2"] {
            assert!(is_repository(good), "{good}");
        }
        for bad in ["", "a/", "/a", "A", "a..b", "a___b", "-a", "a-", ".a", "a_", "a._b", "a b", "ä", "a/-"]
        {
            assert!(!is_repository(bad), "{bad}");
        }
        for good in ["a", "1.0", "_a", "A-b.c", &"a".repeat(128)] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a:b", "a b", &"a".repeat(129), "ä"] {
            assert!(!is_tag(bad), "{bad}");
        }
        for bad in ["a_.b/", "a.b:x/c", "a.b:99999/c", "[::1/c:1", "[x]:1/c", "a.-b/c", "a..b/c"] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Reference::parse("[::1]:5000/a").unwrap().host, "[::1]:5000");
    }

    #[test]
    fn challenges_are_read() {
        let list = challenges(
            r#"Negotiate, Basic realm="a, \"b\"", bearer Realm="https://auth.example/token",service="s",scope="repository:a:pull,push""#,
        );
        let schemes: Vec<_> = list.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "basic", "bearer"]);
        assert_eq!(list[1].parameter("realm"), Some("a, \"b\""));
        assert_eq!(list[2].parameter("realm"), Some("https://auth.example/token"));
        assert_eq!(list[2].parameter("scope"), Some("repository:a:pull,push"));
        assert_eq!(challenges("Basic realm=\"a\", Bearer realm=\"b\", ???").len(), 1);
        assert!(challenges("").is_empty() && challenges("???").is_empty());
    }

    #[test]
    fn token_servers_are_of_the_registrys_site() {
        let check = |a: &str, b: &str, want: bool| assert_eq!(same_site(a, b), want, "{a} {b}");
        check("auth.docker.io", "registry-1.docker.io", true);
        check("gitlab.com", "registry.gitlab.com", true);
        check("ghcr.io", "GHCR.io", true);
        check("evil.example", "registry.example", false);
        check("docker.io.evil.example", "registry-1.docker.io", false);
        check("evildocker.io", "registry-1.docker.io", false);
        check("a.co.uk", "b.co.uk", false);
        check("auth.a.co.uk", "registry.a.co.uk", true);
        check("10.0.0.1", "10.0.0.1", true);
        check("11.0.0.1", "10.0.0.1", false);
        check("[::1]", "::1", true);
        check("[::1]", "::2", false);
        check("registry", "registry", true);
        check("com", "example.com", false);
    }

    #[test]
    fn documents_say_what_they_are() {
        let check = |json: &str, header: &str, want: &str| {
            assert_eq!(kind(&serde_json::from_str(json).unwrap(), header), want, "{json} {header}");
        };
        check("{}", "application/json", media::MANIFEST);
        check("{}", "", media::MANIFEST);
        check(r#"{"manifests":[]}"#, "text/plain; charset=utf-8", media::INDEX);
        check(r#"{"manifests":[]}"#, "application/vnd.x+json; charset=utf-8", "application/vnd.x+json");
        check(r#"{"mediaType":"a/b"}"#, media::INDEX, "a/b");
    }
}
