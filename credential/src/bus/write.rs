//! A call as bytes.
//!
//! Every value begins at a multiple of its own size, counted from where the message begins; numbers have their lowest byte
//! first, which the message says of itself.

use zeroize::Zeroizing;

/// Room for all of a call but the secret in it: memory that grows would leave copies behind.
const ROOM_BYTES: usize = 4 << 10;
/// Where the length of the body stands.
const BODY_LENGTH_AT: usize = 4;
/// Where the number of the call stands.
const SERIAL_AT: usize = 8;

/// A call: of which object, which of its interfaces, which method, with what.
pub(crate) struct Call {
    bytes: Zeroizing<Vec<u8>>,
}

/// Whom a call is for.
#[derive(Clone, Copy)]
pub(crate) struct Method<'a> {
    pub service: &'a str,
    pub object: &'a str,
    pub interface: &'a str,
    pub name: &'a str,
}

impl Call {
    /// A call with arguments of a signature.
    pub fn new(method: Method<'_>, signature: &str, arguments: impl FnOnce(&mut Writer)) -> Self {
        Self::with_room(method, signature, 0, arguments)
    }

    /// The same, with room for so many bytes more.
    pub fn with_room(
        method: Method<'_>,
        signature: &str,
        room: usize,
        arguments: impl FnOnce(&mut Writer),
    ) -> Self {
        let mut writer = Writer { bytes: Zeroizing::new(Vec::with_capacity(ROOM_BYTES + room)) };
        // Low byte first, a call, no flags, the protocol's version; then lengths that are not known yet.
        writer.bytes.extend_from_slice(b"l\x01\x00\x01");
        writer.number(0);
        writer.number(0);
        writer.array(8, |fields| {
            fields.field(1, "o", |field| field.text(method.object));
            fields.field(2, "s", |field| field.text(method.interface));
            fields.field(3, "s", |field| field.text(method.name));
            fields.field(6, "s", |field| field.text(method.service));
            if !signature.is_empty() {
                fields.field(8, "g", |field| field.signature(signature));
            }
        });
        writer.align(8);
        let start = writer.bytes.len();
        arguments(&mut writer);
        let len = writer.bytes.len() - start;
        writer.put(BODY_LENGTH_AT, len);
        Self { bytes: writer.bytes }
    }

    /// The bytes, under a number by which the answer names it.
    pub fn numbered(&mut self, serial: u32) -> &[u8] {
        self.bytes[SERIAL_AT..SERIAL_AT + 4].copy_from_slice(&serial.to_le_bytes());
        &self.bytes
    }
}

/// Writes values.
pub(crate) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Writer {
    pub fn number(&mut self, number: u32) {
        self.align(4);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub fn boolean(&mut self, value: bool) {
        self.number(u32::from(value));
    }

    /// A text, or the path of an object.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u32);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    /// An array of bytes.
    pub fn blob(&mut self, blob: &[u8]) {
        self.number(blob.len() as u32);
        self.bytes.extend_from_slice(blob);
    }

    pub fn signature(&mut self, signature: &str) {
        self.bytes.push(signature.len() as u8);
        self.bytes.extend_from_slice(signature.as_bytes());
        self.bytes.push(0);
    }

    /// A value that says of which type it is.
    pub fn variant(&mut self, signature: &str, value: impl FnOnce(&mut Self)) {
        self.signature(signature);
        value(self);
    }

    /// What begins at a multiple of eight: a structure, or an entry of a dictionary.
    pub fn structure(&mut self, fields: impl FnOnce(&mut Self)) {
        self.align(8);
        fields(self);
    }

    /// An array of elements that begin at multiples of a number.
    pub fn array(&mut self, element: usize, elements: impl FnOnce(&mut Self)) {
        self.number(0);
        let at = self.bytes.len() - 4;
        self.align(element);
        // What is skipped before the first element doesn't count.
        let start = self.bytes.len();
        elements(self);
        let len = self.bytes.len() - start;
        self.put(at, len);
    }

    /// A dictionary of texts.
    pub fn texts(&mut self, pairs: &[(&str, &str)]) {
        self.array(8, |entries| {
            for (key, value) in pairs {
                entries.structure(|entry| {
                    entry.text(key);
                    entry.text(value);
                });
            }
        });
    }

    fn field(&mut self, code: u8, signature: &str, value: impl FnOnce(&mut Self)) {
        self.structure(|field| {
            field.bytes.push(code);
            field.variant(signature, value);
        });
    }

    fn align(&mut self, size: usize) {
        let len = self.bytes.len().next_multiple_of(size);
        self.bytes.resize(len, 0);
    }

    /// Fills in a length that is known by now. All lengths are bounded far below 4 GiB.
    fn put(&mut self, at: usize, len: usize) {
        self.bytes[at..at + 4].copy_from_slice(&(len as u32).to_le_bytes());
    }
}
