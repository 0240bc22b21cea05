//! What is known of generated code: units, and which guest instruction a host address belongs to.

use super::{InsnMark, ROOM};
use alloc::vec::Vec;

/// One unit. The lengths of its guest instructions are in their marks.
pub(super) struct Unit {
    /// Of its first instruction.
    pub(super) pc: u64,
    /// The address of that.
    pub(super) start: u64,
    pub(super) guest_len: u32,
    pub(super) host: u32,
    pub(super) host_end: u32,
    pub(super) marks: u32,
    pub(super) cold: u32,
    pub(super) cold_len: u16,
    pub(super) count: u16,
    /// Host bytes of the check that it begins with (see [`crate::shared`]).
    pub(super) check: u16,
    pub(super) sources: u32,
    pub(super) calls: u32,
    pub(super) links: u32,
    pub(super) source_count: u8,
    pub(super) mode: u8,
    pub(super) alive: bool,
    /// It makes calls, so that there may be returns to it.
    pub(super) calls_out: bool,
    pub(super) call_count: u16,
}

/// What is known of generated code, by ascending host address.
#[derive(Default)]
pub(super) struct Code {
    pub(super) units: Vec<Unit>,
    pub(super) marks: Vec<InsnMark>,
    pub(super) cold: Vec<(u32, u16)>,
    /// Where a unit does not go on at the next address: index of a mark, its address.
    pub(super) turns: Vec<(u32, u64)>,
    /// Where what follows a locked instruction becomes a jump: see [`Cache::watch_reservations`].
    pub(super) locked: Vec<u32>,
}

/// What is at a host address.
pub enum Origin {
    /// Not in the code cache.
    Outside,
    /// In the fixed glue, or a dead place.
    Glue,
    /// In a unit: guest pc of the instruction, whether exactly at its start, and its mark. `next`
    /// is the following instruction's pc.
    Insn {
        /// Guest address.
        pc: u64,
        /// Guest address of the next instruction.
        next: u64,
        /// At its first byte.
        at_start: bool,
        /// Where NZCV are.
        mark: InsnMark,
        /// It is the first of several instructions that are one step.
        fused: bool,
        /// Its host code, as offsets: of the part in the unit's straight line; elsewhere from where
        /// the code there begins, to its end at the latest.
        code: (u32, u32),
    },
    /// In the check of the unit that begins at this guest address.
    Check {
        /// Guest address.
        pc: u64,
    },
}

impl Code {
    /// None, with room for those of most programs: see [`super::ROOM`].
    pub(super) fn new() -> Code {
        Code { units: Vec::with_capacity(ROOM), marks: Vec::with_capacity(16 * ROOM), ..Code::default() }
    }

    pub(super) fn unit_at(&self, host: u32) -> Option<u32> {
        let i = self.units.partition_point(|u| u.host <= host);
        let i = i.checked_sub(1)?;
        (host < self.units[i].host_end).then_some(i as u32)
    }

    /// Calls `f` with the `pc` of each instruction of a unit.
    pub(super) fn each_pc(&self, unit: usize, mut f: impl FnMut(u64)) {
        let u = &self.units[unit];
        let first = u.marks as usize;
        let turn = self.turns.partition_point(|t| t.0 as usize <= first);
        let mut turns = self.turns[turn..].iter().peekable();
        let mut pc = u.pc;
        for (i, mark) in self.marks[first..first + u.count as usize].iter().enumerate() {
            if let Some(&(_, turned)) = turns.next_if(|t| t.0 as usize == first + i) {
                pc = turned;
            }
            if !mark.is_more() {
                f(pc);
            }
            pc += mark.guest_len();
        }
    }

    /// What is at an offset, if it is in one of these units.
    pub(super) fn origin(&self, offset: u32) -> Option<Origin> {
        let u = &self.units[self.unit_at(offset)? as usize];
        let rel = offset - u.host;
        let first = u.marks as usize;
        let marks = &self.marks[first..first + u.count as usize];
        let insn = |i: usize, at_start: bool, code: (u32, u32)| {
            let turns = &self.turns[..self.turns.partition_point(|t| t.0 as usize <= first + i)];
            let (from, pc) = match turns.last() {
                // (One behind the unit before is told at the number of this unit's first mark.)
                Some(&(mark, pc)) if mark as usize > first => (mark as usize - first, pc),
                _ => (0, u.pc),
            };
            let pc = marks[from..i].iter().fold(pc, |pc, m| pc + m.guest_len());
            let last = i + marks[i..].iter().take_while(|m| m.is_more()).count();
            let turn = self.turns.binary_search_by_key(&(first + last + 1), |t| t.0 as usize);
            let next = match turn {
                Ok(turn) => self.turns[turn].1,
                Err(_) => pc + marks.get(last).map_or(0, |m| m.guest_len()),
            };
            let fused = marks.get(last + 1).is_some_and(|m| m.is_covered());
            let code = (u.host + code.0, u.host + code.1);
            Some(Origin::Insn { pc, next, at_start, mark: marks[i], fused, code })
        };
        let check = u.check as u32;
        if rel < check {
            return Some(Origin::Check { pc: u.pc });
        }
        // Index of the instruction's first mark, and where its bytes begin.
        let (mut index, mut start) = (0, check);
        let mut at = check;
        for (i, m) in marks.iter().enumerate() {
            if rel < at + m.host_len() {
                let more = marks[i..].iter().take_while(|m| m.is_more()).count();
                let end =
                    at + marks[i..=(i + more).min(marks.len() - 1)].iter().map(|m| m.host_len()).sum::<u32>();
                return insn(index, rel == start, (start, end));
            }
            at += m.host_len();
            if !m.is_more() {
                (index, start) = (i + 1, at);
            }
        }
        let cold = &self.cold[u.cold as usize..u.cold as usize + u.cold_len as usize];
        let i = cold.partition_point(|c| c.0 <= rel);
        // What is behind the last are stubs.
        let (cold, next) = (cold.get(i.checked_sub(1)?)?, cold.get(i)?);
        insn(cold.1 as usize, false, (cold.0, next.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::COLD_END;
    use crate::cache::{FlagState, NIL};

    /// The unit of `code`.
    fn unit() -> Unit {
        Unit {
            pc: 0x1000,
            start: 0x1000,
            guest_len: 24,
            host: 100,
            host_end: 5200,
            marks: 0,
            cold: 0,
            cold_len: 2,
            count: 0,
            check: 0,
            sources: 0,
            calls: 0,
            links: NIL,
            source_count: 1,
            mode: 0,
            alive: true,
            calls_out: false,
            call_count: 0,
        }
    }

    /// One unit at host offset 100 and guest address 0x1000: a short instruction, one of 5000 host
    /// bytes, one of none, a step of three, and one that is elsewhere.
    fn code() -> Code {
        let mut marks = Vec::new();
        let mut push = |len, start| InsnMark::push(&mut marks, len, false, start, start);
        push(10, FlagState::MEMORY);
        push(5000, FlagState::new(2));
        push(0, FlagState::MEMORY);
        push(30, FlagState::new(1));
        marks.extend([InsnMark::covered(false); 2]);
        let turn = marks.len() as u32;
        InsnMark::push(&mut marks, 20, false, FlagState::MEMORY, FlagState::MEMORY);
        let unit = Unit { count: marks.len() as u16, ..unit() };
        Code {
            units: Vec::from([unit]),
            marks,
            cold: Vec::from([(5160 - 100, 1), (5190 - 100, COLD_END)]),
            turns: Vec::from([(turn, 0x9000)]),
            locked: Vec::new(),
        }
    }

    #[test]
    fn instructions_follow_one_another_as_they_were_translated() {
        let mut code = Code { turns: Vec::from([(1, 0x7_0000_1002), (2, 0x9000)]), ..Code::default() };
        for (pc, host) in [(0x1000, 100), (0x5000, 120)] {
            let marks = code.marks.len() as u32;
            for _ in 0..=(host == 100) as u32 {
                InsnMark::push(&mut code.marks, 10, true, FlagState::MEMORY, FlagState::MEMORY);
            }
            let (host_end, count) = (host + 20, (code.marks.len() as u32 - marks) as u16);
            code.units.push(Unit { pc, start: pc, host, host_end, marks, count, cold_len: 0, ..unit() });
        }
        let check = |host: u32, pc: u64, next: u64| match code.origin(host) {
            Some(Origin::Insn { pc: p, next: n, .. }) => assert_eq!((p, n), (pc, next), "{host}"),
            _ => panic!("{host} is in a unit"),
        };
        check(100, 0x1000, 0x7_0000_1002);
        // What follows the last instruction is known, and is not the next unit's first.
        check(110, 0x7_0000_1002, 0x9000);
        check(120, 0x5000, 0x5002);
        let mut all = Vec::new();
        (0..2).for_each(|unit| code.each_pc(unit, |pc| all.push(pc)));
        assert_eq!(all, [0x1000, 0x7_0000_1002, 0x5000]);
    }

    #[test]
    fn host_addresses_map_to_guest_instructions() {
        let code = code();
        let check = |host: u32, pc: u64, next: u64, start: bool, flags: FlagState, is_fused: bool| match code
            .origin(host)
        {
            Some(Origin::Insn { pc: p, next: n, at_start, mark, fused, .. }) => {
                assert_eq!(
                    (p, n, at_start, mark.at_start(), fused),
                    (pc, next, start, flags, is_fused),
                    "{host}"
                );
            }
            _ => panic!("{host} is in the unit"),
        };
        check(100, 0x1000, 0x1004, true, FlagState::MEMORY, false);
        check(109, 0x1000, 0x1004, false, FlagState::MEMORY, false);
        check(110, 0x1004, 0x1008, true, FlagState::new(2), false);
        for host in [111, 110 + 2047, 110 + 2 * 2047, 110 + 4999] {
            check(host, 0x1004, 0x1008, false, FlagState::new(2), false);
        }
        check(5110, 0x100c, 0x1010, true, FlagState::new(1), true);
        check(5139, 0x100c, 0x1010, false, FlagState::new(1), true);
        check(5140, 0x9000, 0x9004, true, FlagState::MEMORY, false);
        check(5159, 0x9000, 0x9004, false, FlagState::MEMORY, false);
        // The cold path of the long one.
        check(5170, 0x1004, 0x1008, false, FlagState::new(2), false);
        let mut all = Vec::new();
        code.each_pc(0, |pc| all.push(pc));
        assert_eq!(all, [0x1000, 0x1004, 0x1008, 0x100c, 0x1010, 0x1014, 0x9000]);
        // The stubs, and what is not the unit's.
        assert!([5190, 5199, 99, 5200].iter().all(|&host| code.origin(host).is_none()));
    }
}
