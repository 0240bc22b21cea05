//! Dispositions: the guest's, and the host's that go with them.

use super::host::on_signal;
use super::*;
use anyarch_sys::arch::restorer;
use anyarch_sys::{Mutex, calls};

/// A disposition as the guest set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub(super) handler: u64,
    pub(super) flags: u64,
    pub(super) restorer: u64,
    pub(super) mask: u64,
}

impl Action {
    pub(super) const DEFAULT: Action = Action { handler: SIG_DFL, flags: 0, restorer: 0, mask: 0 };

    pub(super) fn has_handler(&self) -> bool {
        self.handler > SIG_IGN
    }
}

pub(super) struct Actions {
    pub(super) rows: [Action; NSIG],
    /// Bit n-1: row n holds the disposition. The others are still as inherited, and are asked from
    /// the host when needed.
    pub(super) known: u64,
}

impl Actions {
    pub(super) fn get(&mut self, signo: i32) -> Action {
        if self.known & bit(signo) == 0 {
            self.inherit(signo, host_action(signo, None));
        }
        self.rows[signo as usize - 1]
    }

    pub(super) fn inherit(&mut self, signo: i32, inherited: Action) {
        let handler = if inherited.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
        self.rows[signo as usize - 1] = Action { handler, ..inherited };
        self.known |= bit(signo);
    }

    /// Changes a disposition, here and on the host.
    pub(super) fn set(&mut self, signo: i32, action: Action) {
        self.rows[signo as usize - 1] = action;
        self.known |= bit(signo);
        install(signo, &action);
    }
}

/// The dispositions of a process. Locked for short times and never by a host signal handler.
pub(crate) struct SigHand(pub(super) Mutex<Actions>);

impl SigHand {
    pub(crate) fn new() -> SigHand {
        SigHand(Mutex::new(Actions { rows: [Action::DEFAULT; NSIG], known: 0 }))
    }

    /// A copy for a process that shares memory but not dispositions. `clear`: handlers become
    /// default (CLONE_CLEAR_SIGHAND, where the kernel has done the same on the host).
    pub(crate) fn copy(&self, clear: bool) -> SigHand {
        let actions = self.0.lock();
        let mut rows = actions.rows;
        if clear {
            for row in &mut rows {
                if row.has_handler() {
                    *row = Action::DEFAULT;
                }
            }
        }
        SigHand(Mutex::new(Actions { rows, known: actions.known }))
    }

    /// Takes the lock for a fork; the guard is given back in parent and child.
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        self.0.lock()
    }
}

/// Sets (or only asks) the host's disposition; returns the old one.
pub(super) fn host_action(signo: i32, new: Option<&Action>) -> Action {
    let new = new.map(|a| [a.handler, a.flags, a.restorer, a.mask]);
    // SAFETY: the handlers that are installed here are the emulator's.
    match unsafe { calls::sigaction(signo, new.as_ref()) } {
        Ok([handler, flags, restorer, mask]) => Action { handler, flags, restorer, mask },
        Err(_) => Action::DEFAULT,
    }
}

/// Makes the host's disposition fit the guest's; returns the host's old one.
pub(super) fn install(signo: i32, action: &Action) -> Action {
    if signo == SIGKILL || signo == SIGSTOP {
        return Action::DEFAULT;
    }
    let ours = action.has_handler() || FAULT_SET & bit(signo) != 0;
    let kept = action.flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
    let host = if ours {
        // Without a handler of the guest's nothing may see an interruption, so calls restart.
        let restart = if action.has_handler() { action.flags & SA_RESTART } else { SA_RESTART };
        Action {
            handler: on_signal as *const () as u64,
            flags: kept | restart | SA_SIGINFO | SA_ONSTACK | SA_RESTORER,
            restorer: restorer(),
            mask: HOLD_ALL,
        }
    } else {
        Action { handler: action.handler, flags: kept | SA_RESTORER, restorer: restorer(), mask: 0 }
    };
    host_action(signo, Some(&host))
}
