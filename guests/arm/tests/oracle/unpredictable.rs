//! What is UNPREDICTABLE, and what it does here. The list is that of `docs/arm.md`, and a test
//! holds the two together, and the semantics to the list.

use crate::generate::{self, FORMS, play, word};
use crate::{Arm, from_a32, insn};
use anyarch_arm::decode::{self, Insn, Set, pc};
use anyarch_engine::ops::Cond;
use anyarch_engine::pattern::Row;
use anyarch_engine::state::Cpu;
use anyarch_oracle::Guest;
use anyarch_oracle::state::{Rng, State};

/// What an encoding does that the manual leaves open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Does {
    /// Raises SIGILL.
    Undefined,
    /// What the text says.
    Something,
}

/// A kind of UNPREDICTABLE encodings.
pub(crate) struct Choice {
    /// Which, as in the table of the page.
    pub(crate) what: &'static str,
    pub(crate) does: Does,
    /// Whether an instruction of a row is one.
    pub(crate) when: fn(&Encoding<'_>) -> bool,
}

/// An instruction with its fields.
pub(crate) struct Encoding<'a> {
    i: Insn,
    row: &'a Row,
    fields: Vec<(&'a str, u32)>,
}

impl Encoding<'_> {
    fn get(&self, name: &str) -> Option<u32> {
        self.fields.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.row.name)
    }

    fn starts(&self, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|p| self.row.name.starts_with(p))
    }

    fn equal(&self, a: &str, b: &str) -> bool {
        self.get(a).is_some() && self.get(a) == self.get(b)
    }

    /// LDM, STM, PUSH, POP of general registers: the list and the base.
    fn list(&self) -> Option<(u32, u32)> {
        let list = self.get("list")?;
        Some((list, generate::base(self.i)? as u32))
    }

    fn writes_back(&self) -> bool {
        match self.i.set() {
            Set::T16 => true,
            Set::T32 if self.row.name.ends_with("Post") => true,
            Set::T32 if self.row.name.ends_with("Imm8") => self.get("w") == Some(1),
            _ => self.get("w") == Some(1) || self.get("p") == Some(0) && self.get("list").is_none(),
        }
    }

    fn thumb(&self) -> bool {
        self.i.thumb()
    }

    /// The first D register of a list, and how many.
    fn doubles(&self) -> Option<(u32, u32)> {
        let count = match self.row.name {
            "Vldmia" | "Vstmia" | "Vldmdb" | "Vstmdb" => {
                let (imm, d) = (self.i.bits(0, 8), self.get("d")?);
                return Some(match self.get("sz")? {
                    1 => (d << 4 | self.get("vd")?, imm / 2),
                    _ => (self.get("vd")? << 1 | d, imm),
                });
            }
            "Vtbl" | "Vtbx" => return Some((self.get("n")? << 4 | self.get("vn")?, self.get("len")? + 1)),
            name if name.starts_with("Vld") || name.starts_with("Vst") => {
                name.as_bytes().get(3).filter(|n| n.is_ascii_digit())? - b'0'
            }
            _ => return None,
        };
        let number = count as u32;
        let spaced = match self.row.name {
            name if name.ends_with("Spaced") => 2,
            name if name.ends_with("Lane") => {
                let (size, index) = (self.get("size")?, self.get("index")?);
                1 + (size == 1 && index & 2 != 0 || size == 2 && index & 4 != 0) as u32
            }
            name if name.ends_with("All") && number > 1 => 1 + self.get("t")?,
            _ => 1,
        };
        let registers = match self.row.name {
            "Vld1x1" | "Vst1x1" => 1,
            "Vld1x2" | "Vst1x2" => 2,
            "Vld1x3" | "Vst1x3" => 3,
            "Vld1x4" | "Vst1x4" | "Vld2x2" | "Vst2x2" => 4,
            "Vld1All" => 1 + self.get("t")?,
            _ => 1 + (number - 1) * spaced,
        };
        Some((self.get("d")? << 4 | self.get("vd")?, registers))
    }
}

/// The fields of a row's word by name.
pub(crate) fn fields(row: &Row, word: u32) -> Vec<(&str, u32)> {
    let mut bit = 32;
    let mut out = Vec::new();
    for token in row.pattern.split_whitespace() {
        let (name, bits) = match token.split_once(':') {
            Some((name, bits)) => (name, bits.parse().unwrap_or(0)),
            None if token.starts_with(['0', '1', 'x']) && token != "x" => ("", token.len() as u32),
            None => (token, 1),
        };
        bit -= bits;
        if !name.is_empty() {
            out.push((name, word >> bit & u32::MAX >> (32 - bits)));
        }
    }
    out
}

/// Names of fields that are general registers.
const REGISTERS: &[&str] = &["rd", "rn", "rm", "rs", "ra", "rt", "rt2", "hi", "lo", "rdm"];

/// The list, with the text of the page.
pub(crate) const CHOICES: &[Choice] = &[
    Choice {
        what: "the program counter as an operand where it must not be one",
        does: Does::Undefined,
        when: |e| {
            let high = e.i.set() == Set::T16 && e.is(&["CmpHigh", "AddHigh", "Blx"]) && {
                let d = e.i.bits(7, 1) << 3 | e.i.bits(0, 3);
                e.i.reg(3) == 15 || d == 15 && e.is(&["CmpHigh"])
            };
            let extra = e.i.set() == Set::Cond && e.get("low") == Some(15) && !e.i.bit(22);
            let pair = !e.thumb() && e.get("rt") == Some(14);
            let named = REGISTERS.iter().any(|n| e.get(n) == Some(15));
            (high || extra || pair || named) && undefined_alone(e.i)
        },
    },
    Choice {
        what: "one register for both results of a long multiplication",
        does: Does::Undefined,
        when: |e| e.equal("hi", "lo"),
    },
    Choice {
        what: "one register for both words of LDRD, LDREXD, LDAEXD, MRRC or VMOV",
        does: Does::Undefined,
        when: |e| {
            let two = e.equal("rt", "rt2");
            two && (e.starts(&["Ldrd", "Ldrexd", "Ldaexd", "Mrrc"])
                || e.is(&["VmovSs", "VmovD"]) && e.get("op") == Some(1))
        },
    },
    Choice {
        what: "an odd first register of LDRD, STRD, or of a doubleword exclusive, in A32",
        does: Does::Undefined,
        when: |e| {
            !e.thumb()
                && e.starts(&["Ldrd", "Strd", "Ldrexd", "Ldaexd", "Strexd", "Stlexd"])
                && e.get("rt").is_some_and(|t| t & 1 != 0)
        },
    },
    Choice {
        what: "the status register of an exclusive store that is its address or data",
        does: Does::Undefined,
        when: |e| {
            let pair = e.starts(&["Strexd", "Stlexd"]);
            let second = pair
                && if e.thumb() { e.equal("rd", "rt2") } else { e.get("rd") == e.get("rt").map(|t| t + 1) };
            e.starts(&["Strex", "Stlex"]) && (e.equal("rd", "rn") || e.equal("rd", "rt") || second)
        },
    },
    Choice {
        what: "LDRD or STRD in the place of an unprivileged form, in A32 (P is 0, W is 1)",
        does: Does::Undefined,
        when: |e| !e.thumb() && e.is(&["Ldrd", "Strd"]) && e.get("p") == Some(0) && e.get("w") == Some(1),
    },
    Choice {
        what: "an empty list of LDM, STM, PUSH, POP, VLDM or VSTM",
        does: Does::Undefined,
        when: |e| {
            let list = match (e.row.name, e.list()) {
                ("Push" | "Pop", Some((list, _))) => Some(list | e.i.bits(8, 1)),
                (_, Some((list, _))) => Some(list),
                _ if e.starts(&["Vldm", "Vstm"]) => e.doubles().map(|(_, count)| count),
                _ => None,
            };
            list == Some(0)
        },
    },
    Choice {
        what: "a list of one register of LDM or STM, in T32 of 32 bits",
        does: Does::Undefined,
        when: |e| e.i.set() == Set::T32 && e.list().is_some_and(|(list, _)| list.count_ones() == 1),
    },
    Choice {
        what: "LDM or STM with write-back of a base in its list, in T32 of 32 bits",
        does: Does::Undefined,
        when: |e| {
            e.i.set() == Set::T32 && e.writes_back() && e.list().is_some_and(|(list, n)| list >> n & 1 != 0)
        },
    },
    Choice {
        what: "STM of the program counter, in T32",
        does: Does::Undefined,
        when: |e| {
            e.i.set() == Set::T32 && e.starts(&["Stm"]) && e.list().is_some_and(|(list, _)| list >> 15 != 0)
        },
    },
    Choice {
        what: "LDM of both the program counter and the link register, in T32",
        does: Does::Something,
        when: |e| {
            e.i.set() == Set::T32 && e.starts(&["Ldm"]) && e.list().is_some_and(|(list, _)| list >> 14 == 3)
        },
    },
    Choice {
        what: "LDM or STM with the stack pointer in its list, in T32",
        does: Does::Something,
        when: |e| e.i.set() == Set::T32 && e.list().is_some_and(|(list, _)| list >> 13 & 1 != 0),
    },
    Choice {
        what: "LDM with write-back of a base in its list, in A32",
        does: Does::Something,
        when: |e| {
            !e.thumb()
                && e.is(&["Ldm"])
                && e.writes_back()
                && e.list().is_some_and(|(list, n)| list >> n & 1 != 0)
        },
    },
    Choice {
        what: "STM with write-back of a base in its list that is not the first, in A32 and T16",
        does: Does::Something,
        when: |e| {
            e.i.set() != Set::T32
                && e.is(&["Stm"])
                && e.writes_back()
                && e.list().is_some_and(|(list, n)| list >> n & 1 != 0 && list.trailing_zeros() != n)
        },
    },
    Choice {
        what: "a load or store with write-back whose base is its register",
        does: Does::Something,
        when: |e| {
            let name = e.row.name;
            let single = name.starts_with("Ldr") || name.starts_with("Str") || e.is(&["Strh", "Ldrh"]);
            let second = match (
                e.thumb(),
                name.contains("rd") && e.get("rt2").is_some() || name == "Ldrd" || name == "Strd",
            ) {
                (_, false) => None,
                (true, _) => e.get("rt2"),
                (false, _) => e.get("rt").map(|t| t | 1),
            };
            single
                && e.get("list").is_none()
                && !name.contains("ex")
                && e.i.set() != Set::T16
                && e.writes_back()
                && (e.equal("rn", "rt") || second.is_some() && second == e.get("rn"))
        },
    },
    Choice {
        what: "SWP or SWPB whose base is one of its registers",
        does: Does::Something,
        when: |e| e.is(&["Swp"]) && (e.equal("rn", "rt") || e.equal("rn", "rt2")),
    },
    Choice {
        what: "a load or store with write-back whose index is its base, or LDRD whose index is one of its registers, in A32",
        does: Does::Something,
        when: |e| {
            let extra = e.is(&["Strh", "Ldrh", "Ldrsb", "Ldrsh", "Ldrd", "Strd"]) && e.i.set() == Set::Cond;
            let register = extra && !e.i.bit(22) || e.is(&["StrReg", "LdrReg", "StrbReg", "LdrbReg"]);
            let m = e.i.bits(0, 4);
            !e.thumb()
                && register
                && (e.writes_back() && e.get("rn") == Some(m)
                    || e.is(&["Ldrd"]) && (e.get("rt") == Some(m) || e.get("rt") == Some(m & 14)))
        },
    },
    Choice {
        what: "bits 11 to 8 of a halfword or doubleword access with an index register",
        does: Does::Something,
        when: |e| {
            e.i.set() == Set::Cond
                && e.is(&["Strh", "Ldrh", "Ldrsb", "Ldrsh", "Ldrd", "Strd"])
                && !e.i.bit(22)
                && e.i.bits(8, 4) != 0
        },
    },
    Choice {
        what: "a bit field beyond bit 31, or BFI and BFC whose most significant bit is below the least",
        does: Does::Undefined,
        when: |e| {
            let lsb =
                if e.i.set() == Set::T32 { e.i.bits(12, 3) << 2 | e.i.bits(6, 2) } else { e.i.bits(7, 5) };
            let width = if e.i.set() == Set::T32 { e.i.bits(0, 5) } else { e.i.bits(16, 5) };
            e.is(&["Sbfx", "Ubfx"]) && lsb + width > 31 || e.is(&["Bfi", "Bfc"]) && width < lsb
        },
    },
    Choice {
        what: "more bits in the fraction than in the fixed-point number",
        does: Does::Undefined,
        when: |e| {
            let fraction = e.get("imm4").unwrap_or(0) << 1 | e.get("i").unwrap_or(0);
            e.is(&["VcvtFromFixed", "VcvtToFixed"]) && e.get("sx") == Some(0) && fraction > 16
        },
    },
    Choice {
        what: "registers beyond D31 (beyond S31), or more than sixteen D registers",
        does: Does::Undefined,
        when: |e| {
            let singles = e.starts(&["Vldm", "Vstm"]) && e.get("sz") == Some(0);
            e.doubles().is_some_and(|(first, count)| first + count > 32 || !singles && count > 16)
                || e.is(&["VmovSs"]) && e.get("vm").zip(e.get("m")) == Some((15, 1))
        },
    },
    Choice {
        what: "VTRN, VUZP, VZIP or VSWP of a register with itself",
        does: Does::Something,
        when: |e| {
            !undefined_alone(e.i)
                && e.is(&["Vtrn", "Vuzp", "Vzip", "Vswp"])
                && e.equal("vd", "vm")
                && e.equal("d", "m")
        },
    },
    Choice {
        what: "a branch (or what writes the program counter) in an IT block, other than as its last instruction",
        does: Does::Undefined,
        when: |e| {
            let mut outside = e.i;
            outside.pc &= 0xffff_ffff;
            e.i.inside_it() && undefined_alone(e.i) && !undefined_alone(outside)
        },
    },
    Choice {
        what: "IT, CBZ, CBNZ, SETEND, CPS, or a branch with a condition of its own, in an IT block",
        does: Does::Undefined,
        when: |e| e.i.in_it() && e.thumb() && (e.is(&["It", "Cbz", "Cbnz", "Setend", "Cps", "BCond"])),
    },
    Choice {
        what: "an instruction without a condition (VSEL, VMAXNM, VRINTA and kin, CRC32) in an IT block",
        does: Does::Something,
        when: |e| {
            e.i.in_it()
                && (e.i.set() == Set::Uncond && e.i.word >> 24 == 0xfe
                    || e.starts(&["Crc32", "Vmaxnm", "Vminnm", "Vrint", "Vcvta", "Vcvtn", "Vcvtp", "Vcvtm"]))
        },
    },
    Choice {
        what: "IT with the condition 15, or 14 and an ELSE",
        does: Does::Undefined,
        when: |e| {
            e.is(&["It"])
                && (e.get("cond") == Some(15)
                    || e.get("cond") == Some(14) && e.i.bits(0, 4).count_ones() != 1)
        },
    },
    Choice {
        what: "CPS that changes nothing",
        does: Does::Undefined,
        when: |e| e.is(&["Cps"]) && e.i.set() != Set::T16 && undefined_alone(e.i),
    },
    Choice {
        what: "BKPT with a condition, in A32",
        does: Does::Something,
        when: |e| e.is(&["Bkpt"]) && !e.thumb() && e.i.word >> 28 != 14,
    },
    Choice {
        what: "CRC32 with a condition, in A32",
        does: Does::Something,
        when: |e| e.starts(&["Crc32"]) && !e.thumb() && e.i.word >> 28 != 14 && e.get("sz") != Some(3),
    },
    Choice {
        what: "CRC32 of 64 bits",
        does: Does::Undefined,
        when: |e| e.starts(&["Crc32"]) && e.get("sz") == Some(3),
    },
    Choice {
        what: "MSR of no field",
        does: Does::Something,
        when: |e| e.is(&["MsrReg"]) && e.get("mask") == Some(0),
    },
    Choice {
        what: "CMP (T2) of two low registers",
        does: Does::Something,
        when: |e| e.i.set() == Set::T16 && e.is(&["CmpHigh"]) && e.i.bits(7, 1) == 0 && e.i.bits(6, 1) == 0,
    },
    Choice {
        what: "bits that should be zero or one and are not",
        does: Does::Something,
        when: |e| e.row.should_be(e.i.word) != e.i.word && !undefined_alone(e.i),
    },
];

/// Whether an instruction is undefined, in a state in which all of its accesses are good.
pub(crate) fn undefined_alone(mut i: Insn) -> bool {
    thread_local! {
        static CPU: std::cell::RefCell<Box<Cpu>> = std::cell::RefCell::new(anyarch_oracle::ours::zeroed());
    }
    i.cond = Cond::Al;
    CPU.with_borrow_mut(|cpu| {
        let mut s = State::<crate::Registers>::zero();
        s.r.r = [0x8000_0000; 15];
        Arm::load(&s.r, cpu);
        cpu.pc = i.pc;
        cpu.fault.signo = 0;
        play(cpu, i).is_none() && cpu.fault.signo == 4
    })
}

/// A place where neither the instruction nor what it accesses relative to it is mapped.
const NOWHERE: u64 = 0x6000_0000;

/// The first choice that an instruction is of.
pub(crate) fn excluded(i: Insn, row: &Row) -> Option<&'static Choice> {
    let e = Encoding { i, row, fields: fields(row, i.word) };
    CHOICES.iter().find(|c| (c.when)(&e))
}

/// Each choice is met by random words, and does what the list says; the page has it.
pub(crate) fn choices_are_made() -> Result<(), String> {
    let page = include_str!("../../../../docs/arm.md");
    let mut seen = vec![0; CHOICES.len()];
    let mut r = Rng::new(5);
    let mut wrong = Vec::new();
    for (set, thumb) in FORMS {
        for row in decode::rows(set).iter().filter(|row| generate::exists(set, thumb, row)) {
            for _ in 0..400 {
                let mut w = word(&mut r, set, thumb, row);
                if r.one_in(8) {
                    w = w & row.mask | r.next() as u32 & !row.mask;
                }
                if set == Set::Cond && w >> 28 == 15 {
                    continue;
                }
                let manual = match set {
                    Set::Cond | Set::Uncond if thumb => match from_a32(w) {
                        Some(w) => w,
                        None => continue,
                    },
                    _ => w,
                };
                let it =
                    if thumb && r.one_in(3) { (r.below(14) << 4 | 1 << r.below(4)) << pc::IT } else { 0 };
                let i = insn(NOWHERE | thumb as u64 | it, generate::in_memory(thumb, manual));
                if decode::decode(i).row().map(|r| r.name) != Some(row.name) {
                    continue;
                }
                let e = Encoding { i, row, fields: fields(row, i.word) };
                let does = if undefined_alone(i) { Does::Undefined } else { Does::Something };
                let mut of: Vec<usize> = (0..CHOICES.len()).filter(|n| (CHOICES[*n].when)(&e)).collect();
                // What is undefined for one reason need not be so for another.
                if of.iter().any(|n| CHOICES[*n].does == Does::Undefined) {
                    of.retain(|n| CHOICES[*n].does == Does::Undefined);
                }
                for n in of {
                    // What does something may be undefined for a reason of the manual's as well.
                    seen[n] += (CHOICES[n].does == does) as usize;
                    if does == Does::Something && CHOICES[n].does != does && wrong.len() < 20 {
                        wrong.push(format!(
                            "{:08x} ({:?} {}) is {does:?}: {}",
                            i.word,
                            i.set(),
                            row.name,
                            CHOICES[n].what
                        ));
                    }
                }
            }
        }
    }
    for (c, n) in CHOICES.iter().zip(seen) {
        if n == 0 {
            wrong.push(format!("never met as it is listed: {}", c.what));
        }
        let does = match c.does {
            Does::Undefined => "| SIGILL |",
            Does::Something => "|",
        };
        if !page.lines().any(|l| l.starts_with(&format!("| {} |", c.what)) && l.contains(does)) {
            wrong.push(format!("not in docs/arm.md: {} ({:?})", c.what, c.does));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
