//! What a listener's checkpoint says of the world as it was then: how far its tables were written, and how many requests
//! its grants had covered, and had not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capability::{Denied, Shared, TableMarks, Tally, held};

/// The world at a checkpoint of a listener.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outside {
    pub(crate) tables: TableMarks,
    /// By capability.
    tallies: BTreeMap<String, Tally>,
    denied: BTreeMap<String, Denied>,
}

impl Outside {
    /// What is so now.
    pub(crate) fn of(tables: TableMarks, tallies: &BTreeMap<&'static str, Shared>) -> Self {
        let mut outside = Self { tables, ..Self::default() };
        for (capability, tally) in tallies {
            let mut tally = held(tally).clone();
            let denied = std::mem::take(&mut tally.denied);
            if denied != Denied::default() {
                outside.denied.insert((*capability).to_owned(), denied);
            }
            if !tally.is_empty() {
                outside.tallies.insert((*capability).to_owned(), tally);
            }
        }
        outside
    }

    /// What a checkpoint has; those of earlier versions have the tables alone, or these and what was granted.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if let Ok(outside) = postcard::from_bytes(bytes) {
            return outside;
        }
        let (tables, tallies) = postcard::from_bytes(bytes).unwrap_or_else(|_| {
            (postcard::from_bytes(bytes).unwrap_or_default(), BTreeMap::default())
        });
        Self { tables, tallies, ..Self::default() }
    }

    /// None, if our own mistake makes it so.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        postcard::to_allocvec(self).ok()
    }

    /// What was counted of a capability.
    pub(crate) fn take(&mut self, capability: &str) -> Tally {
        let mut tally = self.tallies.remove(capability).unwrap_or_default();
        tally.denied = self.denied.remove(capability).unwrap_or_default();
        tally
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use super::Outside;
    use crate::capability::{Denied, TableMarks, Tally};
    use crate::stack::grant::bounds::{Bounds, Total};

    #[test]
    fn what_is_written_is_read_and_so_is_what_was_before() {
        let mut tally = Tally::default();
        let bounds = Bounds { total: Some(Total { most: 5, since: None }), ..Bounds::default() };
        tally.count(&bounds, &bounds, &["a".to_owned()], 0).expect("covered");
        let granted = tally.clone();
        tally.denied = Denied { number: 700, span: 3, entries: 100 };
        let mut outside = Outside::default();
        outside.denied.insert("table".to_owned(), tally.denied);
        let only_denied = outside.take("table");
        let tallies = [("mail", &tally), ("table", &only_denied), ("sms", &Tally::default())]
            .map(|(name, tally)| (name, Arc::new(Mutex::new(tally.clone()))));
        let outside = Outside::of(TableMarks::default(), &BTreeMap::from(tallies));
        let mut read = Outside::read(&outside.bytes().expect("bytes"));
        assert_eq!(read, outside);
        assert_eq!(read.take("mail"), tally);
        assert_eq!(read.take("table"), only_denied);
        assert_eq!(read, Outside::default());
        let before = BTreeMap::from([("mail".to_owned(), granted.clone())]);
        let before = postcard::to_allocvec(&(TableMarks::default(), before)).expect("bytes");
        assert_eq!(Outside::read(&before).take("mail"), granted);
        let before = postcard::to_allocvec(&TableMarks::default()).expect("bytes");
        assert_eq!(Outside::read(&before), Outside::default());
        assert_eq!(Outside::read(&[]), Outside::default());
    }
}
