//! `deploy`: ready files for places where anyarch is to run by itself.

use crate::failure::{Code, Failure, Result};

/// What can be printed.
pub const KINDS: [&str; 4] = ["kubernetes", "systemd", "compose", "github-action"];

/// `anyarch deploy KIND [--image IMAGE]`.
pub fn deploy(kind: &str, image: &str) -> Result<u8> {
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

/// Registering needs CAP_SYS_ADMIN in the machine's user namespace and a writable binfmt_misc; nothing else. The folder
/// is mounted from the node, so that the entries outlive the pod. `verify` as readiness probe runs the node's handlers.
fn kubernetes(image: &str) -> String {
    format!(
        r#"# A DaemonSet that registers anyarch's emulators on every node. A pod is ready when its node's handlers work.
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: anyarch
  namespace: kube-system
  labels: {{ app.kubernetes.io/name: anyarch }}
spec:
  selector:
    matchLabels: {{ app.kubernetes.io/name: anyarch }}
  template:
    metadata:
      labels: {{ app.kubernetes.io/name: anyarch }}
    spec:
      automountServiceAccountToken: false
      tolerations: [{{ operator: Exists }}]
      containers:
        - name: anyarch
          image: {image}
          # Entries are opened with F: they last as long as the node runs, also while the pod is replaced.
          command: ["/usr/bin/anyarch", "register", "all", "--hold"]
          readinessProbe:
            exec: {{ command: ["/usr/bin/anyarch", "verify", "--quiet"] }}
            periodSeconds: 300
            timeoutSeconds: 120
          securityContext:
            runAsUser: 0
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            appArmorProfile: {{ type: Unconfined }}
            seccompProfile: {{ type: Unconfined }}
            capabilities: {{ drop: ["ALL"], add: ["SYS_ADMIN", "SYS_CHROOT"] }}
          resources:
            requests: {{ cpu: 10m, memory: 16Mi }}
          volumeMounts:
            - {{ name: binfmt-misc, mountPath: /proc/sys/fs/binfmt_misc }}
            - {{ name: tmp, mountPath: /tmp }}
      volumes:
        - name: binfmt-misc
          hostPath: {{ path: /proc/sys/fs/binfmt_misc, type: Directory }}
        - name: tmp
          emptyDir: {{ medium: Memory }}
"#
    )
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
}
