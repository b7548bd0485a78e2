//! Comparing and searching eight bytes at a time.
//!
//! A guest is metered by the instruction, and what the standard library does byte by byte on this target is most of
//! what a record would cost. So the few places that every line of an attack passes use these. They must never know
//! what the bytes mean.

const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const SPACES: u64 = 0x2020_2020_2020_2020;

/// Where the last space is.
#[inline]
pub fn last_space(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    while let Some(chunk) = text[..end].last_chunk() {
        let word = u64::from_le_bytes(*chunk) ^ SPACES;
        // The highest bit of every byte that is zero, and no other bit.
        let found = !(((word & LOW) + LOW) | word | LOW);
        if found != 0 {
            return Some(end - 1 - (found.leading_zeros() / 8) as usize);
        }
        end -= 8;
    }
    text[..end].iter().rposition(|&byte| byte == b' ')
}

/// The text before this ending of eight bytes at the most, if it ends so.
#[inline]
pub fn without_end<'a, const N: usize>(text: &'a [u8], end: &[u8; N]) -> Option<&'a [u8]> {
    const { assert!(N > 0 && N <= 8, "an ending of up to eight bytes") };
    let Some(chunk) = text.last_chunk() else { return text.strip_suffix(end) };
    let mut wanted = [0; 8];
    wanted[8 - N..].copy_from_slice(end);
    let mask = u64::MAX << (8 * (8 - N));
    let same = u64::from_le_bytes(*chunk) & mask == u64::from_le_bytes(wanted);
    same.then(|| &text[..text.len() - N])
}

/// Whether two texts are the same.
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) else {
        return one.iter().zip(other).all(|(one, other)| one == other);
    };
    let mut pairs = one.chunks_exact(8).zip(other.chunks_exact(8));
    word(end) == word(other_end) && pairs.all(|(one, other)| word(one) == word(other))
}

#[inline]
fn word(chunk: &[u8]) -> u64 {
    chunk.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_plain_way() {
        let mut random: u32 = 7;
        let mut text = Vec::new();
        for round in 0..20_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let letters = b" !\xa0 \x1f\x00a\xff";
            text.push(letters[(random >> 24) as usize % letters.len()]);
            if text.len() > 40 {
                text.clear();
            }
            assert_eq!(last_space(&text), text.iter().rposition(|&byte| byte == b' '), "{text:?}");
            assert_eq!(without_end(&text, b" a"), text.strip_suffix(b" a"), "{text:?}");
            let mut other = text.clone();
            assert!(same(&text, &other));
            if let Some(byte) = other.get_mut(round % 41) {
                *byte ^= 1;
                assert!(!same(&text, &other), "{text:?}");
            }
        }
        assert_eq!(without_end(b"12345678", b"12345678"), Some(&b""[..]));
        assert_eq!(without_end(b"1234567", b"12345678"), None);
    }
}
