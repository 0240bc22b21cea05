//! The kernel's structures: described once by their C types, laid out for any architecture.
//!
//! A row of the table ([`rows`]) names a structure and its members by C type. The size, the offsets
//! and both directions of conversion follow from the row and a [`Model`]. Where the kernel's
//! headers define a structure differently for some architectures, the row has a variant for each of
//! these; members of two variants belong together when they have the same name. So an architecture
//! adds at most its own variants, and no code.
//!
//! [`same_struct`] tells at build time whether guest and host agree on a structure: such a
//! structure is never touched. For others [`Plan`] holds the conversion as a few runs, made at its
//! first use.
//!
//! The layouts are compared with the kernel's own headers by `tests/harness/tests/structures.rs`.

pub(crate) mod call;
pub mod constants;
pub(crate) mod message;
pub mod model;
mod plan;
pub mod rows;
pub(crate) mod siginfo;
pub(crate) mod sockaddr;
pub(crate) mod termios;

pub use model::{ByteOrder, Family, Model};
pub use plan::{Direction, Plan};

/// A C type as the kernel's headers use it.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// An integer of this many bytes: 1, 2, 4 or 8.
    Int {
        /// Bytes.
        size: u8,
        /// Whether it is sign-extended where it gets wider.
        signed: bool,
    },
    /// `long`, or `unsigned long`, `size_t`, `__kernel_old_time_t` and others of its width.
    Long {
        /// Whether it is sign-extended where it gets wider.
        signed: bool,
    },
    /// The address of anything.
    Pointer,
    /// Bytes whose order is the same everywhere (characters, numbers in network order), aligned as
    /// an integer of `align` bytes.
    Raw {
        /// Bytes.
        size: u16,
        /// Alignment, in bytes.
        align: u8,
    },
    /// A set of signals: bits in an array of `unsigned long`.
    Signals,
    /// A resource limit as an `unsigned long`: what does not fit is no limit at all, and the other
    /// way round.
    Limit,
    /// A user or group in 16 bits: what does not fit is the one that stands for all such.
    Id16,
    /// Nanoseconds in 64 bits. A 32-bit program writes the lower 32, and what lies beside them has
    /// no meaning (the kernel's get_timespec64).
    Nanoseconds,
    /// So many of a type.
    Array(&'static Type, usize),
    /// Another structure.
    Struct(&'static Struct),
}

/// A member of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The header's name, or one that begins with `_` for what the header names otherwise or not.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
}

/// One definition of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// For which architectures; `None` for all that have no variant of their own.
    pub family: Option<Family>,
    /// Members lie without padding (`__attribute__((packed))`).
    pub packed: bool,
    /// The members, in order.
    pub fields: &'static [Field],
}

/// A structure of the kernel's ABI.
#[derive(Debug)]
pub struct Struct {
    /// Its name in the table.
    pub name: &'static str,
    /// Its name in C, or nothing if no header that a program can include defines it.
    pub c_name: &'static str,
    /// The header that defines it.
    pub header: &'static str,
    /// Its definitions.
    pub variants: &'static [Variant],
    /// Index in [`rows::ALL`].
    pub index: u16,
    /// For which models ([`Model::index`]) it differs from the host's: a bit each.
    pub differs: u16,
}

impl PartialEq for Struct {
    fn eq(&self, other: &Struct) -> bool {
        self.index == other.index
    }
}

impl Eq for Struct {}

/// Bytes of a set of signals: there are 64, of MIPS 128.
pub(crate) const fn signals_size(model: &Model) -> usize {
    if matches!(model.family, Family::Mips) { 16 } else { 8 }
}

/// A power of two's multiple at or above `at`.
const fn align_up(at: usize, align: usize) -> usize {
    (at + align - 1) & !(align - 1)
}

impl Type {
    /// Size and alignment in bytes.
    pub(crate) const fn size_align(&self, model: &Model) -> (usize, usize) {
        match self {
            Type::Int { size: 8, .. } | Type::Nanoseconds => (8, model.align64),
            Type::Int { size, .. } => (*size as usize, *size as usize),
            Type::Long { .. } | Type::Limit | Type::Pointer => (model.word, model.word),
            Type::Signals => (signals_size(model), model.word),
            Type::Id16 => (2, 2),
            Type::Raw { size, align } => (*size as usize, *align as usize),
            Type::Array(of, count) => {
                let (size, align) = of.size_align(model);
                (size * *count, align)
            }
            Type::Struct(of) => of.size_align(model),
        }
    }

    /// Size in bytes.
    pub const fn size(&self, model: &Model) -> usize {
        self.size_align(model).0
    }
}

/// Of which of a structure's variants is the one for an architecture.
const fn variant<'a>(variants: &'a [Variant], model: &Model) -> &'a Variant {
    let mut i = 0;
    while i < variants.len() {
        match variants[i].family {
            Some(family) if family as u8 != model.family as u8 => i += 1,
            _ => return &variants[i],
        }
    }
    panic!("a structure without a definition for this architecture")
}

impl Variant {
    /// Size and alignment in bytes.
    const fn size_align(&self, model: &Model) -> (usize, usize) {
        let (mut at, mut most) = (0, 1);
        let mut i = 0;
        while i < self.fields.len() {
            let (size, align) = self.fields[i].ty.size_align(model);
            if !self.packed {
                at = align_up(at, align);
                most = if align > most { align } else { most };
            }
            at += size;
            i += 1;
        }
        (align_up(at, most), most)
    }
}

impl Struct {
    /// Whether a number that the guest's member cannot hold makes the call fail (`EOVERFLOW`).
    /// Others are cut off, as the kernel does.
    pub(crate) fn must_fit(&self) -> bool {
        ["stat", "stat64", "statfs", "statfs64", "flock", "flock64"].contains(&self.name)
    }

    /// Whether it differs between a guest and the host.
    pub(crate) const fn differs_for(&self, guest: &Model) -> bool {
        self.differs & 1 << guest.index != 0
    }

    /// The definition for an architecture.
    pub const fn variant(&self, model: &Model) -> &Variant {
        variant(self.variants, model)
    }

    /// Size and alignment in bytes.
    pub(crate) const fn size_align(&self, model: &Model) -> (usize, usize) {
        self.variant(model).size_align(model)
    }

    /// Size in bytes.
    pub const fn size(&self, model: &Model) -> usize {
        self.size_align(model).0
    }

    /// Name, offset in bytes and type of each member.
    pub fn members(&self, model: &Model) -> impl Iterator<Item = (&'static str, usize, Type)> {
        let Variant { packed, fields, .. } = *self.variant(model);
        let model = *model;
        fields.iter().scan(0, move |end, field| {
            let (size, align) = field.ty.size_align(&model);
            let at = if packed { *end } else { align_up(*end, align) };
            *end = at + size;
            Some((field.name, at, field.ty))
        })
    }

    /// Offset in bytes of a member, if there is one of that name.
    pub fn offset(&self, name: &str, model: &Model) -> Option<usize> {
        self.members(model).find(|member| member.0 == name).map(|member| member.1)
    }
}

const fn same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Whether two architectures agree on the place of every bit in an array of `unsigned long`, whose
/// length they may round up differently.
pub(crate) const fn same_words(a: &Model, b: &Model) -> bool {
    a.order as u8 == b.order as u8 && (a.word == b.word || matches!(a.order, ByteOrder::Little))
}

/// Whether two architectures agree on every byte of a type.
const fn same(ty: &Type, a: &Model, b: &Model) -> bool {
    match ty {
        Type::Int { size: 1, .. } | Type::Raw { .. } => true,
        Type::Nanoseconds => a.order as u8 == b.order as u8 && a.word == b.word,
        Type::Int { .. } | Type::Id16 => a.order as u8 == b.order as u8,
        Type::Signals => {
            same_words(a, b) && matches!(a.family, Family::Mips) == matches!(b.family, Family::Mips)
        }
        Type::Long { .. } | Type::Limit | Type::Pointer => a.word == b.word && a.order as u8 == b.order as u8,
        Type::Array(of, _) => same(of, a, b),
        Type::Struct(of) => same_struct(of, a, b),
    }
}

/// Whether two architectures agree on every byte of a structure, so that nothing is to be
/// converted.
pub(crate) const fn same_struct(of: &Struct, a: &Model, b: &Model) -> bool {
    same_variants(of.variant(a), a, of.variant(b), b)
}

const fn same_variants(va: &Variant, a: &Model, vb: &Variant, b: &Model) -> bool {
    if va.fields.len() != vb.fields.len() || va.size_align(a).0 != vb.size_align(b).0 {
        return false;
    }
    let (mut at_a, mut at_b) = (0, 0);
    let mut i = 0;
    while i < va.fields.len() {
        let (fa, fb) = (&va.fields[i], &vb.fields[i]);
        let (size_a, align_a) = fa.ty.size_align(a);
        let (size_b, align_b) = fb.ty.size_align(b);
        at_a = if va.packed { at_a } else { align_up(at_a, align_a) };
        at_b = if vb.packed { at_b } else { align_up(at_b, align_b) };
        let agree = same_text(fa.name, fb.name) && size_a == size_b && at_a == at_b;
        if !agree || !same(&fa.ty, a, b) || !same(&fb.ty, a, b) {
            return false;
        }
        (at_a, at_b) = (at_a + size_a, at_b + size_b);
        i += 1;
    }
    true
}

/// For which models ([`Model::index`]) a structure with these definitions differs from the host's.
const fn differs(variants: &[Variant]) -> u16 {
    let host = &model::HOST;
    let mut models = 0;
    let mut m = 0;
    while m < model::MODELS.len() {
        let guest = &model::MODELS[m];
        if !same_variants(variant(variants, guest), guest, variant(variants, host), host) {
            models |= 1 << m;
        }
        m += 1;
    }
    models
}
