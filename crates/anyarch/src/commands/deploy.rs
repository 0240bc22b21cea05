//! `deploy`: ready files for places where anyarch is to run by itself.

use crate::failure::{Code, Failure, Result};

/// What can be printed.
pub(crate) const KINDS: [&str; 4] = ["kubernetes", "systemd", "compose", "github-action"];

/// `anyarch deploy KIND [--image IMAGE]`.
pub(crate) fn deploy(kind: &str, image: &str) -> Result<u8> {
    // It stands in a YAML document and in a shell's line.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@-[]".contains(c);
    if image.is_empty() || !image.chars().all(plain) {
        return Err(Failure::new(Code::Usage, format!("`{image}` is no image's name")));
    }
    let text = match kind {
        "kubernetes" => kubernetes(image),
        "systemd" => crate::commands::persist::unit(&crate::commands::register::Options {
            targets: vec!["all".into()],
            ..Default::default()
        })?,
        "compose" => compose(image),
        "github-action" => github(image),
        other => return Err(Failure::new(Code::Usage, format!("`{other}` is none of {}", KINDS.join(", ")))),
    };
    print!("{text}");
    Ok(0)
}

/// Registering needs CAP_SYS_ADMIN in the machine's user namespace and a writable binfmt_misc;
/// nothing else. The folder is the node's, so that the entries outlive the pod. It is not mounted
/// at its usual place: runtimes refuse mounts below /proc. `verify` as readiness probe runs the
/// node's handlers. It is the Helm chart's template with the chart's values.
fn kubernetes(image: &str) -> String {
    // A JSON string is one of YAML's.
    let image = serde_json::Value::from(image).to_string();
    let mut text = TEMPLATE.replace("{{ .Release.Namespace }}", "kube-system");
    for (name, default) in values() {
        let value = if name == "image" { &image } else { default };
        text = text.replace(&format!("{{{{ .Values.{name} | toJson }}}}"), value);
    }
    text
}

const TEMPLATE: &str = include_str!("../../../../packaging/helm/anyarch/templates/daemonset.yaml");
const VALUES: &str = include_str!("../../../../packaging/helm/anyarch/values.yaml");

/// The chart's values by name, each a text of YAML that stands on one line.
fn values() -> impl Iterator<Item = (&'static str, &'static str)> {
    VALUES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "))
}

fn compose(image: &str) -> String {
    format!(
        r#"# Registers the emulators once, before the services that need them.
services:
  anyarch:
    image: {image}
    command: ["--reset", "-p", "yes"]
    privileged: true
    network_mode: none
    restart: "no"
  # your-service:
  #   platform: linux/arm64
  #   depends_on: {{ anyarch: {{ condition: service_completed_successfully }} }}
"#
    )
}

fn github(image: &str) -> String {
    format!(
        r#"# A step for .github/workflows/*.yml: afterwards docker and buildx run foreign platforms.
- name: Register emulators for foreign architectures
  run: docker run --rm --privileged {image} --reset -p yes
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_have_their_image() {
        for text in
            [kubernetes("example/anyarch:1"), compose("example/anyarch:1"), github("example/anyarch:1")]
        {
            assert!(text.contains("example/anyarch:1"));
            assert!(!text.contains("{{"), "an escape is left: {text}");
        }
    }

    /// What the chart's template asks for it has, under the version of this program.
    #[test]
    fn the_chart_has_its_values() {
        let chart = include_str!("../../../../packaging/helm/anyarch/Chart.yaml");
        assert!(chart.contains(&format!("\nappVersion: \"{}\"\n", env!("CARGO_PKG_VERSION"))), "{chart}");
        let asked: Vec<&str> = TEMPLATE
            .split("{{ .Values.")
            .skip(1)
            .map(|t| t.split(" | toJson }}").next().unwrap_or(""))
            .collect();
        let (mut asked, mut have) = (asked, values().map(|(name, _)| name).collect::<Vec<_>>());
        asked.sort_unstable();
        have.sort_unstable();
        assert_eq!(asked, have);
    }

    /// What the user says is one string, whatever is in it, and is a name.
    #[test]
    fn an_image_is_no_yaml() {
        for kind in KINDS {
            for image in ["", "a\nb: c", "a; rm x", "a b", "$(a)", "a #"] {
                assert_eq!(deploy(kind, image).unwrap_err().code, Code::Usage, "{kind} {image}");
            }
        }
        let text = kubernetes("a\"b\nkind: Pod");
        assert!(text.contains("          image: \"a\\\"b\\nkind: Pod\"\n"), "{text}");
    }
}
