//! From what is registered to what is wanted, in steps between which a handler always exists.
//!
//! The kernel has no rename and no replace: a name must be removed before it can be registered
//! anew, and in between binaries of that architecture would not start. So a change first registers
//! the new rule under a second name, then removes the old entry, registers the final name, and
//! removes the second one. Killed between any two writes, some handler for the architecture is
//! there; the next run finds the leftover by its name and finishes the work.
//!
//! Entries that are not ours are not touched, unless the caller's [`Policy`] says so.

use crate::entry::{Entry, SWAP_PREFIX};
use crate::instance::{InstanceError, Kernel};
use crate::rule::Rule;
use std::fmt;

/// How to treat a name that somebody else's entry has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Leave it and say so.
    #[default]
    Keep,
    /// Register ours beside it, under `anyarch-ARCH`: the newer entry matches first.
    Shadow,
    /// Swap it for ours.
    Replace,
}

/// One write to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Register a rule.
    Register(Rule),
    /// Remove an entry.
    Remove(String),
}

/// What happens to one name, and by which steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The entry's name.
    pub name: String,
    /// In a word.
    pub kind: Kind,
    /// In this order; a failure ends them.
    pub steps: Vec<Step>,
}

/// The kinds of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing was there.
    Add,
    /// Nothing is to do; whether the entry is ours.
    Present {
        /// Whether anyarch made it.
        ours: bool,
    },
    /// Another rule takes the old one's place.
    Replace(Entry),
    /// The rest of a swap that was interrupted.
    Finish,
    /// The entry goes.
    Remove(Entry),
    /// Somebody else has the name: nothing is done.
    Conflict(Entry),
}

/// What became of a change.
#[derive(Debug)]
pub enum Outcome {
    /// All steps done (or none needed).
    Done,
    /// Nothing was tried because the name is somebody else's.
    Conflict(Entry),
    /// A step failed; how many were done before.
    Failed {
        /// Steps done before the failure.
        done: usize,
        /// The failure.
        error: InstanceError,
    },
}

/// The changes that make every wanted rule an entry.
pub fn plan_register(current: &[Entry], wanted: &[Rule], policy: Policy, refresh: bool) -> Vec<Change> {
    wanted.iter().map(|rule| plan_one(current, rule, policy, refresh)).collect()
}

fn plan_one(current: &[Entry], rule: &Rule, policy: Policy, refresh: bool) -> Change {
    let find = |name: &str| current.iter().find(|e| e.rule.name == name);
    let swap_name = swap_name(&rule.name);
    let leftover = find(&swap_name).is_some();
    let finish = |kind: Kind, mut steps: Vec<Step>| {
        if leftover {
            steps.push(Step::Remove(swap_name.clone()));
        }
        Change { name: rule.name.clone(), kind, steps }
    };
    match find(&rule.name) {
        None if leftover => finish(Kind::Finish, vec![Step::Register(rule.clone())]),
        None => finish(Kind::Add, vec![Step::Register(rule.clone())]),
        Some(entry) if entry.does(rule) && !(refresh && entry.is_ours()) => {
            let kind = if leftover { Kind::Finish } else { Kind::Present { ours: entry.is_ours() } };
            finish(kind, vec![])
        }
        Some(entry) if entry.is_ours() || policy == Policy::Replace => {
            let temporary = Rule { name: swap_name.clone(), ..rule.clone() };
            let mut steps = Vec::new();
            if leftover {
                // The leftover may be of an older rule; the final name still holds a handler while
                // it goes.
                steps.push(Step::Remove(swap_name.clone()));
            }
            steps.push(Step::Register(temporary));
            steps.push(Step::Remove(rule.name.clone()));
            steps.push(Step::Register(rule.clone()));
            steps.push(Step::Remove(swap_name.clone()));
            Change { name: rule.name.clone(), kind: Kind::Replace(entry.clone()), steps }
        }
        Some(_) if policy == Policy::Shadow => {
            let name = shadow_name(&rule.name);
            // A shadow name is ours by rule, so this recursion ends.
            plan_one(current, &Rule { name, ..rule.clone() }, Policy::Keep, refresh)
        }
        Some(entry) => Change { name: rule.name.clone(), kind: Kind::Conflict(entry.clone()), steps: vec![] },
    }
}

/// The changes that remove our entries of these names (with shadows and leftovers), or, with
/// `reset`, whoever's. `wanted` decides by the architecture's entry name (`qemu-aarch64`).
pub fn plan_unregister(current: &[Entry], wanted: &dyn Fn(&str) -> bool, reset: bool) -> Vec<Change> {
    let mut changes = Vec::new();
    for entry in current {
        let name = &entry.rule.name;
        let base = base_name(name);
        if !wanted(&base) || entry.maker() == crate::Maker::Wsl {
            continue;
        }
        let ours = entry.is_ours();
        // An architecture's bare name is anybody's, and not one of those that a reset is for.
        let is_emulators = ["qemu-", "anyarch-"].iter().any(|prefix| name.starts_with(prefix));
        if ours || (reset && is_emulators) {
            changes.push(Change {
                name: name.clone(),
                kind: Kind::Remove(entry.clone()),
                steps: vec![Step::Remove(name.clone())],
            });
        } else if is_emulators {
            changes.push(Change { name: name.clone(), kind: Kind::Conflict(entry.clone()), steps: vec![] });
        }
    }
    changes
}

/// Does a change's steps. The first failure ends it; everything done so far stays, and a handler
/// with it.
pub fn apply(kernel: &mut dyn Kernel, change: &Change) -> Outcome {
    if let Kind::Conflict(entry) = &change.kind {
        return Outcome::Conflict(entry.clone());
    }
    for (done, step) in change.steps.iter().enumerate() {
        let result = match step {
            Step::Register(rule) => kernel.register(rule),
            Step::Remove(name) => kernel.remove(name),
        };
        if let Err(error) = result {
            return Outcome::Failed { done, error };
        }
    }
    Outcome::Done
}

/// The name a rule has while its own is being freed.
pub(crate) fn swap_name(name: &str) -> String {
    format!("{SWAP_PREFIX}{}", name.strip_prefix("qemu-").unwrap_or(name))
}

/// The name of an entry of ours beside somebody else's.
pub fn shadow_name(name: &str) -> String {
    format!("anyarch-{}", name.strip_prefix("qemu-").unwrap_or(name))
}

/// `qemu-X` for `qemu-X`, `anyarch-X` and leftovers of either.
fn base_name(name: &str) -> String {
    let name = name.strip_prefix(SWAP_PREFIX).unwrap_or(name);
    match name.strip_prefix("anyarch-").or_else(|| name.strip_prefix("qemu-")) {
        Some(arch) => format!("qemu-{arch}"),
        None if crate::family::by_name(name).is_some() => format!("qemu-{name}"),
        None => name.to_string(),
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Register(rule) => write!(f, "register {} {} {}", rule.name, rule.interpreter, rule.flags),
            Step::Remove(name) => write!(f, "remove {name}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::family::by_name;
    use crate::rule::{Flags, Matcher};

    /// binfmt_misc in memory: the newest entry first, dies after a number of writes.
    #[derive(Clone)]
    struct Fake {
        entries: Vec<Entry>,
        writes_left: usize,
    }

    impl Kernel for Fake {
        fn entries(&self) -> Result<Vec<Entry>, InstanceError> {
            Ok(self.entries.clone())
        }
        fn register(&mut self, rule: &Rule) -> Result<(), InstanceError> {
            self.spend()?;
            assert!(self.entries.iter().all(|e| e.rule.name != rule.name), "{} is taken", rule.name);
            self.entries.insert(0, Entry { enabled: true, rule: rule.clone() });
            Ok(())
        }
        fn remove(&mut self, name: &str) -> Result<(), InstanceError> {
            self.spend()?;
            let at = self.entries.iter().position(|e| e.rule.name == name).expect(name);
            self.entries.remove(at);
            Ok(())
        }
    }

    impl Fake {
        fn spend(&mut self) -> Result<(), InstanceError> {
            match self.writes_left.checked_sub(1) {
                Some(left) => self.writes_left = left,
                None => return Err(InstanceError::Locked(Default::default())),
            }
            Ok(())
        }
        fn handles(&self, header: &[u8]) -> bool {
            self.entries.iter().any(|e| e.enabled && e.rule.matcher.matches(header, ""))
        }
    }

    fn rule(name: &str, interpreter: &str) -> Rule {
        let f = by_name("aarch64").unwrap();
        Rule {
            name: name.into(),
            matcher: Matcher::Magic { offset: 0, magic: f.magic(), mask: f.mask() },
            interpreter: interpreter.into(),
            flags: Flags::parse("PF").unwrap(),
        }
    }

    fn entry(name: &str, interpreter: &str) -> Entry {
        Entry { enabled: true, rule: rule(name, interpreter) }
    }

    /// Plans and describes: kind and steps.
    fn show(current: &[Entry], policy: Policy, refresh: bool) -> String {
        let wanted = rule("qemu-aarch64", "/new/anyarch-emu");
        let change = plan_register(current, &[wanted], policy, refresh).remove(0);
        let kind = format!("{:?}", change.kind);
        let kind = kind.split([' ', '(', '{']).next().unwrap();
        let steps: Vec<_> = change
            .steps
            .iter()
            .map(|s| match s {
                Step::Register(r) => format!("+{}", r.name),
                Step::Remove(n) => format!("-{n}"),
            })
            .collect();
        format!("{kind} {}", steps.join(" ")).trim_end().into()
    }

    #[test]
    fn each_situation_has_its_steps() {
        let check = |current: &[(&str, &str)], policy, want: &str| {
            let current: Vec<_> = current.iter().map(|(n, i)| entry(n, i)).collect();
            assert_eq!(show(&current, policy, false), want, "{current:?}");
        };
        let (q, swap) = ("qemu-aarch64", "anyarch-swap-aarch64");
        let full = "Replace +anyarch-swap-aarch64 -qemu-aarch64 +qemu-aarch64 -anyarch-swap-aarch64";
        check(&[], Policy::Keep, "Add +qemu-aarch64");
        check(&[(q, "/new/anyarch-emu")], Policy::Keep, "Present");
        check(&[(q, "/./new/anyarch-emu")], Policy::Keep, "Present");
        check(&[(q, "/old/anyarch-emu")], Policy::Keep, full);
        check(&[(q, "/usr/bin/qemu-aarch64-static")], Policy::Keep, "Conflict");
        check(&[(q, "/usr/bin/qemu-aarch64-static")], Policy::Replace, full);
        check(&[(q, "/usr/bin/qemu-aarch64-static")], Policy::Shadow, "Add +anyarch-aarch64");
        check(&[(q, "/usr/bin/q"), ("anyarch-aarch64", "/new/anyarch-emu")], Policy::Shadow, "Present");
        check(&[(swap, "/new/anyarch-emu")], Policy::Keep, "Finish +qemu-aarch64 -anyarch-swap-aarch64");
        check(
            &[(q, "/new/anyarch-emu"), (swap, "/new/anyarch-emu")],
            Policy::Keep,
            "Finish -anyarch-swap-aarch64",
        );
        assert!(show(&[entry(q, "/new/anyarch-emu")], Policy::Keep, true).starts_with("Replace +"));
        let mut disabled = entry(q, "/new/anyarch-emu");
        disabled.enabled = false;
        assert_eq!(show(&[disabled], Policy::Keep, false), full);
    }

    #[test]
    fn killed_between_any_two_writes_a_handler_remains_and_the_next_run_repairs() {
        let header = by_name("aarch64").unwrap().magic();
        let starts: [&[(&str, &str)]; 5] = [
            &[("qemu-aarch64", "/old/anyarch-emu")],
            &[("qemu-aarch64", "/usr/bin/qemu-aarch64-static")],
            &[("qemu-aarch64", "/old/anyarch-emu"), ("anyarch-swap-aarch64", "/older/anyarch-emu")],
            &[("anyarch-swap-aarch64", "/old/anyarch-emu")],
            &[("qemu-aarch64", "/new/anyarch-emu"), ("anyarch-swap-aarch64", "/old/anyarch-emu")],
        ];
        for start in starts {
            for budget in 0..6 {
                let mut kernel =
                    Fake { entries: start.iter().map(|(n, i)| entry(n, i)).collect(), writes_left: budget };
                let wanted = [rule("qemu-aarch64", "/new/anyarch-emu")];
                let step = |kernel: &mut Fake| {
                    for change in plan_register(&kernel.entries().unwrap(), &wanted, Policy::Replace, false) {
                        apply(kernel, &change);
                        assert!(kernel.handles(&header), "{start:?} killed after {budget} writes");
                    }
                };
                step(&mut kernel);
                kernel.writes_left = usize::MAX;
                step(&mut kernel);
                assert_eq!(
                    kernel.entries,
                    [entry("qemu-aarch64", "/new/anyarch-emu")],
                    "{start:?} repaired after {budget} writes"
                );
            }
        }
    }

    #[test]
    fn only_our_entries_are_removed_unless_reset() {
        let current = [
            entry("qemu-aarch64", "/x/anyarch-emu"),
            entry("anyarch-s390x", "/./usr/bin/qemu-s390x"),
            entry("anyarch-swap-arm", "/./usr/bin/qemu-arm"),
            entry("qemu-ppc", "/usr/bin/qemu-ppc-static"),
            entry("WSLInterop", "/init"),
            entry("python3", "/usr/bin/python3"),
            entry("aarch64", "/opt/emulator"),
        ];
        let names = |all: &dyn Fn(&str) -> bool, reset| -> Vec<String> {
            plan_unregister(&current, all, reset)
                .into_iter()
                .filter(|c| !c.steps.is_empty())
                .map(|c| c.name)
                .collect()
        };
        assert_eq!(names(&|_| true, false), ["qemu-aarch64", "anyarch-s390x", "anyarch-swap-arm"]);
        assert_eq!(names(&|_| true, true), ["qemu-aarch64", "anyarch-s390x", "anyarch-swap-arm", "qemu-ppc"]);
        assert_eq!(names(&|n| n == "qemu-arm", false), ["anyarch-swap-arm"]);
    }
}
