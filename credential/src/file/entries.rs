//! What is in the encrypted file once it is open: names and secrets, one after the other.
//!
//! How many (4 bytes, the lowest first), and of each: how long its name is (1), the name, how long the secret is (4), the
//! secret.

use std::collections::BTreeMap;

use correlator_world::Secret;
use zeroize::Zeroizing;

use crate::limit;
use crate::name::Name;

/// The bytes of entries.
pub(super) fn write(entries: &BTreeMap<Name, Secret>) -> Result<Zeroizing<Vec<u8>>, String> {
    if entries.len() > limit::FILE_ENTRIES_MAX {
        return Err(format!("it holds {} credentials at most", limit::FILE_ENTRIES_MAX));
    }
    let len =
        |(name, secret): (&Name, &Secret)| 1 + name.as_str().len() + 4 + secret.reveal().len();
    let len = 4 + entries.iter().map(len).sum::<usize>();
    // What the header and the checksum take is far less than this leaves.
    if len > limit::FILE_BYTES_MAX - (1 << 10) {
        return Err(format!("it holds {} bytes at most", limit::FILE_BYTES_MAX));
    }
    // Exactly as much as it takes: memory that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    bytes.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    for (name, secret) in entries {
        bytes.push(name.as_str().len() as u8);
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(&(secret.reveal().len() as u32).to_le_bytes());
        bytes.extend_from_slice(secret.reveal());
    }
    debug_assert_eq!(bytes.len(), len, "room was made for all of it");
    Ok(bytes)
}

/// The entries that bytes are; nothing, if they are none.
pub(super) fn read(bytes: &[u8]) -> Option<BTreeMap<Name, Secret>> {
    let mut entries = BTreeMap::new();
    let (count, mut rest) = bytes.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    if count > limit::FILE_ENTRIES_MAX {
        return None;
    }
    for _ in 0..count {
        let (len, more) = rest.split_first()?;
        let (name, more) = more.split_at_checked(usize::from(*len))?;
        let (len, more) = more.split_first_chunk()?;
        let len = u32::from_le_bytes(*len) as usize;
        let (secret, more) = more.split_at_checked(len)?;
        let name = Name::parse(std::str::from_utf8(name).ok()?).ok()?;
        entries.insert(name, Secret::new(secret.to_vec()));
        rest = more;
    }
    rest.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use correlator_world::Secret;

    use super::{read, write};
    use crate::name::Name;

    #[test]
    fn what_is_written_is_read() {
        let mut entries = BTreeMap::new();
        let long = vec![7; 32_767];
        for (name, secret) in [("a", &b"x"[..]), ("b.c", b"\0\xff\n"), ("long", &long)] {
            entries.insert(Name::parse(name).unwrap(), Secret::new(secret.to_vec()));
            let bytes = write(&entries).unwrap();
            assert!(read(&bytes).as_ref() == Some(&entries), "{name}");
            // Whatever is cut off is missed, and so is what is too much.
            for end in 0..bytes.len().min(40) {
                assert!(read(&bytes[..end]).is_none(), "{name} {end}");
            }
            assert!(read(&[&bytes[..], b"\0"].concat()).is_none(), "{name}");
        }
    }
}
