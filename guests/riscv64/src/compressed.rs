//! Compressed instructions (C, Zcb, Zcmop): each is expanded to the word of the same meaning.

/// A word that no row matches.
const UNDEFINED: u32 = 0;

const fn r_type(funct7: u32, rs2: u32, rs1: u32, funct3: u32, rd: u32, opcode: u32) -> u32 {
    funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

const fn i_type(imm: i32, rs1: u32, funct3: u32, rd: u32, opcode: u32) -> u32 {
    (imm as u32) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode
}

const fn s_type(imm: u32, rs2: u32, rs1: u32, funct3: u32, opcode: u32) -> u32 {
    (imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (imm & 31) << 7 | opcode
}

const fn b_type(imm: i32, rs1: u32, funct3: u32) -> u32 {
    let u = imm as u32;
    (u >> 12 & 1) << 31
        | (u >> 5 & 63) << 25
        | rs1 << 15
        | funct3 << 12
        | (u >> 1 & 15) << 8
        | (u >> 11 & 1) << 7
        | 0x63
}

const fn j_type(imm: i32, rd: u32) -> u32 {
    let u = imm as u32;
    (u >> 20 & 1) << 31
        | (u >> 1 & 0x3ff) << 21
        | (u >> 11 & 1) << 20
        | (u >> 12 & 0xff) << 12
        | rd << 7
        | 0x6f
}

const LOAD: u32 = 0x03;
const LOAD_FP: u32 = 0x07;
const OP_IMM: u32 = 0x13;
const OP_IMM_32: u32 = 0x1b;
const STORE: u32 = 0x23;
const STORE_FP: u32 = 0x27;
const OP: u32 = 0x33;
const LUI: u32 = 0x37;
const OP_32: u32 = 0x3b;
const JALR: u32 = 0x67;

/// The 32-bit word that means the same; zero, which is undefined, for reserved encodings.
pub fn expand(half: u16) -> u32 {
    let h = half as u32;
    // `len` bits at `lsb`, to be placed at `to`.
    let f = |lsb: u32, len: u32, to: u32| (h >> lsb & ((1 << len) - 1)) << to;
    let sign = |v: u32, bits: u32| (v << (32 - bits)) as i32 >> (32 - bits);
    let (r1, r2) = (f(7, 5, 0), f(2, 5, 0));
    let (p1, p2) = (8 + f(7, 3, 0), 8 + f(2, 3, 0));
    // What few forms have is put together where they need it.
    let imm6 = || sign(f(12, 1, 5) | f(2, 5, 0), 6);
    let shamt = || f(12, 1, 5) | f(2, 5, 0);
    let off_w = || f(10, 3, 3) | f(6, 1, 2) | f(5, 1, 6);
    let off_d = || f(10, 3, 3) | f(5, 2, 6);
    let sp_w = || f(12, 1, 5) | f(4, 3, 2) | f(2, 2, 6);
    let sp_d = || f(12, 1, 5) | f(5, 2, 3) | f(2, 3, 6);
    let sps_w = || f(9, 4, 2) | f(7, 2, 6);
    let sps_d = || f(10, 3, 3) | f(7, 3, 6);
    match (h & 3, h >> 13) {
        (0, 0) => {
            let imm = f(11, 2, 4) | f(7, 4, 6) | f(6, 1, 2) | f(5, 1, 3);
            if imm == 0 { UNDEFINED } else { i_type(imm as i32, 2, 0, p2, OP_IMM) }
        }
        (0, 1) => i_type(off_d() as i32, p1, 3, p2, LOAD_FP),
        (0, 2) => i_type(off_w() as i32, p1, 2, p2, LOAD),
        (0, 3) => i_type(off_d() as i32, p1, 3, p2, LOAD),
        (0, 4) => {
            // Zcb.
            let (byte, half) = (f(6, 1, 0) | f(5, 1, 1), f(5, 1, 1));
            match (h >> 10 & 7, h >> 6 & 1) {
                (0, _) => i_type(byte as i32, p1, 4, p2, LOAD),
                (1, 0) => i_type(half as i32, p1, 5, p2, LOAD),
                (1, _) => i_type(half as i32, p1, 1, p2, LOAD),
                (2, _) => s_type(byte, p2, p1, 0, STORE),
                (3, 0) => s_type(half, p2, p1, 1, STORE),
                _ => UNDEFINED,
            }
        }
        (0, 5) => s_type(off_d(), p2, p1, 3, STORE_FP),
        (0, 6) => s_type(off_w(), p2, p1, 2, STORE),
        (0, _) => s_type(off_d(), p2, p1, 3, STORE),
        (1, 0) => i_type(imm6(), r1, 0, r1, OP_IMM),
        (1, 1) if r1 == 0 => UNDEFINED,
        (1, 1) => i_type(imm6(), r1, 0, r1, OP_IMM_32),
        (1, 2) => i_type(imm6(), 0, 0, r1, OP_IMM),
        (1, 3) if r1 == 2 => {
            let imm = f(12, 1, 9) | f(6, 1, 4) | f(5, 1, 6) | f(3, 2, 7) | f(2, 1, 5);
            if imm == 0 { UNDEFINED } else { i_type(sign(imm, 10), 2, 0, 2, OP_IMM) }
        }
        // Zcmop: c.mop.n for odd n up to 15 does nothing.
        (1, 3) if imm6() == 0 => {
            if h & 0xf8ff == 0x6081 {
                i_type(0, 0, 0, 0, OP_IMM)
            } else {
                UNDEFINED
            }
        }
        (1, 3) => (imm6() as u32) << 12 | r1 << 7 | LUI,
        (1, 4) => match (h >> 10 & 3, h >> 12 & 1, h >> 5 & 3) {
            (0, _, _) => i_type(shamt() as i32, p1, 5, p1, OP_IMM),
            (1, _, _) => i_type(shamt() as i32 | 0x400, p1, 5, p1, OP_IMM),
            (2, _, _) => i_type(imm6(), p1, 7, p1, OP_IMM),
            (_, 0, 0) => r_type(0x20, p2, p1, 0, p1, OP),
            (_, 0, 1) => r_type(0, p2, p1, 4, p1, OP),
            (_, 0, 2) => r_type(0, p2, p1, 6, p1, OP),
            (_, 0, _) => r_type(0, p2, p1, 7, p1, OP),
            (_, _, 0) => r_type(0x20, p2, p1, 0, p1, OP_32),
            (_, _, 1) => r_type(0, p2, p1, 0, p1, OP_32),
            (_, _, 2) => r_type(1, p2, p1, 0, p1, OP),
            // Zcb, one operand.
            _ => match h >> 2 & 7 {
                0 => i_type(0xff, p1, 7, p1, OP_IMM),
                1 => i_type(0x604, p1, 1, p1, OP_IMM),
                2 => r_type(4, 0, p1, 4, p1, OP_32),
                3 => i_type(0x605, p1, 1, p1, OP_IMM),
                4 => r_type(4, 0, p1, 0, p1, OP_32),
                5 => i_type(-1, p1, 4, p1, OP_IMM),
                _ => UNDEFINED,
            },
        },
        (1, 5) => {
            let imm = f(12, 1, 11)
                | f(11, 1, 4)
                | f(9, 2, 8)
                | f(8, 1, 10)
                | f(7, 1, 6)
                | f(6, 1, 7)
                | f(3, 3, 1)
                | f(2, 1, 5);
            j_type(sign(imm, 12), 0)
        }
        (1, n) => {
            let imm = f(12, 1, 8) | f(10, 2, 3) | f(5, 2, 6) | f(3, 2, 1) | f(2, 1, 5);
            b_type(sign(imm, 9), p1, n - 6)
        }
        (2, 0) => i_type(shamt() as i32, r1, 1, r1, OP_IMM),
        (2, 1) => i_type(sp_d() as i32, 2, 3, r1, LOAD_FP),
        (2, 2 | 3) if r1 == 0 => UNDEFINED,
        (2, 2) => i_type(sp_w() as i32, 2, 2, r1, LOAD),
        (2, 3) => i_type(sp_d() as i32, 2, 3, r1, LOAD),
        (2, 4) => match (h >> 12 & 1, r1, r2) {
            (0, 0, 0) => UNDEFINED,
            (0, _, 0) => i_type(0, r1, 0, 0, JALR),
            (0, _, _) => r_type(0, r2, 0, 0, r1, OP),
            (_, 0, 0) => 0x0010_0073,
            (_, _, 0) => i_type(0, r1, 0, 1, JALR),
            _ => r_type(0, r2, r1, 0, r1, OP),
        },
        (2, 5) => s_type(sps_d(), r2, 2, 3, STORE_FP),
        (2, 6) => s_type(sps_w(), r2, 2, 2, STORE),
        (2, _) => s_type(sps_d(), r2, 2, 3, STORE),
        _ => UNDEFINED,
    }
}
