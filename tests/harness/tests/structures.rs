//! The layouts of the kernel's structures and the numbers of ioctls against the kernel's own
//! headers, for every architecture whose cross compiler Debian has: size, and offset and size of
//! each member.
//!
//! Nothing is run: the compiler writes each number into its assembler output as an operand of an
//! `asm` statement, and that is read.

use anyarch_harness::TempDir;
use anyarch_linux::calls::ioctl;
use anyarch_linux::calls::sockopt;
use anyarch_linux::structure::{Model, constants, model, rows};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::process::Command;

/// Models and their compilers. No Debian release that the tests run on has a compiler for
/// loongarch64, whose headers are the generic ones throughout, as aarch64's are; big-endian ARM has
/// ARM's headers, and no size or offset depends on the order.
const COMPILERS: [(Model, &str); 7] = [
    (model::X86_64, "gcc"),
    (model::AARCH64, "aarch64-linux-gnu-gcc"),
    (model::RISCV64, "riscv64-linux-gnu-gcc"),
    (model::ARM, "arm-linux-gnueabihf-gcc"),
    (model::S390X, "s390x-linux-gnu-gcc"),
    (model::PPC64LE, "powerpc64le-linux-gnu-gcc"),
    (model::MIPS64EL, "mips64el-linux-gnuabi64-gcc"),
];

/// Headers that a header needs without including them.
fn needs(header: &str) -> &'static [&'static str] {
    match header {
        "linux/hdreg.h" | "linux/vt.h" | "linux/if.h" | "linux/if_tun.h" => &["linux/socket.h"],
        "linux/fs.h" => &["linux/fiemap.h"],
        "asm/termios.h" => &["asm/termbits.h", "linux/serial.h"],
        "asm/sockios.h" | "linux/sockios.h" => &["linux/socket.h"],
        "linux/mroute.h" | "linux/if_tunnel.h" => &["linux/sockios.h"],
        "linux/ppp-ioctl.h" => &["linux/filter.h"],
        _ => &[],
    }
}

/// The beginning of a C program that names numbers of a header.
fn begin(header: &str) -> String {
    let mut c = String::from("#include <stddef.h>\n#include <linux/types.h>\n#include <linux/ioctl.h>\n");
    for first in needs(header) {
        let _ = writeln!(c, "#include <{first}>");
    }
    let _ = writeln!(c, "#include <{header}>");
    // Power's FIOQSIZE and MIPS' SIOCSPGRP name types of the C library.
    c.push_str("#define loff_t __kernel_loff_t\n#define pid_t __kernel_pid_t\n");
    c.push_str("#define IS(name, value) asm volatile(\"\\n=> \" name \" %0\" : : \"i\"((long)(value)))\n");
    c.push_str("void numbers(void) {\n");
    c
}

/// The C program for the rows that one header defines. A number is named by its row and member.
fn source(header: &str, model: &Model) -> String {
    let mut c = begin(header);
    for row in rows::ALL.iter().filter(|row| row.header == header && !row.c_name.is_empty()) {
        let (name, c_name) = (row.name, row.c_name);
        let _ = writeln!(c, "IS(\"{name}\", sizeof({c_name}));");
        for (member, _, _) in row.members(model).filter(|m| !m.0.starts_with('_')) {
            let field = member.trim_start_matches("r#");
            let _ = writeln!(c, "IS(\"{name}.{member}\", offsetof({c_name}, {field}));");
            let _ = writeln!(c, "IS(\"{name}.{member}.size\", sizeof((({c_name} *)0)->{field}));");
        }
    }
    let requests = ioctl::ROWS.iter().filter(|row| row.header == header);
    for row in requests.filter(|row| row.number(model).is_some()) {
        let _ = writeln!(c, "IS(\"{0}\", (unsigned){0});", row.name);
    }
    for row in sockopt::ROWS.iter().filter(|row| row.header == header) {
        let _ = writeln!(c, "IS(\"{0}\", (unsigned){0});", row.name);
    }
    c.push_str("}\n");
    c
}

/// The numbers that a program names.
fn compiled(compiler: &str, header: &str, c: &str) -> BTreeMap<String, usize> {
    let dir = TempDir::new();
    let (from, to) = (dir.path().join("layout.c"), dir.path().join("layout.s"));
    std::fs::write(&from, c).expect("the source can be written");
    let out = Command::new(compiler)
        .args(["-S", "-O1", "-w", "-o"])
        .args([&to, &from])
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}"));
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{compiler} and {header}:\n{errors}");
    let text = std::fs::read_to_string(&to).expect("the compiler wrote its output");
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.trim().strip_prefix("=> ")?.split_once(' ')?;
            // ARM's compiler prints a number of 32 bits as a signed one.
            let value = value.trim_start_matches(['$', '#']).parse::<i64>();
            let value = value.unwrap_or_else(|e| panic!("{compiler}: {line}: {e}"));
            Some((name.to_owned(), value as u32 as usize))
        })
        .collect()
}

fn check(model: &Model, compiler: &str) {
    let options = sockopt::ROWS.iter().map(|row| row.header);
    let requests = ioctl::ROWS.iter().map(|row| row.header).chain(options);
    let mut headers: Vec<_> = rows::ALL.iter().map(|row| row.header).chain(requests).collect();
    headers.sort_unstable();
    headers.dedup();
    let mut wrong = Vec::new();
    for header in headers {
        let mut want = BTreeMap::new();
        for row in rows::ALL.iter().filter(|row| row.header == header && !row.c_name.is_empty()) {
            want.insert(row.name.to_owned(), row.size(model));
            for (member, at, ty) in row.members(model).filter(|m| !m.0.starts_with('_')) {
                want.insert(format!("{}.{member}", row.name), at);
                want.insert(format!("{}.{member}.size", row.name), ty.size(model));
            }
        }
        for row in ioctl::ROWS.iter().filter(|row| row.header == header) {
            if let Some(number) = row.number(model) {
                want.insert(row.name.to_owned(), number as usize);
            }
        }
        for row in sockopt::ROWS.iter().filter(|row| row.header == header) {
            let guest = match row.level {
                1 => constants::SOCKET_OPTIONS.to_guest(model, row.option),
                _ => Some(row.option),
            };
            want.insert(row.name.to_owned(), guest.expect("the guest has it") as usize);
        }
        if want.is_empty() {
            continue;
        }
        let got = compiled(compiler, header, &source(header, model));
        assert_eq!(got.len(), want.len(), "{compiler} and {header}");
        for (name, n) in got {
            if want[&name] != n {
                wrong.push(format!("{header}: {name} is {n:#x}, the row says {:#x}", want[&name]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", model.name, wrong.join("\n"));
}

#[test]
fn layouts_are_those_of_the_kernel_headers() {
    for (model, compiler) in &COMPILERS {
        check(model, compiler);
    }
}

#[test]
fn every_model_but_those_without_a_compiler_is_compared() {
    let compared: Vec<_> = COMPILERS.iter().map(|c| c.0.name).collect();
    let left: Vec<_> = model::MODELS.iter().map(|m| m.name).filter(|n| !compared.contains(n)).collect();
    assert_eq!(left, ["loongarch64", "armeb"]);
}

/// Names of constants that a header of an architecture defines, without second names of another.
fn defined(compiler: &str, header: &str) -> BTreeSet<String> {
    let dir = TempDir::new();
    let from = dir.path().join("names.c");
    let text = format!("#include <stddef.h>\n#include <linux/types.h>\n#include <{header}>\n");
    std::fs::write(&from, text).expect("the source can be written");
    let out = Command::new(compiler).args(["-E", "-dM"]).arg(&from).output();
    let out = out.unwrap_or_else(|e| panic!("{compiler}: {e}"));
    assert!(out.status.success(), "{compiler} and {header}: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let names = text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        let other_name = value != name && value.starts_with(|c: char| c.is_ascii_alphabetic());
        (!name.contains('(') && !value.is_empty() && !other_name).then(|| name.to_owned())
    });
    names.collect()
}

/// Names with these beginnings that are no constants of the ABI, or mean one thing by two names.
const NOT_CONSTANTS: [&str; 10] = [
    // By the C library's `time_t`.
    "SO_TIMESTAMP",
    "SO_TIMESTAMPNS",
    "SO_TIMESTAMPING",
    "SO_RCVTIMEO",
    "SO_SNDTIMEO",
    // What it names is MIPS' EDEADLOCK or EDEADLK.
    "EDEADLOCK",
    // A size of the C library's.
    "SIGSTKSZ",
    // 128 signals on MIPS.
    "SIGRTMAX",
    // A name for bits of several.
    "O_SYNC",
    "O_TMPFILE",
];

#[test]
fn constants_that_differ_have_rows() {
    let (_, host) = COMPILERS[0];
    let mut headers: Vec<_> = constants::ALL.iter().map(|group| group.header).collect();
    headers.dedup();
    for header in headers {
        let groups: Vec<_> = constants::ALL.iter().filter(|group| group.header == header).collect();
        let rows: Vec<_> = groups.iter().flat_map(|group| group.constants).collect();
        let of_host = defined(host, header);
        for (model, compiler) in &COMPILERS {
            let names: Vec<String> = defined(compiler, header)
                .into_iter()
                .filter(|name| of_host.contains(name) && !NOT_CONSTANTS.contains(&name.as_str()))
                .filter(|name| {
                    groups.iter().any(|group| name.starts_with(group.prefix))
                        || rows.iter().any(|row| row.name == name)
                })
                .collect();
            assert!(names.len() >= groups.len(), "{compiler} and {header}: {names:?}");
            let ours = values(compiler, header, &names);
            let theirs = values(host, header, &names);
            for name in &names {
                let row = rows.iter().find(|row| row.name == name);
                let want = row.map_or(theirs[name], |row| row.value(model) as usize);
                assert_eq!(ours[name], want, "{name} of {}", model.name);
            }
        }
    }
}

/// The values of constants of a header.
fn values(compiler: &str, header: &str, names: &[String]) -> BTreeMap<String, usize> {
    let mut c = begin(header);
    for name in names {
        let _ = writeln!(c, "IS(\"{name}\", (unsigned)({name}));");
    }
    c.push_str("}\n");
    compiled(compiler, header, &c)
}
