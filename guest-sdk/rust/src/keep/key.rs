//! Looking up by a borrowed key, so that a record that matches nothing allocates nothing.

use core::borrow::Borrow;
use core::hash::{Hash, Hasher};

use bstr::{BStr, BString, ByteSlice};
use serde::{Deserialize, Serialize};

/// A borrowed form of the key `K`: hashes as `K` does, and becomes one when it must be kept.
pub trait Lookup<K>: Hash {
    /// Whether it is this key.
    fn is(&self, key: &K) -> bool;

    /// The key to be kept.
    fn to_key(&self) -> K;
}

impl<Q, K> Lookup<K> for Q
where
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    K: Borrow<Q>,
{
    #[inline]
    fn is(&self, key: &K) -> bool {
        self == key.borrow()
    }

    fn to_key(&self) -> K {
        self.to_owned()
    }
}

/// Two texts as one key, for example a host and a process id. Look it up with a [`PairRef`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Both, one after the other: one allocation.
    text: BString,
    first: u32,
}

impl Pair {
    /// The first text.
    #[must_use]
    pub fn first(&self) -> &BStr {
        self.text.get(..self.first as usize).unwrap_or_default().as_bstr()
    }

    /// The second text.
    #[must_use]
    pub fn second(&self) -> &BStr {
        self.text.get(self.first as usize..).unwrap_or_default().as_bstr()
    }
}

impl Hash for Pair {
    fn hash<H: Hasher>(&self, state: &mut H) {
        PairRef(self.first(), self.second()).hash(state);
    }
}

/// A [`Pair`], borrowed.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PairRef<'a>(pub &'a BStr, pub &'a BStr);

impl Lookup<Pair> for PairRef<'_> {
    #[inline]
    fn is(&self, key: &Pair) -> bool {
        key.first() == self.0 && key.second() == self.1
    }

    fn to_key(&self) -> Pair {
        let mut text = BString::from(Vec::with_capacity(self.0.len() + self.1.len()));
        text.extend_from_slice(self.0);
        text.extend_from_slice(self.1);
        Pair { text, first: correlator_frame::words::word(self.0.len()) }
    }
}
