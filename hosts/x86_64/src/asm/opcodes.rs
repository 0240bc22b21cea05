//! Opcodes by the manual's mnemonics (Intel SDM volume 2, chapters 3 to 6).
//!
//! A name in the plural of a family (`PADD` for PADDB, PADDW, PADDD and PADDQ) is an array by the
//! log2 of the lane's bytes, or a function of it where the host has no such instruction for bytes.
//! `_STORE` marks the form whose first operand is memory or a general register, where that form has
//! another opcode.
//!
//! Instructions on general registers have their opcodes in the methods of [`Asm`](super::Asm),
//! which are named after them.

use super::{VEnc, v, vw};

/// An opcode of the 0F map with its extension, which stands in place of ModRM's register.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    pub(crate) op: u8,
    pub(crate) ext: u8,
}

// Moves.
pub(crate) const MOVUPS: VEnc = v(0, 1, 0x10);
pub(crate) const MOVUPS_STORE: VEnc = v(0, 1, 0x11);
pub(crate) const MOVAPS: VEnc = v(0, 1, 0x28);
pub(crate) const MOVAPS_STORE: VEnc = v(0, 1, 0x29);
pub(crate) const MOVSD: VEnc = v(3, 1, 0x10);
pub(crate) const MOVD: VEnc = v(1, 1, 0x6e);
pub(crate) const MOVD_STORE: VEnc = v(1, 1, 0x7e);
/// Between vector registers, or from memory.
pub(crate) const MOVQ: VEnc = v(2, 1, 0x7e);
pub(crate) const MOVQ_STORE: VEnc = v(1, 1, 0xd6);
/// From a general register.
pub(crate) const MOVQ_FROM_GPR: VEnc = vw(1, 1, 0x6e);
/// To a general register.
pub(crate) const MOVQ_TO_GPR: VEnc = vw(1, 1, 0x7e);
/// The low half of a register, from or to memory, and the high one: the other half stays.
pub(crate) const MOVLPS: VEnc = v(0, 1, 0x12);
pub(crate) const MOVLPS_STORE: VEnc = v(0, 1, 0x13);
pub(crate) const MOVHPS: VEnc = v(0, 1, 0x16);
pub(crate) const MOVHPS_STORE: VEnc = v(0, 1, 0x17);
pub(crate) const MOVDDUP: VEnc = v(3, 1, 0x12);
/// Loads of one lane, zero above: MOVSS, MOVSD.
pub(crate) const fn movs(es: u8) -> VEnc {
    v(es, 1, 0x10)
}
/// Stores of one lane.
pub(crate) const fn movs_store(es: u8) -> VEnc {
    v(es, 1, 0x11)
}
/// The signs of lanes in a general register: PMOVMSKB (of 16-bit lanes too: of both bytes),
/// MOVMSKPS, MOVMSKPD.
pub(crate) const MOVMSK: [VEnc; 4] = [v(1, 1, 0xd7), v(1, 1, 0xd7), v(0, 1, 0x50), v(1, 1, 0x50)];
/// Stores of the lanes of 32 or 64 bits whose sign is set in a mask: VMASKMOVPS, VMASKMOVPD.
pub(crate) const VMASKMOVP_STORE: [VEnc; 2] = [v(1, 2, 0x2e), v(1, 2, 0x2f)];

/// General registers: the low bits of the first source where the second has ones. (BMI2)
pub(crate) const PDEP: VEnc = v(3, 2, 0xf5);

// Integer arithmetic.
pub(crate) const PADD: [VEnc; 4] = [v(1, 1, 0xfc), v(1, 1, 0xfd), v(1, 1, 0xfe), v(1, 1, 0xd4)];
pub(crate) const PSUB: [VEnc; 4] = [v(1, 1, 0xf8), v(1, 1, 0xf9), v(1, 1, 0xfa), v(1, 1, 0xfb)];
pub(crate) const PADDS: [VEnc; 2] = [v(1, 1, 0xec), v(1, 1, 0xed)];
pub(crate) const PADDUS: [VEnc; 2] = [v(1, 1, 0xdc), v(1, 1, 0xdd)];
pub(crate) const PSUBS: [VEnc; 2] = [v(1, 1, 0xe8), v(1, 1, 0xe9)];
pub(crate) const PSUBUS: [VEnc; 2] = [v(1, 1, 0xd8), v(1, 1, 0xd9)];
pub(crate) const PAVG: [VEnc; 2] = [v(1, 1, 0xe0), v(1, 1, 0xe3)];
pub(crate) const PABS: [VEnc; 3] = [v(1, 2, 0x1c), v(1, 2, 0x1d), v(1, 2, 0x1e)];
pub(crate) const PMINS: [VEnc; 3] = [v(1, 2, 0x38), v(1, 1, 0xea), v(1, 2, 0x39)];
pub(crate) const PMINU: [VEnc; 3] = [v(1, 1, 0xda), v(1, 2, 0x3a), v(1, 2, 0x3b)];
pub(crate) const PMAXS: [VEnc; 3] = [v(1, 2, 0x3c), v(1, 1, 0xee), v(1, 2, 0x3d)];
pub(crate) const PMAXU: [VEnc; 3] = [v(1, 1, 0xde), v(1, 2, 0x3e), v(1, 2, 0x3f)];
pub(crate) const PMULLW: VEnc = v(1, 1, 0xd5);
pub(crate) const PMULLD: VEnc = v(1, 2, 0x40);
pub(crate) const PMULHW: VEnc = v(1, 1, 0xe5);
pub(crate) const PMULHUW: VEnc = v(1, 1, 0xe4);
pub(crate) const PMULHRSW: VEnc = v(1, 2, 0x0b);
pub(crate) const PMULUDQ: VEnc = v(1, 1, 0xf4);
pub(crate) const PMULDQ: VEnc = v(1, 2, 0x28);
pub(crate) const PMADDWD: VEnc = v(1, 1, 0xf5);
pub(crate) const PMADDUBSW: VEnc = v(1, 2, 0x04);
pub(crate) const PSADBW: VEnc = v(1, 1, 0xf6);
/// PHADDW, PHADDD.
pub(crate) const PHADD: [VEnc; 2] = [v(1, 2, 0x01), v(1, 2, 0x02)];
pub(crate) const PHMINPOSUW: VEnc = v(1, 2, 0x41);
pub(crate) const PCLMULQDQ: VEnc = v(1, 3, 0x44);

// Comparisons and bits.
pub(crate) const PCMPEQ: [VEnc; 4] = [v(1, 1, 0x74), v(1, 1, 0x75), v(1, 1, 0x76), v(1, 2, 0x29)];
pub(crate) const PCMPGT: [VEnc; 4] = [v(1, 1, 0x64), v(1, 1, 0x65), v(1, 1, 0x66), v(1, 2, 0x37)];
pub(crate) const PAND: VEnc = v(1, 1, 0xdb);
pub(crate) const PANDN: VEnc = v(1, 1, 0xdf);
pub(crate) const POR: VEnc = v(1, 1, 0xeb);
pub(crate) const PXOR: VEnc = v(1, 1, 0xef);
pub(crate) const PTEST: VEnc = v(1, 2, 0x17);
pub(crate) const ANDPS: VEnc = v(0, 1, 0x54);
pub(crate) const ANDNPS: VEnc = v(0, 1, 0x55);
pub(crate) const ORPS: VEnc = v(0, 1, 0x56);
pub(crate) const XORPS: VEnc = v(0, 1, 0x57);

// Shifts.
/// PSLLW, PSLLD, PSLLQ by a constant.
pub(crate) const fn psll(es: usize) -> Group {
    Group { op: 0x70 + es as u8, ext: 6 }
}
/// PSRLW, PSRLD, PSRLQ by a constant.
pub(crate) const fn psrl(es: usize) -> Group {
    Group { op: 0x70 + es as u8, ext: 2 }
}
/// PSRAW, PSRAD by a constant.
pub(crate) const fn psra(es: usize) -> Group {
    Group { op: 0x70 + es as u8, ext: 4 }
}
pub(crate) const PSLLDQ: Group = Group { op: 0x73, ext: 7 };
pub(crate) const PSRLDQ: Group = Group { op: 0x73, ext: 3 };
/// AVX2, 32 and 64 bits: each lane by its own amount, zero (or sign) from the lane's width on.
pub(crate) const VPSLLV: [VEnc; 2] = [v(1, 2, 0x47), vw(1, 2, 0x47)];
pub(crate) const VPSRLV: [VEnc; 2] = [v(1, 2, 0x45), vw(1, 2, 0x45)];
pub(crate) const VPSRAVD: VEnc = v(1, 2, 0x46);

// Lanes that change places or widths.
pub(crate) const PUNPCKL: [VEnc; 4] = [v(1, 1, 0x60), v(1, 1, 0x61), v(1, 1, 0x62), v(1, 1, 0x6c)];
pub(crate) const PUNPCKH: [VEnc; 4] = [v(1, 1, 0x68), v(1, 1, 0x69), v(1, 1, 0x6a), v(1, 1, 0x6d)];
/// Zero extension from lanes of that size to the next: PMOVZXBW, PMOVZXWD, PMOVZXDQ.
pub(crate) const PMOVZX: [VEnc; 3] = [v(1, 2, 0x30), v(1, 2, 0x33), v(1, 2, 0x35)];
/// Sign extension from lanes of that size to the next: PMOVSXBW, PMOVSXWD, PMOVSXDQ.
pub(crate) const PMOVSX: [VEnc; 3] = [v(1, 2, 0x20), v(1, 2, 0x23), v(1, 2, 0x25)];
/// Packs lanes of the next size to that size, unsigned saturation: PACKUSWB, PACKUSDW.
pub(crate) const PACKUS: [VEnc; 2] = [v(1, 1, 0x67), v(1, 2, 0x2b)];
/// The same with signed saturation: PACKSSWB, PACKSSDW.
pub(crate) const PACKSS: [VEnc; 2] = [v(1, 1, 0x63), v(1, 1, 0x6b)];
pub(crate) const PSHUFB: VEnc = v(1, 2, 0x00);
pub(crate) const PSHUFD: VEnc = v(1, 1, 0x70);
pub(crate) const PSHUFLW: VEnc = v(3, 1, 0x70);
pub(crate) const PSHUFHW: VEnc = v(2, 1, 0x70);
pub(crate) const SHUFPS: VEnc = v(0, 1, 0xc6);
pub(crate) const SHUFPD: VEnc = v(1, 1, 0xc6);
pub(crate) const UNPCKLPS: VEnc = v(0, 1, 0x14);
pub(crate) const UNPCKLPD: VEnc = v(1, 1, 0x14);
pub(crate) const UNPCKHPD: VEnc = v(1, 1, 0x15);
pub(crate) const PALIGNR: VEnc = v(1, 3, 0x0f);
pub(crate) const PBLENDW: VEnc = v(1, 3, 0x0e);
pub(crate) const VPBLENDVB: VEnc = v(1, 3, 0x4c);
/// Lanes of 32 or 64 bits: VBLENDVPS, VBLENDVPD.
pub(crate) const VBLENDVP: [VEnc; 2] = [v(1, 3, 0x4a), v(1, 3, 0x4b)];
/// VPBROADCASTB, VPBROADCASTW.
pub(crate) const VPBROADCAST: [VEnc; 2] = [v(1, 2, 0x78), v(1, 2, 0x79)];
pub(crate) const BLENDPS: VEnc = v(1, 3, 0x0c);
pub(crate) const INSERTPS: VEnc = v(1, 3, 0x21);
/// To memory or a general register.
pub(crate) const EXTRACTPS: VEnc = v(1, 3, 0x17);
/// PEXTRB, PEXTRW (the form of 0F3A, to a general register or to memory), PEXTRD, PEXTRQ.
pub(crate) const PEXTR: [VEnc; 4] = [v(1, 3, 0x14), v(1, 3, 0x15), v(1, 3, 0x16), vw(1, 3, 0x16)];
/// PEXTRW in its older form, whose first operand is the general register.
pub(crate) const PEXTRW_GPR: VEnc = v(1, 1, 0xc5);
/// PINSRB, PINSRW, PINSRD, PINSRQ.
pub(crate) const PINSR: [VEnc; 4] = [v(1, 3, 0x20), v(1, 1, 0xc4), v(1, 3, 0x22), vw(1, 3, 0x22)];

// Cryptography.
pub(crate) const AESENC: VEnc = v(1, 2, 0xdc);
pub(crate) const AESENCLAST: VEnc = v(1, 2, 0xdd);
pub(crate) const AESDEC: VEnc = v(1, 2, 0xde);
pub(crate) const AESDECLAST: VEnc = v(1, 2, 0xdf);
pub(crate) const AESIMC: VEnc = v(1, 2, 0xdb);
pub(crate) const SHA1RNDS4: VEnc = v(0, 3, 0xcc);
pub(crate) const SHA256RNDS2: VEnc = v(0, 2, 0xcb);
pub(crate) const SHA256MSG1: VEnc = v(0, 2, 0xcc);
pub(crate) const SHA256MSG2: VEnc = v(0, 2, 0xcd);

// Floating point: opcodes of the 0F map whose prefix tells lane and number of lanes, as in ADDPS,
// ADDPD, ADDSS, ADDSD; see `arith`.
pub(crate) const SQRT: u8 = 0x51;
pub(crate) const ADD: u8 = 0x58;
pub(crate) const MUL: u8 = 0x59;
/// From single to double or from double to single, after the operand: CVTPS2PD, CVTPD2PS, CVTSS2SD,
/// CVTSD2SS.
pub(crate) const CVT: u8 = 0x5a;
pub(crate) const SUB: u8 = 0x5c;
pub(crate) const MIN: u8 = 0x5d;
pub(crate) const DIV: u8 = 0x5e;
pub(crate) const MAX: u8 = 0x5f;
pub(crate) const CMP: u8 = 0xc2;

/// The instruction of that opcode for lanes of `1 << es` bytes.
pub(crate) const fn arith(es: u8, scalar: bool, op: u8) -> VEnc {
    v(if scalar { es } else { es - 2 }, 1, op)
}
/// UCOMISS, UCOMISD.
pub(crate) const fn ucomis(es: u8) -> VEnc {
    v(es & 1, 1, 0x2e)
}
/// COMISS, COMISD.
pub(crate) const fn comis(es: u8) -> VEnc {
    v(es & 1, 1, 0x2f)
}
/// ROUNDPS, ROUNDPD.
pub(crate) const fn roundp(es: u8) -> VEnc {
    v(1, 3, 0x06 + es)
}
/// ROUNDSS, ROUNDSD.
pub(crate) const fn rounds(es: u8) -> VEnc {
    v(1, 3, 0x08 + es)
}
/// CVTSI2SS, CVTSI2SD from 32 bits or (`w`) 64.
pub(crate) const fn cvtsi2s(es: u8, w: bool) -> VEnc {
    VEnc { pp: es, map: 1, op: 0x2a, w }
}
/// CVTTSS2SI, CVTTSD2SI to 32 bits or (`w`) 64.
pub(crate) const fn cvtts2si(es: u8, w: bool) -> VEnc {
    VEnc { pp: es, map: 1, op: 0x2c, w }
}
/// CVTSS2SI, CVTSD2SI to 32 bits or (`w`) 64.
pub(crate) const fn cvts2si(es: u8, w: bool) -> VEnc {
    VEnc { pp: es, map: 1, op: 0x2d, w }
}
pub(crate) const CVTDQ2PS: VEnc = v(0, 1, 0x5b);
pub(crate) const CVTPS2DQ: VEnc = v(1, 1, 0x5b);
pub(crate) const CVTTPS2DQ: VEnc = v(2, 1, 0x5b);
pub(crate) const VCVTPH2PS: VEnc = v(1, 2, 0x13);
pub(crate) const VCVTPS2PH: VEnc = v(1, 3, 0x1d);

/// The four fused operations that have opcodes in a row.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Fused {
    /// VFMADD: c + ab.
    Madd = 0,
    /// VFMSUB: -c + ab.
    Msub = 2,
    /// VFNMADD: c - ab.
    Nmadd = 4,
    /// VFNMSUB: -c - ab.
    Nmsub = 6,
}

/// The form 231, with the addend in the first operand: VFMADD231PS and its kin.
pub(crate) const fn fma231(form: Fused, es: u8, scalar: bool) -> VEnc {
    VEnc { pp: 1, map: 2, op: 0xb8 + form as u8 + scalar as u8, w: es == 3 }
}
/// The form 213, with the addend in the third operand: VFMADD213PS and its kin.
pub(crate) const fn fma213(form: Fused, es: u8, scalar: bool) -> VEnc {
    VEnc { pp: 1, map: 2, op: 0xa8 + form as u8 + scalar as u8, w: es == 3 }
}
