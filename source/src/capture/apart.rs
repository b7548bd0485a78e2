//! How records stay apart in a capture, whoever sent them, and however.
//!
//! Whoever reads a capture finds out from its beginning how records are told apart in it, and that is right for the peer
//! that sent the first of them. What another one sends with other framing may melt together with what stands around it.
//! So what arrives is written as it came only if it then reads as the very records that were made of it, which is tried
//! here with the functions that read it. If it doesn't, its records are written anew, framed as the first ones were; and
//! those that can't be framed so, such as one with a line feed among lines, each in an envelope.
//!
//! It must never know what is in a record, nor where the bytes go.

use std::borrow::Cow;

use correlator_record::envelope;
use correlator_record::framing::{Framing, Next};

use super::arrived::{Arrived, Cut};
use crate::limit;

/// A way to write some records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Their bytes as they came.
    AsTheyCame,
    /// The same, behind an end for the last record that was there.
    Ended,
    /// Each framed as the capture's first ones were.
    Anew,
    /// Each in an envelope.
    Sealed,
}

/// How the records of a capture are told apart as far as it is written.
#[derive(Debug, Default)]
pub(super) struct Apart {
    /// What it begins with: as much as is looked at to find that out.
    beginning: Vec<u8>,
    /// What was found out; nothing before the first record.
    framing: Option<Framing>,
    /// That is not found out from the beginning, so that whoever reads it has to say it.
    named: bool,
    /// The last record, if what comes behind might become a part of it.
    open: Vec<u8>,
    /// Before that there was no good count where one ought to be.
    lost: bool,
    /// It ends within a record that is too long to be seen whole.
    within: bool,
    /// The same three, as they were when all was written through.
    kept: (Vec<u8>, bool, bool),
}

/// How a text goes on that was read.
struct Read {
    /// The last record, if it has no end.
    open: Vec<u8>,
    lost: bool,
}

impl Apart {
    /// Writes what arrived. Says no if its records can't be told apart.
    #[must_use]
    pub fn put(&mut self, arrived: &Arrived, text: &mut Vec<u8>) -> bool {
        if let Some(cut) = arrived.cut {
            self.put_torn(arrived.bytes, cut, text);
            return true;
        }
        if self.within {
            self.put_end(text);
        }
        let from = text.len();
        for form in [Form::AsTheyCame, Form::Ended, Form::Anew, Form::Sealed] {
            if form == Form::Ended && self.open.is_empty() {
                continue;
            }
            for ending in self.endings() {
                let whole = self.write(form, arrived, &ending, text);
                if whole && self.takes(&text[from..], arrived, form == Form::AsTheyCame) {
                    return true;
                }
                text.truncate(from);
            }
        }
        self.put_end(text);
        self.put_torn(arrived.bytes, Cut { begins: false, ends: false }, text);
        false
    }

    /// All that was put is in the file.
    pub fn keep(&mut self) {
        self.kept = (self.open.clone(), self.lost, self.within);
    }

    /// What was put since is not in the file, which has so many bytes.
    pub fn take_back(&mut self, written: u64) {
        if written == 0 {
            *self = Self::default();
        } else if written < limit::BLOCK_BYTES as u64 {
            self.beginning.truncate(written as usize);
        }
        (self.open, self.lost, self.within) = self.kept.clone();
    }

    /// What may stand behind records that are not written as they came. Among lines that end with carriage returns too, one
    /// without would make these a part of what is found out.
    fn endings(&self) -> Vec<Vec<u8>> {
        match self.framing.as_ref().map(Framing::ending) {
            Some(b"\n") | None => vec![b"\n".to_vec(), b"\r\n".to_vec()],
            Some(ending) => vec![ending.to_vec()],
        }
    }

    /// Writes records in one of the ways. Says no if they can't be written so.
    fn write(&self, form: Form, arrived: &Arrived, ending: &[u8], text: &mut Vec<u8>) -> bool {
        let lines = Framing::Mixed.captured();
        let framing = self.framing.as_ref().unwrap_or(&lines);
        if form != Form::AsTheyCame && !self.open.is_empty() {
            text.extend_from_slice(ending);
        }
        let mut records = arrived.records.iter().filter(|record| !is_blank(record));
        match form {
            Form::AsTheyCame | Form::Ended => text.extend_from_slice(arrived.bytes),
            Form::Anew => {
                // A line among counts may have been the last: then a count is believed before a priority alone.
                let lost = self.lost || !self.open.is_empty();
                return records.all(|record| frame((framing, ending), record, lost, text));
            }
            Form::Sealed => return records.all(|record| envelope::seal(record, text)),
        }
        true
    }

    /// Takes a text if it reads as the records that arrived. If no record was there before and `as_they_came`, what is
    /// right for whom they came from will do.
    fn takes(&mut self, text: &[u8], arrived: &Arrived, as_they_came: bool) -> bool {
        let known = self.beginning.len();
        let found = self.find_out(text);
        let framing = match (&self.framing, found) {
            (Some(framing), Some(found)) if *framing != found => None,
            (None, found) => found,
            (framing, _) => framing.clone(),
        };
        let reads = |framing: Framing| {
            let read = read((&self.open, self.lost), &framing, text, &arrived.records)?;
            Some((framing, read))
        };
        let mut named = self.named;
        let read = framing.and_then(reads).or_else(|| {
            named = as_they_came && self.framing.is_none();
            let framing = arrived.framing.filter(|_| named)?.clone();
            reads(framing.captured())
        });
        let Some((framing, Read { open, lost })) = read else {
            self.beginning.truncate(known);
            return false;
        };
        if !arrived.records.is_empty() {
            (self.framing, self.named) = (Some(framing), named);
        }
        (self.open, self.lost) = (open, lost);
        true
    }

    /// What whoever reads the capture finds out from its beginning with this text behind it; nothing if it doesn't change
    /// that any more.
    fn find_out(&mut self, text: &[u8]) -> Option<Framing> {
        let room = limit::BLOCK_BYTES - self.beginning.len();
        if room == 0 || self.named {
            return None;
        }
        self.beginning.extend_from_slice(&text[..text.len().min(room)]);
        Some(Framing::of_file(&self.beginning))
    }

    /// Writes bytes with a record that is too long to be seen whole: as they came, whatever they are.
    fn put_torn(&mut self, bytes: &[u8], cut: Cut, text: &mut Vec<u8>) {
        if !cut.begins && (self.within || !self.open.is_empty()) {
            self.put_end(text);
        }
        let found = self.find_out(bytes);
        let framing = self.framing.take().or(found).unwrap_or_default();
        let counted = *framing.bare() == Framing::Octets;
        self.within = cut.ends || !counted && !bytes.ends_with(framing.ending());
        self.framing = Some(framing);
        (self.open, self.lost) = (Vec::new(), false);
        text.extend_from_slice(bytes);
    }

    /// Writes what ends the last record.
    fn put_end(&mut self, text: &mut Vec<u8>) {
        if self.within || !self.open.is_empty() {
            let ending = self.framing.as_ref().map_or(&b"\n"[..], Framing::ending).to_vec();
            self.find_out(&ending);
            text.extend_from_slice(&ending);
        }
        (self.within, self.open) = (false, Vec::new());
    }
}

/// Writes a record with what is to stand around it. Says no if nothing is right for it.
fn frame(
    (framing, ending): (&Framing, &[u8]),
    record: &[u8],
    lost: bool,
    text: &mut Vec<u8>,
) -> bool {
    let from = text.len();
    if *framing.bare() == Framing::Octets {
        // A line feed at the end of what is counted is no part of the record.
        let behind = if record.ends_with(b"\n") { &b"\n"[..] } else { b"" };
        let length = (record.len() + behind.len()).to_string();
        for part in [length.as_bytes(), b" ", record, behind] {
            text.extend_from_slice(part);
        }
    } else {
        text.extend_from_slice(record);
        text.extend_from_slice(ending);
    }
    let read = read((&[], lost), framing, &text[from..], &[record]);
    if read.is_some_and(|read| read.open.is_empty()) {
        return true;
    }
    text.truncate(from);
    envelope::seal(record, text)
}

/// Reads a text behind what was left open; nothing if it reads as anything else than these records.
fn read(
    (open, mut lost): (&[u8], bool),
    framing: &Framing,
    text: &[u8],
    records: &[&[u8]],
) -> Option<Read> {
    // What is open is one record.
    let before = (!open.is_empty()).then(|| framing.next(open, true, lost));
    let before = match before {
        Some(Next::Record(piece)) => Some(&open[piece.start..piece.end]),
        _ => None,
    };
    let whole =
        if open.is_empty() { Cow::Borrowed(text) } else { Cow::Owned([open, text].concat()) };
    let mut wanted = before.iter().chain(records).filter(|record| !is_blank(record));
    let (mut at, mut last) = (0, (0, lost, &[][..]));
    while at < whole.len() {
        let Next::Record(piece) = framing.next(&whole[at..], true, lost) else { return None };
        let record = &whole[at + piece.start..at + piece.end];
        if !is_blank(record) && wanted.next().is_none_or(|wanted| record != *wanted) {
            return None;
        }
        last = (at, lost, record);
        (at, lost) = (at + piece.next, piece.lost);
    }
    if wanted.next().is_some() {
        return None;
    }
    let (at, lost_before, record) = last;
    if at == whole.len() {
        return Some(Read { open: Vec::new(), lost });
    }
    match framing.next(&whole[at..], false, lost_before) {
        Next::Record(piece) if at + piece.next == whole.len() => {
            return Some(Read { open: Vec::new(), lost });
        }
        _ => {}
    }
    // With an end it must be the same still: a count may be made good by that, and half a trailer makes another one.
    let ended = [&whole[at..], framing.ending()].concat();
    match framing.next(&ended, false, lost_before) {
        Next::Record(piece)
            if piece.next == ended.len() && ended[piece.start..piece.end] == *record =>
        {
            Some(Read { open: whole[at..].to_vec(), lost: lost_before })
        }
        _ => None,
    }
}

/// Whether there is nothing in a record. The parser passes over the same.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

#[cfg(test)]
mod tests {
    use correlator_record::framing::Framing;

    use super::{Apart, Arrived, Cut, is_blank};

    /// What arrives together: how its records are told apart, and its bytes. Nothing tells those of a datagram.
    type Part<'a> = (Option<Framing>, &'a [u8]);

    fn stream(text: &str) -> Part<'_> {
        (Some(Framing::of_stream(text.as_bytes())), text.as_bytes())
    }

    fn datagram(text: &str) -> Part<'_> {
        (None, text.as_bytes())
    }

    /// A datagram's record, as the source has it.
    fn trimmed(bytes: &[u8]) -> &[u8] {
        let behind = bytes.iter().rev().take_while(|byte| b"\r\n\0".contains(byte)).count();
        &bytes[..bytes.len() - behind]
    }

    /// The records of a part, and how it is put.
    fn put<'a>(apart: &mut Apart, part: &'a Part, text: &mut Vec<u8>) -> Vec<&'a [u8]> {
        let (framing, bytes) = part;
        let records = match framing {
            Some(framing) => framing.split(bytes),
            None => vec![trimmed(bytes)],
        };
        let mut line = bytes.to_vec();
        if framing.is_none() && !bytes.ends_with(b"\n") {
            line.push(b'\n');
        }
        let framing = framing.as_ref();
        let arrived = Arrived { bytes: &line, records: records.clone(), framing, cut: None };
        let put = apart.put(&arrived, text);
        assert!(
            put,
            "{:?} to {:?} {apart:?}",
            String::from_utf8_lossy(bytes),
            String::from_utf8_lossy(text)
        );
        records
    }

    /// Puts parts one after the other; after each the capture reads as all records so far.
    fn check(parts: &[Part]) -> String {
        let (mut apart, mut text, mut expected) = (Apart::default(), Vec::new(), Vec::new());
        for part in parts {
            expected.extend(put(&mut apart, part, &mut text));
            expected.retain(|record| !is_blank(record));
            let framing = match &apart.framing {
                Some(framing) if apart.named => framing.clone(),
                _ => Framing::of_file(&text),
            };
            let mut found = framing.split(&text);
            found.retain(|record| !is_blank(record));
            let show = |records: &[&[u8]]| -> Vec<String> {
                records.iter().map(|r| String::from_utf8_lossy(r).into_owned()).collect()
            };
            assert!(
                found == expected,
                "{:?} reads as {:?} by {framing:?}, not as {:?}",
                String::from_utf8_lossy(&text),
                show(&found),
                show(&expected)
            );
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn what_reads_as_it_came_stays_as_it_came() {
        for parts in [
            &["<13>a\n", "<13>b\n<13>c\r\n", "no priority\n", "\n"][..],
            &["5 <13>a", "5 <13>b6 <13>c\n", "9 <13>a\nx\ny"],
            &["<13>a\nx\r<13>b\nx\r", "<13>c\ny\r"],
            &["<13>a\0", "<13>b\0"],
            &["<13>a\n", "5 <13>b5 <13>c\n", "5 <13>d\n<13>e\n"],
            &["5 <13>a", "<13>b\n", "5 <13>c"],
            &["<13>a\r\n", "<13>b\r\n<13>c\r\n"],
        ] {
            let streams: Vec<_> = parts.iter().map(|text| stream(text)).collect();
            assert_eq!(check(&streams), parts.concat());
        }
        let datagrams = ["<13>a", "<13>b\n", "<13>c\0", "<13>d\r\n"].map(datagram);
        assert_eq!(check(&datagrams), "<13>a\n<13>b\n<13>c\0\n<13>d\r\n");
        // What was said of a peer, and can't be seen, has to be said again.
        let text = (Some(Framing::Trailer(b"||".to_vec())), &b"<13>a|x||<13>b||"[..]);
        assert_eq!(check(&[text]), "<13>a|x||<13>b||");
    }

    #[test]
    fn what_ends_like_a_datagram_is_sealed() {
        for text in ["<13>a\0\n", "<13>a\r\r\n", "<13>a\n<13>b\0\n"] {
            assert!(check(&[stream(text)]).contains('\u{1e}'), "{text:?}");
        }
        assert!(check(&[stream("<13>a\n"), stream("6 <13>b\0")]).starts_with("<13>a\n\u{1e}6 "));
        assert_eq!(check(&[stream("<13>a\0<13>b\0\r\0")]), "<13>a\0<13>b\0\r\0");
    }

    #[test]
    fn what_would_not_is_written_anew() {
        let lines = stream("<13>a\n");
        assert_eq!(check(&[lines.clone(), stream("7 <13>b\nc"), stream("<13>d\n")]).len(), 40);
        assert_eq!(check(&[lines.clone(), stream("<13>b\0<13>c\0")]), "<13>a\n<13>b\n<13>c\n");
        assert_eq!(
            check(&[lines.clone(), stream("5 <13>b"), datagram("c")]),
            "<13>a\n5 <13>b\nc\n"
        );
        assert_eq!(check(&[stream("<13>a\r\n"), stream("<13>b\n")]), "<13>a\r\n<13>b\r\n");
        assert_eq!(check(&[stream("<13>a"), stream("<13>b\n")]), "<13>a\n<13>b\n");
        assert_eq!(check(&[stream("<13>a\0"), stream("<13>b\n")]), "<13>a\0<13>b\0");
        assert_eq!(check(&[stream("5 <13>a"), datagram("7 <13>b")]), "5 <13>a7 7 <13>b");
        assert_eq!(check(&[stream("9 <13>a"), datagram("<13>b")]), "<13>a\n<13>b\n");
        assert!(check(&[datagram("<13>a\nb"), lines]).starts_with("\u{1e}7 "));
    }

    /// Whatever peers send, by whatever framing, is read again as what it was.
    #[test]
    fn any_peers_can_meet() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % bound as u64) as usize
        };
        let pieces =
            ["<13>", "<14>1 ", "a", "5 ", "7 <1>", "\n", "\r", "\0", " ", "\u{1e}1 ", "12 "];
        for _ in 0..4_000 {
            let mut texts = Vec::new();
            for _ in 0..=below(8) {
                let kind = below(6);
                let mut bytes = Vec::new();
                for _ in 0..=below(3) {
                    let mut record: String =
                        (0..=below(6)).map(|_| pieces[below(pieces.len())]).collect();
                    if below(2) == 0 {
                        record.insert_str(0, "<13>x");
                    }
                    match kind {
                        0 | 1 => record.retain(|c| c != '\n'),
                        2 => record.retain(|c| c != '\0'),
                        _ => {}
                    }
                    let end = [&b"\n"[..], b"\r\n", b"\0", b"", b"", b""][kind];
                    if kind == 3 {
                        bytes.extend_from_slice(format!("{} ", record.len()).as_bytes());
                    }
                    bytes.extend_from_slice(record.as_bytes());
                    bytes.extend_from_slice(end);
                    if kind > 3 {
                        break;
                    }
                }
                texts.push((kind, bytes));
            }
            let parts: Vec<Part> = texts
                .iter()
                .map(|(kind, bytes)| match kind {
                    5 => (None, &bytes[..]),
                    3 if below(2) == 0 => (Some(Framing::Octets), &bytes[..]),
                    _ => (Some(Framing::of_stream(bytes)), &bytes[..]),
                })
                .collect();
            check(&parts);
        }
    }

    #[test]
    fn a_record_that_is_cut_stays_whole() {
        let (mut apart, mut text) = (Apart::default(), Vec::new());
        let mut put = |bytes: &[u8], cut: Option<Cut>| {
            let records = if cut.is_some() { Vec::new() } else { vec![bytes.trim_ascii_end()] };
            assert!(apart.put(&Arrived { bytes, records, framing: None, cut }, &mut text));
        };
        put(b"<13>a\n<13>long", Some(Cut { begins: false, ends: true }));
        put(b" and longer", Some(Cut { begins: true, ends: true }));
        put(b" to the end\n", Some(Cut { begins: true, ends: false }));
        put(b"<13>b\n", None);
        put(b"<13>half", Some(Cut { begins: false, ends: true }));
        put(b"<13>c\n", None);
        assert_eq!(
            String::from_utf8_lossy(&text),
            "<13>a\n<13>long and longer to the end\n<13>b\n<13>half\n<13>c\n"
        );
    }
}
