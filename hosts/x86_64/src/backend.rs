//! The table that the engine asks: see [`anyarch_engine::backend`].

use crate::asm::{Asm, JUMP};
use crate::glue::{self, Glue, reason};
use crate::unit::STUB_CALL;
use crate::{Buffers, Features, HostPart, STATE_BIAS, Translator, boundary, context, fp, vec, vector};
use alloc::boxed::Box;
use anyarch_engine::backend::{
    Abilities, Backend, Draft, Finished, Generator, Left, UnitMaker, UnitSpec, Way, Words,
};
use anyarch_engine::fp::Rounding;
use anyarch_engine::lift::Lift;
use anyarch_engine::ops::HelperExit;
use anyarch_engine::run::{Guest, Thread};
use anyarch_engine::shared::Copy;
use anyarch_engine::state::{FlagWord, FpWord, VEC_SLOTS};
use anyarch_engine::vec::{VOp, aes_step};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicPtr, Ordering};

/// MXCSR of a new thread: to nearest even, exceptions masked.
pub(crate) const MXCSR_START: FpWord = FpWord(0x1f80);

/// x86-64 as the host of a guest.
pub const fn backend<L: Lift>() -> Backend {
    Backend {
        name: "x86_64",
        way: Way::Generated(Generator {
            open: open::<L>,
            prepare,
            enter,
            patch,
            watch,
            on_fault: context::on_fault,
            on_signal: boundary::on_signal,
            on_sent_signal: boundary::on_sent_signal,
            is_readable: boundary::is_readable,
        }),
        words: Words {
            nzcv,
            flag_word,
            fp_start: MXCSR_START,
            // MXCSR: IE DE ZE OE UE PE from bit 0; the host's denormal flag has no counterpart.
            fp_flags: |word| (word.0 as u8 & 1) | (word.0 as u8 >> 1 & 0x1e),
            fp_cleared: |word| FpWord(word.0 & !0x3f),
            fp_rounding,
        },
        abilities,
        aes,
    }
}

/// NZCV as LAHF and SETO leave them: bits 15 to 8 SF ZF - AF - PF - CF (CF is the guest's carry),
/// bits 7 to 0 OF as 0 or 1.
fn nzcv(FlagWord(f): FlagWord) -> u8 {
    (((f >> 15 & 1) << 3) | ((f >> 14 & 1) << 2) | ((f >> 8 & 1) << 1) | (f & 1)) as u8
}

fn flag_word(nzcv: u8) -> FlagWord {
    let n = nzcv as u16;
    FlagWord((n >> 3 & 1) << 15 | (n >> 2 & 1) << 14 | (n >> 1 & 1) << 8 | (n & 1))
}

fn fp_rounding(FpWord(word): FpWord, rounding: Rounding) -> FpWord {
    let rc = match rounding {
        Rounding::Down => 1,
        Rounding::Up => 2,
        Rounding::Zero => 3,
        _ => 0,
    };
    FpWord(word & !0x6000 | rc << 13)
}

fn abilities() -> Abilities {
    let features = Features::of_host();
    Abilities { aes: features.aes, carryless_mul: features.pclmul }
}

fn aes(op: VOp, a: u128) -> u128 {
    if Features::of_host().aes {
        // SAFETY: the host has the instructions.
        return unsafe { aes_by_host(op, a) };
    }
    aes_step(op, a)
}

/// # Safety
/// The host has AES instructions.
#[target_feature(enable = "aes")]
unsafe fn aes_by_host(op: VOp, a: u128) -> u128 {
    use core::arch::x86_64::*;
    // SAFETY: both types are any 128 bits.
    let (a, zero) = (unsafe { core::mem::transmute::<u128, __m128i>(a) }, _mm_setzero_si128());
    let result = match op {
        VOp::AesEncLast => _mm_aesenclast_si128(a, zero),
        VOp::AesDecLast => _mm_aesdeclast_si128(a, zero),
        VOp::AesInvMixColumns => _mm_aesimc_si128(a),
        // MixColumns: a round whose other steps are undone before.
        _ => _mm_aesenc_si128(_mm_aesdeclast_si128(a, zero), zero),
    };
    // SAFETY: as above.
    unsafe { core::mem::transmute::<__m128i, u128>(result) }
}

/// What all code of the process shares, once there is any.
pub(crate) struct Fixed {
    pub(crate) glue: Glue,
    /// Host registers by integer slot, and by vector slot.
    pub(crate) maps: ([u8; 64], [u8; VEC_SLOTS]),
}

static FIXED: AtomicPtr<Fixed> = AtomicPtr::new(core::ptr::null_mut());

/// See [`Fixed`].
pub(crate) fn fixed() -> Option<&'static Fixed> {
    // SAFETY: null, or what `open` has leaked.
    unsafe { FIXED.load(Ordering::Acquire).as_ref() }
}

/// Makes units with the guest's lift.
struct Maker<L> {
    buffers: Buffers,
    guest: PhantomData<fn() -> L>,
}

fn open<L: Lift>(start: *mut u8, end: *mut u8) -> (Box<dyn UnitMaker>, *mut u8) {
    let buffers = Buffers::new(L::GUEST.slots);
    let (glue, behind) = emit_glue(start, end, &buffers, L::GUEST);
    let (gpr, vec) = buffers.maps();
    let fixed: &'static Fixed = Box::leak(Box::new(Fixed { glue, maps: (*gpr, *vec) }));
    FIXED.store((&raw const *fixed).cast_mut(), Ordering::Release);
    (Box::new(Maker::<L> { buffers, guest: PhantomData }), behind)
}

/// Emits the glue in [start, end); where it ends.
pub(crate) fn emit_glue(start: *mut u8, end: *mut u8, buffers: &Buffers, guest: &Guest) -> (Glue, *mut u8) {
    let mut asm = Asm { p: start, end, avx: buffers.features.avx, label: core::ptr::null_mut() };
    let glue = glue::emit(&mut asm, buffers, guest);
    (glue, asm.p)
}

impl<L: Lift> UnitMaker for Maker<L> {
    fn make(&mut self, spec: &UnitSpec<'_>, draft: &mut Draft) -> Finished {
        make(&mut self.buffers, draft, L::GUEST, spec, |t, copy| L::lift(t, copy))
    }
}

/// Makes a unit.
#[inline(always)]
pub(crate) fn make(
    buffers: &mut Buffers,
    draft: &mut Draft,
    guest: &'static Guest,
    spec: &UnitSpec<'_>,
    lift: impl Fn(&mut Translator<'_>, Option<&Copy>),
) -> Finished {
    let copy = spec.copy;
    let mut t = Translator::new(buffers, draft, guest, spec);
    t.make_from(copy, &[]);
    lift(&mut t, copy);
    let (flags_missing, is_too_far) = (t.flags_missing(), t.is_too_far());
    if flags_missing || is_too_far || copy.is_some() {
        let ranges = t.ranges();
        t = Translator::new(buffers, draft, guest, spec);
        if flags_missing {
            t.keep_flags();
        }
        t.jump_far();
        t.make_from(copy, &ranges);
        lift(&mut t, copy);
    }
    let (check, is_undefined) = (t.check_len(), t.is_undefined());
    let (host_end, guest_end) = t.finish();
    Finished { host_end, guest_end, check, is_undefined }
}

fn prepare(thread: &mut Thread) {
    let own = (&raw mut thread.host_room).cast::<HostPart>();
    // SAFETY: the area is this host's.
    unsafe {
        (&raw mut (*own).constants).write(vec::CONSTANTS);
        (&raw mut (*own).tails).write(vector::TAILS);
        (&raw mut (*own).pool).write(fp::POOL);
        (&raw mut (*own).flag_tables).write(fp::FLAG_TABLES);
        (&raw mut (*own).pieces).write(fixed().map_or([core::ptr::null(); _], |f| f.glue.pieces));
        (&raw mut (*own).rest).write(boundary::Rest::default());
    }
}

/// # Safety
/// See [`Generator::enter`].
unsafe fn enter(thread: &mut Thread, host: *const u8) -> Left {
    let Some(fixed) = fixed() else { return Left::Interrupted };
    let state = &raw mut *thread as u64 + STATE_BIAS as u64;
    // SAFETY: the glue follows the C calling convention; generated code keeps to this thread's
    // state and guest memory.
    let why = unsafe {
        let enter: extern "C" fn(u64, *const u8) -> u32 = core::mem::transmute(fixed.glue.enter);
        enter(state, host)
    };
    let value = thread.exit_value;
    let rest = &mut HostPart::of(thread).rest;
    let host = rest.original(value);
    let left = match why & 0x7f {
        reason::CHAIN => jump(value, false),
        reason::CHAIN_FAR => jump(value, true),
        reason::LOOKUP => Left::Lookup(value),
        reason::SYSCALL => Left::Syscall(stub_target(value, false).0),
        reason::SYSCALL_FAR => Left::Syscall(stub_target(value, true).0),
        reason::MADE => Left::Made(stub_target(value, false).0),
        reason::MADE_FAR => Left::Made(stub_target(value, true).0),
        reason::FAULT => Left::Fault,
        reason::STEP_FAULT => Left::StepFault,
        reason::REPLAY => Left::Replay { host },
        reason::STALE => Left::Stale { host: value },
        reason::TRAP => Left::Trap { host, is_breakpoint: why & 0x80 != 0 },
        reason::HELPER => Left::Helper { host, exit: helper_exit(why >> 8) },
        _ => Left::Interrupted,
    };
    if rest.is_copied() {
        boundary::end(thread);
    }
    left
}

fn helper_exit(code: u32) -> HelperExit {
    const ALL: [HelperExit; 5] =
        [HelperExit::Continue, HelperExit::Resync, HelperExit::Fault, HelperExit::Jump, HelperExit::Syscall];
    ALL.iter().copied().find(|exit| *exit as u32 == code).unwrap_or(HelperExit::Jump)
}

/// The guest address in a stub's data, and the address after it.
fn stub_target(data: u64, far: bool) -> (u64, u64) {
    // SAFETY: the data that the translator put behind the stub's call.
    unsafe {
        if far {
            ((data as *const u64).read_unaligned(), data + 8)
        } else {
            (data.wrapping_add((data as *const i32).read_unaligned() as i64 as u64), data + 4)
        }
    }
}

/// The stub of a jump not yet chained; `data` is behind its call.
fn jump(data: u64, far: bool) -> Left {
    let (target, after) = stub_target(data, far);
    // SAFETY: the stub's last field, of three bytes: distance back to the jump.
    let back = unsafe {
        (after as *const u16).read_unaligned() as u32 | (*(after as *const u8).add(2) as u32) << 16
    };
    Left::Jump {
        target,
        site: (after - back as u64) as *const u8,
        stub: (data - STUB_CALL as u64) as *const u8,
    }
}

/// # Safety
/// See [`Generator::patch`].
unsafe fn patch(site: *mut u8, target: *const u8) {
    let rel = target as i64 - site as i64 - 4;
    debug_assert!(site as usize % 64 <= 60, "the rel32 lies within a cache line (Asm::keep_rel32_whole)");
    // SAFETY: `site` is a rel32 field of an emitted jump. Other threads may execute it meanwhile:
    // they see the old or the new target, since it lies within a cache line and one MOV stores it.
    // (Rust's atomics want alignment, which the field has not.)
    unsafe {
        core::arch::asm!("mov dword ptr [{}], {:e}", in(reg) site, in(reg) rel as i32, options(nostack, preserves_flags));
    }
}

/// # Safety
/// See [`Generator::watch`].
unsafe fn watch(site: *mut u8) {
    // SAFETY: the opcode of an emitted instruction that is to be a jump to its immediate. Other
    // threads may execute it meanwhile: they see the old byte or the new.
    unsafe { site.write_volatile(JUMP) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_aes_is_the_references() {
        let mut a = 0x0123_4567_89ab_cdef_0011_2233_4455_6677u128;
        for op in [VOp::AesEncLast, VOp::AesDecLast, VOp::AesMixColumns, VOp::AesInvMixColumns] {
            for _ in 0..50 {
                let want = aes_step(op, a);
                assert_eq!(aes(op, a), want, "{op:?} {a:#x}");
                a = a.rotate_left(7) ^ want;
            }
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!((0..16).all(|flags| nzcv(flag_word(flags)) == flags));
        let words = backend::<crate::fp::tests::NoLift>().words;
        let all = FpWord(0x1f80 | 0x3f);
        assert_eq!(((words.fp_flags)(all), (words.fp_cleared)(all)), (0x1f, MXCSR_START));
        assert_eq!(fp_rounding(fp_rounding(all, Rounding::Zero), Rounding::NearestEven), all);
    }
}
