//! Fuzz targets: each function takes any bytes and must come back. What it finds is a panic, an
//! assertion, or no return.
//!
//! They are run in two ways. `cargo test -p anyarch-fuzz` feeds each of them for some seconds with
//! mutations of [`TARGETS`]' seeds, on any toolchain: that is what CI does. cargo-fuzz feeds them
//! with what libFuzzer and the compiler's coverage find, on a nightly toolchain (CONTRIBUTING.md
//! tells how).

use anyarch_arm::decode::pc;
use anyarch_binfmt::{entry::Entry, rule::Rule};
use anyarch_engine::backend::Backend;
use anyarch_engine::cache::{self, CACHE};
use anyarch_engine::run::{Guest, code};
use anyarch_linux::program::elf as guest_elf;
use anyarch_tool::oci::{Descriptor, Digest, Image, Layout, Platform, choose, document, registry, unpack};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// A target with inputs to begin with.
pub struct Target {
    /// Its name, which is cargo-fuzz's.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
    /// Inputs that go deep.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "elf", run: elf, seeds: elf_seeds },
    Target { name: "aarch64", run: aarch64, seeds: aarch64_seeds },
    Target { name: "riscv64", run: riscv64, seeds: riscv64_seeds },
    Target { name: "arm", run: arm, seeds: arm_seeds },
    Target { name: "binfmt", run: binfmt, seeds: binfmt_seeds },
    Target { name: "layer", run: layer, seeds: layer_seeds },
    Target { name: "registry", run: registry, seeds: registry_seeds },
];

/// An ELF file, as the guest's loader and as the host tool read it.
pub fn elf(data: &[u8]) {
    if let Ok(header) = guest_elf::header(data) {
        let start = usize::try_from(header.phoff).unwrap_or(usize::MAX).min(data.len());
        let end = start.saturating_add(header.phnum as usize * header.phdr_size());
        if let Some(table) = data.get(start..end)
            && let Ok(plan) = guest_elf::plan(&header, table, data.len() as u64)
        {
            assert!(plan.start < plan.end, "a plan maps something");
        }
    }
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("a temporary file can be written");
    let _ = anyarch_tool::elf::Elf::read(&file);
}

fn elf_seeds() -> Vec<Vec<u8>> {
    let header = |kind: u8, machine: u8| {
        let mut b = vec![0u8; 64];
        b[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (b[16], b[18], b[20]) = (kind, machine, 1);
        b[24..32].copy_from_slice(&0x40_0100u64.to_le_bytes());
        (b[32], b[52], b[54]) = (64, 64, 56);
        b
    };
    let segment = |kind: u32, flags: u32, offset: u64, address: u64, size: u64| {
        let mut b = [kind.to_le_bytes(), flags.to_le_bytes()].concat();
        for v in [offset, address, address, size, size, 4096] {
            b.extend(v.to_le_bytes());
        }
        b
    };
    [(2, 183), (3, 243), (3, 62)]
        .into_iter()
        .map(|(kind, machine)| {
            let mut file = header(kind, machine);
            let base = if kind == 2 { 0x40_0000 } else { 0 };
            let table = [
                segment(6, 4, 64, base + 64, 4 * 56),
                segment(3, 4, 288, base + 288, 8),
                segment(1, 5, 0, base, 512),
                segment(0x6474_e551, 6, 0, 0, 0),
            ];
            file[56] = table.len() as u8;
            file.extend(table.concat());
            file.extend(b"/lib/ld\0");
            file.resize(512, 0);
            file
        })
        .collect()
}

/// Instructions: decoded and translated, not executed.
pub fn aarch64(data: &[u8]) {
    translate(&AARCH64, data, Form::WORDS);
}

/// Instructions: decoded and translated, not executed.
pub fn riscv64(data: &[u8]) {
    translate(&RISCV64, data, Form::WORDS);
}

/// Instructions of A32 or T32: decoded and translated, not executed. The state in which they run
/// comes first, in [`STATE`] bytes: bit 0 chooses T32, bit 1 big-endian data; ITSTATE.
pub fn arm(data: &[u8]) {
    let (state, code) = data.split_at(STATE.min(data.len()));
    let of = |i: usize| state.get(i).copied().unwrap_or(0);
    translate(&ARM, code, arm_form(of(0), of(1)));
}

/// Bytes before arm's instructions, which stay aligned.
const STATE: usize = 4;

fn arm_form(bits: u8, it: u8) -> Form {
    let order = if bits & 2 == 0 { 0 } else { pc::E };
    // Undefined in A32, and from its lower half in T32.
    let behind = 0xe7ff_defe;
    match bits & 1 {
        0 => Form { step: 4, state: order, behind },
        _ => Form { step: 2, state: pc::T | order | (it as u64) << pc::IT, behind },
    }
}

/// How a guest's code is gone through.
#[derive(Clone, Copy)]
struct Form {
    /// Bytes from one `pc` to the next.
    step: usize,
    /// What a `pc` has beside the address.
    state: u64,
    /// What follows the code, where units end.
    behind: u32,
}

impl Form {
    const WORDS: Form = Form { step: 4, state: 0, behind: 0 };
}

static AARCH64: (&Guest, Backend) =
    (&anyarch_aarch64::GUEST, anyarch_host_x86_64::backend::<anyarch_aarch64::Instructions>());
static ARM: (&Guest, Backend) =
    (&anyarch_arm::GUEST, anyarch_host_x86_64::backend::<anyarch_arm::Instructions>());
static RISCV64: (&Guest, Backend) =
    (&anyarch_riscv64::GUEST, anyarch_host_x86_64::backend::<anyarch_riscv64::Instructions>());

/// Translates data as a guest's code, from each place of its form; from how many there is host
/// code.
fn translate((guest, backend): &'static (&Guest, Backend), data: &[u8], form: Form) -> usize {
    const ROOM: usize = 4096;
    /// The guest whose code cache is the process's, and where its code is put.
    static STATE: Mutex<Option<(usize, usize)>> = Mutex::new(None);
    let mut state = STATE.lock().unwrap_or_else(|e| e.into_inner());
    let id = std::ptr::from_ref(*guest) as usize;
    let at = match *state {
        Some((known, at)) if known == id => at,
        _ => {
            let low = if guest.address_bits == 32 { libc::MAP_32BIT } else { 0 };
            // SAFETY: a fresh mapping; the words behind it are readable too, for instructions that
            // look ahead.
            let p = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    2 * ROOM,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | low,
                    -1,
                    0,
                )
            };
            assert!(p != libc::MAP_FAILED, "memory for the code");
            // Calls lead anywhere, and what is there is looked at.
            anyarch_oracle::faults::catch();
            cache::init(guest, backend, 0, 64 << 20).expect("memory for the code cache");
            *state = Some((id, p as usize));
            p as usize
        }
    };
    let data = &data[..data.len().min(ROOM)];
    let (start, end) = (at as u64, (at + data.len().next_multiple_of(4)) as u64);
    // SAFETY: the mapping is this function's while it holds the lock, and has that room.
    unsafe {
        std::slice::from_raw_parts_mut(at as *mut u32, 2 * ROOM / 4).fill(form.behind);
        std::ptr::copy_nonoverlapping(data.as_ptr(), at as *mut u8, data.len());
    }
    code::mapped_exec(start, end);
    let entry = |pc| CACHE.lock().as_deref_mut().is_some_and(|cache| cache.entry(pc, 0).is_ok());
    let translated = (start..end).step_by(form.step).filter(|at| entry(at | form.state)).count();
    code::unmapped_exec(start, end);
    translated
}

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|w| w.to_le_bytes()).collect()
}

fn aarch64_seeds() -> Vec<Vec<u8>> {
    // Arithmetic with a branch; a loop of exclusives; vectors; system registers.
    vec![
        words(&[0xa9bf7bfd, 0x910003fd, 0x0b010000, 0x71000c1f, 0x54ffffa1, 0xa8c17bfd, 0xd65f03c0]),
        words(&[0xc85ffc01, 0x91000422, 0xc803fc02, 0x35ffffa3, 0xd65f03c0]),
        words(&[0x4e20d420, 0x6e61dc00, 0x4cdf2000, 0x4ea18400, 0xd53b4400, 0xd51b4420]),
    ]
}

fn riscv64_seeds() -> Vec<Vec<u8>> {
    // Arithmetic with a branch; compressed instructions; a loop of exclusives; vectors.
    vec![
        words(&[0xff010113, 0x00113423, 0x00b5053b, 0xfea598e3, 0x00813083, 0x00008067]),
        words(&[0x852e4505, 0x80829d2d, 0x1141e406, 0x01418082]),
        words(&[0x1005272f, 0x00b70733, 0x18e526af, 0xfe069ae3]),
        words(&[0x0d0572d7, 0x02056007, 0x02008057, 0x9600a157, 0x5e00a257]),
    ]
}

fn arm_seeds() -> Vec<Vec<u8>> {
    // Calls and conditions; a loop of exclusives; vectors, the byte order, coprocessors.
    const A32: [&[u32]; 3] = [
        &[0xe92d4800, 0xe28db004, 0xe3500003, 0x10810100, 0x1afffffc, 0xfa00000e, 0xe8bd8800],
        &[0xe1901f9f, 0xe2811001, 0xe1802f91, 0xe3520000, 0x1afffffa, 0xe12fff1e],
        &[0xf4200a8d, 0xf2004d42, 0xeebd0ae0, 0xeeb40b41, 0xeef1fa10, 0xf1010200, 0xee1d0f70, 0xf3b00302],
    ];
    // The same, with IT blocks, a table of branches, and a change of the instruction set.
    const T32: [&[u16]; 3] = [
        &[
            0xb510, 0x2803, 0xbf1a, 0x1840, 0xf8d1, 0x0064, 0x2000, 0xe8df, 0xf000, 0xb108, 0xf7ff, 0xffca,
            0xbd10, 0xbf00,
        ],
        &[0xe850, 0x1f00, 0x3101, 0xe840, 0x1200, 0x2a00, 0xd1f8, 0x4770],
        &[0xf920, 0x0a8d, 0xef00, 0x4d42, 0xbf08, 0xeeb0, 0x0a60, 0xb658, 0xe9d2, 0x0102, 0x2001, 0x4778],
    ];
    let a32 = A32.map(|code| [vec![0; STATE], words(code)].concat());
    let halves = |code: &[u16]| code.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<_>>();
    let t32 = T32.map(|code| [vec![1, 0, 0, 0], halves(code)].concat());
    // Big-endian data; within an IT block of four.
    let big = [vec![2, 0, 0, 0], words(A32[1])].concat();
    let block = [vec![1, 0x01, 0, 0], halves(T32[1])].concat();
    [a32.to_vec(), t32.to_vec(), vec![big, block]].concat()
}

/// A register line, and the kernel's text of an entry. What is accepted must survive being written
/// and read again.
pub fn binfmt(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(rule) = Rule::parse(&text)
        && let Ok(line) = rule.line()
    {
        // A flag that another one implies may be written too.
        let effective = |r: Rule| Rule { flags: r.flags.effective(), ..r };
        assert_eq!(Rule::parse(&line).map(effective), Ok(effective(rule.clone())), "{line}");
        rule.matcher.matches(data, &text);
    }
    if let Ok(entry) = Entry::parse("name", &text) {
        let _ = (entry.maker(), entry.is_ours(), entry.is_swap_leftover());
    }
}

fn binfmt_seeds() -> Vec<Vec<u8>> {
    [
        r":qemu-aarch64:M:0:\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:PF",
        ",python,E,,py,,/usr/bin/python3,OC",
        "enabled\ninterpreter /usr/bin/qemu-riscv64\nflags: POCF\noffset 0\nmagic 7f454c460201010000000000000000000200f300\nmask ffffffffffffff00fffffffffffffffffeffffff\n",
        "disabled\ninterpreter /usr/bin/wine\nflags: \nextension .exe\n",
    ]
    .map(|s| s.as_bytes().to_vec())
    .to_vec()
}

/// A layer, as a tar archive, unpacked onto a folder that it must not leave. Bytes that are no
/// archive become one: each is an entry's kind and name.
pub fn layer(data: &[u8]) {
    let archive = if data.len() > 512 { data.to_vec() } else { archive(data) };
    let outer = tempfile::tempdir().expect("a temporary folder");
    let (root, blobs) = (outer.path().join("root"), outer.path().join("blobs"));
    for dir in [&root, &blobs] {
        fs::create_dir(dir).expect("a folder");
    }
    fs::write(outer.path().join("secret"), "untouched").expect("a file");
    if let Ok(layout) = Layout::create(&blobs)
        && let Ok(layer) = layout.add(&archive, "application/vnd.oci.image.layer.v1.tar")
    {
        let config = document(b"{}", "the configuration").expect("a document");
        let _ = unpack::unpack(
            &layout,
            &Image { layers: vec![layer], ..image(config) },
            &root,
            &unpack::How::default(),
        );
    }
    let secret = fs::read(outer.path().join("secret")).expect("what lies beside the root stays there");
    assert_eq!(secret, b"untouched");
    let names = fs::read_dir(outer.path()).expect("a folder").count();
    assert_eq!(names, 3, "nothing new lies beside the root");
}

/// An image of this configuration, without layers.
fn image(config: Value) -> Image {
    let manifest = format!(r#"{{"mediaType": "manifest", "digest": "{}", "size": 0}}"#, Digest::of(b""));
    let manifest = document(manifest.as_bytes(), "the manifest").and_then(|d| Descriptor::parse(&d));
    Image { manifest: manifest.expect("a descriptor"), config, layers: Vec::new() }
}

/// An archive whose entries' kinds, names and links are chosen by three bytes each.
fn archive(data: &[u8]) -> Vec<u8> {
    const NAMES: &[&str] = &[
        "a",
        "b",
        "a/b",
        "a/b/c",
        "..",
        "../secret",
        "/",
        "/a",
        "/etc/x",
        ".",
        "./a/../b",
        "a/../../secret",
        ".wh.a",
        "a/.wh.b",
        ".wh..wh..opq",
        "a/.wh..wh..opq",
        ".wh..",
        ".wh...",
        "",
        "//a//b/",
        "../../secret",
        "b/secret",
    ];
    const KINDS: &[tar::EntryType] = &[
        tar::EntryType::Regular,
        tar::EntryType::Directory,
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Fifo,
        tar::EntryType::Char,
    ];
    let mut builder = tar::Builder::new(Vec::new());
    for entry in data.chunks_exact(3) {
        let mut header = tar::Header::new_ustar();
        let kind = KINDS[entry[0] as usize % KINDS.len()];
        let (name, link) = (NAMES[entry[1] as usize % NAMES.len()], NAMES[entry[2] as usize % NAMES.len()]);
        let body: &[u8] = if kind.is_file() { b"body" } else { b"" };
        // The fields themselves: the library would refuse such names.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755 ^ (entry[0] as u32) << 1 & 0o7000);
        header.set_size(body.len() as u64);
        header.set_cksum();
        builder.append(&header, body).expect("memory takes all");
    }
    builder.into_inner().expect("memory takes all")
}

fn layer_seeds() -> Vec<Vec<u8>> {
    let small: [&[u8]; 3] = [
        // A link out, and a file through it; whiteouts; a folder in the place of a link.
        &[2, 0, 5, 0, 2, 0, 3, 1, 0],
        &[1, 0, 0, 0, 2, 0, 0, 13, 0, 0, 15, 0, 0, 12, 0],
        &[2, 0, 20, 2, 1, 0, 1, 0, 0, 0, 21, 0, 3, 3, 5],
    ];
    let mut all: Vec<Vec<u8>> = small.map(<[u8]>::to_vec).to_vec();
    all.push(archive(small[1]));
    all
}

/// What a registry answers: challenges, indexes, manifests, configurations. Also the references
/// that users write.
pub fn registry(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    registry::challenges(&text);
    if let Ok(reference) = registry::Reference::parse(&text) {
        let again = registry::Reference::parse(&reference.to_string());
        assert_eq!(again.map(|r| r.to_string()).ok(), Some(reference.to_string()));
    }
    let _ = Digest::parse(&text).map(|d| assert_eq!(d.hex().len(), 64));
    let Ok(value) = document(data, "the answer") else { return };
    Platform::parse(&value);
    let listed: Vec<Descriptor> = value["manifests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|d| Descriptor::parse(d).ok())
        .collect();
    for wanted in [None, Some(Platform::host())] {
        let _ = choose(&listed, wanted.as_ref());
    }
    for descriptor in &listed {
        assert_eq!(
            Descriptor::parse(&descriptor.json()).map(|d| d.digest).ok().as_ref(),
            Some(&descriptor.digest)
        );
    }
    let config = image(value);
    let _ = (config.platform(), config.diff_ids(), config.list("Env"), config.text("WorkingDir"));
    // The same bytes as the manifest and as the configuration of an image in a layout.
    let dir = tempfile::tempdir().expect("a temporary folder");
    if let Ok(layout) = Layout::create(dir.path())
        && let Ok(manifest) = layout.add(data, "application/vnd.oci.image.manifest.v1+json")
    {
        let _ = layout.read_image(&manifest);
        let _ = layout.write_index(&[manifest]).and_then(|()| layout.image(None, None).map(drop));
    }
}

fn registry_seeds() -> Vec<Vec<u8>> {
    let digest = "sha256:".to_owned() + &"0123456789abcdef".repeat(4);
    let one = format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":7,"platform":{{"architecture":"arm64","os":"linux","variant":"v8"}}}}"#
    );
    [
        format!(r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{one},{one}]}}"#),
        format!(r#"{{"schemaVersion":2,"config":{one},"layers":[{one}],"rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#),
        r#"{"architecture":"riscv64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"],"WorkingDir":"/"}}"#.to_owned(),
        r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull""#.to_owned(),
        format!("localhost:5000/a/b:tag@{digest}"),
        "docker.io/library/debian:bookworm".to_owned(),
        digest,
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Writes an input where a reader finds it.
///
/// # Errors
/// If it cannot be written.
pub fn keep(target: &str, data: &[u8], dir: &Path) -> std::io::Result<std::path::PathBuf> {
    fs::create_dir_all(dir)?;
    let path = dir.join(format!("{target}-{}", Digest::of(data).hex()));
    File::create(&path)?.write_all(data)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_translated() {
        for (target, seeds) in [(&AARCH64, aarch64_seeds()), (&RISCV64, riscv64_seeds())] {
            for seed in seeds {
                assert_eq!(translate(target, &seed, Form::WORDS), seed.len() / 4, "{seed:x?}");
            }
        }
        for seed in arm_seeds() {
            let form = arm_form(seed[0], seed[1]);
            let code = &seed[STATE..];
            assert_eq!(translate(&ARM, code, form), code.len() / form.step, "{seed:x?}");
        }
    }

    #[test]
    fn arm_has_forms_of_both_instruction_sets() {
        let forms: Vec<_> = arm_seeds().iter().map(|seed| arm_form(seed[0], seed[1])).collect();
        for (state, step) in [(0, 4), (pc::T, 2), (pc::E, 4), (pc::T | 1 << pc::IT, 2)] {
            assert!(forms.iter().any(|form| (form.state, form.step) == (state, step)), "{state:x}");
        }
    }
}
