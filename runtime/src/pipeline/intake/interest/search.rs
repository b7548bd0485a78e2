//! Looks for all literals of all modules that may stand anywhere in a message, in one pass.
//!
//! A literal of at least [`WINDOW`] bytes has, wherever it stands, a run of [`GRAM`] bytes that starts at a multiple of
//! [`STEP`]: so only every fifth place of a message is looked at, and a bit tells whether any literal could be there.
//! The number of literals hardly matters. The few short ones are looked for one by one.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use memchr::memmem::Finder;

const GRAM: usize = 4;
const WINDOW: usize = 8;
const STEP: usize = WINDOW - GRAM + 1;
const BITS: usize = 1 << 16;

/// A literal that was found: the number that it was added under, and where in the message.
pub(super) type Found = (u32, u32);

/// The literals, ready to be looked for.
pub(super) struct Search {
    texts: Vec<Box<[u8]>>,
    /// A bit for each hash of a run of bytes that some literal has.
    bits: Box<[u64; BITS / 64]>,
    /// The literals that have a run of bytes, and where in the literal it stands.
    grams: HashMap<u32, Vec<(u32, u32)>, FixedState>,
    short: Vec<(u32, Finder<'static>)>,
}

impl Search {
    /// Prepares for these literals; each is called by its place.
    pub(super) fn new(texts: Vec<Box<[u8]>>) -> Self {
        let mut search = Self {
            bits: Box::new([0; BITS / 64]),
            grams: HashMap::default(),
            short: Vec::new(),
            texts: Vec::new(),
        };
        for (number, text) in texts.iter().enumerate() {
            let number = number as u32;
            if text.len() < WINDOW {
                search.short.push((number, Finder::new(text).into_owned()));
                continue;
            }
            let start = rarest_window(text);
            for offset in start..start + STEP {
                let gram = gram(text, offset);
                let bit = bit(gram);
                search.bits[bit / 64] |= 1 << (bit % 64);
                search.grams.entry(gram).or_default().push((number, offset as u32));
            }
        }
        search.texts = texts;
        search
    }

    /// Appends every literal that is in the message, with the first place where it stands.
    #[inline]
    pub(super) fn find(&self, message: &[u8], found: &mut Vec<Found>) {
        let mut place = 0;
        while place + GRAM <= message.len() {
            let gram = gram(message, place);
            let bit = bit(gram);
            if self.bits[bit / 64] >> (bit % 64) & 1 == 1 {
                self.verify(message, place, gram, found);
            }
            place += STEP;
        }
        for (number, finder) in &self.short {
            if let Some(place) = finder.find(message) {
                found.push((*number, place as u32));
            }
        }
    }

    /// Compares the literals that have this run of bytes with what stands around it.
    fn verify(&self, message: &[u8], place: usize, gram: u32, found: &mut Vec<Found>) {
        let Some(candidates) = self.grams.get(&gram) else { return };
        // Places come in order and offsets fall, so the first that is found is the first there is.
        for &(number, offset) in candidates.iter().rev() {
            let Some(start) = place.checked_sub(offset as usize) else { continue };
            if message[start..].starts_with(&self.texts[number as usize])
                && found.iter().all(|&(other, _)| other != number)
            {
                found.push((number, start as u32));
            }
        }
    }
}

#[inline]
fn gram(bytes: &[u8], place: usize) -> u32 {
    match bytes[place..] {
        [a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[inline]
const fn bit(gram: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Where the window of the literal starts that is least like common words: capitals, digits and signs are rare in logs.
fn rarest_window(text: &[u8]) -> usize {
    let rarity = |byte: &u8| match byte {
        b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 0,
        b'a'..=b'z' => 1,
        _ => 3_u32,
    };
    let score = |start: &usize| text[*start..start + WINDOW].iter().map(rarity).sum::<u32>();
    (0..=text.len() - WINDOW).max_by_key(score).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Found, Search};

    fn check(literals: &[&str], message: &str, expected: &[Found]) {
        let texts = literals.iter().map(|text| text.as_bytes().into()).collect();
        let mut found = Vec::new();
        Search::new(texts).find(message.as_bytes(), &mut found);
        found.sort_unstable();
        assert_eq!(found, expected, "{message}");
    }

    #[test]
    fn literals_are_found_wherever_they_stand() {
        let literals = ["authentication failure", "ssh2: ", "authentic", "sword for"];
        for space in 0..20 {
            let before = " ".repeat(space);
            let message = format!("{before}authentication failure; ssh2: x password for me");
            let at = |place: usize| (place + space) as u32;
            check(&literals, &message, &[(0, at(0)), (1, at(24)), (2, at(0)), (3, at(35))]);
        }
        check(&literals, "authentication failur", &[(2, 0)]);
        check(&literals, "", &[]);
        check(&literals, "aut", &[]);
    }

    #[test]
    fn the_first_of_several_places_is_told() {
        check(&["needle in hay"], "needle in needle in hay, needle in hay", &[(0, 10)]);
        check(&["aaaaaaaaaa"], "baaaaaaaaaaaaaaaaaaaaaaa", &[(0, 1)]);
        check(&["a"], "banana", &[(0, 1)]);
    }
}
