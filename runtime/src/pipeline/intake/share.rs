//! Which of a module's instances gets a record.

use correlator_frame::record::Record;

use crate::stack::PartitionBy;

/// One instance's share of the records.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) by: PartitionBy,
    pub(crate) part: u32,
    pub(crate) parts: u32,
}

impl Share {
    /// Whether a record is in this share.
    pub(crate) fn admits(&self, record: Record<'_>) -> bool {
        part(&self.by, self.parts, record) == self.part
    }
}

/// Which of so many instances gets a record. The same value always leads to the same.
pub(crate) fn part(by: &PartitionBy, parts: u32, record: Record<'_>) -> u32 {
    let value = match by {
        PartitionBy::Host => record.host(),
        PartitionBy::Program => record.program(),
        PartitionBy::ProcessId => record.process_id(),
        PartitionBy::MessageId => record.message_id(),
        PartitionBy::Field(name) => field(record, name.as_bytes()),
    };
    (fnv1a(value) % u64::from(parts.max(1))) as u32
}

/// A checkpoint holds what one share has seen, so this must never change: FNV-1a, which is written down.
fn fnv1a(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// The value of a field, `NAME` or `ELEMENT.NAME`; empty if there is none.
fn field<'a>(record: Record<'a>, wanted: &[u8]) -> &'a [u8] {
    let mut fields = record.fields();
    let found = fields.find(|field| {
        if field.element.is_empty() {
            return field.name == wanted;
        }
        let rest = wanted.strip_prefix(field.element);
        rest.and_then(|rest| rest.strip_prefix(b".")).is_some_and(|name| name == field.name)
    });
    found.map_or(&[], |field| field.value)
}
