//! The system calls about signals. Structures are the host's here: the table's rows convert them.

use super::actions::Action;
use super::deliver::force_segv;
use super::*;
use crate::abi::AltStack;
use crate::calls::dispatch::{KEEP_REGISTERS, host_call};
use crate::structure::constants::{SIGACTION_FLAGS, SIGNALS};
use anyarch_sys::calls;
use anyarch_sys::raw::general::{__NR_rt_sigprocmask, __NR_rt_sigsuspend, __NR_rt_sigtimedwait};
use anyarch_sys::{Errno, SysResult, read, write};

pub(super) fn check_size(size: u64) -> Result<(), Errno> {
    if size == 8 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// rt_sigaction(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub(crate) fn rt_sigaction(task: &mut Task, [signo, new, old, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    // The structure of hosts, which have SA_RESTORER: handler, flags, restorer, mask.
    let new = if new == 0 {
        None
    } else {
        let [handler, flags, restorer, mask]: [u64; 4] = read(new)?;
        Some(action_of(task, [handler, flags, restorer, mask]))
    };
    let before = set_action(task, signo as i32, new)?;
    if old != 0 {
        let flags = flags_to_guest(task, before.flags);
        write(old, &[before.handler, flags, before.restorer, before.mask])?;
    }
    Ok(0)
}

/// A disposition as the guest wants it: handler, flags, restorer, mask.
pub(super) fn action_of(task: &Task, [handler, flags, restorer, mask]: [u64; 4]) -> Action {
    let flags = SIGACTION_FLAGS.to_host(task.abi.model(), flags as u32).unwrap_or(0) as u64 & SA_KNOWN;
    let (flags, restorer) =
        if task.abi.has_restorer() { (flags, restorer) } else { (flags & !SA_RESTORER, 0) };
    Action { handler, flags, restorer, mask: mask & !UNBLOCKABLE }
}

pub(super) fn flags_to_guest(task: &Task, flags: u64) -> u64 {
    SIGACTION_FLAGS.to_guest(task.abi.model(), flags as u32).unwrap_or(0) as u64
}

/// Changes a disposition, if `new` is one; returns the one before.
///
/// # Errors
/// `EINVAL`.
pub(super) fn set_action(task: &mut Task, signo: i32, new: Option<Action>) -> Result<Action, Errno> {
    if !(1..=NSIG as i32).contains(&signo) || new.is_some() && bit(signo) & UNBLOCKABLE != 0 {
        return Err(Errno::EINVAL);
    }
    let before = {
        let mut actions = task.sighand.0.lock();
        let before = actions.get(signo);
        if let Some(new) = new {
            actions.set(signo, new);
        }
        before
    };
    if new.is_some() && FAULT_SET & bit(signo) != 0 {
        show_faults(task);
    }
    if new.is_some_and(|a| a.handler == SIG_IGN) && FAULT_SET & bit(signo) != 0 {
        // Ignoring a signal discards a pending one.
        task.inbox.sent.fetch_and(!bit(signo), Ordering::Relaxed);
    }
    Ok(before)
}

/// rt_sigprocmask(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub(crate) fn rt_sigprocmask(task: &mut Task, [how, set, old, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    let before = task.sigmask();
    if set != 0 {
        let set: u64 = read(set)?;
        let mask = match how {
            SIG_BLOCK => before | set,
            SIG_UNBLOCK => before & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        change_mask(task, mask)?;
    }
    if old != 0 {
        write(old, &before)?;
    }
    Ok(0)
}

/// Makes `mask` the guest's, but for the signals that cannot be blocked.
///
/// # Errors
/// `ERESTARTSYS` where a signal is to be delivered before.
pub(super) fn change_mask(task: &mut Task, mask: u64) -> Result<(), Errno> {
    let mask = mask & !UNBLOCKABLE;
    if (mask ^ task.sigmask()) & !FAULT_SET != 0 {
        // Interruptible, so that a signal recorded before is delivered under the old mask.
        let host = mask & !FAULT_SET;
        host_call(task, __NR_rt_sigprocmask, &[SIG_SETMASK, &raw const host as u64, 0, 8, 0, 0])?;
    }
    task.set_sigmask(mask);
    Ok(())
}

/// rt_sigreturn(2).
///
/// # Errors
/// `KEEP_REGISTERS`.
pub(crate) fn rt_sigreturn(task: &mut Task, _args: [u64; 6]) -> SysResult {
    let abi = task.abi;
    let sp = abi.sp(&task.thread.cpu);
    let frame = abi.pop_signal_frame(&mut task.thread.cpu);
    let mask = match frame {
        Ok((mask, _)) => Some(mask),
        Err(mask) => mask,
    };
    restore_mask(task, mask);
    match frame {
        // A bad or unchangeable alternate stack is not an error here.
        Ok((_, altstack)) => _ = set_altstack(task, altstack),
        Err(_) => force_segv(task, abi.bad_frame(sp)),
    }
    Err(KEEP_REGISTERS)
}

/// sigreturn(2).
///
/// # Errors
/// `KEEP_REGISTERS`.
pub fn sigreturn(task: &mut Task, _args: [u64; 6]) -> SysResult {
    let abi = task.abi;
    let sp = abi.sp(&task.thread.cpu);
    let frame = abi.pop_old_signal_frame(&mut task.thread.cpu);
    restore_mask(task, frame.map_or_else(|mask| mask, Some));
    if frame.is_err() {
        force_segv(task, abi.bad_frame(sp));
    }
    Err(KEEP_REGISTERS)
}

/// Makes the mask that a frame has the guest's.
fn restore_mask(task: &mut Task, mask: Option<u64>) {
    if let Some(mask) = mask.map(|mask| mask & !UNBLOCKABLE).filter(|mask| *mask != task.sigmask()) {
        task.set_sigmask(mask);
        task.host_mask_stale = true;
    }
}

/// rt_sigpending(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`.
pub(crate) fn rt_sigpending(task: &mut Task, [set, size, ..]: [u64; 6]) -> SysResult {
    if size > 8 {
        return Err(Errno::EINVAL);
    }
    let pending = pending(task)?;
    if size != 0 {
        anyarch_sys::write_bytes(set, &pending.to_le_bytes()[..size as usize])?;
    }
    Ok(0)
}

pub(super) fn pending(task: &Task) -> Result<u64, Errno> {
    Ok(calls::pending_signals()? | task.inbox.sent.load(Ordering::Relaxed) & task.sigmask())
}

// The calls of one word of signals, which some architectures still have.

/// The signals of one word of the guest's.
pub(super) fn first_word(task: &Task) -> u64 {
    u64::MAX >> (64 - 8 * task.abi.model().word)
}

/// signal(2): the disposition before is the result.
pub fn signal(task: &mut Task, [signo, handler, ..]: [u64; 6]) -> SysResult {
    let action = Action { handler, flags: SA_RESETHAND | SA_NODEFER, restorer: 0, mask: 0 };
    set_action(task, signo as i32, Some(action)).map(|before| before.handler)
}

/// sigaction(2).
pub fn sigaction(task: &mut Task, [signo, new, old, ..]: [u64; 6]) -> SysResult {
    let new = if new == 0 {
        None
    } else {
        let [handler, mask, flags, restorer]: [u64; 4] = read(new)?;
        Some(action_of(task, [handler, flags, restorer, mask]))
    };
    let before = set_action(task, signo as i32, new)?;
    if old != 0 {
        let flags = flags_to_guest(task, before.flags);
        write(old, &[before.handler, before.mask & first_word(task), flags, before.restorer])?;
    }
    Ok(0)
}

/// sgetmask(2).
pub(crate) fn sgetmask(task: &mut Task, _args: [u64; 6]) -> SysResult {
    Ok(task.sigmask() & u32::MAX as u64)
}

/// ssetmask(2): the mask before is the result.
pub(crate) fn ssetmask(task: &mut Task, [mask, ..]: [u64; 6]) -> SysResult {
    let before = task.sigmask();
    change_mask(task, mask & u32::MAX as u64)?;
    Ok(before & u32::MAX as u64)
}

/// sigprocmask(2).
pub fn sigprocmask(task: &mut Task, [how, set, old, ..]: [u64; 6]) -> SysResult {
    let (before, word) = (task.sigmask(), first_word(task));
    if set != 0 {
        let set = read::<u64>(set)? & word;
        let mask = match how {
            SIG_BLOCK => before | set,
            SIG_UNBLOCK => before & !set,
            SIG_SETMASK => before & !word | set,
            _ => return Err(Errno::EINVAL),
        };
        change_mask(task, mask)?;
    }
    if old != 0 {
        write(old, &(before & word))?;
    }
    Ok(0)
}

/// sigpending(2).
pub(crate) fn sigpending(task: &mut Task, [set, ..]: [u64; 6]) -> SysResult {
    let pending = pending(task)? & first_word(task);
    write(set, &pending).map(|()| 0)
}

/// sigsuspend(2): the third argument is the set itself (CONFIG_OLD_SIGSUSPEND3).
pub(crate) fn sigsuspend(task: &mut Task, [_, _, mask, ..]: [u64; 6]) -> SysResult {
    let mask = mask & first_word(task);
    rt_sigsuspend(task, [&raw const mask as u64, 8, 0, 0, 0, 0])
}

/// rt_sigtimedwait(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`, `EAGAIN`, `EINTR`.
pub(crate) fn rt_sigtimedwait(task: &mut Task, args: [u64; 6]) -> SysResult {
    let [set, info, _, size, ..] = args;
    check_size(size)?;
    let wanted: u64 = read(set)?;
    let sent = task.inbox.sent.load(Ordering::Relaxed) & wanted;
    if sent != 0 {
        let signo = sent.trailing_zeros() as i32 + 1;
        let taken = task.take_sent(signo);
        if info != 0 {
            write(info, &taken)?;
        }
        return Ok(signo as u64);
    }
    let signo = host_call(task, __NR_rt_sigtimedwait, &args)?;
    Ok(SIGNALS.to_guest(task.abi.model(), signo as u32).map_or(signo, u64::from))
}

/// rt_sigsuspend(2).
///
/// # Errors
/// `EINTR`, `EINVAL`, `EFAULT`.
pub(crate) fn rt_sigsuspend(task: &mut Task, [set, size, ..]: [u64; 6]) -> SysResult {
    check_size(size)?;
    with_mask(task, set, size, |task, mask, size| {
        host_call(task, __NR_rt_sigsuspend, &[mask, size, 0, 0, 0, 0])
    })
}

/// Makes `call` while the guest's signal mask is the one at guest address `set` (0: unchanged), as
/// ppoll and its kin want it; `call` gets the address of the mask to hand to the host's kernel, or
/// 0.
///
/// # Errors
/// `EINVAL` for a wrong `size`, `EFAULT`, and those of `call`.
pub(crate) fn with_mask(
    task: &mut Task,
    set: u64,
    size: u64,
    call: impl FnOnce(&mut Task, u64, u64) -> SysResult,
) -> SysResult {
    // A mask that the kernel will refuse, if nothing else before it, is the kernel's to refuse.
    let mask = if set != 0 && size == 8 { read::<u64>(set).ok() } else { None };
    let Some(mask) = mask else { return call(task, set, size) };
    let mask = mask & !UNBLOCKABLE;
    let host = mask & !FAULT_SET;
    // A fault's signal that was sent while blocked interrupts at once when the temporary mask
    // admits it.
    let result = if task.inbox.sent.load(Ordering::Relaxed) & !mask != 0 {
        Err(Errno::EINTR)
    } else {
        call(task, &raw const host as u64, size)
    };
    if result == Err(Errno::EINTR) {
        // The kernel keeps the temporary mask until the handler is entered; its frame restores the
        // old one.
        task.saved_sigmask = Some(task.sigmask());
        task.set_sigmask(mask);
        task.host_mask_stale = true;
    }
    result
}

/// sigaltstack(2).
///
/// # Errors
/// `EPERM`, `EINVAL`, `ENOMEM`, `EFAULT`.
pub(crate) fn sigaltstack(task: &mut Task, [new, old, ..]: [u64; 6]) -> SysResult {
    let (ss_sp, ss_flags, ss_size) = task.altstack;
    let sp = task.abi.sp(&task.thread.cpu);
    let state = if ss_size == 0 {
        SS_DISABLE
    } else if on_altstack(task.altstack, sp) {
        SS_ONSTACK
    } else {
        0
    };
    if new != 0 {
        let [new_sp, flags, new_size]: [u64; 3] = read(new)?;
        set_altstack(task, (new_sp, flags as i32, new_size))?;
    }
    if old != 0 {
        write(old, &[ss_sp, (state | ss_flags & SS_AUTODISARM) as u32 as u64, ss_size])?;
    }
    Ok(0)
}

/// The kernel's do_sigaltstack.
pub(super) fn set_altstack(task: &mut Task, (ss_sp, ss_flags, ss_size): AltStack) -> Result<(), Errno> {
    if on_altstack(task.altstack, task.abi.sp(&task.thread.cpu)) {
        return Err(Errno::EPERM);
    }
    let new = match ss_flags & !SS_AUTODISARM {
        SS_DISABLE => (0, ss_flags, 0),
        0 | SS_ONSTACK if ss_size < task.abi.min_sigstack() => return Err(Errno::ENOMEM),
        0 | SS_ONSTACK => (ss_sp, ss_flags, ss_size),
        _ => return Err(Errno::EINVAL),
    };
    task.altstack = new;
    Ok(())
}
