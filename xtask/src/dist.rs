//! `cargo xtask dist`: what a release consists of.
//!
//! For each host a tarball, a Debian package, an RPM and a list of what is in the executables
//! (CycloneDX); the family of images for all hosts as one OCI layout in an archive; and the sums of
//! all. The same executables give the same bytes: dates are SOURCE_DATE_EPOCH or the commit's,
//! names are sorted, owners are root. Executables are built with the folders of the machine left out
//! of them.
//!
//! Executables for arm64 hosts are built by this machine's Rust where it has the standard library
//! for them (`rustup target add aarch64-unknown-linux-gnu`), else in a Debian sid, whose Rust has
//! it, as `check-host-neutral` does. Manual pages, completions and images are made by the
//! executables for this machine.
//!
//! dpkg-deb and rpmbuild make the packages and no cargo subcommand does: both come from Debian in
//! seconds, and the scripts that register are written by hand in either case (packaging/).

use crate::sbom::{self, Crate};
use crate::{neutral, packages};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// A kind of machine that executables are for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Rust's name.
    pub(crate) target: &'static str,
    /// Debian's.
    pub(crate) debian: &'static str,
    /// RPM's, which is the kernel's too.
    pub(crate) rpm: &'static str,
    /// Whether the emulator translates there.
    translates: bool,
}

/// This machine, which makes the release.
pub(crate) const HERE: &Host =
    &Host { target: "x86_64-unknown-linux-gnu", debian: "amd64", rpm: "x86_64", translates: true };
/// The other one.
pub(crate) const ARM64: &Host =
    &Host { target: "aarch64-unknown-linux-gnu", debian: "arm64", rpm: "aarch64", translates: false };

/// A host, and the folder of its executables.
pub(crate) type Executables = (&'static Host, PathBuf);

/// The executables.
pub(crate) const EXECUTABLES: [&str; 2] = ["anyarch", "anyarch-emu"];

/// One line about the packages, and what follows it.
const SUMMARY: &str = "runs programs and containers of foreign CPU architectures";
const DESCRIPTION: [&str; 3] = [
    "A user-mode emulator for arm64, riscv64 and arm programs, and the tool that registers",
    "it with the kernel's binfmt_misc and runs foreign programs, root file systems",
    "and images. Handlers of other packages are left as they are.",
];

/// A release for one host that is being made.
pub(crate) struct Release {
    host: &'static Host,
    /// Its version.
    version: String,
    /// Seconds since 1970 that every file gets.
    epoch: String,
    /// Where the executables are.
    executables: PathBuf,
    /// The anyarch that makes manual pages and completions.
    anyarch: PathBuf,
    /// Folders that the packages are made of.
    work: PathBuf,
    /// The crates in the executables.
    crates: Vec<Crate>,
}

/// The command: `[--executables DIR] [--arm64 DIR] [--no-arm64] [--no-image] [DIR]`.
///
/// # Errors
/// What failed.
pub(crate) fn main(mut rest: Vec<OsString>) -> Result<ExitCode, String> {
    packages::need(&[packages::BUILD, packages::PACKAGES])?;
    let mut given = |name| -> Result<Option<PathBuf>, String> {
        Ok(crate::take_option(&mut rest, name)?.pop().map(PathBuf::from))
    };
    let (here, arm64) = (given("--executables")?, given("--arm64")?);
    let with_arm64 = !crate::take_flag(&mut rest, "--no-arm64");
    let image = !crate::take_flag(&mut rest, "--no-image");
    let out = match rest.as_slice() {
        [] => crate::target()?.join("dist"),
        [dir] => dir.into(),
        _ => return Err("dist takes one folder".into()),
    };
    let mut executables = vec![(HERE, here.map_or_else(|| build(HERE), Ok)?)];
    if with_arm64 {
        executables.push((ARM64, arm64.map_or_else(|| build(ARM64), Ok)?));
    }
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
pub(crate) fn make(out: &Path, executables: &[Executables], image: bool) -> Result<Vec<String>, String> {
    empty(out)?;
    let work = out.join("work");
    let mut files = Vec::new();
    for of_host in executables {
        let place = work.join(of_host.0.debian);
        let release = Release::new(&place, of_host, &executables[0].1, env!("CARGO_PKG_VERSION"))?;
        files.extend([release.sbom(out)?, release.tarball(out)?, release.deb(out)?, release.rpm(out)?]);
        if image && of_host.0 == HERE {
            let others: Vec<&Path> = executables[1..].iter().map(|(_, folder)| folder.as_path()).collect();
            files.push(release.image(out, &others)?);
        }
    }
    copy(&crate::workspace().join("install.sh"), &out.join("install.sh"), 0o755)?;
    files.push("install.sh".into());
    files.sort();
    let sums = output(Command::new("sha256sum").args(&files).current_dir(out))?;
    write(&out.join("SHA256SUMS"), &sums)?;
    files.push("SHA256SUMS".into());
    fs::remove_dir_all(&work).map_err(|e| format!("{}: {e}", work.display()))?;
    Ok(files)
}

/// Builds the executables without the names of this machine's folders in them; where they are.
fn build(host: &Host) -> Result<PathBuf, String> {
    let target = crate::target()?.join("for-dist");
    let map = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    if !has_library(host)? {
        packages::need(&[packages::DEBIAN])?;
        let flags = [
            map(neutral::SOURCE.as_ref(), "anyarch"),
            map(&Path::new(neutral::REGISTRY).join("src"), "crates"),
        ];
        return neutral::cross(&EXECUTABLES, "release", &target, &flags);
    }
    if host == ARM64 {
        packages::need(&[packages::ARM64])?;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let sources = sbom::cargo_home()?.join("registry/src");
    let mut c = Command::new(cargo);
    c.args(["build", "--quiet", "--locked", "--release"]);
    c.args(EXECUTABLES.iter().flat_map(|name| ["-p", name])).arg("--target-dir").arg(&target);
    // As packaging/profile/rustc takes them. Cargo's own flags, or a target's name, would change
    // its numbers for the crates below, which stand in names that the profile knows.
    let flags = format!("{}\n{}", map(&crate::workspace(), "anyarch"), map(&sources, "crates"));
    c.env("ANYARCH_RUSTC_FLAGS", flags);
    let mut folder = target;
    if host != HERE {
        c.args(["--target", host.target]);
        folder.push(host.target);
    }
    crate::run(c.current_dir(crate::workspace()))?;
    Ok(folder.join("release"))
}

/// Whether this machine's Rust has the standard library for a host.
fn has_library(host: &Host) -> Result<bool, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut c = Command::new(rustc);
    let folder = output(c.args(["--print", "target-libdir", "--target", host.target]))?;
    Ok(Path::new(String::from_utf8_lossy(&folder).trim()).is_dir())
}

impl Release {
    /// Prepares a release of executables that are built. `tools` is the folder of those for this
    /// machine.
    ///
    /// # Errors
    /// If a folder cannot be made or cargo does not tell the crates.
    pub(crate) fn new(
        work: &Path,
        executables: &Executables,
        tools: &Path,
        version: &str,
    ) -> Result<Release, String> {
        empty(work)?;
        let (host, folder) = executables;
        let executables = absolute(folder)?;
        for name in EXECUTABLES {
            let file = executables.join(name);
            let machine = elf_machine(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            if machine != host.machine() {
                return Err(format!("{} is no executable for {}", file.display(), host.debian));
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
        let crates = sbom::crates(&EXECUTABLES, host.target)?;
        let anyarch = absolute(tools)?.join("anyarch");
        let (version, work) = (version.into(), work.into());
        Ok(Release { host, version, epoch, executables, anyarch, work, crates })
    }

    /// The list of crates.
    fn sbom(&self, out: &Path) -> Result<String, String> {
        let name = format!("anyarch-{}-{}.cdx.json", self.version, self.host.target);
        write(&out.join(&name), self.bill()?.as_bytes())?;
        Ok(name)
    }

    fn bill(&self) -> Result<String, String> {
        sbom::cyclonedx("anyarch", &self.version, &self.crates)
    }

    /// The tarball: a folder of its own name, with `bin` and `share` as they lie in /usr/local.
    fn tarball(&self, out: &Path) -> Result<String, String> {
        let name = tarball_name(&self.version, self.host);
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
        let name = format!("anyarch_{}_{}.deb", self.version, self.host.debian);
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
            "Package: anyarch\nVersion: {}\nArchitecture: {}\nMaintainer: The anyarch authors <{}>\nInstalled-Size: {kibibytes}\n\
             {}: qemu-user-static\nSection: otherosfs\nPriority: optional\nHomepage: {}\nDescription: {SUMMARY}\n {}\n",
            self.version,
            self.host.debian,
            concat!(env!("CARGO_PKG_REPOSITORY"), "/issues"),
            // Where ours interprets, QEMU's is the engine.
            if self.host.translates { "Suggests" } else { "Recommends" },
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
        let name = format!("anyarch-{}-1.{}.rpm", self.version, self.host.rpm);
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
        c.args(["-bb", "--quiet", "--target", self.host.rpm]);
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
    fn image(&self, out: &Path, others: &[&Path]) -> Result<String, String> {
        let name = format!("anyarch-{}-oci.tar", self.version);
        let layout = self.work.join("image");
        let mut c = Command::new(&self.anyarch);
        c.args(["--quiet", "image", "build", "--engine", "native", "--version", &self.version]);
        c.args(anyarch_harness::guests::GUESTS.iter().flat_map(|g| ["--to", g.name]));
        for folder in others {
            c.arg("--also").arg(absolute(folder)?);
        }
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
        let pages = usr.join("share/man/man1");
        fs::create_dir_all(&pages).map_err(|e| format!("{}: {e}", pages.display()))?;
        crate::run(Command::new(&self.anyarch).arg("manual").arg(&pages))?;
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
            let completions = output(Command::new(&self.anyarch).args(["completions", shell]))?;
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
fn tarball_name(version: &str, host: &Host) -> String {
    format!("anyarch-{version}-{}.tar.gz", host.target)
}

impl Host {
    /// The machine's number in an ELF header (elf.h: EM_X86_64, EM_AARCH64).
    fn machine(&self) -> u16 {
        if self == HERE { 62 } else { 183 }
    }
}

/// The machine in a file's ELF header (`e_machine`).
fn elf_machine(file: &Path) -> std::io::Result<u16> {
    let mut header = [0; 20];
    std::io::Read::read_exact(&mut fs::File::open(file)?, &mut header)?;
    Ok(u16::from_le_bytes([header[18], header[19]]))
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
pub(crate) fn list(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
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
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>, String> {
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
        // It composes the tarball's name of these.
        for host in [HERE, ARM64] {
            assert!(script.contains(&format!("target={} ;;", host.target)), "{}", host.target);
        }
        assert!(script.contains("name=anyarch-$VERSION-$target\n"));
    }

    /// `cargo binstall` finds the tarball and the executables in it by templates in the manifests.
    #[test]
    fn binstall_finds_what_is_made() {
        let version = "1.2.3";
        let name = tarball_name(version, HERE);
        for (krate, bin) in [("anyarch", "anyarch"), ("emu", "anyarch-emu")] {
            let manifest = crate::workspace().join("crates").join(krate).join("Cargo.toml");
            let manifest = fs::read_to_string(manifest).unwrap();
            let section = manifest.split("[package.metadata.binstall]\n").nth(1).unwrap();
            let value = |key: &str| {
                let line = section.lines().find_map(|l| l.strip_prefix(&format!("{key} = "))).unwrap();
                let line =
                    line.trim_matches('"').replace("{ version }", version).replace("{ target }", HERE.target);
                line.replace("{ repo }", env!("CARGO_PKG_REPOSITORY")).replace("{ bin }", bin)
            };
            let url = format!("{}/releases/download/v{version}/{name}", env!("CARGO_PKG_REPOSITORY"));
            assert_eq!(value("pkg-url"), url);
            assert_eq!(value("pkg-fmt"), "tgz");
            assert_eq!(value("bin-dir"), format!("{}/bin/{bin}", name.trim_end_matches(".tar.gz")));
        }
    }
}
