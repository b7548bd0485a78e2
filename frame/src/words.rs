//! Numbers in and out of 32-bit words: the low word first, two's complement.

/// The two words of a signed 64-bit number.
#[inline]
#[must_use]
pub const fn split(number: i64) -> [u32; 2] {
    let bits = number.cast_unsigned();
    [bits as u32, (bits >> 32) as u32]
}

/// The signed 64-bit number in two words.
#[inline]
#[must_use]
pub const fn join(low: u32, high: u32) -> i64 {
    ((high as u64) << 32 | low as u64).cast_signed()
}

/// The part of `text` that an offset and a length name; empty where they name nothing.
#[inline]
#[must_use]
pub fn slice(text: &[u8], offset: u32, length: u32) -> &[u8] {
    text.get(offset as usize..offset as usize + length as usize).unwrap_or_default()
}

/// An offset or a length as a word. Frames are bounded far below 4 GiB, so this holds by construction.
#[inline]
#[must_use]
pub fn word(number: usize) -> u32 {
    debug_assert!(u32::try_from(number).is_ok(), "a frame of over 4 GiB");
    number as u32
}
