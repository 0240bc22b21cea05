//! `cargo xtask dist`: what a release consists of.
//!
//! A tarball, a Debian package, an RPM, the family of images as one OCI layout in an archive, a
//! list of what is in the executables (CycloneDX), and the sums of all. The same executables give
//! the same bytes: dates are SOURCE_DATE_EPOCH or the commit's, names are sorted, owners are root.
//! Executables are built with the folders of the machine left out of them.
//!
//! dpkg-deb and rpmbuild make the packages and no cargo subcommand does: both come from Debian in
//! seconds, and the scripts that register are written by hand in either case (packaging/).

use crate::packages;
use crate::sbom::{self, Crate};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The host whose executables these are, as Rust, Debian and RPM name it.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const DEBIAN: &str = "amd64";
const RPM: &str = "x86_64";
/// The executables.
pub(crate) const EXECUTABLES: [&str; 2] = ["anyarch", "anyarch-emu"];

/// One line about the packages, and what follows it.
const SUMMARY: &str = "runs programs and containers of foreign CPU architectures";
const DESCRIPTION: [&str; 3] = [
    "A user-mode emulator for arm64, riscv64 and arm programs, and the tool that registers",
    "it with the kernel's binfmt_misc and runs foreign programs, root file systems",
    "and images. Handlers of other packages are left as they are.",
];

/// A release that is being made.
pub(crate) struct Release {
    /// Its version.
    pub(crate) version: String,
    /// Seconds since 1970 that every file gets.
    epoch: String,
    /// Where the executables are.
    executables: PathBuf,
    /// Folders that the packages are made of.
    work: PathBuf,
    /// The crates in the executables.
    crates: Vec<Crate>,
}

/// The command: `[--executables DIR] [--no-image] [DIR]`.
///
/// # Errors
/// What failed.
pub(crate) fn main(mut rest: Vec<OsString>) -> Result<ExitCode, String> {
    packages::need(&[packages::BUILD, packages::PACKAGES])?;
    let given = crate::take_option(&mut rest, "--executables")?.pop().map(PathBuf::from);
    let image = !crate::take_flag(&mut rest, "--no-image");
    let out = match rest.as_slice() {
        [] => crate::target()?.join("dist"),
        [dir] => dir.into(),
        _ => return Err("dist takes one folder".into()),
    };
    let executables = match given {
        Some(dir) => dir,
        None => build()?,
    };
    let out = absolute(&out)?;
    for file in make(&out, &executables, image)? {
        println!("{}", out.join(file).display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes everything in a folder, which is emptied before; the files' names.
///
/// # Errors
/// What failed.
pub(crate) fn make(out: &Path, executables: &Path, image: bool) -> Result<Vec<String>, String> {
    empty(out)?;
    let release = Release::new(&out.join("work"), executables, env!("CARGO_PKG_VERSION"))?;
    let mut files = vec![release.sbom(out)?, release.tarball(out)?, release.deb(out)?, release.rpm(out)?];
    if image {
        files.push(release.image(out)?);
    }
    copy(&crate::workspace().join("install.sh"), &out.join("install.sh"), 0o755)?;
    files.push("install.sh".into());
    files.sort();
    let sums = output(Command::new("sha256sum").args(&files).current_dir(out))?;
    write(&out.join("SHA256SUMS"), &sums)?;
    files.push("SHA256SUMS".into());
    fs::remove_dir_all(&release.work).map_err(|e| format!("{}: {e}", release.work.display()))?;
    Ok(files)
}

/// Builds the executables without the names of this machine's folders in them; where they are.
fn build() -> Result<PathBuf, String> {
    let target = crate::target()?.join("for-dist");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let sources = sbom::cargo_home()?.join("registry/src");
    let map = |from: &Path, to: &str| format!("\"--remap-path-prefix={}={to}\"", from.display());
    // Cargo appends these to the flags of .cargo/config.toml.
    let flags = format!(
        "target.{TARGET}.rustflags=[{}, {}]",
        map(&crate::workspace(), "anyarch"),
        map(&sources, "crates")
    );
    let mut c = Command::new(cargo);
    c.args(["build", "--quiet", "--locked", "--release", "--target", TARGET, "--config", &flags]);
    c.args(EXECUTABLES.iter().flat_map(|name| ["-p", name])).arg("--target-dir").arg(&target);
    crate::run(c.current_dir(crate::workspace()))?;
    Ok(target.join(TARGET).join("release"))
}

impl Release {
    /// Prepares a release of executables that are built.
    ///
    /// # Errors
    /// If a folder cannot be made or cargo does not tell the crates.
    pub(crate) fn new(work: &Path, executables: &Path, version: &str) -> Result<Release, String> {
        empty(work)?;
        let executables = absolute(executables)?;
        for name in EXECUTABLES {
            if !executables.join(name).is_file() {
                return Err(format!("{}: there is no {name}", executables.display()));
            }
        }
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => {
                let mut git = Command::new("git");
                git.args(["log", "-1", "--format=%ct"]).current_dir(crate::workspace());
                String::from_utf8_lossy(&output(&mut git)?).trim().to_owned()
            }
        };
        let crates = sbom::crates(&EXECUTABLES, TARGET)?;
        Ok(Release { version: version.into(), epoch, executables, work: work.into(), crates })
    }

    /// The list of crates.
    fn sbom(&self, out: &Path) -> Result<String, String> {
        let name = format!("anyarch-{}-{TARGET}.cdx.json", self.version);
        write(&out.join(&name), self.bill()?.as_bytes())?;
        Ok(name)
    }

    fn bill(&self) -> Result<String, String> {
        sbom::cyclonedx("anyarch", &self.version, &self.crates)
    }

    /// The tarball: a folder of its own name, with `bin` and `share` as they lie in /usr/local.
    fn tarball(&self, out: &Path) -> Result<String, String> {
        let name = tarball_name(&self.version);
        let top = name.trim_end_matches(".tar.gz");
        let root = self.work.join("tarball");
        let usr = root.join(top);
        self.programs(&usr, "site-functions")?;
        for page in ["README.md", "CHANGELOG.md"] {
            copy(&crate::workspace().join(page), &usr.join(page), 0o644)?;
        }
        self.licences(&usr.join("share/doc/anyarch"))?;
        self.archive(&root, top, &out.join(&name), true)?;
        Ok(name)
    }

    /// The Debian package.
    ///
    /// # Errors
    /// What failed.
    pub(crate) fn deb(&self, out: &Path) -> Result<String, String> {
        let name = format!("anyarch_{}_{DEBIAN}.deb", self.version);
        let root = self.work.join("deb");
        let usr = root.join("usr");
        self.programs(&usr, "vendor-completions")?;
        self.unit(&usr)?;
        let doc = usr.join("share/doc/anyarch");
        self.licences(&doc)?;
        fs::rename(doc.join("LICENSES"), doc.join("copyright")).map_err(|e| e.to_string())?;
        copy(&crate::workspace().join("CHANGELOG.md"), &doc.join("changelog"), 0o644)?;
        self.compress(&doc.join("changelog"))?;
        let control = root.join("DEBIAN");
        for script in ["postinst", "prerm", "postrm"] {
            copy(&packaging().join("debian").join(script), &control.join(script), 0o755)?;
        }
        let mut files = Vec::new();
        list(&usr, &mut files)?;
        let mut kibibytes = 0;
        for file in &files {
            kibibytes += fs::metadata(file).map_err(|e| e.to_string())?.len().div_ceil(1024);
        }
        let text = format!(
            "Package: anyarch\nVersion: {}\nArchitecture: {DEBIAN}\nMaintainer: The anyarch authors <{}>\nInstalled-Size: {kibibytes}\n\
             Suggests: qemu-user-static\nSection: otherosfs\nPriority: optional\nHomepage: {}\nDescription: {SUMMARY}\n {}\n",
            self.version,
            concat!(env!("CARGO_PKG_REPOSITORY"), "/issues"),
            env!("CARGO_PKG_REPOSITORY"),
            DESCRIPTION.join("\n "),
        );
        write(&control.join("control"), text.as_bytes())?;
        let mut sums = Command::new("md5sum");
        let relative = |p: &PathBuf| p.strip_prefix(&root).map(Path::to_path_buf).unwrap_or_default();
        sums.args(files.iter().map(relative)).current_dir(&root);
        write(&control.join("md5sums"), &output(&mut sums)?)?;
        self.date(&root)?;
        let mut c = Command::new("dpkg-deb");
        // The bytes depend on the number of threads.
        c.args(["--root-owner-group", "--threads-max=1", "-Zxz", "--build"]).arg(&root).arg(out.join(&name));
        crate::run(c.env("SOURCE_DATE_EPOCH", &self.epoch).stdout(Stdio::null()))?;
        Ok(name)
    }

    /// The RPM.
    fn rpm(&self, out: &Path) -> Result<String, String> {
        let name = format!("anyarch-{}-1.{RPM}.rpm", self.version);
        let (root, top) = (self.work.join("rpm"), self.work.join("rpmbuild"));
        let usr = root.join("usr");
        self.programs(&usr, "site-functions")?;
        self.unit(&usr)?;
        self.licences(&usr.join("share/licenses/anyarch"))?;
        for page in ["README.md", "CHANGELOG.md"] {
            copy(&crate::workspace().join(page), &usr.join("share/doc/anyarch").join(page), 0o644)?;
        }
        self.date(&root)?;
        let mut c = Command::new("rpmbuild");
        c.args(["-bb", "--quiet", "--target", RPM]);
        for (name, value) in [
            ("version_", &*self.version),
            ("folder", text(&root)?),
            ("_topdir", text(&top)?),
            ("_rpmdir", text(out)?),
        ] {
            c.arg("--define").arg(format!("{name} {value}"));
        }
        c.args(["--define", "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm"]);
        c.arg(packaging().join("anyarch.spec")).env("SOURCE_DATE_EPOCH", &self.epoch);
        let done = c.output().map_err(|e| format!("rpmbuild: {e}"))?;
        if !done.status.success() {
            return Err(format!("rpmbuild: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr)));
        }
        Ok(name)
    }

    /// The family of images with our emulators, as an archive of an OCI layout.
    fn image(&self, out: &Path) -> Result<String, String> {
        let name = format!("anyarch-{}-oci.tar", self.version);
        let layout = self.work.join("image");
        let mut c = Command::new(self.executables.join("anyarch"));
        c.args(["--quiet", "image", "build", "--engine", "native", "--version", &self.version]);
        c.args(anyarch_harness::guests::GUESTS.iter().flat_map(|g| ["--to", g.name]));
        crate::run(c.arg("-o").arg(&layout).env("SOURCE_DATE_EPOCH", &self.epoch))?;
        self.archive(&layout, ".", &out.join(&name), false)?;
        Ok(name)
    }

    /// Executables, manual pages and completions as they lie in /usr. Debian's zsh looks for
    /// completions of packages in a folder of its own.
    fn programs(&self, usr: &Path, zsh: &str) -> Result<(), String> {
        for name in EXECUTABLES {
            copy(&self.executables.join(name), &usr.join("bin").join(name), 0o755)?;
        }
        let anyarch = self.executables.join("anyarch");
        let pages = usr.join("share/man/man1");
        fs::create_dir_all(&pages).map_err(|e| format!("{}: {e}", pages.display()))?;
        crate::run(Command::new(&anyarch).arg("manual").arg(&pages))?;
        let mut files = Vec::new();
        list(&pages, &mut files)?;
        for page in files {
            self.compress(&page)?;
        }
        for (shell, place) in [
            ("bash", "bash-completion/completions/anyarch".to_owned()),
            ("zsh", format!("zsh/{zsh}/_anyarch")),
            ("fish", "fish/vendor_completions.d/anyarch.fish".to_owned()),
        ] {
            let completions = output(Command::new(&anyarch).args(["completions", shell]))?;
            write(&usr.join("share").join(place), &completions)?;
        }
        Ok(())
    }

    fn unit(&self, usr: &Path) -> Result<(), String> {
        let name = "anyarch.service";
        copy(&packaging().join(name), &usr.join("lib/systemd/system").join(name), 0o644)
    }

    /// The project's licences with those of the crates in the executables, and the list of crates.
    fn licences(&self, folder: &Path) -> Result<(), String> {
        let mut all = String::from(
            "anyarch is under the licence MIT or Apache-2.0, as you like. Its executables contain the crates listed below, and anyarch \
             parts of the GNU C library, which is under the LGPL 2.1 or later: https://sourceware.org/glibc/.\n",
        );
        for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let path = crate::workspace().join(name);
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            all += &format!("\n==== anyarch: {name}\n\n{text}");
        }
        for it in self.crates.iter().filter(|c| c.published) {
            all += &format!("\n==== {} {}: {}\n", it.name, it.version, it.licence);
            for (name, text) in it.texts()? {
                all += &format!("\n---- {name}\n\n{}\n", text.trim_end());
            }
        }
        write(&folder.join("LICENSES"), all.as_bytes())?;
        write(&folder.join("sbom.cdx.json"), self.bill()?.as_bytes())
    }

    fn compress(&self, file: &Path) -> Result<(), String> {
        crate::run(Command::new("gzip").arg("-9n").arg(file))
    }

    /// Gives all files of a folder the date.
    fn date(&self, root: &Path) -> Result<(), String> {
        let date = format!("--date=@{}", self.epoch);
        crate::run(Command::new("find").arg(root).args([
            "-exec",
            "touch",
            "--no-dereference",
            &date,
            "{}",
            "+",
        ]))
    }

    /// A tar archive of `what` in a folder.
    fn archive(&self, folder: &Path, what: &str, to: &Path, compressed: bool) -> Result<(), String> {
        let date = format!("--mtime=@{}", self.epoch);
        let mut c = Command::new("tar");
        c.args(["--sort=name", "--owner=root:0", "--group=root:0", "--mode=go-w", "--format=ustar", &date]);
        c.args(compressed.then_some("--use-compress-program=gzip -9n"));
        crate::run(c.arg("-cf").arg(to).arg("-C").arg(folder).arg(what))
    }
}

/// The tarball's name, which install.sh and `cargo binstall` know.
fn tarball_name(version: &str) -> String {
    format!("anyarch-{version}-{TARGET}.tar.gz")
}

fn packaging() -> PathBuf {
    crate::workspace().join("packaging")
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{}: no UTF-8", path.display()))
}

/// A new folder in the place of an old one.
fn empty(dir: &Path) -> Result<(), String> {
    let make = || {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)
    };
    make().map_err(|e| format!("{}: {e}", dir.display()))
}

/// Writes a file, with the folders that it lies in.
fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(path, bytes)?;
        mode(path, 0o644)
    };
    write().map_err(|e| format!("{}: {e}", path.display()))
}

fn copy(from: &Path, to: &Path, bits: u32) -> Result<(), String> {
    let copy = || {
        fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
        fs::copy(from, to)?;
        mode(to, bits)
    };
    copy().map_err(|e| format!("{}: {e}", from.display()))
}

fn mode(path: &Path, bits: u32) -> std::io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(bits))
}

/// All files of a folder, sorted.
fn list(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let read = || fs::read_dir(dir)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = read().map_err(|e| format!("{}: {e}", dir.display()))?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// What a command prints.
fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(Stdio::inherit()).output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{name}: {}", output.status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installer_knows_version_and_repository() {
        let script = fs::read_to_string(crate::workspace().join("install.sh")).unwrap();
        for (name, value) in
            [("VERSION", env!("CARGO_PKG_VERSION")), ("REPOSITORY", env!("CARGO_PKG_REPOSITORY"))]
        {
            assert!(script.contains(&format!("\n{name}={value}\n")), "{name} is {value}");
        }
        // It composes the tarball's name of these two.
        assert!(
            script.contains(&format!("target={TARGET} ;;"))
                && script.contains("name=anyarch-$VERSION-$target\n")
        );
    }

    /// `cargo binstall` finds the tarball and the executables in it by templates in the manifests.
    #[test]
    fn binstall_finds_what_is_made() {
        let version = "1.2.3";
        let name = tarball_name(version);
        for (krate, bin) in [("anyarch", "anyarch"), ("emu", "anyarch-emu")] {
            let manifest = crate::workspace().join("crates").join(krate).join("Cargo.toml");
            let manifest = fs::read_to_string(manifest).unwrap();
            let section = manifest.split("[package.metadata.binstall]\n").nth(1).unwrap();
            let value = |key: &str| {
                let line = section.lines().find_map(|l| l.strip_prefix(&format!("{key} = "))).unwrap();
                let line =
                    line.trim_matches('"').replace("{ version }", version).replace("{ target }", TARGET);
                line.replace("{ repo }", env!("CARGO_PKG_REPOSITORY")).replace("{ bin }", bin)
            };
            let url = format!("{}/releases/download/v{version}/{name}", env!("CARGO_PKG_REPOSITORY"));
            assert_eq!(value("pkg-url"), url);
            assert_eq!(value("pkg-fmt"), "tgz");
            assert_eq!(value("bin-dir"), format!("{}/bin/{bin}", name.trim_end_matches(".tar.gz")));
        }
    }
}
