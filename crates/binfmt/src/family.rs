//! The architectures the kernel can be told about, one row each.
//!
//! A row says how the ELF header of such a binary looks (magic and mask), which names people use
//! for it, and which OCI platforms it runs. Everything else (register lines, status tables, name
//! parsing) is derived from the rows.
//!
//! The rows agree with QEMU's `qemu-binfmt-conf.sh` except where that script is wrong: its
//! microblaze row has the object type in the wrong byte order. They agree with Debian's packages
//! except where Debian compares more of the OSABI byte or less of the padding; the tests list every
//! such row.

/// One architecture. Names are QEMU's, because entry names are (`qemu-aarch64`), and other tools
/// look for them.
#[derive(Debug)]
pub struct Family {
    /// QEMU's name: `aarch64`.
    pub name: &'static str,
    /// The group whose members a host of one of them runs itself (or is assumed to): `arm` for arm
    /// and aarch64.
    pub family: &'static str,
    /// OCI platforms; a trailing `*` marks a name that Go reserves but nobody publishes images for.
    platforms: &'static [&'static str],
    /// Other names in use: Debian's, Go's, `uname -m`.
    pub aliases: &'static [&'static str],
    magic: &'static str,
    mask: &'static str,
}

const fn row(
    name: &'static str,
    family: &'static str,
    platforms: &'static [&'static str],
    aliases: &'static [&'static str],
    magic: &'static str,
    mask: &'static str,
) -> Family {
    Family { name, family, platforms, aliases, magic, mask }
}

/// Every architecture, in the order in which QEMU's script goes through them.
#[rustfmt::skip]
pub static FAMILIES: &[Family] = &[
    row("i386", "i386", &["linux/386"], &["386", "x86"],
        "7f454c4601010100000000000000000002000300",
        "fffffffffffefe00fffffffffffffffffeffffff"),
    row("i486", "i386", &["linux/386"], &[],
        "7f454c4601010100000000000000000002000600",
        "fffffffffffefe00fffffffffffffffffeffffff"),
    row("alpha", "alpha", &[], &[],
        "7f454c4602010100000000000000000002002690",
        "fffffffffffefe00fffffffffffffffffeffffff"),
    row("arm", "arm", &["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"], &["armhf", "armel", "armv7", "armv7l", "armv6", "armv6l", "armv5", "armv5l"],
        "7f454c4601010100000000000000000002002800",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("armeb", "armeb", &["linux/armbe*"], &["armbe"],
        "7f454c4601020100000000000000000000020028",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("sparc", "sparc", &["linux/sparc*"], &[],
        "7f454c4601020100000000000000000000020002",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("sparc32plus", "sparc", &[], &[],
        "7f454c4601020100000000000000000000020012",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("sparc64", "sparc", &["linux/sparc64*"], &[],
        "7f454c460202010000000000000000000002002b",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("ppc", "ppc", &["linux/ppc*"], &["powerpc"],
        "7f454c4601020100000000000000000000020014",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("ppc64", "ppc", &["linux/ppc64"], &["powerpc64"],
        "7f454c4602020100000000000000000000020015",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("ppc64le", "ppcle", &["linux/ppc64le"], &["ppc64el", "powerpc64le"],
        "7f454c4602010100000000000000000002001500",
        "ffffffffffffff00fffffffffffffffffeffff00"),
    row("m68k", "m68k", &[], &[],
        "7f454c4601020100000000000000000000020004",
        "fffffffffffffe00fffffffffffffffffffeffff"),
    row("mips", "mips", &["linux/mips"], &[],
        "7f454c46010201000000000000000000000200080000000100000000000000000000000000000000",
        "ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020"),
    row("mipsel", "mips", &["linux/mipsle"], &["mipsle"],
        "7f454c46010101000000000000000000020008000100000000000000000000000000000000000000",
        "ffffffffffffff0000fffffffffffffffeffffffffffffff00000000000000000000000020000000"),
    row("mipsn32", "mips", &["linux/mips64p32*"], &["mips64p32"],
        "7f454c46010201000000000000000000000200080000000100000000000000000000000000000020",
        "ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020"),
    row("mipsn32el", "mips", &["linux/mips64p32le*"], &["mips64p32le"],
        "7f454c46010101000000000000000000020008000100000000000000000000000000000020000000",
        "ffffffffffffff0000fffffffffffffffeffffffffffffff00000000000000000000000020000000"),
    row("mips64", "mips", &["linux/mips64"], &[],
        "7f454c4602020100000000000000000000020008",
        "ffffffffffffff0000fffffffffffffffffeffff"),
    row("mips64el", "mips", &["linux/mips64le"], &["mips64le"],
        "7f454c4602010100000000000000000002000800",
        "ffffffffffffff0000fffffffffffffffeffffff"),
    row("sh4", "sh4", &[], &[],
        "7f454c4601010100000000000000000002002a00",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("sh4eb", "sh4", &[], &[],
        "7f454c460102010000000000000000000002002a",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("s390x", "s390x", &["linux/s390x"], &[],
        "7f454c4602020100000000000000000000020016",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("aarch64", "arm", &["linux/arm64"], &["arm64", "armv8"],
        "7f454c460201010000000000000000000200b700",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("aarch64_be", "armeb", &["linux/arm64be*"], &["arm64be"],
        "7f454c46020201000000000000000000000200b7",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("hppa", "hppa", &[], &["parisc"],
        "7f454c460102010000000000000000000002000f",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("riscv32", "riscv", &["linux/riscv*"], &["riscv"],
        "7f454c460101010000000000000000000200f300",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("riscv64", "riscv", &["linux/riscv64"], &[],
        "7f454c460201010000000000000000000200f300",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("xtensa", "xtensa", &[], &[],
        "7f454c4601010100000000000000000002005e00",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("xtensaeb", "xtensaeb", &[], &[],
        "7f454c460102010000000000000000000002005e",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("microblaze", "microblaze", &[], &[],
        "7f454c460102010000000000000000000002baab",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("microblazeel", "microblazeel", &[], &[],
        "7f454c460101010000000000000000000200abba",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("or1k", "or1k", &[], &["openrisc"],
        "7f454c460102010000000000000000000002005c",
        "ffffffffffffff00fffffffffffffffffffeffff"),
    row("x86_64", "i386", &["linux/amd64"], &["amd64", "x86-64"],
        "7f454c4602010100000000000000000002003e00",
        "fffffffffffefe00fffffffffffffffffeffffff"),
    row("hexagon", "hexagon", &[], &[],
        "7f454c460101010000000000000000000200a400",
        "ffffffffffffff00fffffffffffffffffeffffff"),
    row("loongarch64", "loongarch", &["linux/loong64"], &["loong64"],
        "7f454c4602010100000000000000000002000201",
        "fffffffffffffffc00fffffffffffffffeffffff"),
];

impl Family {
    /// The bytes at the start of a binary, to be compared under [`Family::mask`].
    pub fn magic(&self) -> Vec<u8> {
        unhex(self.magic)
    }

    /// Which bits of [`Family::magic`] count.
    pub fn mask(&self) -> Vec<u8> {
        unhex(self.mask)
    }

    /// Whether a file that starts with `header` is a binary of this architecture, as the kernel
    /// would decide.
    pub fn matches(&self, header: &[u8]) -> bool {
        let magic = self.magic();
        header.len() >= magic.len()
            && magic.iter().zip(self.mask()).zip(header).all(|((want, mask), have)| (want ^ have) & mask == 0)
    }

    /// OCI platforms, reserved names included, without their mark.
    pub fn platforms(&self) -> impl Iterator<Item = &'static str> {
        self.platforms.iter().map(|p| p.trim_end_matches('*'))
    }

    /// OCI platforms for which images are published.
    pub fn published_platforms(&self) -> impl Iterator<Item = &'static str> {
        self.platforms.iter().copied().filter(|p| !p.ends_with('*'))
    }

    /// The name of the kernel's entry. Apptainer, tonistiigi/binfmt and Debian's tools look for
    /// exactly this.
    pub fn entry_name(&self) -> String {
        format!("qemu-{}", self.name)
    }

    /// The emulator's name in QEMU's scheme: i486 binaries are run by `qemu-i386`.
    pub fn emulator(&self) -> &'static str {
        if self.name == "i486" { "i386" } else { self.name }
    }

    /// Whether a host with this `uname -m` runs such binaries without help, by the rule of QEMU's
    /// script.
    pub fn is_native_to(&self, machine: &str) -> bool {
        of_host(machine).is_some_and(|host| host.family == self.family)
    }

    /// Go's name of the architecture (`arm64`), QEMU's where Go has none.
    pub fn go_name(&self) -> &'static str {
        self.platforms().next().and_then(|p| p.split('/').nth(1)).unwrap_or(self.name)
    }
}

/// The row of a host with this `uname -m`, or of a HOST_ARCH as QEMU's script takes it: Debian's
/// names, `i686`, `armv7l` and the like count as well.
pub fn of_host(machine: &str) -> Option<&'static Family> {
    let arm = |end| machine.starts_with("armv") && machine.ends_with(end);
    let name = match machine {
        "i386" | "i486" | "i586" | "i686" => "i386",
        "armel" | "armhf" => "arm",
        "parisc64" => "hppa",
        _ if arm('l') => "arm",
        _ if arm('b') => "armeb",
        other => other,
    };
    by_name(name).or_else(|| FAMILIES.iter().find(|f| f.aliases.contains(&name)))
}

/// The row with this QEMU name.
pub fn by_name(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|f| f.name == name)
}

/// The rows that a name, alias, entry name or OCI platform means: `arm64`, `linux/arm/v7`,
/// `qemu-s390x`, `ppc64el`. Empty where nothing is meant. Some platforms are two rows (`linux/386`
/// is i386 and i486).
pub fn lookup(text: &str) -> Vec<&'static Family> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("qemu-").unwrap_or(&lower);
    if let Some(found) = by_name(name) {
        return vec![found];
    }
    if let Some(found) = FAMILIES.iter().find(|f| f.aliases.contains(&name)) {
        return vec![found];
    }
    let platform = if name.starts_with("linux/") { name.to_string() } else { format!("linux/{name}") };
    FAMILIES.iter().filter(|f| f.platforms().any(|p| same_platform(p, &platform))).collect()
}

/// Whether `asked` names the platform `known`: equal, or differing by a variant that changes
/// nothing here (`linux/arm64/v8`, `linux/amd64/v3`, and `linux/arm` for any of its variants).
fn same_platform(known: &str, asked: &str) -> bool {
    let arch = |p: &str| p.split('/').nth(1).unwrap_or("").to_string();
    let variant = |p: &str| p.split('/').nth(2).map(str::to_string);
    arch(known) == arch(asked)
        && match (variant(known), variant(asked)) {
            (Some(k), Some(a)) => k == a,
            (_, None) => true,
            (None, Some(a)) => a.starts_with('v') && a[1..].parse::<u32>().is_ok(),
        }
}

/// The row whose binaries start like this header.
pub fn of_binary(header: &[u8]) -> Option<&'static Family> {
    FAMILIES.iter().find(|f| f.matches(header))
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("rows are hexadecimal"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
        text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect())
    }

    /// Rows in which QEMU's script is wrong and ours is not.
    const UPSTREAM_FAULTS: &[(&str, &str)] =
        &[("microblaze", "e_type stands in little-endian order: matches no binary")];

    #[test]
    fn rows_equal_those_of_qemu() {
        let mut seen = 0;
        for row in rows(include_str!("../tests/data/qemu-upstream.tsv")) {
            let ours = by_name(row[0]).expect(row[0]);
            seen += 1;
            assert_eq!(ours.family, row[1], "{}", row[0]);
            let equal = (ours.magic, ours.mask) == (row[2], row[3]);
            let fault = UPSTREAM_FAULTS.iter().any(|f| f.0 == row[0]);
            assert_eq!(equal, !fault, "{}: {} {}", row[0], ours.magic, ours.mask);
        }
        assert_eq!(seen, FAMILIES.len());
        assert_eq!(seen, 34);
    }

    /// Rows in which Debian differs: (name, byte of the mask, Debian's value, ours).
    const DEBIAN_DIFFERS: &[(&str, usize, u8, u8)] = &[
        // Debian takes OSABI 0 to 3 only (System V, HP-UX, NetBSD, Linux).
        ("i386", 7, 0xfc, 0x00),
        ("x86_64", 7, 0xfc, 0x00),
        ("ppc", 7, 0xfc, 0x00),
        ("ppc64", 7, 0xfc, 0x00),
        ("ppc64le", 7, 0xfc, 0x00),
        ("s390x", 7, 0xfc, 0x00),
        ("sh4", 7, 0xfc, 0x00),
        ("sh4eb", 7, 0xfc, 0x00),
        ("sparc", 7, 0xfc, 0x00),
        ("sparc32plus", 7, 0xfc, 0x00),
        ("sparc64", 7, 0xfc, 0x00),
        // Debian compares every bit of the data encoding and the version.
        ("alpha", 5, 0xff, 0xfe),
        ("alpha", 6, 0xff, 0xfe),
        ("m68k", 6, 0xff, 0xfe),
    ];

    #[test]
    fn rows_equal_those_of_debian() {
        let mut differences = Vec::new();
        let mut seen = Vec::new();
        for row in rows(include_str!("../tests/data/debian-11.1.tsv")) {
            let ours = by_name(row[0].strip_prefix("qemu-").unwrap()).expect(row[0]);
            seen.push(ours.name);
            assert_eq!(ours.magic, row[1], "{}", ours.name);
            for (i, (theirs, own)) in unhex(row[2]).into_iter().zip(ours.mask()).enumerate() {
                if theirs != own {
                    differences.push((ours.name, i, theirs, own));
                }
            }
        }
        let order = |l: &[(&'static str, usize, u8, u8)]| {
            let mut l = l.to_vec();
            l.sort_unstable();
            l
        };
        assert_eq!(order(&differences), order(DEBIAN_DIFFERS));
        // Debian leaves i486 out: its machine number 6 was never used by a Linux toolchain.
        let missing: Vec<_> = FAMILIES.iter().map(|f| f.name).filter(|n| !seen.contains(n)).collect();
        assert_eq!(missing, ["i486"]);
    }

    #[test]
    fn names_mean_rows() {
        let check = |text: &str, want: &[&str]| {
            assert_eq!(lookup(text).iter().map(|f| f.name).collect::<Vec<_>>(), want, "{text}");
        };
        check("aarch64", &["aarch64"]);
        check("arm64", &["aarch64"]);
        check("ARM64", &["aarch64"]);
        check("linux/arm64", &["aarch64"]);
        check("linux/arm64/v8", &["aarch64"]);
        check("linux/arm/v7", &["arm"]);
        check("arm/v6", &["arm"]);
        check("linux/arm", &["arm"]);
        check("armhf", &["arm"]);
        check("amd64", &["x86_64"]);
        check("linux/amd64/v3", &["x86_64"]);
        check("linux/386", &["i386", "i486"]);
        check("ppc64el", &["ppc64le"]);
        check("mips64le", &["mips64el"]);
        check("loong64", &["loongarch64"]);
        check("qemu-s390x", &["s390x"]);
        check("linux/arm/v9", &[]);
        check("vax", &[]);
        check("", &[]);
        check("windows/amd64", &[]);
    }

    #[test]
    fn hosts_have_families() {
        for (machine, native) in [
            ("x86_64", "i486"),
            ("aarch64", "arm"),
            ("armv7l", "arm"),
            ("mips64", "mipsel"),
            ("armv8l", "aarch64"),
            ("armv7b", "aarch64_be"),
            ("i686", "x86_64"),
            ("openrisc", "or1k"),
            ("parisc64", "hppa"),
            ("riscv64", "riscv32"),
        ] {
            assert!(by_name(native).unwrap().is_native_to(machine), "{machine} {native}");
        }
        assert!(!by_name("aarch64").unwrap().is_native_to("x86_64"));
        assert!(!by_name("ppc64").unwrap().is_native_to("ppc64le"));
        assert!(of_host("vax").is_none());
    }

    #[test]
    fn no_two_rows_match_the_same_header() {
        for a in FAMILIES {
            for b in FAMILIES.iter().filter(|b| b.name != a.name) {
                let mut header = a.magic();
                header.resize(64, 0);
                assert!(!b.matches(&header), "{} matches {}", b.name, a.name);
            }
        }
    }
}
