//! Which process of which host a record comes from, as one number.
//!
//! A host's name is hashed once for all records that follow one another from it, and a process id is a number as a
//! rule, so that a key costs next to nothing. A collision would need two of some ten thousand live connections to
//! agree in 64 bits.

use std::collections::BTreeMap;

use correlator_sdk::prelude::*;

use crate::bytes::same;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A process of a host.
pub type Key = u64;

/// How many names of hosts are kept. When there are more, all are learned anew.
const HOSTS_MAX: usize = 4096;

/// The hosts that records come from, by number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Hosts {
    names: BTreeMap<u64, BString>,
    /// The host of the record before, so that its name is hashed once for all that follow.
    #[serde(skip)]
    last: Option<(BString, u64)>,
}

impl Hosts {
    /// The number of a host.
    #[inline]
    pub fn number(&mut self, name: &BStr) -> u64 {
        match &self.last {
            Some((last, number)) if same(last, name) => *number,
            _ => self.learn(name),
        }
    }

    /// The name of a host; empty if it is not known any more.
    pub fn name(&self, number: u64) -> &BStr {
        self.names.get(&number).map(|name| name.as_bstr()).unwrap_or_default()
    }

    fn learn(&mut self, name: &BStr) -> u64 {
        let number = mix(OFFSET, name);
        if !self.names.contains_key(&number) {
            if self.names.len() >= HOSTS_MAX {
                self.names.clear();
            }
            self.names.insert(number, name.to_owned());
        }
        self.last = Some((name.to_owned(), number));
        number
    }
}

/// The key of a process of a host, if the process has an id.
#[inline]
pub fn process(host: u64, id: &[u8]) -> Option<Key> {
    if id.is_empty() {
        return None;
    }
    let digits = id.iter().try_fold(0_u64, |number, &byte| {
        byte.is_ascii_digit().then(|| (number << 4) | u64::from(byte - b'0'))
    });
    let id = match digits {
        Some(number) if id.len() <= 15 => number,
        _ => mix(OFFSET, id),
    };
    Some((host ^ id).wrapping_mul(SPREAD))
}

/// A key for what comes without a process id: whoever it is, they come from there.
pub fn address(host: u64, addr: &[u8]) -> Key {
    mix(host, addr).wrapping_mul(SPREAD)
}

/// FNV-1a: short, and the same wherever it runs.
fn mix(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME))
}
