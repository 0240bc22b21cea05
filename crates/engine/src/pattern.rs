//! Decode rows, as all guests write them: a bit pattern that names its semantics.
//!
//! A guest's `decode.rs` has a type `Insn` (an instruction at its address, with accessors for its
//! fields) and calls [`tables!`](crate::tables) with the modules that hold rows; each of these
//! modules declares its rows with [`rows!`](crate::rows). A row is
//!
//! ```text
//! "sf 0 0 100010 sh imm12:12 rn:5 rd:5"  AddImm  none  add_imm;
//!  pattern                               name    flags function
//! ```
//!
//! - The pattern is read from bit 31 down: runs of `0` and `1` must match, `x` is any bit, `name`
//!   is a field of one bit and `name:n` a field of n bits. Functions read a field by its name with
//!   [`field!`](crate::field), which finds its bits in the rows of the file, or of the function.
//!   What many instructions share is read by functions of `Insn`. `sbz` and `sbo` are bits that
//!   should be zero or one, which nothing looks at; tests make instructions with them as they
//!   should be ([`Row::should_be`]).
//! - The name is unique; tests, traces and the fuzzer use it.
//! - Flags is what the instruction does with the guest's condition flags: see [`flags`].
//! - The function is `fn f<O: Ops>(o: &mut O, i: Insn)`. A field value that is reserved ends in
//!   [`undefined`]. Rows that differ in a constant share a function: `f[x, y]` calls
//!   `f(o, i, x, y)`.
//! - Rows must not overlap, except that a row marked `first` (before the pattern) wins against the
//!   rows after it; [`check`] finds what breaks this. Rows of different modules are ordered as the
//!   modules are in `tables!`.
//!
//! How a guest finds the row of a word is its own affair; [`Row::mask`] and [`Row::value`] are what
//! it makes its index from. A row's number selects an arm of a `match` with a direct call, so that
//! semantics are monomorphised for each [`Ops`].

use crate::ops::{Ops, Trap};
use alloc::string::String;
use alloc::vec::Vec;

/// What an instruction does with the guest's condition flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlagUse {
    /// Those that its result depends on (or that it may leave as they were): see [`nzcv`].
    pub reads: u8,
    /// Those that have new values afterwards (or, if they are read as well, may have).
    pub writes: u8,
}

/// The condition flags as bits.
pub mod nzcv {
    /// The sign.
    pub const N: u8 = 8;
    /// Zero.
    pub const Z: u8 = 4;
    /// The carry.
    pub const C: u8 = 2;
    /// Overflow.
    pub const V: u8 = 1;
    /// All of them.
    pub const ALL: u8 = 15;
}

/// The words that rows use for [`FlagUse`]. An instruction that may leave some bit as it was is
/// `both`.
#[allow(non_upper_case_globals)]
pub mod flags {
    use super::FlagUse;
    use super::nzcv::{ALL, C, N, Z};
    /// Has nothing to do with them.
    pub const none: FlagUse = FlagUse { reads: 0, writes: 0 };
    /// Depends on them.
    pub const reads: FlagUse = FlagUse { reads: ALL, writes: 0 };
    /// Sets all of them, whatever they were before.
    pub const writes: FlagUse = FlagUse { reads: 0, writes: ALL };
    /// Depends on them and sets them.
    pub const both: FlagUse = FlagUse { reads: ALL, writes: ALL };
    /// Sets N and Z, perhaps C, and leaves V as it was.
    pub const sets_nz: FlagUse = FlagUse { reads: 0, writes: N | Z };
    /// As `sets_nz`, where C may be the old one.
    pub const carries_nz: FlagUse = FlagUse { reads: C, writes: N | Z };
    /// Depends on C and sets all of them.
    pub const carries: FlagUse = FlagUse { reads: C, writes: ALL };
}

/// One encoding.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Unique name.
    pub name: &'static str,
    /// The pattern as written.
    pub pattern: &'static str,
    /// Bits that must match.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// Use of the condition flags.
    pub flags: FlagUse,
    /// Wins against overlapping rows after it.
    pub first: bool,
    /// The path of its function, as written.
    pub function: &'static str,
}

impl Row {
    /// A row of a `rows!` table.
    pub const fn new(
        name: &'static str,
        pattern: &'static str,
        flags: FlagUse,
        first: bool,
        function: &'static str,
    ) -> Row {
        let (mask, value) = parse(pattern);
        Row { name, pattern, mask, value, flags, first, function }
    }

    /// A word of the row with the bits that should be zero or one (fields `sbz` and `sbo`) as they
    /// should be.
    pub fn should_be(&self, mut word: u32) -> u32 {
        let mut bit = 32;
        for token in self.pattern.split_whitespace() {
            let (name, bits) = match token.split_once(':') {
                Some((name, bits)) => (name, bits.parse().unwrap_or(0)),
                None if token.starts_with(['0', '1', 'x']) => ("", token.len() as u32),
                None => (token, 1),
            };
            bit -= bits;
            let mask = (u32::MAX >> (32 - bits)) << bit;
            match name {
                "sbz" => word &= !mask,
                "sbo" => word |= mask,
                _ => {}
            }
        }
        word
    }

    /// Whether some word matches both rows.
    pub const fn overlaps(&self, other: &Row) -> bool {
        (self.value ^ other.value) & self.mask & other.mask == 0
    }
}

/// What is wrong with a guest's rows, one line each: names used twice, overlaps that no `first`
/// declares, rows that no word reaches.
pub fn check(rows: &[Row]) -> Vec<String> {
    let mut bad = Vec::new();
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[i + 1..] {
            if a.name == b.name {
                bad.push(alloc::format!("{} twice", a.name));
            }
            if a.overlaps(b) && !a.first {
                bad.push(alloc::format!("{} and {}", a.name, b.name));
            } else if a.overlaps(b) && a.mask & !b.mask == 0 {
                bad.push(alloc::format!("{} hides {}", a.name, b.name));
            }
        }
    }
    bad
}

/// Ends an instruction whose encoding is not allocated.
#[inline(always)]
pub fn undefined<O: Ops>(o: &mut O) {
    o.trap(Trap::Undefined);
}

/// Declares a module's rows; see [`pattern`](crate::pattern). Makes `ROWS` and `lift_row`.
#[allow(clippy::crate_in_macro_def)] // The guest's own `decode::Insn` and modules are meant.
#[macro_export]
macro_rules! rows {
    ($( $($first:ident)? $pattern:literal $name:ident $flags:ident $f:path $([$($arg:expr),*])?; )*) => {
        #[derive(Clone, Copy)]
        enum RowName { $($name),* }
        const BY_NUMBER: &[RowName] = &[$(RowName::$name),*];

        /// This file's rows.
        pub(crate) const ROWS: &[$crate::pattern::Row] = &[$($crate::pattern::Row::new(
            stringify!($name), $pattern, $crate::pattern::flags::$flags, $crate::rows!(@first $($first)?),
            stringify!($f))),*];

        /// Plays the semantics of row `number` of this file.
        #[inline(always)]
        pub(crate) fn lift_row<O: $crate::ops::Ops>(number: usize, o: &mut O, i: crate::decode::Insn) {
            match BY_NUMBER[number] { $(RowName::$name => $f(o, i $($(, $arg)*)?)),* }
        }
    };
    (@first) => { false };
    (@first first) => { true };
}

/// Joins the rows of modules, in order of precedence. Makes `COUNT`, `ROWS` and `lift_number`.
#[allow(clippy::crate_in_macro_def)] // The guest's own `decode::Insn` and modules are meant.
#[macro_export]
macro_rules! tables {
    ($($module:ident)*) => {
        const COUNT: usize = 0 $(+ crate::$module::ROWS.len())*;

        /// All rows, in order of precedence.
        pub static ROWS: [$crate::pattern::Row; COUNT] = {
            let mut all = [$crate::pattern::Row::new("", "x:31 x", $crate::pattern::flags::none, false, ""); COUNT];
            let mut n = 0;
            $(
                let mut i = 0;
                while i < crate::$module::ROWS.len() {
                    all[n] = crate::$module::ROWS[i];
                    n += 1;
                    i += 1;
                }
            )*
            all
        };

        /// Plays the semantics of row `number`; any other number is an undefined encoding.
        #[inline]
        fn lift_number<O: $crate::ops::Ops>(o: &mut O, number: usize, i: Insn) {
            let base = 0;
            $(
                if number < base + crate::$module::ROWS.len() {
                    return crate::$module::lift_row(number - base, o, i);
                }
                let base = base + crate::$module::ROWS.len();
            )*
            let _ = base;
            $crate::pattern::undefined(o);
        }
    };
}

/// Where a field lies in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    lsb: u8,
    len: u8,
}

impl Field {
    /// The field that rows have by this name. What does not compile: a name that no row has, or
    /// that rows have for different bits.
    pub const fn named(rows: &[Row], name: &str) -> Field {
        Field::find(rows, name, None)
    }

    /// As [`Field::named`], of the rows of this function, all of which must have the field.
    pub const fn of_function(rows: &[Row], function: &str, name: &str) -> Field {
        Field::find(rows, name, Some(function))
    }

    const fn find(rows: &[Row], name: &str, function: Option<&str>) -> Field {
        let mut found: Option<Field> = None;
        let mut n = 0;
        while n < rows.len() {
            let row = &rows[n];
            n += 1;
            if let Some(function) = function
                && !same(function.as_bytes(), row.function.as_bytes(), 0, row.function.len())
            {
                continue;
            }
            let Some(field) = Field::in_pattern(row.pattern, name) else {
                assert!(function.is_none(), "a field that a row of the function lacks");
                continue;
            };
            if let Some(other) = found {
                assert!(field.lsb == other.lsb && field.len == other.len, "a field at two places");
            }
            found = Some(field);
        }
        found.expect("a field that no row has")
    }

    /// The first field of a pattern that has this name.
    const fn in_pattern(pattern: &str, name: &str) -> Option<Field> {
        let (p, name) = (pattern.as_bytes(), name.as_bytes());
        let (mut i, mut lsb) = (0, 32);
        while i < p.len() {
            if p[i] == b' ' {
                i += 1;
                continue;
            }
            let start = i;
            while i < p.len() && p[i] != b' ' && p[i] != b':' {
                i += 1;
            }
            let end = i;
            let mut len = match p[start] {
                // Runs of these stand for as many bits.
                b'0' | b'1' | b'x' => (end - start) as u8,
                _ => 1,
            };
            if i < p.len() && p[i] == b':' {
                i += 1;
                len = 0;
                while i < p.len() && p[i] != b' ' {
                    len = len * 10 + (p[i] - b'0');
                    i += 1;
                }
            }
            lsb -= len;
            if same(name, p, start, end) {
                return Some(Field { lsb, len });
            }
        }
        None
    }

    /// Its bits.
    #[inline(always)]
    pub const fn of(self, word: u32) -> u32 {
        word >> self.lsb & (u32::MAX >> (32 - self.len))
    }

    /// Its bits as a number with a sign.
    #[inline(always)]
    pub const fn signed(self, word: u32) -> i32 {
        (word << (32 - self.len - self.lsb)) as i32 >> (32 - self.len)
    }
}

/// Whether `name` is what stands from `start` to `end`.
const fn same(name: &[u8], text: &[u8], start: usize, end: usize) -> bool {
    let mut same = end - start == name.len();
    let mut k = 0;
    while same && k < name.len() {
        same = text[start + k] == name[k];
        k += 1;
    }
    same
}

/// A field of an instruction, by its name in the rows of the file: `field!(i.imm12)`. With `i32` or
/// `i64` in front it has a sign, and with `set` it is whether a bit is one. Where the name stands
/// for other bits in other rows, the function says which rows it is of: `field!(i.opc, of ldnp)`.
#[macro_export]
macro_rules! field {
    (i32 $i:ident.$name:ident $(, of $function:ident)?) => {
        $crate::field!(@ $name $($function)?).signed($i.word)
    };
    (i64 $i:ident.$name:ident $(, of $function:ident)?) => {
        i64::from($crate::field!(@ $name $($function)?).signed($i.word))
    };
    (set $i:ident.$name:ident $(, of $function:ident)?) => {
        ($crate::field!(@ $name $($function)?).of($i.word) != 0)
    };
    ($i:ident.$name:ident $(, of $function:ident)?) => {
        $crate::field!(@ $name $($function)?).of($i.word)
    };
    (@ $name:ident) => {{
        const FIELD: $crate::pattern::Field = $crate::pattern::Field::named(ROWS, stringify!($name));
        FIELD
    }};
    (@ $name:ident $function:ident) => {{
        const FIELD: $crate::pattern::Field =
            $crate::pattern::Field::of_function(ROWS, stringify!($function), stringify!($name));
        FIELD
    }};
}

/// Mask and value of a pattern; a pattern that has not 32 bits does not compile.
pub const fn parse(pattern: &str) -> (u32, u32) {
    let p = pattern.as_bytes();
    let (mut mask, mut value, mut bits) = (0u64, 0u64, 0u32);
    let mut i = 0;
    while i < p.len() {
        match p[i] {
            b' ' => i += 1,
            b'0' | b'1' => {
                mask = mask << 1 | 1;
                value = value << 1 | (p[i] - b'0') as u64;
                bits += 1;
                i += 1;
            }
            _ => {
                let start = i;
                while i < p.len() && p[i] != b' ' && p[i] != b':' {
                    i += 1;
                }
                let mut n = 0;
                if i < p.len() && p[i] == b':' {
                    i += 1;
                    while i < p.len() && p[i].is_ascii_digit() {
                        n = n * 10 + (p[i] - b'0') as u32;
                        i += 1;
                    }
                } else if p[start] == b'x' {
                    // A run of x stands for as many bits, so that `xxx` reads like a run of digits.
                    n = (i - start) as u32;
                } else {
                    n = 1;
                }
                assert!(n > 0 && n < 32, "a field of no or too many bits");
                mask <<= n;
                value <<= n;
                bits += n;
            }
        }
    }
    assert!(bits == 32, "a pattern that has not 32 bits");
    (mask as u32, value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        #[track_caller]
        fn check(pattern: &str, mask: u32, value: u32) {
            assert_eq!(parse(pattern), (mask, value), "{pattern}");
        }
        check("sf 0 0 100010 sh imm12:12 rn:5 rd:5", 0x7f80_0000, 0x1100_0000);
        check("xxx 1 00000000 00000000 00000000 0000", 0x1fff_ffff, 0x1000_0000);
        check("11111111111111111111111111111111", u32::MAX, u32::MAX);
    }

    #[test]
    fn fields_are_found_by_name() {
        let row = |pattern| Row::new("A", pattern, flags::none, false, "");
        let rows = [row("sf 0 0 100010 sh imm12:12 rn:5 rd:5"), row("sf xx x:24 rd:5")];
        #[track_caller]
        fn check(rows: &[Row], name: &str, lsb: u8, len: u8) {
            assert_eq!(Field::named(rows, name), Field { lsb, len }, "{name}");
        }
        check(&rows, "sf", 31, 1);
        check(&rows, "sh", 22, 1);
        check(&rows, "imm12", 10, 12);
        check(&rows, "rn", 5, 5);
        check(&rows, "rd", 0, 5);
        let imm12 = Field::named(&rows, "imm12");
        assert_eq!((imm12.of(0x91ff_fc20), imm12.signed(0x91ff_fc20)), (0xfff, -1));
        assert_eq!((imm12.of(0x911f_fc20), imm12.signed(0x911f_fc20)), (0x7ff, 0x7ff));
    }

    #[test]
    #[should_panic = "a field at two places"]
    fn a_field_has_one_place() {
        let row = |pattern| Row::new("A", pattern, flags::none, false, "");
        Field::named(&[row("imm:5 0 x:26"), row("0 imm:5 x:26")], "imm");
    }

    #[test]
    #[should_panic = "a field that no row has"]
    fn a_field_is_in_a_row() {
        Field::named(&[Row::new("A", "imm:5 0 x:26", flags::none, false, "")], "im");
    }

    #[test]
    fn a_function_has_a_field_at_one_place() {
        let row = |pattern, function| Row::new("A", pattern, flags::none, false, function);
        let rows = [row("imm:5 0 x:26", "f"), row("0 imm:5 x:26", "g"), row("imm:5 1 x:26", "f")];
        assert_eq!(Field::of_function(&rows, "f", "imm"), Field { lsb: 27, len: 5 });
        assert_eq!(Field::of_function(&rows, "g", "imm"), Field { lsb: 26, len: 5 });
    }

    #[test]
    #[should_panic = "a field that a row of the function lacks"]
    fn all_rows_of_a_function_have_its_field() {
        let row = |pattern| Row::new("A", pattern, flags::none, false, "f");
        Field::of_function(&[row("imm:5 0 x:26"), row("0 imn:5 x:26")], "f", "imm");
    }

    #[test]
    fn mistakes_in_rows_are_found() {
        let row = |name, pattern, first| Row::new(name, pattern, flags::none, first, "");
        let bad = |rows: &[Row]| check(rows).join(";");
        assert_eq!(bad(&[row("A", "0 x:31", false), row("B", "1 x:31", false)]), "");
        assert_eq!(bad(&[row("A", "0 x:31", false), row("A", "1 x:31", false)]), "A twice");
        assert_eq!(bad(&[row("A", "00 x:30", false), row("B", "0 x:31", false)]), "A and B");
        assert_eq!(bad(&[row("A", "00 x:30", true), row("B", "0 x:31", false)]), "");
        assert_eq!(bad(&[row("A", "0 x:31", true), row("B", "00 x:30", false)]), "A hides B");
    }
}
