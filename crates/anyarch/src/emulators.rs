//! Which emulator runs which architecture, and where it is.
//!
//! Ours lies beside this executable. QEMU's is looked for where distributions and other tools put
//! static builds; one that needs a loader is refused, because it cannot start in a container or
//! chroot that lacks its libraries.

use crate::elf::{Elf, host_machine};
use crate::failure::{Code, Failure, Result, fail};
use anyarch_binfmt::{Family, entry::EMULATOR};
use std::path::{Path, PathBuf};

/// Guests that our own emulator runs.
pub(crate) use anyarch_registry::NAMES as NATIVE_GUESTS;

/// Whether our emulator translates on this host. Elsewhere it interprets everything, and QEMU's
/// comes first.
pub(crate) const TRANSLATES: bool = cfg!(target_arch = "x86_64");

/// What to know of our emulator where it interprets.
pub(crate) const INTERPRETS: &str = "anyarch's own emulator interprets on this host, which is slow; \
    QEMU's static builds are taken where they are installed";

/// Which emulator is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Ours where it translates the guest, else QEMU, else ours.
    #[default]
    Auto,
    /// Ours.
    Native,
    /// QEMU, from a given file or folder or wherever it is found.
    Qemu(Option<PathBuf>),
}

/// An emulator that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Emulator {
    /// `anyarch` or `qemu`.
    pub kind: Kind,
    /// Absolute path of its executable.
    pub path: PathBuf,
}

/// Whose emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours.
    Native,
    /// QEMU's.
    Qemu,
}

impl Kind {
    /// As the status table prints it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Native => "anyarch",
            Kind::Qemu => "qemu",
        }
    }
}

impl Choice {
    /// `auto`, `native`, `qemu`, `qemu:PATH`.
    pub(crate) fn parse(text: &str) -> std::result::Result<Choice, String> {
        match text.split_once(':') {
            None => match text {
                "auto" => Ok(Choice::Auto),
                "native" | "anyarch" => Ok(Choice::Native),
                "qemu" => Ok(Choice::Qemu(None)),
                other => Err(format!("`{other}` is none of auto, native, qemu, qemu:PATH")),
            },
            Some(("qemu", path)) if path.starts_with('/') => Ok(Choice::Qemu(Some(path.into()))),
            Some(("qemu", path)) => Err(format!("`{path}` is not an absolute path")),
            Some((other, _)) => Err(format!("`{other}` takes no path: only qemu:PATH does")),
        }
    }

    /// Finds the emulator for an architecture.
    pub(crate) fn find(&self, guest: &Family) -> Result<Emulator> {
        match self {
            Choice::Native => find_native(guest),
            Choice::Qemu(place) => find_qemu(guest, place.as_deref()),
            Choice::Auto if NATIVE_GUESTS.contains(&guest.name) => {
                first(TRANSLATES, || find_native(guest), || find_qemu(guest, None))
            }
            Choice::Auto => find_qemu(guest, None),
        }
    }
}

/// Of two emulators the one that is to be taken. Where both are missing, the message about ours is
/// the one that helps.
fn first(
    translates: bool,
    native: impl Fn() -> Result<Emulator>,
    qemu: impl Fn() -> Result<Emulator>,
) -> Result<Emulator> {
    match translates {
        true => native().or_else(|failure| qemu().map_err(|_| failure)),
        false => qemu().or_else(|_| native()),
    }
}

fn find_native(guest: &Family) -> Result<Emulator> {
    if !NATIVE_GUESTS.contains(&guest.name) {
        let supported = NATIVE_GUESTS.join(", ");
        return Err(Failure::new(
            Code::NoEmulator,
            format!("anyarch's own emulator does not run {} (it runs {supported})", guest.name),
        )
        .mend(format!("take QEMU for it: --engine {}=qemu", guest.go_name())));
    }
    let candidates = native_candidates();
    for path in &candidates {
        if path.is_file() {
            check_usable(path)?;
            return Ok(Emulator { kind: Kind::Native, path: path.clone() });
        }
    }
    let list: Vec<_> = candidates.iter().map(|p| p.display().to_string()).collect();
    Err(Failure::new(
        Code::NoEmulator,
        format!("anyarch's emulator was not found: looked for {}", list.join(", ")),
    )
    .mend("keep anyarch-emu beside anyarch, or name it: ANYARCH_EMU=/path/to/anyarch-emu"))
}

/// ANYARCH_EMU; beside this executable; where packages put it.
fn native_candidates() -> Vec<PathBuf> {
    let mut list = Vec::new();
    list.extend(std::env::var_os("ANYARCH_EMU").map(PathBuf::from).and_then(|p| std::path::absolute(p).ok()));
    if list.is_empty() {
        list.extend(std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(EMULATOR))));
        list.push(Path::new("/usr/libexec/anyarch").join(EMULATOR));
        list.push(Path::new("/usr/lib/anyarch").join(EMULATOR));
    }
    list
}

/// `place` is an executable or a folder of them.
fn find_qemu(guest: &Family, place: Option<&Path>) -> Result<Emulator> {
    let arch = guest.emulator();
    let names = [format!("qemu-{arch}-static"), format!("qemu-{arch}")];
    let mut useless = None;
    let mut take = |path: PathBuf| -> Option<Emulator> {
        if !path.is_file() {
            return None;
        }
        match check_usable(&path) {
            Ok(()) => Some(Emulator { kind: Kind::Qemu, path }),
            Err(failure) => {
                useless = Some(failure);
                None
            }
        }
    };
    if let Some(place) = place.filter(|p| !p.is_dir()) {
        if !place.exists() {
            fail!(Code::NoEmulator, "the emulator {} does not exist", place.display());
        }
        // Named by the user, it may be for a machine that a further handler plays, or for an image.
        check_static(place)?;
        return Ok(Emulator { kind: Kind::Qemu, path: place.to_path_buf() });
    }
    let folders: Vec<PathBuf> = match place {
        Some(folder) => vec![folder.to_path_buf()],
        None => qemu_folders(),
    };
    for name in &names {
        if let Some(emulator) = folders.iter().find_map(|folder| take(folder.join(name))) {
            return Ok(emulator);
        }
    }
    let buildkit = format!("buildkit-qemu-{arch}");
    if let Some(emulator) = folders.iter().find_map(|folder| take(folder.join(&buildkit))) {
        return Ok(emulator);
    }
    if let Some(failure) = useless {
        return Err(failure);
    }
    let looked: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    Err(Failure::new(Code::NoEmulator, format!("no static QEMU for {}: {} is not in {}", guest.name, names.join(" or "), looked.join(", ")))
        .mend("install one (Debian, Ubuntu: apt install qemu-user-static; since Debian 13: qemu-user) or name it: --engine qemu:/path"))
}

/// QEMU_BIN_DIR as multiarch's program has it, then the usual places, then PATH.
fn qemu_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(std::env::var_os("QEMU_BIN_DIR").map(PathBuf::from));
    folders.extend(
        ["/usr/bin", "/usr/local/bin", "/usr/libexec/qemu-user", "/usr/lib/qemu-user"].map(PathBuf::from),
    );
    folders
        .extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths).filter(|p| p.is_absolute()));
    let mut seen = Vec::new();
    folders.retain(|f| !seen.contains(f) && (seen.push(f.clone()), true).1);
    folders
}

/// An emulator that is found is a program of this machine, and static.
fn check_usable(path: &Path) -> Result<()> {
    let elf = check_static(path)?;
    // uname names an older machine under setarch(8); what runs us runs its like.
    let native = |family: &&Family| {
        [host_machine().as_str(), std::env::consts::ARCH].iter().any(|machine| family.is_native_to(machine))
    };
    if elf.family().filter(native).is_some() {
        return Ok(());
    }
    let whose = elf.family().map_or_else(|| format!("machine {}", elf.machine), |f| f.name.to_string());
    fail!(Code::NoEmulator, "{} is a program for {whose}, not for this machine", path.display())
}

/// A handler that is opened at registration still loads its own loader at each start, from the
/// container's root.
fn check_static(path: &Path) -> Result<Elf> {
    let elf = Elf::open(path).map_err(|f| Failure { code: Code::NoEmulator, ..f })?;
    let Some(elf) = elf else { fail!(Code::NoEmulator, "{} is not an executable", path.display()) };
    match &elf.interpreter {
        None => Ok(elf),
        Some(loader) => Err(Failure::new(
            Code::NoEmulator,
            format!(
                "{} is not static (it needs {loader}): it would not start in containers and chroots",
                path.display()
            ),
        )
        .mend("install a static build (Debian, Ubuntu: apt install qemu-user-static)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyarch_binfmt::family::by_name;

    #[test]
    fn choices_are_read() {
        let check = |text: &str, want: Option<Choice>| assert_eq!(Choice::parse(text).ok(), want, "{text}");
        check("auto", Some(Choice::Auto));
        check("native", Some(Choice::Native));
        check("qemu", Some(Choice::Qemu(None)));
        check("qemu:/opt/q", Some(Choice::Qemu(Some("/opt/q".into()))));
        check("qemu:q", None);
        check("native:/x", None);
        check("kvm", None);
    }

    #[test]
    fn ours_comes_first_where_it_translates() {
        let found = |kind| move || Ok(Emulator { kind, path: "/x".into() });
        let missing = |kind: Kind| move || Err(Failure::new(Code::NoEmulator, kind.name()));
        let kind = |result: Result<Emulator>| result.map(|it| it.kind).map_err(|failure| failure.what);
        let (native, qemu) = (Kind::Native, Kind::Qemu);
        for (translates, want) in [(true, native), (false, qemu)] {
            assert_eq!(kind(first(translates, found(native), found(qemu))), Ok(want));
            assert_eq!(kind(first(translates, missing(native), found(qemu))), Ok(qemu));
            assert_eq!(kind(first(translates, found(native), missing(qemu))), Ok(native));
            assert_eq!(kind(first(translates, missing(native), missing(qemu))), Err("anyarch".into()));
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let nowhere = Choice::Qemu(Some("/nonexistent/qemu".into()));
        assert_eq!(
            nowhere.find(by_name("s390x").unwrap()).unwrap_err().what,
            "the emulator /nonexistent/qemu does not exist"
        );
        let failure = Choice::Native.find(by_name("s390x").unwrap()).unwrap_err();
        assert_eq!(failure.code, Code::NoEmulator);
        assert!(failure.mend.unwrap().contains("--engine s390x=qemu"));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(check_usable(file.path()).unwrap_err().what.ends_with("is not an executable"));
    }

    /// One of another machine, which a shared folder or a copied tree may have, is passed over for
    /// one of this machine, and named where there is no other.
    #[test]
    fn an_emulator_is_a_program_of_this_machine() {
        let dir = tempfile::tempdir().unwrap();
        let elf = |machine: u16| {
            let mut header = vec![0; 64];
            header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
            header[16] = 2;
            header[18..20].copy_from_slice(&machine.to_le_bytes());
            header
        };
        let (x86_64, aarch64) = (elf(62), elf(183));
        let (ours, theirs, whose) = match std::env::consts::ARCH {
            "aarch64" => (aarch64, x86_64, "x86_64"),
            _ => (x86_64, aarch64, "aarch64"),
        };
        let place = Choice::Qemu(Some(dir.path().into()));
        let guest = by_name("s390x").unwrap();
        let (first, second) = (dir.path().join("qemu-s390x-static"), dir.path().join("qemu-s390x"));
        std::fs::write(&first, theirs).unwrap();
        let failure = place.find(guest).unwrap_err();
        assert_eq!(failure.code, Code::NoEmulator);
        assert_eq!(
            failure.what,
            format!("{} is a program for {whose}, not for this machine", first.display())
        );
        std::fs::write(&second, ours).unwrap();
        assert_eq!(place.find(guest).unwrap().path, second);
        // Who names a file is not contradicted.
        assert_eq!(Choice::Qemu(Some(first.clone())).find(guest).unwrap().path, first);
        let mut odd = elf(0xfeed);
        odd[7] = 0;
        std::fs::write(&first, odd).unwrap();
        assert!(check_usable(&first).unwrap_err().what.contains("machine 65261"));
    }
}
