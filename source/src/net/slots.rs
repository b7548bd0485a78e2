//! Connections by numbers that are quickly found and never mean two of them.
//!
//! A round's list of ready sockets may name one that was closed earlier in the same round, and whose place another has
//! taken: a key knows whose place it was.

/// The place of something, and how often the place was taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    place: u32,
    life: u32,
}

impl Key {
    /// As one number.
    pub fn number(self) -> u64 {
        u64::from(self.life) << u32::BITS | u64::from(self.place)
    }

    /// The key with this number.
    pub fn from_number(number: u64) -> Self {
        Self { place: number as u32, life: (number >> u32::BITS) as u32 }
    }
}

/// Things with keys.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Puts one in.
    pub fn insert(&mut self, value: T) -> Key {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[place as usize];
        slot.1 = Some(value);
        Key { place, life: slot.0 }
    }

    /// The one with this key, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (life, value) = self.slots.get_mut(key.place as usize)?;
        value.as_mut().filter(|_| *life == key.life)
    }

    /// Takes one out.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let (life, value) = self.slots.get_mut(key.place as usize)?;
        let removed = if *life == key.life { value.take() } else { None };
        if removed.is_some() {
            // The greatest life is left out: with it, a key could be the number that stands for something else.
            *life = life.wrapping_add(1) % u32::MAX;
            self.free.push(key.place);
        }
        removed
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(place, (life, value))| {
            Some((Key { place: place as u32, life: *life }, value.as_ref()?))
        })
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|(_, value)| value.as_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Slots};

    #[test]
    fn a_key_means_one_thing() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert('a'), slots.insert('b'));
        assert_eq!((slots.len(), slots.get_mut(a).copied()), (2, Some('a')));
        assert_eq!(slots.remove(a), Some('a'));
        assert_eq!(slots.remove(a), None);
        let c = slots.insert('c');
        assert_eq!((slots.len(), slots.get_mut(a).is_some()), (2, false));
        assert_eq!(slots.get_mut(c).copied(), Some('c'));
        assert_eq!(slots.get_mut(Key::from_number(b.number())).copied(), Some('b'));
        assert_eq!(slots.iter().map(|(_, value)| *value).collect::<String>(), "cb");
    }
}
