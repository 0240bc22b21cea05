//! The memory that this process may use: the machine's, or less where its control groups say so.
//!
//! Limits stand in files below /sys/fs/cgroup (Documentation/admin-guide/cgroup-v2.rst and
//! cgroup-v1/memory.rst), one for the process's group and one for each group above it;
//! /proc/self/cgroup names the group (cgroups(7)). A container may have none of these files: then
//! the machine's memory counts.

use crate::files::procfs::read_file;
use alloc::vec::Vec;
use anyarch_sys::calls;

/// Bytes of memory that the process may use, as far as that can be known. Reads files: asked where
/// it matters, not at every start.
pub(crate) fn memory() -> u64 {
    // The groups as a cgroup namespace shows them, where there is no /proc.
    let groups = read_file(b"/proc/self/cgroup").unwrap_or_else(|| Vec::from(b"0::/\n1:memory:/"));
    limit(&groups, machine(), read_file)
}

/// The least of the machine's memory and the limits of these groups, in the form of
/// /proc/self/cgroup.
fn limit(groups: &[u8], machine: u64, read: impl Fn(&[u8]) -> Option<Vec<u8>>) -> u64 {
    let mut least = machine;
    for line in groups.split(|&b| b == b'\n') {
        let mut fields = line.splitn(3, |&b| b == b':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (root, names): (&[u8], &[&[u8]]) = if controllers.is_empty() {
            (b"/sys/fs/cgroup", &[b"memory.max", b"memory.high"])
        } else if controllers.split(|&b| b == b',').any(|c| c == b"memory") {
            (b"/sys/fs/cgroup/memory", &[b"memory.limit_in_bytes"])
        } else {
            continue;
        };
        let mut group = group.strip_suffix(b"/").unwrap_or(group);
        loop {
            for name in names {
                // A word instead of a number is no limit.
                let value = read(&[root, group, b"/", name].concat());
                least = value.and_then(|v| number(&v)).map_or(least, |v| least.min(v));
            }
            let Some(above) = group.iter().rposition(|&b| b == b'/') else { break };
            group = &group[..above];
        }
    }
    least
}

fn number(bytes: &[u8]) -> Option<u64> {
    core::str::from_utf8(bytes).ok()?.trim_end().parse().ok()
}

/// The machine's memory in bytes: sysinfo(2).
fn machine() -> u64 {
    match calls::sysinfo() {
        Ok(info) => info[4].saturating_mul(info[13] & 0xffff_ffff),
        Err(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(groups: &str, files: &[(&str, &str)], expected: u64) {
        let read =
            |path: &[u8]| files.iter().find(|f| f.0.as_bytes() == path).map(|f| Vec::from(f.1.as_bytes()));
        assert_eq!(limit(groups.as_bytes(), 1 << 34, read), expected, "{groups}");
    }

    #[test]
    fn the_least_limit_counts() {
        let max = |path, value| (path, value);
        check("", &[], 1 << 34);
        check("0::/\n", &[max("/sys/fs/cgroup/memory.max", "max\n")], 1 << 34);
        check("0::/\n", &[max("/sys/fs/cgroup/memory.max", "600\n")], 600);
        let files = [
            max("/sys/fs/cgroup/a/b/memory.max", "900\n"),
            max("/sys/fs/cgroup/a/memory.max", "800\n"),
            max("/sys/fs/cgroup/a/memory.high", "700\n"),
            max("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "500\n"),
            max("/sys/fs/cgroup/c/memory.max", "1\n"),
        ];
        check("0::/a/b\n", &files, 700);
        check("9:cpu:/c\n4:hugetlb,memory:/a/b\n0::/\n", &files, 500);
        // Version 1 gives a number where there is no limit.
        let v1 = [max("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")];
        check("4:memory:/elsewhere\n", &v1, 1 << 34);
        check("no fields\n:\n0::/../..\n", &files, 1 << 34);
    }
}
