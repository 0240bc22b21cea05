//! Where an image is to be had: the registry of its name, its mirrors, and how far each is trusted.
//!
//! What docker and podman are configured with counts here as well: `insecure-registries` and
//! `registry-mirrors` of docker's daemon.json, `[[registry]]` of containers' registries.conf, and
//! `ANYARCH_INSECURE_REGISTRIES`. The files are read by hand: no library has their meaning, and the
//! formats (JSON, TOML) are libraries'.

use super::dns;
use super::registry::Reference;
use crate::failure::{Code, OrFail, Result, fail};
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where references without a host lead.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// TLS with a certificate that is verified.
    Verified,
    /// The same, or no TLS where the server has none: it is on this machine.
    Loopback,
    /// TLS with any certificate, or no TLS where the server has none: it is configured so.
    Insecure,
    /// No TLS: a mirror's address says so.
    Plain,
}

/// One place of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The server's name as users write it, with its port: what credentials are kept under.
    pub host: String,
    /// The repository's name there.
    pub name: String,
    /// How it is spoken to.
    pub trust: Trust,
}

impl Endpoint {
    /// The host that answers; docker.io's API has another name.
    pub(crate) fn authority(&self) -> String {
        if self.host == DEFAULT_REGISTRY {
            return format!("registry-1.{DEFAULT_REGISTRY}");
        }
        self.host.clone()
    }
}

/// All places of a repository in the order in which they are to be tried; the last one is the
/// registry's own, which is the one to push to.
///
/// # Errors
/// Where a configuration cannot be read, or blocks the image.
pub(crate) fn of(reference: &Reference) -> Result<Vec<Endpoint>> {
    let settings = Settings::read()?;
    let mut list = Vec::new();
    let full = format!("{}/{}", reference.host, reference.name);
    let rule = settings.rule(reference);
    if rule.is_some_and(|(_, rule)| rule.get("blocked").and_then(toml::Value::as_bool) == Some(true)) {
        fail!(Code::Image, "{full} is blocked by registries.conf");
    }
    let text =
        |table: &toml::Table, key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_string);
    let insecure = |table: &toml::Table| table.get("insecure").and_then(toml::Value::as_bool) == Some(true);
    let place = |location: &str, matched: usize, insecure: bool| -> Result<Endpoint> {
        let whole = format!("{}{}", location.trim_end_matches('/'), &full[matched..]);
        let Some((host, name)) = whole.split_once('/') else {
            fail!(Code::Image, "registries.conf has the location `{location}`, which is no registry");
        };
        let trust = if insecure { Trust::Insecure } else { settings.trust(host) };
        Ok(Endpoint { host: host.into(), name: name.into(), trust })
    };
    if let Some((matched, rule)) = rule {
        let by_digest = rule.get("mirror-by-digest-only").and_then(toml::Value::as_bool) == Some(true);
        for mirror in rule.get("mirror").and_then(toml::Value::as_array).into_iter().flatten() {
            let Some(mirror) = mirror.as_table() else { continue };
            let pulls = text(mirror, "pull-from-mirror");
            let fits = match pulls.as_deref() {
                Some("digest-only") => reference.digest.is_some(),
                Some("tag-only") => reference.digest.is_none(),
                _ => !by_digest || reference.digest.is_some(),
            };
            if let Some(location) = text(mirror, "location").filter(|_| fits) {
                list.push(place(&location, matched, insecure(mirror))?);
            }
        }
    }
    let origin = match rule {
        Some((matched, rule)) => {
            let location = text(rule, "location").unwrap_or_else(|| full[..matched].into());
            place(&location, matched, insecure(rule))?
        }
        None => place(&reference.host, reference.host.len(), false)?,
    };
    if list.is_empty() && origin.host == DEFAULT_REGISTRY {
        for mirror in &settings.mirrors {
            let (scheme, rest) = mirror.split_once("://").unwrap_or(("https", mirror));
            let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_matches('/');
            let name = format!("{prefix}{}{}", if prefix.is_empty() { "" } else { "/" }, origin.name);
            let trust = if scheme == "http" { Trust::Plain } else { settings.trust(host) };
            list.push(Endpoint { host: host.into(), name, trust });
        }
    }
    list.push(origin);
    Ok(list)
}

/// How a host is spoken to that no image's name names: one that a registry sends us to.
pub(crate) fn trust(host: &str) -> Result<Trust> {
    Ok(Settings::read()?.trust(host))
}

/// Whether a host (`NAME[:PORT]`) is this machine, whatever name servers say.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = bare(host);
    bare.parse().is_ok_and(|a: IpAddr| a.to_canonical().is_loopback()) || dns::is_localhost(bare)
}

/// Without its port and brackets.
pub(crate) fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, _)) if !name.contains(':') => name,
        _ => host,
    }
}

/// A range of addresses: `ADDRESS/BITS`, or one address.
pub(crate) fn in_range(range: &str, address: IpAddr) -> bool {
    let (first, bits) = range.split_once('/').map_or((range, None), |(a, b)| (a, Some(b)));
    // The bits stand at the top, so that ranges of both families are compared alike.
    let (first, address, most) = match (first.parse(), address.to_canonical()) {
        (Ok(IpAddr::V4(first)), IpAddr::V4(a)) => {
            (u128::from(first.to_bits()) << 96, u128::from(a.to_bits()) << 96, 32)
        }
        (Ok(IpAddr::V6(first)), IpAddr::V6(a)) => (first.to_bits(), a.to_bits(), 128),
        _ => return false,
    };
    match bits.map_or(Ok(most), str::parse) {
        Ok(0) => true,
        Ok(bits) if bits <= most => (first ^ address) >> (128 - bits) == 0,
        _ => false,
    }
}

/// A folder or file of the user's: `$XDG_CONFIG_HOME`, else `~/.config`.
pub(crate) fn user_config(rest: &str) -> Option<PathBuf> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    Some(env("XDG_CONFIG_HOME").or_else(|| Some(env("HOME")?.join(".config")))?.join(rest))
}

#[derive(Default)]
struct Settings {
    /// `HOST[:PORT]` or ranges of addresses.
    insecure: Vec<String>,
    /// Addresses of mirrors of docker.io.
    mirrors: Vec<String>,
    /// `[[registry]]`.
    rules: Vec<toml::Table>,
}

impl Settings {
    fn read() -> Result<Settings> {
        let mut settings = Settings::default();
        let own = std::env::var("ANYARCH_INSECURE_REGISTRIES").unwrap_or_default();
        settings.insecure.extend(own.split([',', ' ']).filter(|w| !w.is_empty()).map(str::to_string));
        // The daemon of the machine, and one without root.
        for file in [Some(PathBuf::from("/etc/docker/daemon.json")), user_config("docker/daemon.json")] {
            let Some(text) = file.as_deref().map(contents).transpose()?.flatten() else { continue };
            let name = file.unwrap_or_default();
            let value: Value = serde_json::from_str(&text)
                .or_fail(Code::Image, || format!("{} is not JSON", name.display()))?;
            let list = |key: &str| -> Vec<String> {
                let items = value[key].as_array().into_iter().flatten();
                items.filter_map(|v| v.as_str().map(str::to_string)).collect()
            };
            settings.insecure.extend(list("insecure-registries").iter().map(|h| {
                // docker takes an address for a host here.
                let host = h.split_once("://").map_or(h.as_str(), |(_, rest)| rest);
                host.trim_end_matches('/').to_string()
            }));
            settings.mirrors.extend(list("registry-mirrors"));
        }
        for file in containers_files()? {
            let Some(text) = contents(&file)? else { continue };
            let table: toml::Table =
                text.parse().or_fail(Code::Image, || format!("{} is not sound TOML", file.display()))?;
            for rule in table.get("registry").and_then(toml::Value::as_array).into_iter().flatten() {
                let Some(rule) = rule.as_table() else { continue };
                // A later file's rule takes the place of an earlier one's of the same prefix.
                settings.rules.retain(|r| prefix(r) != prefix(rule));
                settings.rules.push(rule.clone());
            }
        }
        Ok(settings)
    }

    /// The rule with the longest prefix, and how much of `HOST/NAME` its location stands for.
    fn rule(&self, reference: &Reference) -> Option<(usize, &toml::Table)> {
        let full = format!("{}/{}", reference.host, reference.name);
        let selected = reference.to_string();
        let fits = |rule: &toml::Table| {
            let prefix = prefix(rule)?;
            // Every host of a domain; the location, if there is one, stands for the host.
            if let Some(domain) = prefix.strip_prefix('*') {
                return (domain.starts_with('.') && reference.host.ends_with(domain))
                    .then_some(reference.host.len());
            }
            let rest = selected.strip_prefix(prefix)?;
            (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(prefix.len().min(full.len()))
        };
        let found = self.rules.iter().filter_map(|r| Some((fits(r)?, r)));
        // An exact host goes before every host of a domain.
        found.max_by_key(|(len, r)| {
            (*len, prefix(r).is_some_and(|p| !p.starts_with('*')), prefix(r).map(str::len))
        })
    }

    fn trust(&self, host: &str) -> Trust {
        let bare = bare(host);
        let ranges: Vec<&String> = self.insecure.iter().filter(|i| i.contains('/')).collect();
        // As docker's daemon does, a name is resolved where ranges are configured.
        let addresses = if ranges.is_empty() { vec![] } else { dns::lookup(bare).unwrap_or_default() };
        let by_rule = self.rules.iter().any(|r| {
            prefix(r) == Some(host) && r.get("insecure").and_then(toml::Value::as_bool) == Some(true)
        });
        if by_rule
            || self.insecure.iter().any(|i| i == host)
            || addresses.iter().any(|a| ranges.iter().any(|r| in_range(r, *a)))
        {
            Trust::Insecure
        } else if is_loopback(host) {
            Trust::Loopback
        } else {
            Trust::Verified
        }
    }
}

/// The location is the prefix of a rule without one.
fn prefix(rule: &toml::Table) -> Option<&str> {
    let text = |key: &str| rule.get(key).and_then(toml::Value::as_str).filter(|t| !t.is_empty());
    text("prefix").or_else(|| text("location"))
}

/// containers-registries.conf(5): the one file that counts, then what is dropped beside it.
fn containers_files() -> Result<Vec<PathBuf>> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(file) = env("CONTAINERS_REGISTRIES_CONF") {
        return Ok(vec![file]);
    }
    let user = user_config("containers/registries.conf").filter(|f| f.is_file());
    let mut files = vec![user.unwrap_or_else(|| "/etc/containers/registries.conf".into())];
    for folder in
        [Some("/etc/containers/registries.conf.d".into()), user_config("containers/registries.conf.d")]
    {
        let Some(Ok(entries)) = folder.map(std::fs::read_dir) else { continue };
        let mut dropped: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        dropped.retain(|p| p.extension().is_some_and(|e| e == "conf"));
        dropped.sort();
        files.extend(dropped);
    }
    Ok(files)
}

/// A file's text; `None` where there is none, or none for this user: docker's daemon has its own.
fn contents(file: &Path) -> Result<Option<String>> {
    use std::io::ErrorKind;
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            detail!("cannot read {}: {e}", file.display());
            Ok(None)
        }
        Err(e) => fail!(Code::Image, "cannot read {}: {e}", file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_apart() {
        for (host, want) in
            [("a:5000", "a"), ("a", "a"), ("[::1]:5000", "::1"), ("[::1]", "::1"), ("::1", "::1")]
        {
            assert_eq!(bare(host), want);
        }
        for host in
            ["localhost", "a.localhost:5000", "127.9.9.9", "[::1]:1", "[::ffff:127.0.0.1]:1", "LOCALHOST."]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "127.0.0.1.example", "126.0.0.1", "127.example:1", "alocalhost"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn ranges_hold_addresses() {
        let check = |range: &str, address: &str, want: bool| {
            assert_eq!(in_range(range, address.parse().unwrap()), want, "{range} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.3", "10.1.2.4", false);
        check("0.0.0.0/0", "9.9.9.9", true);
        check("0.0.0.0/0", "::1", false);
        check("10.0.0.0/33", "10.0.0.0", false);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "fe80::1", false);
        check("::1", "::1", true);
        check("::1", "::2", false);
        check("::/96", "::9", true);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("example.org", "10.0.0.1", false);
    }

    #[test]
    fn rules_are_chosen_by_the_longest_prefix() {
        let text = r#"
            [[registry]]
            location = "a.example"
            [[registry]]
            prefix = "a.example/team"
            location = "b.example:5000/other"
            insecure = true
            [[registry]]
            prefix = "*.wild.example"
            location = "c.example"
            [[registry]]
            location = "x.wild.example"
        "#;
        let table: toml::Table = text.parse().unwrap();
        let rules =
            table["registry"].as_array().unwrap().iter().map(|r| r.as_table().unwrap().clone()).collect();
        let settings = Settings { rules, ..Settings::default() };
        let check = |name: &str, want: Option<(usize, &str)>| {
            let found = settings.rule(&Reference::parse(name).unwrap());
            let found = found.map(|(len, r)| (len, prefix(r).unwrap()));
            assert_eq!(found, want, "{name}");
        };
        check("a.example/thing", Some((9, "a.example")));
        check("a.example/team/thing:1", Some((14, "a.example/team")));
        check("a.example/teams/thing", Some((9, "a.example")));
        check("y.wild.example/thing", Some((14, "*.wild.example")));
        check("x.wild.example/thing", Some((14, "x.wild.example")));
        check("wild.example/thing", None);
        check("debian", None);
        assert_eq!(settings.trust("a.example"), Trust::Verified);
        assert_eq!(settings.trust("localhost:5000"), Trust::Loopback);
    }
}
