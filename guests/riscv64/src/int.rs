//! Integer instructions: RV64I, M, Zba, Zbb, Zbc, Zbs, Zbkb, Zbkx, Zicond, Zimop.

use crate::decode::Insn;
use anyarch_engine::ops::{
    Addr, Alu, Cmp, Cond, DivZero, Effects, Ext, Helper, HelperExit, LoadExt, MemOrder, Mul, Ops, R, Sel,
    Shift, Size, Src, Unary, V, VArgs, W,
};
use anyarch_engine::state::Cpu;
use anyarch_engine::vec::VOp;

crate::rows! {
    "imm:20 rd:5 0110111" Lui lui;
    "imm:20 rd:5 0010111" Auipc auipc;
    "imm:20 rd:5 1101111" Jal jal;
    "imm:12 rs1:5 000 rd:5 1100111" Jalr jalr;
    "im:7 rs2:5 rs1:5 000 im2:5 1100011" Beq branch[Cmp::Eq];
    "im:7 rs2:5 rs1:5 001 im2:5 1100011" Bne branch[Cmp::Ne];
    "im:7 rs2:5 rs1:5 100 im2:5 1100011" Blt branch[Cmp::Lt];
    "im:7 rs2:5 rs1:5 101 im2:5 1100011" Bge branch[Cmp::Ge];
    "im:7 rs2:5 rs1:5 110 im2:5 1100011" Bltu branch[Cmp::Ltu];
    "im:7 rs2:5 rs1:5 111 im2:5 1100011" Bgeu branch[Cmp::Geu];

    "imm:12 rs1:5 000 rd:5 0000011" Lb load[Size::B1, LoadExt::Sign64];
    "imm:12 rs1:5 001 rd:5 0000011" Lh load[Size::B2, LoadExt::Sign64];
    "imm:12 rs1:5 010 rd:5 0000011" Lw load[Size::B4, LoadExt::Sign64];
    "imm:12 rs1:5 011 rd:5 0000011" Ld load[Size::B8, LoadExt::Zero];
    "imm:12 rs1:5 100 rd:5 0000011" Lbu load[Size::B1, LoadExt::Zero];
    "imm:12 rs1:5 101 rd:5 0000011" Lhu load[Size::B2, LoadExt::Zero];
    "imm:12 rs1:5 110 rd:5 0000011" Lwu load[Size::B4, LoadExt::Zero];
    "im:7 rs2:5 rs1:5 000 im2:5 0100011" Sb store[Size::B1];
    "im:7 rs2:5 rs1:5 001 im2:5 0100011" Sh store[Size::B2];
    "im:7 rs2:5 rs1:5 010 im2:5 0100011" Sw store[Size::B4];
    "im:7 rs2:5 rs1:5 011 im2:5 0100011" Sd store[Size::B8];

    "imm:12 rs1:5 000 rd:5 0010011" Addi alu_imm[Alu::Add];
    "imm:12 rs1:5 010 rd:5 0010011" Slti set_imm[Cmp::Lt];
    "imm:12 rs1:5 011 rd:5 0010011" Sltiu set_imm[Cmp::Ltu];
    "imm:12 rs1:5 100 rd:5 0010011" Xori alu_imm[Alu::Xor];
    "imm:12 rs1:5 110 rd:5 0010011" Ori alu_imm[Alu::Or];
    "imm:12 rs1:5 111 rd:5 0010011" Andi alu_imm[Alu::And];
    "000000 sh:6 rs1:5 001 rd:5 0010011" Slli shift_imm[Shift::Lsl];
    "000000 sh:6 rs1:5 101 rd:5 0010011" Srli shift_imm[Shift::Lsr];
    "010000 sh:6 rs1:5 101 rd:5 0010011" Srai shift_imm[Shift::Asr];
    "imm:12 rs1:5 000 rd:5 0011011" Addiw addiw;
    "0000000 sh:5 rs1:5 001 rd:5 0011011" Slliw shift_imm_w[Shift::Lsl];
    "0000000 sh:5 rs1:5 101 rd:5 0011011" Srliw shift_imm_w[Shift::Lsr];
    "0100000 sh:5 rs1:5 101 rd:5 0011011" Sraiw shift_imm_w[Shift::Asr];

    "0000000 rs2:5 rs1:5 000 rd:5 0110011" Add alu[Alu::Add];
    "0100000 rs2:5 rs1:5 000 rd:5 0110011" Sub alu[Alu::Sub];
    "0000000 rs2:5 rs1:5 001 rd:5 0110011" Sll shift[Shift::Lsl];
    "0000000 rs2:5 rs1:5 010 rd:5 0110011" Slt set[Cmp::Lt];
    "0000000 rs2:5 rs1:5 011 rd:5 0110011" Sltu set[Cmp::Ltu];
    "0000000 rs2:5 rs1:5 100 rd:5 0110011" Xor alu[Alu::Xor];
    "0000000 rs2:5 rs1:5 101 rd:5 0110011" Srl shift[Shift::Lsr];
    "0100000 rs2:5 rs1:5 101 rd:5 0110011" Sra shift[Shift::Asr];
    "0000000 rs2:5 rs1:5 110 rd:5 0110011" Or alu[Alu::Or];
    "0000000 rs2:5 rs1:5 111 rd:5 0110011" And alu[Alu::And];
    "0000000 rs2:5 rs1:5 000 rd:5 0111011" Addw alu_w[Alu::Add];
    "0100000 rs2:5 rs1:5 000 rd:5 0111011" Subw alu_w[Alu::Sub];
    "0000000 rs2:5 rs1:5 001 rd:5 0111011" Sllw shift_w[Shift::Lsl];
    "0000000 rs2:5 rs1:5 101 rd:5 0111011" Srlw shift_w[Shift::Lsr];
    "0100000 rs2:5 rs1:5 101 rd:5 0111011" Sraw shift_w[Shift::Asr];

    // M.
    "0000001 rs2:5 rs1:5 000 rd:5 0110011" Mul mul[Mul::Add(W::W64)];
    "0000001 rs2:5 rs1:5 001 rd:5 0110011" Mulh mul[Mul::HighS];
    "0000001 rs2:5 rs1:5 010 rd:5 0110011" Mulhsu mulhsu;
    "0000001 rs2:5 rs1:5 011 rd:5 0110011" Mulhu mul[Mul::HighU];
    "0000001 rs2:5 rs1:5 100 rd:5 0110011" Div div[true];
    "0000001 rs2:5 rs1:5 101 rd:5 0110011" Divu div[false];
    "0000001 rs2:5 rs1:5 110 rd:5 0110011" Rem rem[true];
    "0000001 rs2:5 rs1:5 111 rd:5 0110011" Remu rem[false];
    "0000001 rs2:5 rs1:5 000 rd:5 0111011" Mulw mulw;
    "0000001 rs2:5 rs1:5 100 rd:5 0111011" Divw div_w[true];
    "0000001 rs2:5 rs1:5 101 rd:5 0111011" Divuw div_w[false];
    "0000001 rs2:5 rs1:5 110 rd:5 0111011" Remw rem_w[true];
    "0000001 rs2:5 rs1:5 111 rd:5 0111011" Remuw rem_w[false];

    // Zba.
    "0000100 rs2:5 rs1:5 000 rd:5 0111011" AddUw shift_add[Ext::U32, 0];
    "0010000 rs2:5 rs1:5 010 rd:5 0110011" Sh1add shift_add[Ext::X64, 1];
    "0010000 rs2:5 rs1:5 100 rd:5 0110011" Sh2add shift_add[Ext::X64, 2];
    "0010000 rs2:5 rs1:5 110 rd:5 0110011" Sh3add shift_add[Ext::X64, 3];
    "0010000 rs2:5 rs1:5 010 rd:5 0111011" Sh1addUw shift_add[Ext::U32, 1];
    "0010000 rs2:5 rs1:5 100 rd:5 0111011" Sh2addUw shift_add[Ext::U32, 2];
    "0010000 rs2:5 rs1:5 110 rd:5 0111011" Sh3addUw shift_add[Ext::U32, 3];
    "000010 sh:6 rs1:5 001 rd:5 0011011" SlliUw slli_uw;

    // Zbb.
    "0100000 rs2:5 rs1:5 111 rd:5 0110011" Andn alu[Alu::AndNot];
    "0100000 rs2:5 rs1:5 110 rd:5 0110011" Orn alu[Alu::OrNot];
    "0100000 rs2:5 rs1:5 100 rd:5 0110011" Xnor alu[Alu::XorNot];
    "0110000 00000 rs1:5 001 rd:5 0010011" Clz unary[Unary::Clz, W::W64];
    "0110000 00001 rs1:5 001 rd:5 0010011" Ctz unary[Unary::Ctz, W::W64];
    "0110000 00010 rs1:5 001 rd:5 0010011" Cpop unary[Unary::Popcount, W::W64];
    "0110000 00100 rs1:5 001 rd:5 0010011" SextB extend[Ext::S8];
    "0110000 00101 rs1:5 001 rd:5 0010011" SextH extend[Ext::S16];
    "0110000 00000 rs1:5 001 rd:5 0011011" Clzw unary[Unary::Clz, W::W32];
    "0110000 00001 rs1:5 001 rd:5 0011011" Ctzw unary[Unary::Ctz, W::W32];
    "0110000 00010 rs1:5 001 rd:5 0011011" Cpopw unary[Unary::Popcount, W::W32];
    "0000101 rs2:5 rs1:5 100 rd:5 0110011" Min choose[Cond::Lt];
    "0000101 rs2:5 rs1:5 101 rd:5 0110011" Minu choose[Cond::Cc];
    "0000101 rs2:5 rs1:5 110 rd:5 0110011" Max choose[Cond::Gt];
    "0000101 rs2:5 rs1:5 111 rd:5 0110011" Maxu choose[Cond::Hi];
    "0110000 rs2:5 rs1:5 001 rd:5 0110011" Rol rol;
    "0110000 rs2:5 rs1:5 101 rd:5 0110011" Ror shift[Shift::Ror];
    "0110000 rs2:5 rs1:5 001 rd:5 0111011" Rolw rolw;
    "0110000 rs2:5 rs1:5 101 rd:5 0111011" Rorw shift_w[Shift::Ror];
    "011000 sh:6 rs1:5 101 rd:5 0010011" Rori shift_imm[Shift::Ror];
    "0110000 sh:5 rs1:5 101 rd:5 0011011" Roriw shift_imm_w[Shift::Ror];
    "0010100 00111 rs1:5 101 rd:5 0010011" OrcB orc_b;
    "0110101 11000 rs1:5 101 rd:5 0010011" Rev8 unary[Unary::Rev64, W::W64];

    // Zbs.
    "0010100 rs2:5 rs1:5 001 rd:5 0110011" Bset bit_op[Alu::Or];
    "0100100 rs2:5 rs1:5 001 rd:5 0110011" Bclr bit_op[Alu::AndNot];
    "0110100 rs2:5 rs1:5 001 rd:5 0110011" Binv bit_op[Alu::Xor];
    "0100100 rs2:5 rs1:5 101 rd:5 0110011" Bext bext;
    "001010 sh:6 rs1:5 001 rd:5 0010011" Bseti bit_imm[Alu::Or];
    "010010 sh:6 rs1:5 001 rd:5 0010011" Bclri bit_imm[Alu::AndNot];
    "011010 sh:6 rs1:5 001 rd:5 0010011" Binvi bit_imm[Alu::Xor];
    "010010 sh:6 rs1:5 101 rd:5 0010011" Bexti bexti;

    // Zbc, Zbkx.
    "0000101 rs2:5 rs1:5 001 rd:5 0110011" Clmul clmul;
    "0000101 rs2:5 rs1:5 010 rd:5 0110011" Clmulr clmul;
    "0000101 rs2:5 rs1:5 011 rd:5 0110011" Clmulh clmul;
    "0010100 rs2:5 rs1:5 010 rd:5 0110011" Xperm4 crossbar;
    "0010100 rs2:5 rs1:5 100 rd:5 0110011" Xperm8 crossbar;

    // Zbkb. (zext.h of Zbb is packw with x0.)
    "0000100 rs2:5 rs1:5 100 rd:5 0110011" Pack pack;
    "0000100 rs2:5 rs1:5 111 rd:5 0110011" Packh packh;
    "0000100 rs2:5 rs1:5 100 rd:5 0111011" Packw packw;
    "0110100 00111 rs1:5 101 rd:5 0010011" Brev8 brev8;

    // Zicond.
    "0000111 rs2:5 rs1:5 101 rd:5 0110011" CzeroEqz czero[Cond::Ne];
    "0000111 rs2:5 rs1:5 111 rd:5 0110011" CzeroNez czero[Cond::Eq];

    // Zimop.
    "1 x 00 xx 0 111 xx rs1:5 100 rd:5 1110011" MopR zero;
    "1 x 00 xx 1 rs2:5 rs1:5 100 rd:5 1110011" MopRr zero;
}

/// d = its low 32 bits, sign-extended.
fn sign<O: Ops>(o: &mut O, d: R) {
    o.mov(W::W64, d, Src::Extended(d, Ext::S32, 0));
}

fn lui<O: Ops>(o: &mut O, i: Insn) {
    o.mov(W::W64, i.rd(), Src::Imm(i.imm_u() as u64));
}

fn auipc<O: Ops>(o: &mut O, i: Insn) {
    o.mov_addr(i.rd(), i.pc.wrapping_add(i.imm_u() as u64));
}

/// ra and t0 are the link registers of the calling convention.
#[inline]
fn is_link(n: u32) -> bool {
    n == 1 || n == 5
}

fn jal<O: Ops>(o: &mut O, i: Insn) {
    let target = i.pc.wrapping_add(i.imm_j() as u64);
    // A function called through t0 returns through t0, which is not what `leaf` looks for.
    if i.d() == 1 {
        return o.call(i.rd(), target);
    }
    if i.d() != 0 {
        o.mov_addr(i.rd(), i.pc.wrapping_add(i.len));
    }
    o.jump(target);
}

/// The target's low bit is cleared by the engine ([`anyarch_engine::run::Guest::jump_clears`]).
fn jalr<O: Ops>(o: &mut O, i: Insn) {
    let mut target = i.rs1();
    if i.imm_i() != 0 || i.s1() == 0 || (i.d() == i.s1() && !is_link(i.d())) {
        target = R::T0;
        o.alu(Alu::Add, W::W64, target, i.rs1(), Src::Imm(i.imm_i() as u64));
    }
    if is_link(i.d()) {
        return o.call_reg(i.rd(), target);
    }
    if i.d() != 0 {
        o.mov_addr(i.rd(), i.pc.wrapping_add(i.len));
        return o.jump_reg(target);
    }
    if is_link(i.s1()) && i.imm_i() == 0 { o.ret(target) } else { o.jump_reg(target) }
}

fn branch<O: Ops>(o: &mut O, i: Insn, cmp: Cmp) {
    o.branch_cmp(cmp, i.rs1(), i.rs2(), i.pc.wrapping_add(i.imm_b() as u64));
}

fn load<O: Ops>(o: &mut O, i: Insn, size: Size, ext: LoadExt) {
    o.load(size, ext, i.rd(), Addr::Base(i.rs1(), i.imm_i()), MemOrder::Plain);
}

fn store<O: Ops>(o: &mut O, i: Insn, size: Size) {
    o.store(size, i.rs2(), Addr::Base(i.rs1(), i.imm_s()), MemOrder::Plain);
}

fn alu_imm<O: Ops>(o: &mut O, i: Insn, op: Alu) {
    let imm = i.imm_i() as u64;
    if op == Alu::Add && (imm == 0 || i.s1() == 0) {
        return o.mov(W::W64, i.rd(), if imm == 0 { Src::Reg(i.rs1()) } else { Src::Imm(imm) });
    }
    o.alu(op, W::W64, i.rd(), i.rs1(), Src::Imm(imm));
}

fn set_imm<O: Ops>(o: &mut O, i: Insn, cmp: Cmp) {
    o.set_cmp(cmp, i.rd(), i.rs1(), Src::Imm(i.imm_i() as u64));
}

fn shift_imm<O: Ops>(o: &mut O, i: Insn, op: Shift) {
    o.shift(op, W::W64, i.rd(), i.rs1(), Src::Imm(i.shamt() as u64));
}

fn addiw<O: Ops>(o: &mut O, i: Insn) {
    if i.imm_i() == 0 {
        return extend(o, i, Ext::S32);
    }
    o.alu(Alu::Add, W::W32, i.rd(), i.rs1(), Src::Imm(i.imm_i() as u64));
    sign(o, i.rd());
}

fn shift_imm_w<O: Ops>(o: &mut O, i: Insn, op: Shift) {
    o.shift(op, W::W32, i.rd(), i.rs1(), Src::Imm(i.s2() as u64));
    // A zero has come to the top otherwise.
    if op != Shift::Lsr || i.s2() == 0 {
        sign(o, i.rd());
    }
}

fn alu<O: Ops>(o: &mut O, i: Insn, op: Alu) {
    o.alu(op, W::W64, i.rd(), i.rs1(), Src::Reg(i.rs2()));
}

fn alu_w<O: Ops>(o: &mut O, i: Insn, op: Alu) {
    o.alu(op, W::W32, i.rd(), i.rs1(), Src::Reg(i.rs2()));
    sign(o, i.rd());
}

fn shift<O: Ops>(o: &mut O, i: Insn, op: Shift) {
    o.shift(op, W::W64, i.rd(), i.rs1(), Src::Reg(i.rs2()));
}

fn shift_w<O: Ops>(o: &mut O, i: Insn, op: Shift) {
    o.shift(op, W::W32, i.rd(), i.rs1(), Src::Reg(i.rs2()));
    sign(o, i.rd());
}

fn set<O: Ops>(o: &mut O, i: Insn, cmp: Cmp) {
    o.set_cmp(cmp, i.rd(), i.rs1(), Src::Reg(i.rs2()));
}

fn mul<O: Ops>(o: &mut O, i: Insn, op: Mul) {
    o.mul(op, i.rd(), i.rs1(), i.rs2(), R::ZERO);
}

/// The unsigned product less the second operand where the first is negative.
fn mulhsu<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::HighU, R::T0, i.rs1(), i.rs2(), R::ZERO);
    o.shift(Shift::Asr, W::W64, R::T1, i.rs1(), Src::Imm(63));
    o.alu(Alu::And, W::W64, R::T1, R::T1, Src::Reg(i.rs2()));
    o.alu(Alu::Sub, W::W64, i.rd(), R::T0, Src::Reg(R::T1));
}

fn mulw<O: Ops>(o: &mut O, i: Insn) {
    o.mul(Mul::Add(W::W32), i.rd(), i.rs1(), i.rs2(), R::ZERO);
    sign(o, i.rd());
}

fn div<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    o.div(signed, DivZero::Ones, W::W64, i.rd(), i.rs1(), i.rs2());
}

fn div_w<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    o.div(signed, DivZero::Ones, W::W32, i.rd(), i.rs1(), i.rs2());
    sign(o, i.rd());
}

fn rem<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    o.rem(signed, W::W64, i.rd(), i.rs1(), i.rs2());
}

fn rem_w<O: Ops>(o: &mut O, i: Insn, signed: bool) {
    o.rem(signed, W::W32, i.rd(), i.rs1(), i.rs2());
    sign(o, i.rd());
}

fn shift_add<O: Ops>(o: &mut O, i: Insn, ext: Ext, n: u8) {
    o.alu(Alu::Add, W::W64, i.rd(), i.rs2(), Src::Extended(i.rs1(), ext, n));
}

fn slli_uw<O: Ops>(o: &mut O, i: Insn) {
    let n = i.shamt();
    o.extract_shl(false, W::W64, i.rd(), i.rs1(), n, (64 - n).min(32));
}

fn unary<O: Ops>(o: &mut O, i: Insn, op: Unary, w: W) {
    o.unary(op, w, i.rd(), i.rs1());
}

fn extend<O: Ops>(o: &mut O, i: Insn, ext: Ext) {
    o.mov(W::W64, i.rd(), Src::Extended(i.rs1(), ext, 0));
}

fn choose<O: Ops>(o: &mut O, i: Insn, c: Cond) {
    o.alu_flags(Alu::Sub, W::W64, R::ZERO, i.rs1(), Src::Reg(i.rs2()));
    o.select(c, W::W64, i.rd(), i.rs1(), i.rs2(), Sel::Plain);
}

fn rol<O: Ops>(o: &mut O, i: Insn) {
    o.alu(Alu::Sub, W::W64, R::T0, R::ZERO, Src::Reg(i.rs2()));
    o.shift(Shift::Ror, W::W64, i.rd(), i.rs1(), Src::Reg(R::T0));
}

fn rolw<O: Ops>(o: &mut O, i: Insn) {
    o.alu(Alu::Sub, W::W64, R::T0, R::ZERO, Src::Reg(i.rs2()));
    o.shift(Shift::Ror, W::W32, i.rd(), i.rs1(), Src::Reg(R::T0));
    sign(o, i.rd());
}

/// Bit 7 of each byte tells whether the byte is not zero; spread it.
fn orc_b<O: Ops>(o: &mut O, i: Insn) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    o.alu(Alu::And, W::W64, R::T0, i.rs1(), Src::Imm(LOW));
    o.alu(Alu::Add, W::W64, R::T0, R::T0, Src::Imm(LOW));
    o.alu(Alu::Or, W::W64, R::T0, R::T0, Src::Reg(i.rs1()));
    o.alu(Alu::And, W::W64, R::T0, R::T0, Src::Imm(!LOW));
    o.shift(Shift::Lsr, W::W64, R::T1, R::T0, Src::Imm(7));
    o.shift(Shift::Lsl, W::W64, R::T0, R::T0, Src::Imm(1));
    o.alu(Alu::Sub, W::W64, i.rd(), R::T0, Src::Reg(R::T1));
}

fn bit_op<O: Ops>(o: &mut O, i: Insn, op: Alu) {
    o.mov(W::W64, R::T0, Src::Imm(1));
    o.shift(Shift::Lsl, W::W64, R::T0, R::T0, Src::Reg(i.rs2()));
    o.alu(op, W::W64, i.rd(), i.rs1(), Src::Reg(R::T0));
}

fn bit_imm<O: Ops>(o: &mut O, i: Insn, op: Alu) {
    o.alu(op, W::W64, i.rd(), i.rs1(), Src::Imm(1 << i.shamt()));
}

fn bext<O: Ops>(o: &mut O, i: Insn) {
    o.shift(Shift::Lsr, W::W64, R::T0, i.rs1(), Src::Reg(i.rs2()));
    o.alu(Alu::And, W::W64, i.rd(), R::T0, Src::Imm(1));
}

fn bexti<O: Ops>(o: &mut O, i: Insn) {
    o.extract(false, W::W64, i.rd(), i.rs1(), i.shamt(), 1);
}

fn pack<O: Ops>(o: &mut O, i: Insn) {
    o.extract_shl(false, W::W64, R::T0, i.rs2(), 32, 32);
    o.mov(W::W64, R::T1, Src::Extended(i.rs1(), Ext::U32, 0));
    o.alu(Alu::Or, W::W64, i.rd(), R::T0, Src::Reg(R::T1));
}

fn packh<O: Ops>(o: &mut O, i: Insn) {
    o.extract_shl(false, W::W64, R::T0, i.rs2(), 8, 8);
    o.mov(W::W64, R::T1, Src::Extended(i.rs1(), Ext::U8, 0));
    o.alu(Alu::Or, W::W64, i.rd(), R::T0, Src::Reg(R::T1));
}

fn packw<O: Ops>(o: &mut O, i: Insn) {
    if i.s2() == 0 {
        return extend(o, i, Ext::U16);
    }
    o.extract_shl(false, W::W64, R::T0, i.rs2(), 16, 16);
    o.mov(W::W64, R::T1, Src::Extended(i.rs1(), Ext::U16, 0));
    o.alu(Alu::Or, W::W32, i.rd(), R::T0, Src::Reg(R::T1));
    sign(o, i.rd());
}

fn brev8<O: Ops>(o: &mut O, i: Insn) {
    o.unary(Unary::Rbit, W::W64, R::T0, i.rs1());
    o.unary(Unary::Rev64, W::W64, i.rd(), R::T0);
}

fn czero<O: Ops>(o: &mut O, i: Insn, c: Cond) {
    o.alu_flags(Alu::Sub, W::W64, R::ZERO, i.rs2(), Src::Imm(0));
    o.select(c, W::W64, i.rd(), i.rs1(), R::ZERO, Sel::Plain);
}

fn zero<O: Ops>(o: &mut O, i: Insn) {
    o.mov(W::W64, i.rd(), Src::Imm(0));
}

/// Low half, reversed (bits 63 to 126) or high half of the carry-less product.
fn clmul<O: Ops>(o: &mut O, i: Insn) {
    if i.d() == 0 {
        return;
    }
    o.vfrom(V::T0, 3, i.rs1());
    o.vfrom(V::T1, 3, i.rs2());
    o.vec(VOp::MulLongPoly, VArgs { d: V::T0, a: V::T0, b: V::T1, c: V::T0, es: 4, bytes: 16, imm: 0 });
    let half = |o: &mut O, d: R, n: u8| o.vget(false, W::W64, d, V::T0, 3, n);
    match i.bits(12, 3) {
        1 => half(o, i.rd(), 0),
        2 => {
            half(o, R::T0, 0);
            half(o, R::T1, 1);
            o.extract_pair(W::W64, i.rd(), R::T1, R::T0, 63);
        }
        _ => half(o, i.rd(), 1),
    }
}

fn crossbar<O: Ops>(o: &mut O, i: Insn) {
    if i.d() != 0 {
        o.helper(PERMUTE, i.word as u64);
    }
}

const PERMUTE: Helper = Helper {
    function: permute,
    effects: |word| {
        let i = Insn { word: word as u32, pc: 0, len: 4 };
        Effects::NONE.reads(i.rs1()).reads(i.rs2()).writes(i.rd())
    },
};

/// Crossbar permutations; the argument is the instruction.
extern "C" fn permute(cpu: &mut Cpu, word: u64) -> HelperExit {
    let i = Insn { word: word as u32, pc: 0, len: 4 };
    let get = |n: u32| if n == 0 { 0 } else { cpu.gpr[n as usize] };
    let (a, b) = (get(i.s1()), get(i.s2()));
    let bits = if i.bits(12, 3) == 2 { 4 } else { 8 };
    let mask = (1u64 << bits) - 1;
    let (mut out, mut at) = (0, 0);
    while at < 64 {
        // Without a branch: Zkt promises a time that does not depend on the operands.
        let index = (b >> at & mask) * bits;
        let within = ((index < 64) as u64).wrapping_neg();
        out |= (a >> (index & 63) & mask & within) << at;
        at += bits;
    }
    cpu.gpr[i.d() as usize & 31] = out;
    HelperExit::Continue
}
