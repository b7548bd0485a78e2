//! Comparing memory eight bytes at a time, for the whole guest.
//!
//! On this target the toolchain's own `memcmp` goes byte by byte, and a guest is metered by the instruction: comparing
//! keys, names and prefixes was a good part of what a record costs. The linker takes these in its place, so that `==`
//! on texts is quick wherever it stands.

#![allow(unsafe_code, reason = "the symbols that a linker looks for take raw pointers")]

/// The eight bytes at a place, the first of them the most significant.
///
/// # Safety
/// All eight must be readable.
#[inline]
unsafe fn word(bytes: *const u8) -> u64 {
    // SAFETY: by the caller's promise; the read may be unaligned.
    u64::from_be(unsafe { bytes.cast::<u64>().read_unaligned() })
}

/// C's `memcmp`.
///
/// # Safety
/// Both must be readable for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, length: usize) -> i32 {
    let mut at = 0;
    // SAFETY: every read ends at or before `length`, which the caller promises to be readable.
    unsafe {
        while at + 8 <= length {
            let (a, b) = (word(one.add(at)), word(other.add(at)));
            if a != b {
                return if a < b { -1 } else { 1 };
            }
            at += 8;
        }
        while at < length {
            let (a, b) = (one.add(at).read(), other.add(at).read());
            if a != b {
                return i32::from(a) - i32::from(b);
            }
            at += 1;
        }
    }
    0
}

/// C's `bcmp`: zero if they are the same.
///
/// # Safety
/// Both must be readable for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, length: usize) -> i32 {
    // SAFETY: every read ends at or before `length`, which the caller promises to be readable.
    unsafe {
        if length < 8 {
            let mut difference = 0;
            for at in 0..length {
                difference |= one.add(at).read() ^ other.add(at).read();
            }
            return i32::from(difference);
        }
        let mut at = 0;
        while at + 8 <= length {
            if word(one.add(at)) != word(other.add(at)) {
                return 1;
            }
            at += 8;
        }
        i32::from(word(one.add(length - 8)) != word(other.add(length - 8)))
    }
}
