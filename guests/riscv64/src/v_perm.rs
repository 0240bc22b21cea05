//! Mask instructions (chapter 15) and permutations (chapter 16).

use crate::decode::Insn;
use crate::v::{Done, Group, Unit, legal, play, vectors, vectors_and_result};
use crate::v_fast::perm::{self, Pushed};
use crate::v_fast::{self, mask::Around};
use anyarch_engine::ops::{Helper, HelperExit, Ops};
use anyarch_engine::state::Cpu;

crate::rows! {
    "011000 1 vs2:5 vs1:5 010 vd:5 1010111" Vmandn mask_logic[Logic::AndNot];
    "011001 1 vs2:5 vs1:5 010 vd:5 1010111" Vmand mask_logic[Logic::And];
    "011010 1 vs2:5 vs1:5 010 vd:5 1010111" Vmor mask_logic[Logic::Or];
    "011011 1 vs2:5 vs1:5 010 vd:5 1010111" Vmxor mask_logic[Logic::Xor];
    "011100 1 vs2:5 vs1:5 010 vd:5 1010111" Vmorn mask_logic[Logic::OrNot];
    "011101 1 vs2:5 vs1:5 010 vd:5 1010111" Vmnand mask_logic[Logic::Nand];
    "011110 1 vs2:5 vs1:5 010 vd:5 1010111" Vmnor mask_logic[Logic::Nor];
    "011111 1 vs2:5 vs1:5 010 vd:5 1010111" Vmxnor mask_logic[Logic::Xnor];
    "010000 m vs2:5 10000 010 rd:5 1010111" VcpopM other[Kind::CountMask];
    "010000 m vs2:5 10001 010 rd:5 1010111" VfirstM other[Kind::FirstMask];
    "010100 m vs2:5 00001 010 vd:5 1010111" VmsbfM other[Kind::BeforeFirst];
    "010100 m vs2:5 00010 010 vd:5 1010111" VmsofM other[Kind::OnlyFirst];
    "010100 m vs2:5 00011 010 vd:5 1010111" VmsifM other[Kind::IncludingFirst];
    "010100 m vs2:5 10000 010 vd:5 1010111" ViotaM other[Kind::Iota];
    "010100 m 00000 10001 010 vd:5 1010111" VidV other[Kind::Id];

    "010000 1 vs2:5 00000 010 rd:5 1010111" VmvXS other[Kind::ToX];
    "010000 1 00000 rs1:5 110 vd:5 1010111" VmvSX other[Kind::FromX];
    "001110 m vs2:5 rs1:5 100 vd:5 1010111" VslideupVx other[Kind::SlideUp];
    "001110 m vs2:5 uimm:5 011 vd:5 1010111" VslideupVi other[Kind::SlideUp];
    "001111 m vs2:5 rs1:5 100 vd:5 1010111" VslidedownVx other[Kind::SlideDown];
    "001111 m vs2:5 uimm:5 011 vd:5 1010111" VslidedownVi other[Kind::SlideDown];
    "001110 m vs2:5 rs1:5 110 vd:5 1010111" Vslide1upVx other[Kind::Slide1Up];
    "001111 m vs2:5 rs1:5 110 vd:5 1010111" Vslide1downVx other[Kind::Slide1Down];
    "001100 m vs2:5 vs1:5 000 vd:5 1010111" VrgatherVv other[Kind::Gather];
    "001110 m vs2:5 vs1:5 000 vd:5 1010111" Vrgatherei16Vv other[Kind::Gather16];
    "001100 m vs2:5 rs1:5 100 vd:5 1010111" VrgatherVx other[Kind::GatherScalar];
    "001100 m vs2:5 uimm:5 011 vd:5 1010111" VrgatherVi other[Kind::GatherScalar];
    "010111 1 vs2:5 vs1:5 010 vd:5 1010111" VcompressVm other[Kind::Compress];
    "100111 1 vs2:5 00000 011 vd:5 1010111" Vmv1r other[Kind::Whole];
    "100111 1 vs2:5 00001 011 vd:5 1010111" Vmv2r other[Kind::Whole];
    "100111 1 vs2:5 00011 011 vd:5 1010111" Vmv4r other[Kind::Whole];
    "100111 1 vs2:5 00111 011 vd:5 1010111" Vmv8r other[Kind::Whole];
}

crate::v::numbered! {
    /// Operations on masks.
    Logic { AndNot And Or Xor OrNot Nand Nor Xnor }
}

crate::v::numbered! {
    /// Everything else.
    Kind {
        CountMask FirstMask BeforeFirst OnlyFirst IncludingFirst Iota Id
        ToX FromX SlideUp SlideDown Slide1Up Slide1Down Gather Gather16 GatherScalar Compress Whole
    }
}

fn mask_logic<O: Ops>(o: &mut O, i: Insn, op: Logic) {
    let arg = i.word as u64 | (op as u64) << 32;
    if !v_fast::mask::logic(o, i, op, MASK, arg) {
        o.helper(MASK, arg);
    }
}

fn other<O: Ops>(o: &mut O, i: Insn, kind: Kind) {
    let arg = i.word as u64 | (kind as u64) << 32;
    let around = |o, what| v_fast::mask::around(o, i, what, PERMUTE, arg);
    let done = match kind {
        Kind::CountMask => v_fast::mask::look(o, i, false, PERMUTE, arg),
        Kind::FirstMask => v_fast::mask::look(o, i, true, PERMUTE, arg),
        Kind::BeforeFirst => around(o, Around::Before),
        Kind::OnlyFirst => around(o, Around::Only),
        Kind::IncludingFirst => around(o, Around::Including),
        Kind::ToX => perm::to_x(o, i, PERMUTE, arg),
        Kind::FromX => perm::from_x(o, i, PERMUTE, arg),
        Kind::Whole => perm::whole(o, i, PERMUTE, arg),
        Kind::Id => v_fast::int::id(o, i, PERMUTE, arg),
        Kind::SlideUp if i.bits(12, 3) == 3 => perm::slide_up(o, i, PERMUTE, arg),
        Kind::SlideDown if i.bits(12, 3) == 3 => perm::slide_down(o, i, PERMUTE, arg),
        Kind::SlideUp => perm::slide_by_register(o, i, true, PERMUTE, arg),
        Kind::SlideDown => perm::slide_by_register(o, i, false, PERMUTE, arg),
        Kind::Slide1Up => perm::slide1(o, i, true, Pushed::X, PERMUTE, arg),
        Kind::Slide1Down => perm::slide1(o, i, false, Pushed::X, PERMUTE, arg),
        Kind::Gather => perm::gather(o, i, false, PERMUTE, arg),
        Kind::Gather16 => perm::gather(o, i, true, PERMUTE, arg),
        Kind::GatherScalar => perm::gather_one(o, i, PERMUTE, arg),
        _ => false,
    };
    if !done {
        o.helper(PERMUTE, arg);
    }
}

/// The low `n` bits.
fn below(n: usize) -> u128 {
    1u128.checked_shl(n as u32).unwrap_or(0).wrapping_sub(1)
}

const MASK: Helper = Helper { function: mask_helper, effects: vectors };

extern "C" fn mask_helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| {
        let (a, b) = (*u.whole(u.vs2()), *u.whole(u.vs1()));
        let value = match Logic::from_arg(arg) {
            Logic::AndNot => a & !b,
            Logic::And => a & b,
            Logic::Or => a | b,
            Logic::Xor => a ^ b,
            Logic::OrNot => a | !b,
            Logic::Nand => !(a & b),
            Logic::Nor => !(a | b),
            Logic::Xnor => !(a ^ b),
        };
        let body = if u.vstart < u.vl { below(u.vl) & !below(u.vstart) } else { 0 };
        let d = u.whole(u.vd());
        *d = *d & !body | value & body;
        Ok(())
    })
}

const PERMUTE: Helper = Helper { function: helper, effects: vectors_and_result };

extern "C" fn helper(cpu: &mut Cpu, arg: u64) -> HelperExit {
    play(cpu, arg, true, |u| match Kind::from_arg(arg) {
        kind @ (Kind::CountMask | Kind::FirstMask) => look_at_mask(u, kind),
        kind @ (Kind::BeforeFirst | Kind::OnlyFirst | Kind::IncludingFirst) => around_first(u, kind),
        Kind::Iota => iota(u),
        Kind::Id => id(u),
        Kind::ToX => {
            let value = crate::v::sign(u.sew, u.get(u.vs2(), u.sew, 0));
            u.set_x(u.i.d(), value as u64);
            Ok(())
        }
        Kind::FromX => {
            if u.vstart < u.vl {
                let value = u.x(u.i.s1());
                u.set(u.vd(), u.sew, 0, value);
            }
            Ok(())
        }
        Kind::SlideUp => slide_up(u),
        Kind::SlideDown => slide_down(u),
        Kind::Slide1Up => {
            let value = u.x(u.i.s1());
            slide1(u, true, value)
        }
        Kind::Slide1Down => {
            let value = u.x(u.i.s1());
            slide1(u, false, value)
        }
        kind @ (Kind::Gather | Kind::Gather16 | Kind::GatherScalar) => gather(u, kind),
        Kind::Compress => compress(u),
        Kind::Whole => whole(u),
    })
}

fn look_at_mask(u: &mut Unit<'_>, kind: Kind) -> Done {
    u.begins_at_zero()?;
    let mask = if u.unmasked() { u128::MAX } else { *u.whole(0) };
    let set = *u.whole(u.vs2()) & mask & below(u.vl);
    let value = match kind {
        Kind::CountMask => set.count_ones() as u64,
        _ if set == 0 => u64::MAX,
        _ => set.trailing_zeros() as u64,
    };
    u.set_x(u.i.d(), value);
    Ok(())
}

fn around_first(u: &mut Unit<'_>, kind: Kind) -> Done {
    u.begins_at_zero()?;
    legal(u.vd() != u.vs2() && (u.unmasked() || u.vd() != 0))?;
    let mut found = false;
    for n in 0..u.vl {
        if !u.active(n) {
            continue;
        }
        let here = !found && u.bit(u.vs2(), n);
        let value = match kind {
            Kind::BeforeFirst => !found && !here,
            Kind::OnlyFirst => here,
            _ => !found,
        };
        found |= here;
        u.set_bit(u.vd(), n, value);
    }
    Ok(())
}

fn iota(u: &mut Unit<'_>) -> Done {
    u.begins_at_zero()?;
    let d = u.group(u.vd(), u.sew)?;
    legal(!d.overlaps(Group::mask(u.vs2())))?;
    u.destination(d, &[])?;
    let mut count = 0;
    for n in 0..u.vl {
        if u.active(n) {
            u.set(d.reg, u.sew, n, count);
            count += u.bit(u.vs2(), n) as u64;
        }
    }
    Ok(())
}

fn id(u: &mut Unit<'_>) -> Done {
    let d = u.group(u.vd(), u.sew)?;
    u.destination(d, &[])?;
    for n in u.vstart..u.vl {
        if u.active(n) {
            u.set(d.reg, u.sew, n, n as u64);
        }
    }
    Ok(())
}

/// The two groups of a permutation, which may overlap only if `in_place`.
fn groups(u: &Unit<'_>, in_place: bool) -> Result<(Group, Group), crate::v::Stop> {
    let (d, a) = (u.group(u.vd(), u.sew)?, u.group(u.vs2(), u.sew)?);
    u.sources(&[a])?;
    u.destination(d, &[a])?;
    legal(in_place || !d.overlaps(a))?;
    Ok((d, a))
}

fn slide_up(u: &mut Unit<'_>) -> Done {
    let (d, a) = groups(u, false)?;
    let offset = u.scalar(false).min(u.vl as u64) as usize;
    for n in u.vstart.max(offset)..u.vl {
        if u.active(n) {
            let value = u.get(a.reg, u.sew, n - offset);
            u.set(d.reg, u.sew, n, value);
        }
    }
    Ok(())
}

fn slide_down(u: &mut Unit<'_>) -> Done {
    let (d, a) = groups(u, true)?;
    let (offset, max) = (u.scalar(false), u.vlmax() as u64);
    for n in u.vstart..u.vl {
        if u.active(n) {
            let from = offset.saturating_add(n as u64);
            let value = if from < max { u.get(a.reg, u.sew, from as usize) } else { 0 };
            u.set(d.reg, u.sew, n, value);
        }
    }
    Ok(())
}

/// VSLIDE1UP and VSLIDE1DOWN, and those that take a floating-point scalar.
pub(crate) fn slide1(u: &mut Unit<'_>, up: bool, scalar: u64) -> Done {
    let (d, a) = groups(u, !up)?;
    for n in u.vstart..u.vl {
        if u.active(n) {
            let value = match (up, n) {
                (true, 0) => scalar,
                (true, _) => u.get(a.reg, u.sew, n - 1),
                (false, _) if n + 1 == u.vl => scalar,
                (false, _) => u.get(a.reg, u.sew, n + 1),
            };
            u.set(d.reg, u.sew, n, value);
        }
    }
    Ok(())
}

fn gather(u: &mut Unit<'_>, kind: Kind) -> Done {
    let (d, a) = groups(u, false)?;
    let ew = if kind == Kind::Gather16 { 1 } else { u.sew };
    let index = if kind == Kind::GatherScalar { None } else { Some(u.group(u.vs1(), ew)?) };
    if let Some(index) = index {
        u.sources(&[a, index])?;
        legal(!d.overlaps(index))?;
    }
    let (scalar, max) = (u.scalar(false), u.vlmax() as u64);
    for n in u.vstart..u.vl {
        if u.active(n) {
            let from = index.map_or(scalar, |g| u.get(g.reg, ew, n));
            let value = if from < max { u.get(a.reg, u.sew, from as usize) } else { 0 };
            u.set(d.reg, u.sew, n, value);
        }
    }
    Ok(())
}

fn compress(u: &mut Unit<'_>) -> Done {
    u.begins_at_zero()?;
    let (d, a) = groups(u, false)?;
    let mask = Group::mask(u.vs1());
    u.sources(&[a, mask])?;
    legal(!d.overlaps(mask))?;
    let mut to = 0;
    for n in 0..u.vl {
        if u.bit(mask.reg, n) {
            let value = u.get(a.reg, u.sew, n);
            u.set(d.reg, u.sew, to, value);
            to += 1;
        }
    }
    Ok(())
}

fn whole(u: &mut Unit<'_>) -> Done {
    let registers = u.i.s1() + 1;
    legal((u.vd() | u.vs2()) & (registers - 1) == 0)?;
    for n in u.vstart..(16 * registers as usize) >> u.sew {
        let value = u.get(u.vs2(), u.sew, n);
        u.set(u.vd(), u.sew, n, value);
    }
    Ok(())
}
