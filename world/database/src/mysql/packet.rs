//! The parts of MySQL's packets: numbers and texts of several lengths. What a server sent is read with care.

/// What stands for null where a length might.
const NULL: u8 = 0xFB;

/// A packet ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

/// Reads the parts of a packet one after the other; nothing where it ends too early.
pub struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (now, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(now)
    }

    /// A number of so many bytes, eight at most.
    pub fn number(&mut self, count: usize) -> Option<u64> {
        let bytes = self.take(count)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number whose first byte says how long it is. Nothing also for null.
    pub fn length(&mut self) -> Option<u64> {
        match self.number(1)? {
            small @ ..=0xFA => Some(small),
            0xFC => self.number(2),
            0xFD => self.number(3),
            0xFE => self.number(8),
            _ => None,
        }
    }

    /// A text with its length before it, or null.
    pub fn text(&mut self) -> Result<Option<String>, Cut> {
        if self.0.first() == Some(&NULL) {
            self.take(1).ok_or(Cut)?;
            return Ok(None);
        }
        let length = self.length().and_then(|length| usize::try_from(length).ok()).ok_or(Cut)?;
        let bytes = self.take(length).ok_or(Cut)?;
        Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Bytes up to a NUL, or up to the end if there is none.
    pub fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (now, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        now
    }
}

/// Writes a text with its length before it.
pub fn put_text(text: &[u8], packet: &mut Vec<u8>) {
    let length = (text.len() as u64).to_le_bytes();
    match text.len() {
        ..=0xFA => packet.push(length[0]),
        0xFB..=0xFFFF => {
            packet.push(0xFC);
            packet.extend_from_slice(&length[..2]);
        }
        0x1_0000..=0xFF_FFFF => {
            packet.push(0xFD);
            packet.extend_from_slice(&length[..3]);
        }
        _ => {
            packet.push(0xFE);
            packet.extend_from_slice(&length);
        }
    }
    packet.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_lengths() {
        for length in [0, 1, 0xFA, 0xFB, 0xFFFF, 0x1_0000, 0xFF_FFFF, 0x100_0000] {
            let text = "x".repeat(length);
            let mut packet = Vec::new();
            put_text(text.as_bytes(), &mut packet);
            let mut parts = Parts(&packet);
            assert_eq!(parts.text(), Ok(Some(text)));
            assert!(parts.0.is_empty());
        }
    }

    #[test]
    fn packets_that_end_too_early() {
        let cases: [&[u8]; 6] = [
            b"",
            b"\x05abc",
            b"\xfc\x01",
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xff",
            b"\xfd",
        ];
        for packet in cases {
            assert_eq!(Parts(packet).text(), Err(Cut), "{packet:?}");
        }
        assert_eq!(Parts(b"\xfb").text(), Ok(None));
        assert_eq!(Parts(b"ab\0c").until_nul(), b"ab");
        assert_eq!(Parts(b"ab").until_nul(), b"ab");
        assert_eq!(Parts(b"\x01\x02\x03").number(3), Some(0x03_02_01));
    }
}
