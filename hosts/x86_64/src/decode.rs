//! Reads back the host instructions that the translator emits: how long each is, where control goes
//! from it, and what in it depends on its own place.
//!
//! It knows the formats of [`super::asm`] and their kin (Intel SDM volume 2, chapter 2 and appendix
//! A), no more: what it does not know it does not guess.

/// Where control goes after a host instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// To the next one.
    Next,
    /// Jump to an address.
    Jump(u64),
    /// Jump to an address on a condition (the lower half of Jcc's opcode).
    Cond(u8, u64),
    /// JRCXZ to an address.
    IfZero(u64),
    /// Call of an address.
    Call(u64),
    /// Jump to an address in memory.
    JumpMem,
    /// Call of an address in memory.
    CallMem,
    /// Jump to an address in memory at a distance from RBP, which points at the thread's state.
    JumpField(i32),
    /// Call of such an address.
    CallField(i32),
    /// Return.
    Ret,
}

/// A host instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HostInsn {
    /// Bytes.
    pub len: usize,
    /// Where control goes.
    pub flow: Flow,
    /// Where in it a 32-bit distance from its end stands: of a jump, a call, or an operand in
    /// memory.
    pub rel32: Option<usize>,
}

/// No instruction is longer.
pub(crate) const MAX: usize = 15;

/// The instruction that begins with `bytes` and stands at `at`. `None` if it is not one of those
/// that are emitted, or not whole.
pub(crate) fn decode(bytes: &[u8], at: u64) -> Option<HostInsn> {
    let mut p = 0;
    let (mut wide, mut half) = (false, false);
    while let 0x66 | 0x67 | 0xf0 | 0xf2 | 0xf3 = *bytes.get(p)? {
        half |= bytes[p] == 0x66;
        p += 1;
    }
    let (map, opcode);
    match *bytes.get(p)? {
        0xc5 => {
            map = 1;
            p += 2;
        }
        0xc4 => {
            map = bytes.get(p + 1)? & 31;
            p += 3;
        }
        mut first => {
            if first & 0xf0 == 0x40 {
                wide = first & 8 != 0;
                p += 1;
                first = *bytes.get(p)?;
            }
            map = match (first, bytes.get(p + 1)) {
                (0x0f, Some(0x38)) => 2,
                (0x0f, Some(0x3a)) => 3,
                (0x0f, _) => 1,
                _ => 0,
            };
            p += [0, 1, 2, 2][map as usize];
        }
    }
    opcode = *bytes.get(p)?;
    p += 1;
    let full = if half { 2 } else { 4 };
    // Whether there is a ModRM byte, and the bytes of the immediate.
    let (has_modrm, mut immediate) = match (map, opcode) {
        (0, 0x00..=0x3f) => match opcode & 7 {
            0..=3 => (true, 0),
            4 => (false, 1),
            5 => (false, full),
            _ => return None,
        },
        (0, 0x50..=0x5f | 0x90..=0x99 | 0x9b..=0x9f | 0xc3 | 0xcc | 0xf5 | 0xf8 | 0xf9) => (false, 0),
        (0, 0x68 | 0xa9) => (false, full),
        (0, 0x6a | 0x70..=0x7f | 0xa8 | 0xb0..=0xb7 | 0xe3 | 0xeb) => (false, 1),
        (0, 0x69 | 0x81 | 0xc7) => (true, full),
        (0, 0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6) => (true, 1),
        (0, 0xb8..=0xbf) => (false, if wide { 8 } else { full }),
        (0, 0xe8 | 0xe9) => (false, 4),
        (0, 0x63 | 0x84..=0x8f | 0xd0..=0xd3 | 0xf6 | 0xf7 | 0xfe | 0xff) => (true, 0),
        (1, 0x05 | 0x0b | 0x77 | 0xa2 | 0xc8..=0xcf) => (false, 0),
        (1, 0x80..=0x8f) => (false, 4),
        (1, 0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6) => (true, 1),
        (1, 0x10..=0x6f | 0x74..=0x7f | 0x90..=0x9f | 0xa3 | 0xa5 | 0xab | 0xad..=0xff) => (true, 0),
        (2, _) => (true, 0),
        (3, _) => (true, 1),
        _ => return None,
    };
    let mut rel32 = None;
    let mut register = 0;
    let mut in_memory = false;
    let mut from_rbp = None;
    if has_modrm {
        let modrm = *bytes.get(p)?;
        p += 1;
        register = modrm >> 3 & 7;
        let (mode, rm) = (modrm >> 6, modrm & 7);
        in_memory = mode != 3;
        let base = if in_memory && rm == 4 {
            p += 1;
            bytes.get(p - 1)? & 7
        } else {
            rm
        };
        match mode {
            0 if rm == 5 => {
                rel32 = Some(p);
                p += 4;
            }
            0 if rm == 4 && base == 5 => p += 4,
            1 => p += 1,
            2 => {
                if rm == 5 {
                    from_rbp = bytes.get(p..p + 4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                }
                p += 4;
            }
            _ => {}
        }
        if map == 0 && register < 2 {
            immediate += match opcode {
                0xf6 => 1,
                0xf7 => full,
                _ => 0,
            };
        }
    }
    let len = p + immediate;
    let field = bytes.get(p..len)?;
    let next = at.wrapping_add(len as u64);
    let target = match *field {
        [b] => next.wrapping_add(b as i8 as u64),
        [a, b, c, d] => next.wrapping_add(i32::from_le_bytes([a, b, c, d]) as u64),
        _ => 0,
    };
    let flow = match (map, opcode) {
        (0, 0xe9 | 0xeb) => Flow::Jump(target),
        (0, 0x70..=0x7f) | (1, 0x80..=0x8f) => Flow::Cond(opcode & 15, target),
        (0, 0xe3) => Flow::IfZero(target),
        (0, 0xe8) => Flow::Call(target),
        (0, 0xc3) => Flow::Ret,
        (0, 0xff) if in_memory && register == 4 => from_rbp.map_or(Flow::JumpMem, Flow::JumpField),
        (0, 0xff) if in_memory && register == 2 => from_rbp.map_or(Flow::CallMem, Flow::CallField),
        (0, 0xff) if matches!(register, 2..=5) => return None,
        _ => Flow::Next,
    };
    if matches!((map, opcode), (0, 0xe8 | 0xe9) | (1, 0x80..=0x8f)) {
        rel32 = Some(p);
    }
    Some(HostInsn { len, flow, rel32 })
}

/// Whether a condition (the lower half of Jcc's opcode) holds with these EFLAGS.
pub(crate) fn holds(condition: u8, eflags: u64) -> bool {
    let bit = |n: u32| eflags >> n & 1 != 0;
    let (cf, pf, zf, sf, of) = (bit(0), bit(2), bit(6), bit(7), bit(11));
    let positive = match condition >> 1 & 7 {
        0 => of,
        1 => cf,
        2 => zf,
        3 => cf || zf,
        4 => sf,
        5 => pf,
        6 => sf != of,
        _ => zf || sf != of,
    };
    positive != (condition & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::super::asm::{Asm, Cc, Mem, NONE, Op, Rm, Sh, reg::*, v};
    use super::*;

    /// What is emitted is one instruction of that flow, with or without a distance of 32 bits in
    /// it.
    fn check(flow: fn(u64, u64) -> Flow, has_rel32: bool, emit: impl Fn(&mut Asm)) {
        for avx in [false, true] {
            let mut buffer = [0u8; 64];
            let start = buffer.as_mut_ptr();
            let mut a = Asm { p: start, end: start.wrapping_add(64), avx, label: core::ptr::null_mut() };
            emit(&mut a);
            let (at, next) = (start as u64, a.p as u64);
            let bytes = &buffer[..(next - at) as usize];
            assert!(decode(&bytes[..bytes.len() - 1], at).is_none(), "not whole: {bytes:x?}");
            let got = decode(bytes, at).unwrap_or_else(|| panic!("{bytes:x?}"));
            let want = (bytes.len(), flow(at, next), has_rel32);
            assert_eq!((got.len, got.flow, got.rel32.is_some()), want, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_emitted_is_read_back() {
        let plain = |_, _| Flow::Next;
        let memories = [
            Mem::base(RBP, 0),
            Mem::base(RBP, -5),
            Mem::base(R13, 0),
            Mem::base(RSP, 8),
            Mem::base(R12, 0x1234),
            Mem::base(RBX, 0),
            Mem::index(RBX, R9, 3, 0),
            Mem::index(R13, RCX, 0, 0),
            Mem::index(RBP, RCX, 2, 0x4000),
            Mem { base: NONE, ..Mem::base(RBX, 0x4000) },
            Mem { narrow: true, ..Mem::index(R13, RCX, 0, 8) },
        ];
        for m in memories {
            for w in [false, true] {
                check(plain, false, |a| a.mov(w, R9, m));
                check(plain, false, |a| a.mov_store(w, m, RAX));
                check(plain, false, |a| a.alu_imm(Op::Add, w, m, 7));
                check(plain, false, |a| a.alu_imm(Op::Cmp, w, m, 0x777));
                check(plain, false, |a| a.test_imm(w, m, 0x777));
                check(plain, false, |a| a.mov_store_imm(w, m, 5));
                check(plain, false, |a| a.bt_imm(w, m, 5));
                check(plain, false, |a| a.mul(w, m));
                check(plain, false, |a| a.rorx(w, R8, m, 3));
            }
            for bytes in [1, 2, 4, 8] {
                check(plain, false, |a| a.lock_cmpxchg(bytes, m, RSI));
                check(plain, false, |a| a.lock_xadd(bytes, m, RSI));
                check(plain, false, |a| a.xchg(bytes, m, R14));
            }
            check(plain, false, |a| a.mov_store16(m, R9));
            check(plain, false, |a| a.mov16_imm(m, 0x5555));
            check(plain, false, |a| a.cmp8_imm(m, 1));
            check(plain, false, |a| a.v2(v(1, 2, 0x17), 9, m));
            check(plain, false, |a| a.v2i(v(1, 1, 0x70), 9, m, 0xee));
            check(|_, _| Flow::JumpMem, false, |a| a.jmp_rm(m));
            check(|_, _| Flow::CallMem, false, |a| a.call_rm(m));
        }
        for imm in [1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 0x1234_5678_9abc] {
            check(plain, false, |a| a.mov_imm(R9, imm));
            check(plain, false, |a| a.mov_imm(RAX, imm));
        }
        check(plain, false, |a| a.alu_imm(Op::And, true, Rm::R(RAX), 0x777));
        check(plain, false, |a| a.shift_imm(Sh::Shl, true, Rm::R(R9), 1));
        check(plain, false, |a| a.shift_imm(Sh::Shl, true, Rm::R(R9), 3));
        check(plain, false, |a| a.shrd(true, RAX, RCX, 3));
        check(plain, false, |a| a.crc32(2, RAX, RCX));
        check(plain, true, |a| a.lea_rip(R9, 0x1000));
        check(plain, false, |a| a.push(R9));
        check(plain, false, |a| a.setcc(Cc::Ne, RSI));
        check(plain, false, |a| a.bswap(true, R9));
        check(plain, false, Asm::lahf);
        check(|_, _| Flow::Ret, false, Asm::ret);
        check(
            |at, _| Flow::Call(at + 0x1000),
            true,
            |a| {
                let target = a.p.wrapping_add(0x1000);
                let site = a.call_near();
                a.bind_near_to(site, target);
            },
        );
        check(|at, _| Flow::Jump(at - 0x1000), true, |a| a.jmp_to((a.p as usize - 0x1000) as *const u8));
        check(|_, next| Flow::Cond(Cc::P as u8, next), true, |a| _ = a.jcc_near(Cc::P));
        check(|_, next| Flow::Cond(Cc::Le as u8, next), false, |a| _ = a.jcc_short(Cc::Le));
        check(|_, next| Flow::Jump(next), false, |a| _ = a.jmp_short());
        check(
            |_, next| Flow::IfZero(next + 5),
            false,
            |a| {
                a.b(0xe3);
                a.b(5);
            },
        );
    }

    #[test]
    fn conditions_are_the_processors() {
        macro_rules! rows {
            ($($condition:literal)*) => { [$({
                fn holds_here(eflags: u64) -> bool {
                    let set: u8;
                    // SAFETY: sets the status flags and reads them by one condition; the stack is
                    // afterwards what it was.
                    unsafe {
                        core::arch::asm!("push {f}", "popfq", concat!("set", $condition, " {s}"),
                            f = in(reg) eflags | 2, s = out(reg_byte) set);
                    }
                    set != 0
                }
                holds_here as fn(u64) -> bool
            }),*] };
        }
        let rows = rows!("o" "no" "b" "ae" "e" "ne" "be" "a" "s" "ns" "p" "np" "l" "ge" "le" "g");
        for (condition, holds_here) in rows.into_iter().enumerate() {
            for eflags in (0..1u64 << 12).filter(|f| f & !0x8c5 == 0) {
                assert_eq!(holds(condition as u8, eflags), holds_here(eflags), "{condition} {eflags:#x}");
            }
        }
    }
}
