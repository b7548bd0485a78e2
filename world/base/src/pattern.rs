//! Patterns as operators write them: `*` stands for anything, `?` for one character or byte.

/// Whether all of a text fits a pattern, by characters or by bytes. Takes their lengths' product at the worst, not more.
#[must_use]
pub fn fits<T: Copy + PartialEq + From<u8>>(pattern: &[T], text: &[T]) -> bool {
    let (any, one) = (T::from(b'*'), T::from(b'?'));
    let (mut at, mut place) = (0, 0);
    // Where to go on when a guess at what a `*` stands for was wrong.
    let mut retry = None;
    while place < text.len() {
        match pattern.get(at) {
            Some(&wanted) if wanted == any => {
                at += 1;
                retry = Some((at, place));
            }
            Some(&wanted) if wanted == one || wanted == text[place] => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                (at, place) = (after, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|&rest| rest == any)
}
