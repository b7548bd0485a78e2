//! Named values in so many bytes: the longest are cut, and what has no room even so is counted.
//!
//! Names and texts in a log are a stranger's. However long one is, the message that tells of it must come. It must never
//! know what a value says.

use crate::escape;

/// Bytes that a value keeps, if it has so many, before another is left out.
const VALUE_BYTES_MIN: usize = 16;

/// What the number of those that were left out is called.
const LEFT_OUT: &str = "left_out";

/// A value with its name, each as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub name: String,
    pub value: String,
}

/// The part of the room that a text gets: all that it needs, but at most a half, as long as others need the rest.
pub(crate) fn share(text: &str, room: usize) -> usize {
    text.len().min(room / 2)
}

/// Cuts values, the longest first, until all have room together, each with so many bytes around it besides. The last are
/// left out if nothing of them would be left. How many were left out, with those that were before, is the last value.
pub(crate) fn fit(
    mut all: Vec<Parameter>,
    left_out: usize,
    around: usize,
    room: usize,
) -> Vec<Parameter> {
    let least = |it: &Parameter| it.name.len() + around + it.value.len().min(VALUE_BYTES_MIN);
    let needed = |all: &[Parameter]| -> usize { all.iter().map(least).sum() };
    let before = all.len();
    if left_out > 0 || needed(&all) > room {
        let told =
            |left_out: usize| Parameter { name: LEFT_OUT.into(), value: left_out.to_string() };
        let own = least(&told(left_out + before));
        let mut most = needed(&all);
        while most + own > room
            && let Some(last) = all.pop()
        {
            most -= least(&last);
        }
        if own <= room {
            all.push(told(left_out + before - all.len()));
        }
    }
    let named: usize = all.iter().map(|it| it.name.len() + around).sum();
    let most = level(&all, room.saturating_sub(named));
    for it in &mut all {
        escape::cut(&mut it.value, most);
    }
    all
}

/// The most bytes that each value may have so that all have room.
fn level(all: &[Parameter], room: usize) -> usize {
    let mut lengths: Vec<usize> = all.iter().map(|it| it.value.len()).collect();
    lengths.sort_unstable();
    let (mut left, mut others) = (room, lengths.len());
    for length in lengths {
        // Those that are shorter than an equal share leave the rest of theirs to the longer ones.
        if length * others > left {
            return left / others;
        }
        left -= length;
        others -= 1;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::{Parameter, fit, share};

    #[test]
    fn the_longest_are_cut() {
        let check = |lengths: &[usize], room: usize, expected: &[usize], left_out: usize| {
            let one = |length: &usize| Parameter { name: "n".into(), value: "x".repeat(*length) };
            let mut all = fit(lengths.iter().map(one).collect(), 0, 4, room);
            assert!(all.iter().map(|it| it.name.len() + it.value.len() + 4).sum::<usize>() <= room);
            let told = all.pop_if(|it| it.name == "left_out").map(|it| it.value);
            assert_eq!(told.unwrap_or("0".into()), left_out.to_string(), "{lengths:?} {room}");
            let found: Vec<usize> = all.iter().map(|it| it.value.len()).collect();
            assert_eq!(found, expected, "{lengths:?} {room}");
            for (it, length) in all.iter().zip(lengths) {
                assert_eq!(it.value.ends_with("..."), it.value.len() < *length);
            }
        };
        check(&[], 0, &[], 0);
        check(&[3, 2000, 10], 2028, &[3, 2000, 10], 0);
        check(&[3, 2000, 10], 115, &[3, 87, 10], 0);
        check(&[900, 3, 2000], 218, &[100, 3, 100], 0);
        check(&[900, 900], 42, &[16, 16], 0);
        check(&[900, 900], 41, &[23], 1);
        check(&[900, 1], 26, &[], 2);
        check(&[900, 1], 27, &[16, 1], 0);
        check(&[5], 13, &[5], 0);
        check(&[20; 3], 25, &[], 3);
    }

    #[test]
    fn a_text_has_what_it_needs_up_to_a_half() {
        assert_eq!((share("short", 100), share(&"x".repeat(99), 100)), (5, 50));
    }
}
