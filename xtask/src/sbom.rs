//! What the executables are made of: the crates that cargo links into them, as a CycloneDX list and
//! with their licences.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate in the executables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Crate {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Its licence, an SPDX expression.
    pub(crate) licence: String,
    /// It comes from crates.io.
    pub(crate) published: bool,
    /// Its folder.
    folder: PathBuf,
}

/// Cargo's folder of the user.
///
/// # Errors
/// If neither CARGO_HOME nor HOME is set.
pub(crate) fn cargo_home() -> Result<PathBuf, String> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => Ok(Path::new(&std::env::var_os("HOME").ok_or("HOME is not set")?).join(".cargo")),
    }
}

/// The crates that are linked into these packages for a target, with the packages: tests and build
/// scripts are left out.
///
/// # Errors
/// What cargo says.
pub(crate) fn crates(packages: &[&str], target: &str) -> Result<Vec<Crate>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut c = Command::new(cargo);
    c.args(["metadata", "--format-version=1", "--locked", "--filter-platform", target]);
    let output = c.current_dir(crate::workspace()).output().map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (known, nodes) = (all(&metadata["packages"]), all(&metadata["resolve"]["nodes"]));
    let own = |p: &&Value| p["source"].is_null() && packages.iter().any(|name| p["name"] == *name);
    let mut open: Vec<String> = known.iter().filter(own).map(|p| word(&p["id"])).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        let node = nodes.iter().find(|n| n["id"] == *id);
        if !seen.insert(id) {
            continue;
        }
        for dep in all(&node.unwrap_or(&Value::Null)["deps"]) {
            // The kind of what is linked has no name.
            if all(&dep["dep_kinds"]).iter().any(|k| k["kind"].is_null()) {
                open.push(word(&dep["pkg"]));
            }
        }
    }
    let mut crates: Vec<Crate> = known
        .iter()
        .filter(|p| seen.contains(p["id"].as_str().unwrap_or_default()))
        .map(|p| Crate {
            name: word(&p["name"]),
            version: word(&p["version"]),
            // An older way to write OR.
            licence: word(&p["license"]).replace('/', " OR "),
            published: !p["source"].is_null(),
            folder: Path::new(&word(&p["manifest_path"])).parent().map(Path::to_path_buf).unwrap_or_default(),
        })
        .collect();
    crates.sort();
    Ok(crates)
}

impl Crate {
    /// The files of its folder that have licences in them, by name.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(crate) fn texts(&self) -> Result<Vec<(String, String)>, String> {
        let told = |e: std::io::Error| format!("{}: {e}", self.folder.display());
        let mut texts = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(told)? {
            let entry = entry.map_err(told)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is = |word| name.to_ascii_uppercase().starts_with(word);
            if ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"].into_iter().any(is)
                && entry.path().is_file()
            {
                texts.push((name, fs::read_to_string(entry.path()).map_err(told)?));
            }
        }
        texts.sort();
        Ok(texts)
    }
}

/// The list in CycloneDX 1.5, <https://cyclonedx.org/docs/1.5/json/>. It has no date and no serial
/// number, so that it stays the same.
///
/// # Errors
/// None that can occur: what serde_json says.
pub(crate) fn cyclonedx(name: &str, version: &str, crates: &[Crate]) -> Result<String, String> {
    let component = |c: &Crate| {
        let url = format!("pkg:cargo/{}@{}", c.name, c.version);
        json!({
            "type": "library",
            "bom-ref": url,
            "name": c.name,
            "version": c.version,
            "licenses": [{ "expression": c.licence }],
            "purl": url,
        })
    };
    let list = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": { "type": "application", "bom-ref": name, "name": name, "version": version },
        },
        "components": crates.iter().map(component).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&list).map_err(|e| e.to_string())? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_those_that_are_linked() {
        let list = crates(&["anyarch", "anyarch-emu"], "x86_64-unknown-linux-gnu").unwrap();
        let has = |name: &str| list.iter().any(|c| c.name == name);
        assert!(has("anyarch-engine") && has("anyarch-host-x86_64") && has("clap") && has("rustls"));
        // What only tests and build scripts use.
        assert!(!has("anyarch-harness") && !has("cc"), "{list:?}");
        assert!(list.iter().all(|c| !c.licence.is_empty()), "{list:?}");
        let clap = list.iter().find(|c| c.name == "clap").unwrap();
        assert!(clap.texts().unwrap().iter().any(|(name, _)| name == "LICENSE-MIT"));
    }
}
