//! What a listener's checkpoint says of the world as it was then: how far its tables were written, and how many requests
//! its grants had covered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capability::{TableMarks, Tally};

/// The world at a checkpoint of a listener.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outside {
    pub(super) tables: TableMarks,
    /// By capability.
    pub(super) tallies: BTreeMap<String, Tally>,
}

impl Outside {
    /// What a checkpoint has; one of a version that counted nothing has the tables alone.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let tables =
            || Self { tables: postcard::from_bytes(bytes).unwrap_or_default(), ..Self::default() };
        postcard::from_bytes(bytes).unwrap_or_else(|_| tables())
    }

    /// None, if our own mistake makes it so.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        postcard::to_allocvec(self).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Outside;
    use crate::capability::{TableMarks, Tally};
    use crate::stack::grant::bounds::{Bounds, Total};

    #[test]
    fn what_is_written_is_read_and_so_is_what_was_before() {
        let mut tally = Tally::default();
        let bounds = Bounds { total: Some(Total { most: 5, since: None }), ..Bounds::default() };
        tally.count(&bounds, &bounds, &["a".to_owned()], 0).expect("covered");
        let tallies = BTreeMap::from([("mail".to_owned(), tally)]);
        let outside = Outside { tables: TableMarks::default(), tallies };
        assert_eq!(Outside::read(&outside.bytes().expect("bytes")), outside);
        let before = postcard::to_allocvec(&TableMarks::default()).expect("bytes");
        assert_eq!(Outside::read(&before), Outside::default());
        assert_eq!(Outside::read(&[]), Outside::default());
    }
}
