//! From where an asynchronous signal finds a thread to the next guest instruction boundary, where
//! the guest may see it.
//!
//! The host's handler sets `Thread::interrupted`. Outside generated code that is all: the flag is
//! looked at on the way in. In the glue, what lies behind such a look has a way of its own that
//! leaves ([`Detour`](crate::glue::Detour)). At a guest instruction's first byte the thread leaves
//! at once.
//!
//! In the middle of a guest instruction the rest of it must run first. Single steps would do, but a
//! signal for each host instruction is slow, and very slow under hypervisors, which intercept debug
//! exceptions. Instead the host code of this one guest instruction is copied to a scratch place of
//! the code cache, with a breakpoint behind it and in the place of whatever leads out of it, and
//! the thread goes on in the copy. At a breakpoint the handler finds the boundary, or does what the
//! replaced jump, call or return does, and looks again at the place where that leads. So a signal
//! costs no trap or one, seldom two. What is left in the copy and leads out of it are calls of the
//! glue, and jumps to cold code that calls a helper: both come by a look at the flag.
//!
//! Addresses in the copy stand for those of the original: a fault in it is a fault of the guest
//! instruction, and the return address that a call of the glue pushes is in the copy. The thread
//! gives the scratch place back when it is out of generated code.
//!
//! Where that cannot be done (all scratch places are taken, or the instruction's code is longer
//! than one) the host single-steps; [`STEPS`] counts.

use crate::backend::{Fixed, fixed};
use crate::context::{G_EFL, G_RCX, G_RIP, G_RSP, Uc, leave};
use crate::decode::{self, Flow, HostInsn, decode};
use crate::glue::{BREAKPOINT, Glue, Piece, reason};
use crate::{HostFlags, HostPart};
use anyarch_engine::cache::{self, CACHE, Cache, Origin, SCRATCH_SIZE};
use anyarch_engine::run::{HostContext, SHADOW, STEPS, Thread};
use core::sync::atomic::Ordering;

pub(crate) const TRAP_FLAG: u64 = 0x100;

/// The copy of an instruction's host code that the thread runs in, and other state of a thread on
/// its way to a boundary.
#[derive(Default)]
pub(crate) struct Rest {
    /// The copy, or 0 for none.
    copy: u64,
    /// What it is a copy of.
    original: u64,
    /// Their length.
    len: u64,
    /// Where a piece of the glue is to return that returns to `Glue::returned` instead.
    back: u64,
    /// A single step is under way.
    pub(crate) stepping: bool,
}

impl Rest {
    /// The place in the original for a host address that may be in the copy or at its end.
    pub(crate) fn original(&self, host: u64) -> u64 {
        match host.wrapping_sub(self.copy) {
            offset if self.copy != 0 && offset <= self.len => self.original + offset,
            _ => host,
        }
    }

    fn is_copy(&self, host: u64) -> bool {
        self.original(host) != host
    }

    /// There is a copy.
    pub(crate) fn is_copied(&self) -> bool {
        self.copy != 0
    }
}

/// The thread is out of generated code, and has a copy.
#[cold]
pub(crate) fn end(thread: &mut Thread) {
    HostPart::of(thread).rest.copy = 0;
    if let Some(cache) = CACHE.lock().as_deref_mut() {
        cache.free_scratch(thread);
    }
}

/// See [`anyarch_engine::run::on_host_signal`].
///
/// # Safety
/// As there.
pub(crate) unsafe fn on_signal(thread: &mut Thread, context: HostContext) {
    // SAFETY: by the caller.
    unsafe {
        let uc = &mut *context.cast::<Uc>();
        if cache::has(uc.gregs[G_RIP]) && !HostPart::of(thread).rest.is_copy(uc.gregs[G_RIP]) {
            settle(thread, uc);
        }
    }
}

/// Whether SIGTRAP from the processor was the engine's doing: a breakpoint on the way to a
/// boundary, or a single step. If so the context has been changed.
///
/// # Safety
/// As [`on_signal`].
pub(crate) unsafe fn on_trap(thread: &mut Thread, uc: &mut Uc) -> bool {
    let rip = uc.gregs[G_RIP];
    if core::mem::take(&mut HostPart::of(thread).rest.stepping) {
        uc.gregs[G_EFL] &= !TRAP_FLAG;
    } else if !cache::has(rip) {
        return false;
    } else if HostPart::of(thread).rest.is_copy(rip - 1) {
        uc.gregs[G_RIP] = HostPart::of(thread).rest.original(rip - 1);
    } else {
        let Some(Fixed { glue, .. }) = fixed() else { return false };
        match rip - 1 {
            at if at == glue.helped => pop(uc),
            at if at == glue.returned => uc.gregs[G_RIP] = HostPart::of(thread).rest.back,
            _ => return false,
        }
    }
    if cache::has(uc.gregs[G_RIP]) && !HostPart::of(thread).rest.is_copy(uc.gregs[G_RIP]) {
        // SAFETY: by the caller.
        unsafe { settle(thread, uc) };
    }
    true
}

/// See [`anyarch_engine::run::on_sent_signal`]. The kernel keeps one of a standard signal: of a
/// breakpoint that the thread met while a SIGTRAP that was sent was pending nothing is told but the
/// program counter behind it. (A single step is made again.) Of several signals the kernel tells
/// the first that it delivers, which may be another than that SIGTRAP: the others interrupt its
/// handler. The trap of a breakpoint whose signal is kept comes before all of them.
///
/// # Safety
/// As there.
pub(crate) unsafe fn on_sent_signal(thread: &mut Thread, context: HostContext) {
    // SAFETY: by the caller.
    unsafe {
        let uc = &mut *context.cast::<Uc>();
        if !HostPart::of(thread).rest.stepping
            && is_behind_breakpoint(&HostPart::of(thread).rest, uc.gregs[G_RIP])
        {
            on_trap(thread, uc);
        }
    }
}

/// Whether a thread at `host` has just met a breakpoint on the way to a boundary. Nothing else
/// leads behind one: of what a copy replaces only a return has one byte, and behind that nothing is
/// reached.
fn is_behind_breakpoint(rest: &Rest, host: u64) -> bool {
    if !cache::has(host) {
        return false;
    }
    let at = host - 1;
    match at.wrapping_sub(rest.copy) {
        offset if rest.copy != 0 && offset <= rest.len => {
            let mut insn = rest.original;
            while insn < rest.original + offset {
                let Some(next) = host_insn(insn) else { return false };
                insn += next.len as u64;
            }
            // SAFETY: in the copy, the breakpoint at its end included.
            insn == rest.original + offset && unsafe { (at as *const u8).read() } == BREAKPOINT
        }
        _ => fixed().is_some_and(|f| [f.glue.helped, f.glue.returned].contains(&at)),
    }
}

/// Whether the host code in [start, end), that of one guest instruction or a cold path, can be read
/// back.
pub(crate) fn is_readable(start: u64, end: u64) -> bool {
    let mut at = start;
    while at < end {
        let Some(insn) = host_insn(at) else { return false };
        at += insn.len as u64;
    }
    at == end
}

/// The thread is in generated code, the glue included, and the flag is set: the context is changed
/// such that it gets to a boundary and leaves there.
///
/// # Safety
/// As [`on_signal`].
unsafe fn settle(thread: &mut Thread, uc: &mut Uc) {
    // The thread is not in emulator code, so it does not hold the lock.
    let mut guard = CACHE.lock();
    let (Some(cache), Some(fixed)) = (guard.as_deref_mut(), fixed()) else { return };
    // A step that another signal asked for: what is found now takes its place.
    HostPart::of(thread).rest.stepping = false;
    uc.gregs[G_EFL] &= !TRAP_FLAG;
    // Each turn follows a jump of generated code.
    for _ in 0..64 {
        let rip = uc.gregs[G_RIP];
        if let Some(to) = fixed.glue.detour(rip) {
            uc.gregs[G_RIP] = to;
            return;
        }
        if is_piece(&fixed.glue, rip) {
            // SAFETY: the last word of the shadow stack is the return address into a unit.
            let last = unsafe { &mut *(uc.gregs[G_RSP] as *mut u64) };
            // A second signal finds it replaced.
            let rest = &mut HostPart::of(thread).rest;
            if *last != fixed.glue.returned && !rest.is_copy(*last) {
                rest.back = core::mem::replace(last, fixed.glue.returned);
            }
            return;
        }
        if cache.in_glue(rip) || !cache::has(rip) {
            // On the way out, or before a look at the flag.
            return;
        }
        let code = match cache.origin(rip) {
            Origin::Insn { pc, at_start: true, mark, .. } => {
                // SAFETY: by the caller; a boundary.
                unsafe {
                    leave(thread, uc, fixed, pc, HostFlags::of_mark(mark.at_start()), reason::INTERRUPTED)
                };
                return;
            }
            Origin::Insn { code: (start, end), .. } => (cache.host(start) as u64, cache.host(end) as u64),
            // The jump at a unit's end that belongs to no instruction, or the call of a stub.
            _ => (rip, jump_after(rip)),
        };
        let Some(insn) = host_insn(rip) else { break };
        if insn.flow == Flow::Next {
            if copy(thread, cache, &fixed.glue, code) {
                let rest = &HostPart::of(thread).rest;
                uc.gregs[G_RIP] = rest.copy + (rip - rest.original);
                return;
            }
            break;
        }
        if !transfer(thread, &fixed.glue, uc, &insn) {
            break;
        }
    }
    STEPS.fetch_add(1, Ordering::Relaxed);
    HostPart::of(thread).rest.stepping = true;
    uc.gregs[G_EFL] |= TRAP_FLAG;
}

/// Whether a host address lies in a piece of the glue that a unit has called and that looks at no
/// flag: hash rounds, or what the monitor of exclusives does.
fn is_piece(glue: &Glue, host: u64) -> bool {
    let (start, end) = glue.quiet;
    (start..end).contains(&host)
}

/// The host instruction at an address in a unit. Where it calls a piece of the glue or jumps there
/// through the thread's state, the flow says to which address.
fn host_insn(at: u64) -> Option<HostInsn> {
    // SAFETY: in the code cache; behind units there are the scratch places, and a unit's last
    // instruction is followed by stubs or room.
    let insn = decode(unsafe { core::slice::from_raw_parts(at as *const u8, decode::MAX) }, at)?;
    let piece = |from_rbp| fixed()?.glue.piece_at(from_rbp);
    let flow = match insn.flow {
        Flow::CallField(from_rbp) => Flow::Call(piece(from_rbp)?),
        Flow::JumpField(from_rbp) => Flow::Jump(piece(from_rbp)?),
        flow => flow,
    };
    Some(HostInsn { flow, ..insn })
}

/// The end of the first unconditional transfer from an address in a unit on.
fn jump_after(mut at: u64) -> u64 {
    while let Some(insn) = host_insn(at) {
        at += insn.len as u64;
        if matches!(insn.flow, Flow::Jump(_) | Flow::Call(_)) {
            break;
        }
    }
    at
}

/// Does what the jump, call or return at the context's place does. False, and nothing done, where
/// it cannot be done here.
fn transfer(thread: &Thread, glue: &Glue, uc: &mut Uc, insn: &HostInsn) -> bool {
    let next = uc.gregs[G_RIP] + insn.len as u64;
    // Indirect transfers go where the lookup table says. This way they come to the run loop, which
    // looks there too.
    let lookup = glue.detour(glue.piece(Piece::Lookup) as u64).unwrap_or(0);
    match insn.flow {
        Flow::Jump(target) => uc.gregs[G_RIP] = target,
        Flow::Cond(condition, target) => {
            uc.gregs[G_RIP] = if decode::holds(condition, uc.gregs[G_EFL]) { target } else { next };
        }
        Flow::IfZero(target) => uc.gregs[G_RIP] = if uc.gregs[G_RCX] == 0 { target } else { next },
        Flow::Call(_) | Flow::CallMem => {
            let rsp = uc.gregs[G_RSP] - 8;
            if rsp < thread.shadow_top() - SHADOW as u64 {
                return false;
            }
            // SAFETY: in the shadow stack.
            unsafe { (rsp as *mut u64).write(next) };
            uc.gregs[G_RSP] = rsp;
            uc.gregs[G_RIP] = if let Flow::Call(target) = insn.flow { target } else { lookup };
        }
        Flow::JumpMem => uc.gregs[G_RIP] = lookup,
        Flow::Ret => pop(uc),
        // `host_insn` has made the latter two calls and jumps of an address.
        Flow::Next | Flow::CallField(_) | Flow::JumpField(_) => return false,
    }
    true
}

/// Returns.
fn pop(uc: &mut Uc) {
    let rsp = uc.gregs[G_RSP];
    // SAFETY: a return address is the last word of the shadow stack.
    uc.gregs[G_RIP] = unsafe { (rsp as *const u64).read() };
    uc.gregs[G_RSP] = rsp + 8;
}

/// Copies the host code of a guest instruction, with breakpoints where it ends or is left. False if
/// it cannot be copied.
fn copy(thread: &mut Thread, cache: &mut Cache, glue: &Glue, (start, end): (u64, u64)) -> bool {
    let Some(place) = cache.take_scratch(thread) else { return false };
    let rest = &mut HostPart::of(thread).rest;
    rest.copy = place as u64;
    rest.len = 0;
    rest.original = start;
    let mut at = start;
    while at < end {
        let Some(insn) = host_insn(at) else { return false };
        let offset = at - start;
        if offset as usize + insn.len >= SCRATCH_SIZE {
            return false;
        }
        let byte = place.wrapping_add(offset as usize);
        // SAFETY: within the scratch place, which nobody runs in: this thread is in a signal
        // handler.
        unsafe { byte.copy_from_nonoverlapping(at as *const u8, insn.len) };
        let inside = |target: u64| (start..=end).contains(&target);
        let keep = match insn.flow {
            Flow::Next => true,
            Flow::IfZero(target) if !inside(target) => return false,
            Flow::IfZero(_) => true,
            Flow::Jump(target) | Flow::Cond(_, target) if inside(target) => {
                at += insn.len as u64;
                continue;
            }
            Flow::Jump(target) | Flow::Cond(_, target) => {
                insn.rel32.is_some() && leads_to_glue(cache, glue, target)
            }
            Flow::Call(target) => glue.sees_signals(target) || is_piece(glue, target),
            _ => false,
        };
        match insn.rel32 {
            _ if !keep => {
                // SAFETY: as above.
                unsafe { byte.write(BREAKPOINT) };
            }
            Some(field) => {
                let field = byte.wrapping_add(field).cast::<i32>();
                // SAFETY: as above; the distance is a field of the instruction.
                let distance = unsafe { field.read_unaligned() } as i64 + at as i64 - byte as i64;
                let Ok(distance) = i32::try_from(distance) else { return false };
                // SAFETY: as above.
                unsafe { field.write_unaligned(distance) };
            }
            None => {}
        }
        at += insn.len as u64;
    }
    HostPart::of(thread).rest.len = at - start;
    // SAFETY: as above.
    unsafe { place.wrapping_add((at - start) as usize).write(BREAKPOINT) };
    true
}

/// Whether the first call in the straight line from `host` on is one of the glue that looks at the
/// flag or leaves generated code.
fn leads_to_glue(cache: &Cache, glue: &Glue, mut host: u64) -> bool {
    if cache.in_glue(host) {
        return false;
    }
    for _ in 0..16 {
        match host_insn(host) {
            Some(HostInsn { flow: Flow::Next, len, .. }) => host += len as u64,
            Some(HostInsn { flow: Flow::Call(target), .. }) => return glue.sees_signals(target),
            _ => return false,
        }
    }
    false
}
