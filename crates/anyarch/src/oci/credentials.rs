//! Who one is to a registry: the files and helpers of docker and containers.
//!
//! The lookup is by hand: the crates that know these files derive their types, which needs
//! procedural macros. Credentials are found by the registry's name alone, and go to nobody but this
//! registry and its token server.

use super::document;
use super::endpoint::{self, DEFAULT_REGISTRY};
use crate::failure::{Code, Failure, Result, fail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A user's password, or a token in its place.
    Password {
        /// The user.
        user: String,
        /// The password.
        secret: String,
    },
    /// A token for the token server, which gives one for the registry (OAuth2's refresh token).
    Identity(String),
    /// A token for the registry.
    Registry(String),
}

impl Credentials {
    /// The value of `Authorization` for whoever takes a password.
    pub(crate) fn basic(&self) -> Option<String> {
        match self {
            Credentials::Password { user, secret } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))))
            }
            _ => None,
        }
    }
}

/// Those for a repository of a registry: containers-auth.json(5), then docker's configuration.
///
/// # Errors
/// Where a file is there and damaged, or a helper that is configured for this registry cannot be
/// started.
pub(crate) fn find(host: &str, name: &str) -> Result<Option<Credentials>> {
    for file in files() {
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(e) => fail!(Code::Image, "cannot read {}: {e}", file.display()),
        };
        let value = document(&text, &file.display().to_string())?;
        if let Some(found) = in_file(&value, host, name)
            .map_err(|why| Failure::new(Code::Image, format!("{}: {why}", file.display())))?
        {
            detail!("credentials for {host} are those of {}", file.display());
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn files() -> Vec<PathBuf> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let run = env("XDG_RUNTIME_DIR")
        .unwrap_or_else(|| format!("/run/containers/{}", rustix::process::getuid().as_raw()).into());
    let runtime = [run.join("containers/auth.json"), run.join("auth.json")];
    let containers = env("REGISTRY_AUTH_FILE").map_or_else(|| runtime.to_vec(), |file| vec![file]);
    let docker = env("DOCKER_CONFIG").or_else(|| Some(env("HOME")?.join(".docker")));
    containers
        .into_iter()
        .chain(endpoint::user_config("containers/auth.json"))
        .chain(docker.map(|d| d.join("config.json")))
        .collect()
}

/// In one document. The error is a reason.
fn in_file(value: &Value, host: &str, name: &str) -> std::result::Result<Option<Credentials>, String> {
    let keys = keys(host, name);
    for key in &keys {
        if let Some(helper) = value["credHelpers"][key].as_str() {
            return from_helper(helper, key);
        }
    }
    if let Some(store) = value["credsStore"].as_str().filter(|s| !s.is_empty()) {
        // What the store lacks may be left from a time without it.
        match from_helper(store, keys.last().map_or(host, |k| k)) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(why) => caution!("{why}"),
        }
    }
    let Some(auths) = value["auths"].as_object() else { return Ok(None) };
    let entry = keys.iter().find_map(|key| auths.iter().find(|(k, _)| bare_key(k) == *key));
    let Some((key, entry)) = entry else { return Ok(None) };
    let text = |name: &str| entry[name].as_str().filter(|t| !t.is_empty()).map(str::to_string);
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::Identity(token)));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credentials::Registry(token)));
    }
    if let Some(auth) = text("auth") {
        let plain = STANDARD.decode(auth.trim()).ok().and_then(|b| String::from_utf8(b).ok());
        let plain = plain.as_deref().map(|p| p.trim_end_matches('\0'));
        let Some((user, secret)) = plain.and_then(|p| p.split_once(':')) else {
            return Err(format!("the credentials for {key} are damaged"));
        };
        return Ok(Some(Credentials::Password { user: user.into(), secret: secret.into() }));
    }
    // An empty entry is what docker leaves where a store has the secret.
    let password = text("username").zip(text("password"));
    Ok(password.map(|(user, secret)| Credentials::Password { user, secret }))
}

/// What an entry may be called, the most exact first: containers' entries may be for a part of a
/// registry. docker.io's lie under the address of its first version.
fn keys(host: &str, name: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut path = format!("{host}/{name}");
    while path.len() > host.len() {
        list.push(path.clone());
        path.truncate(path.rfind('/').unwrap_or(0));
    }
    list.push(host.into());
    if host == DEFAULT_REGISTRY {
        list.extend([format!("index.{host}"), format!("https://index.{host}/v1/")]);
    }
    list
}

/// docker takes an address for its host, but for the one of docker.io, which stays.
fn bare_key(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    rest.map_or(key, |rest| rest.split('/').next().unwrap_or(rest))
}

/// `docker-credential-NAME get`: the protocol of docker-credential-helpers.
fn from_helper(name: &str, key: &str) -> std::result::Result<Option<Credentials>, String> {
    let program = format!("docker-credential-{name}");
    // A name is a part of a file name, never a path.
    if name.contains('/') {
        return Err(format!("`{name}` is no credential helper"));
    }
    let cannot = |e: std::io::Error| format!("the credential helper {program} cannot be started: {e}");
    // A file and no pipe: a helper that ends before it reads would end this program by SIGPIPE.
    let question = tempfile::tempfile().and_then(|mut file| {
        file.write_all(key.as_bytes())?;
        file.rewind().map(|()| file)
    });
    let output = Command::new(&program)
        .arg("get")
        .stdin(question.map_err(cannot)?)
        .stderr(Stdio::inherit())
        .output()
        .map_err(cannot)?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stdout).trim().to_string();
        detail!("the credential helper {program} has nothing for {key}: {why}");
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("the credential helper {program} does not answer in JSON: {e}"))?;
    let text = |name: &str| value[name].as_str().unwrap_or("").to_string();
    Ok(match text("Username").as_str() {
        "" => None,
        "<token>" => Some(Credentials::Identity(text("Secret"))),
        user => Some(Credentials::Password { user: user.into(), secret: text("Secret") }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_are_found_by_their_names() {
        let password = |user: &str| Some(Credentials::Password { user: user.into(), secret: "p:w".into() });
        let auth = |user: &str| json!({ "auth": STANDARD.encode(format!("{user}:p:w")) });
        let file = json!({ "auths": {
            "https://index.docker.io/v1/": auth("hub"),
            "a.example:5000": auth("port"),
            "a.example": auth("plain"),
            "a.example/team": auth("team"),
            "https://b.example/v2/": auth("address"),
            "c.example": { "username": "u", "password": "p:w" },
            "d.example": { "auth": STANDARD.encode("x:"), "identitytoken": "it" },
            "e.example": { "registrytoken": "rt" },
            "f.example": {},
        }});
        let check = |host: &str, name: &str, want: Option<Credentials>| {
            assert_eq!(in_file(&file, host, name).unwrap(), want, "{host} {name}");
        };
        check("docker.io", "library/debian", password("hub"));
        check("a.example:5000", "x", password("port"));
        check("a.example", "teams/x", password("plain"));
        check("a.example", "team/x", password("team"));
        check("b.example", "x", password("address"));
        check("c.example", "x", password("u"));
        check("d.example", "x", Some(Credentials::Identity("it".into())));
        check("e.example", "x", Some(Credentials::Registry("rt".into())));
        check("f.example", "x", None);
        check("example", "x", None);
        check("a.example:5001", "x", None);
        let damaged = json!({ "auths": { "a": { "auth": "?" } } });
        assert!(in_file(&damaged, "a", "x").unwrap_err().contains("damaged"));
        assert!(in_file(&json!({ "credHelpers": { "a": "../x" } }), "a", "x").is_err());
    }
}
