//! The compatibility page, docs/syscalls.md, out of the tables. A test keeps the checked-in page
//! current.

use crate::calls::numbers::{COLUMNS, Column};
use crate::calls::prctl::{self, Class};
use crate::calls::table::{Arg, Kind, ROWS, Row};
use crate::errno;
use alloc::string::String;
use anyarch_sys::Errno;
use core::fmt::Write;

const HEAD: &str = "\
# System calls

Generated from `crates/linux/src/calls/table.rs` and `prctl.rs`;
`ANYARCH_BLESS=1 cargo test -p anyarch-linux page` writes it anew.

Every system call of Linux 6.18 has a row. *Passthrough*: the host's kernel does it; guest and host
agree on all layouts, pointers are checked by the kernel, open flags are converted where a call
carries them. *Translated*: the host's kernel does it after or before a conversion. *Emulated*: the
emulator does it. *Per architecture*: belongs to one guest. *Refused*: fails with the errno named. A
number is the call's number in the table that 64-bit architectures share (aarch64, riscv64,
loongarch64); a dash means that these have no such call.

What differs from a native kernel although a call succeeds:

- seccomp filters run in the emulator on the guest's own numbers. The host's kernel keeps them for
  threads, children and programs started by execve, and refuses by itself what can be told by host
  numbers, to native programs as well ([isolation.md](isolation.md)). There is no user-space
  listener.
- io_uring: open flags and `struct epoll_event` in requests are converted in io_uring_enter, but not
  for a ring that a kernel thread polls (IORING_SETUP_SQPOLL) or that is entered through a copy of
  its descriptor or its registered number. IORING_OP_EPOLL_WAIT fails with EINVAL.
- RLIMIT_AS and RLIMIT_DATA bind by what the guest has mapped; the host's limits are higher by what
  the emulator needs, which other processes of the host see. Where a hard limit that somebody else
  has set leaves no room for that and CAP_SYS_RESOURCE is missing, the emulator's memory counts too:
  about a fifteenth of the limit, and 13 MiB at least.
- Code in a private mapping of a file that is changed by writing to the file is noticed where the
  guest announces it (cache maintenance, FENCE.I, riscv_flush_icache), at any address that shows the
  same page, and where the file is mapped anew. A change by another process, or a truncation, that
  this process does not announce is not noticed: code that was translated before runs on. In a
  shared mapping it is noticed at the next entry of a block.
- Files in /proc that are generated for the guest are snapshots of the moment of the open; lseek
  from their end succeeds. About other processes of the emulator, status and stat tell the guest's
  signal dispositions and sizes as far as the caller may read their memory (ptrace(2)), and not
  their seccomp filters.
- Lists of robust futexes of 32-bit programs are the emulator's to walk: a thread that is killed by
  SIGKILL leaves its futexes as they are.
- A 32-bit program that opens a file without O_LARGEFILE may write beyond 2 GiB, and F_GETFL tells
  it that flag.
- execve of riscv64 keeps the personality READ_IMPLIES_EXEC, but the segments of the new program's
  file are mapped as they say.
- Without a registered handler the emulator holds its executable open, as a descriptor that calls
  and /proc do not show. What is left to see: a path that goes on behind its name in /proc fails
  with ENOTDIR, select with that number fails with EBADF although the table of descriptors would end
  before it, and requests of io_uring, connect, bind and calls that mount find the name in /proc.
- A free number that the emulator's descriptor has is not given out: F_DUPFD gives the next one, and
  a limit on open files leaves one less.
- maps, smaps, numa_maps and map_files of other processes of the emulator show the emulator's own
  mappings as well, and so does a request of io_uring that opens such a file of the process itself.
- /proc files that are generated take F_GET_SEALS, and a write through a descriptor that was opened
  for writing fails with EPERM.
- SigBlk and SigPnd of other threads and processes lack the signals of faults (SIGILL, SIGTRAP,
  SIGBUS, SIGFPE, SIGSEGV); Seccomp of another thread is the calling thread's.
- The kernel protects the emulator's file, not the guest's, from being written while it runs: open
  for writing of a running program does not fail with ETXTBSY, nor does an execve whose loader
  somebody has open for writing.
- A store-exclusive (store-conditional) notices what other threads of its process write by atomic
  instructions, and not what another process writes to shared memory between with the old value put
  back.
- Code that is written through /proc/PID/mem is seen at once by the process that writes it, and not
  by another one whose memory it is.
- Memory that another thread supplies through userfaultfd may hold data. Code must be there before
  it is run: the translator waits for it with a lock that the other threads need.
- RLIMIT_MEMLOCK counts the emulator's memory too, so that mlockall fails where it is low.
- mbind with the default policy, and userfaultfd's ioctls, fail over a range that the emulator's own
  memory lies in.
- KVM's ioctls fail with ENOTTY.

";

/// The page's text.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    // Calls that only other architectures have are left out.
    let others = |row: &&Row| row.numbers[..2] == [None; 2] && row.numbers != [None; COLUMNS];
    let mut rows: alloc::vec::Vec<&Row> = ROWS.iter().filter(|row| !others(row)).collect();
    let count = |kind: fn(&Kind) -> bool| rows.iter().filter(|row| kind(&row.kind)).count();
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "{} calls: {} passthrough, {} translated, {} emulated, {} per architecture, {} refused.\n",
        rows.len(),
        count(|k| matches!(k, Kind::Passthrough | Kind::Agreed(_))),
        count(|k| matches!(k, Kind::Translated(_) | Kind::Converting(_))),
        count(|k| matches!(k, Kind::Emulated(_))),
        count(|k| matches!(k, Kind::Arch)),
        count(|k| matches!(k, Kind::Refused(..))),
    );
    page.push_str("| call | number | kind | remark |\n| --- | ---: | --- | --- |\n");
    rows.sort_by_key(|row| row.name);
    for row in rows {
        let _ = write!(page, "| {} | ", row.name);
        let _ = match row.numbers[Column::Generic as usize] {
            Some(n) => write!(page, "{n}"),
            None => write!(page, "-"),
        };
        let _ = match row.kind {
            Kind::Passthrough | Kind::Agreed(_) => write!(page, " | passthrough | {}", conversions(row)),
            Kind::Translated(_) | Kind::Converting(_) => write!(page, " | translated | {}", row.handler),
            Kind::Emulated(_) => write!(page, " | emulated | {}", row.handler),
            Kind::Like(_) => write!(page, " | translated | as {}", row.handler),
            Kind::Arch => write!(page, " | per architecture | "),
            Kind::Refused(e, reason) => write!(page, " | refused | {}: {reason}", name(e)),
        };
        page.push_str(" |\n");
    }
    page.push_str("\n## Options of prctl\n\nAn option without a row fails with EINVAL.\n\n| option | kind | remark |\n| --- | --- | --- |\n");
    for (_, option, class) in prctl::OPTIONS {
        let _ = match class {
            Class::Passthrough => writeln!(page, "| PR_{option} | passthrough | |"),
            Class::Emulated(_) => writeln!(page, "| PR_{option} | emulated | |"),
            Class::Refused(e, reason) => writeln!(page, "| PR_{option} | refused | {}: {reason} |", name(*e)),
        };
    }
    page
}

fn name(e: Errno) -> &'static str {
    errno::describe(e).map_or("?", |(name, _)| name)
}

fn conversions(row: &Row) -> &'static str {
    let has = |arg| row.args.contains(&arg);
    match (has(Arg::OFlags), has(Arg::LookupPath)) {
        (true, _) => "open flags",
        (_, true) => "path looked up in the sysroot and the emulated /proc",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/syscalls.md");
        let page = super::markdown();
        if std::env::var_os("ANYARCH_BLESS").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).unwrap();
            std::fs::write(path, &page).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap_or_default() == page,
            "docs/syscalls.md is stale: ANYARCH_BLESS=1 cargo test -p anyarch-linux page"
        );
        for line in page.lines().filter(|line| !line.starts_with('|')) {
            assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
        }
    }
}
