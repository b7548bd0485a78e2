//! The canonical ABI's memory layout, as far as guests' answers need it.
//!
//! A guest answers with values that lie in its memory. An honest toolchain lays them out; a hostile guest must be able
//! to lay them out wrongly, so here lengths, pointers, discriminants and text are plain numbers and bytes, and nothing
//! is checked. It must never know what the values mean.

/// A part of a guest's memory that is filled before the guest starts.
#[derive(Debug)]
pub struct Arena {
    base: u32,
    bytes: Vec<u8>,
    wide: bool,
}

impl Arena {
    /// An empty part that begins at this address.
    #[must_use]
    pub fn new(base: u32) -> Self {
        Self { base, bytes: Vec::new(), wide: false }
    }

    /// From now on bytes are laid out as units of UTF-16: for guests that have no other lists of bytes.
    pub fn widen(&mut self) {
        self.wide = true;
    }

    /// Where it begins.
    #[must_use]
    pub fn base(&self) -> u32 {
        self.base
    }

    /// The first address behind it.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.base + self.length()
    }

    /// What is in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lays a value out at the next address that suits it, and says where that is.
    pub fn place<T: Lower>(&mut self, value: &T) -> u32 {
        let at = self.reserve(T::SIZE, T::ALIGN);
        value.lower(at, self);
        at
    }

    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a guest's data fits its memory")
    }

    fn reserve(&mut self, size: u32, align: u32) -> u32 {
        let at = aligned(self.end(), align);
        self.bytes.resize((at - self.base + size) as usize, 0);
        at
    }

    fn put(&mut self, at: u32, bytes: &[u8]) {
        let start = (at - self.base) as usize;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }
}

/// The least multiple of `align` from `address` on.
#[must_use]
pub const fn aligned(address: u32, align: u32) -> u32 {
    address.next_multiple_of(align)
}

/// A value with a place in memory.
pub trait Lower {
    /// Bytes that it takes in place; what it points to comes on top.
    const SIZE: u32;
    /// What its address is a multiple of.
    const ALIGN: u32;
    /// Writes it at an address that was reserved for it.
    fn lower(&self, at: u32, arena: &mut Arena);

    /// Writes many where there is room, one after the other, and says where they begin.
    fn lower_all(items: &[Self], arena: &mut Arena) -> u32
    where
        Self: Sized,
    {
        let length = u32::try_from(items.len()).expect("a list fits a guest's memory");
        let start = arena.reserve(Self::SIZE * length, Self::ALIGN);
        for (item, place) in items.iter().zip(0..) {
            item.lower(start + Self::SIZE * place, arena);
        }
        start
    }
}

impl Lower for u8 {
    const SIZE: u32 = 1;
    const ALIGN: u32 = 1;

    fn lower(&self, at: u32, arena: &mut Arena) {
        arena.put(at, &[*self]);
    }

    fn lower_all(items: &[Self], arena: &mut Arena) -> u32 {
        if arena.wide {
            let units: Vec<u16> = items.iter().copied().map(u16::from).collect();
            return u16::lower_all(&units, arena);
        }
        let start = arena.end();
        arena.bytes.extend_from_slice(items);
        start
    }
}

macro_rules! number {
    ($($kind:ty)*) => {$(
        impl Lower for $kind {
            const SIZE: u32 = size_of::<$kind>() as u32;
            const ALIGN: u32 = Self::SIZE;
            fn lower(&self, at: u32, arena: &mut Arena) {
                arena.put(at, &self.to_le_bytes());
            }
        }
    )*};
}

number!(u16 u32 i64 u64);

/// A list, or what claims to be one.
#[derive(Clone, Debug)]
pub enum List<T> {
    /// As many items as it says, where it says.
    Of(Vec<T>),
    /// A pointer and a length out of thin air.
    Claim {
        /// Where the items are said to be.
        pointer: u32,
        /// How many there are said to be.
        length: u32,
    },
}

/// A string: a list of bytes that need not be UTF-8.
pub type Text = List<u8>;

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self::Of(items)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Of(text.as_bytes().to_vec())
    }
}

impl<T: Lower> Lower for List<T> {
    const SIZE: u32 = 8;
    const ALIGN: u32 = 4;

    fn lower(&self, at: u32, arena: &mut Arena) {
        let (pointer, length) = match self {
            Self::Claim { pointer, length } => (*pointer, *length),
            Self::Of(items) => {
                let length = u32::try_from(items.len()).expect("a list fits a guest's memory");
                (T::lower_all(items, arena), length)
            }
        };
        pointer.lower(at, arena);
        length.lower(at + 4, arena);
    }
}

impl<T: Lower> Lower for Option<T> {
    const SIZE: u32 = aligned(1, T::ALIGN) + aligned(T::SIZE, T::ALIGN);
    const ALIGN: u32 = T::ALIGN;

    fn lower(&self, at: u32, arena: &mut Arena) {
        if let Some(value) = self {
            1_u8.lower(at, arena);
            value.lower(at + aligned(1, T::ALIGN), arena);
        }
    }
}

/// Declares a record of the contract: a struct with public fields, laid out one after the other.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl $crate::guests::abi::Lower for $name {
            const ALIGN: u32 = {
                let mut align = 1;
                $(if <$kind>::ALIGN > align { align = <$kind>::ALIGN; })*
                align
            };
            const SIZE: u32 = {
                let mut size = 0;
                $(size = $crate::guests::abi::aligned(size, <$kind>::ALIGN) + <$kind>::SIZE;)*
                $crate::guests::abi::aligned(size, Self::ALIGN)
            };

            fn lower(&self, at: u32, arena: &mut $crate::guests::abi::Arena) {
                let mut next = at;
                $(
                    next = $crate::guests::abi::aligned(next, <$kind>::ALIGN);
                    self.$field.lower(next, arena);
                    next += <$kind>::SIZE;
                )*
                debug_assert!(next <= at + Self::SIZE, "a record stays within its size");
            }
        }
    };
}

pub(crate) use record;
