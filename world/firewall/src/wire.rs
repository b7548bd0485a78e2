//! Netlink: messages of attributes, written and read, over a socket. It must never know what they mean.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// The kernel answers before the sending call returns; this is for a kernel that doesn't.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The kernel's answers to a dump are no longer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What is done at once: a socket sends no more than about 200 KiB in one call.
pub(crate) const BATCH_BYTES_MAX: usize = 128 * 1024;
/// A dump that the kernel interrupts, for what it lists has changed, is made again this often.
const DUMPS_MAX: usize = 5;
/// Messages of one exchange.
const NUMBERS_PER_EXCHANGE: u32 = 1 << 16;

const REQUEST: u16 = 0x001;
const ACK: u16 = 0x004;
const INTERRUPTED: u16 = 0x010;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NESTED: u16 = 0x8000;
const HEADER_BYTES: usize = 16;
const ATTRIBUTE_BYTES: usize = 4;

/// A socket to a part of the kernel.
pub(crate) struct Wire {
    socket: OwnedFd,
    number: u32,
    answer: Vec<u8>,
}

/// Messages in the making.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

/// Messages that are carried out all together or not at all.
pub(crate) struct Batch {
    writer: Writer,
    subsystem: u16,
    begin: u32,
    number: u32,
    last: usize,
}

/// A message that came.
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    flags: u16,
    number: u32,
    pub(crate) body: &'a [u8],
}

impl Wire {
    /// A socket to the part of the kernel that speaks a protocol; nothing names routes and addresses.
    pub(crate) fn new(protocol: Option<Protocol>) -> Result<Self, Errno> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_MAX))?;
        Ok(Self { socket, number: 0, answer: vec![0; ANSWER_BYTES_MAX] })
    }

    /// Everything of a kind, message by message. When the kernel has to begin again, so does `read`, with `None`.
    pub(crate) fn dump(
        &mut self,
        kind: u16,
        body: &Writer,
        mut read: impl FnMut(Option<&Message<'_>>),
    ) -> Result<(), Errno> {
        for _ in 0..DUMPS_MAX {
            read(None);
            let number = self.send(kind, REQUEST | DUMP, body)?;
            let mut whole = true;
            while self.receive(number, |message| {
                whole &= message.flags & INTERRUPTED == 0;
                read(Some(message));
            })? {}
            if whole {
                return Ok(());
            }
        }
        Err(Errno::INTR)
    }

    /// One thing, in one message.
    pub(crate) fn ask(
        &mut self,
        kind: u16,
        body: &Writer,
        mut read: impl FnMut(&Message<'_>),
    ) -> Result<(), Errno> {
        let number = self.send(kind, REQUEST, body)?;
        let mut answered = false;
        while !answered
            && self.receive(number, |message| {
                answered = true;
                read(message);
            })?
        {}
        Ok(())
    }

    fn send(&mut self, kind: u16, flags: u16, body: &Writer) -> Result<u32, Errno> {
        self.number = self.number.wrapping_add(NUMBERS_PER_EXCHANGE);
        let mut writer = Writer::default();
        writer.message(kind, flags, self.number, &body.0);
        rustix::net::send(&self.socket, &writer.0, SendFlags::empty())?;
        Ok(self.number)
    }

    /// Reads one packet; whether more belongs to it. What an earlier exchange left behind is passed over.
    fn receive(&mut self, number: u32, mut read: impl FnMut(&Message<'_>)) -> Result<bool, Errno> {
        let length = self.packet()?;
        for message in messages(&self.answer[..length]).filter(|message| message.number == number) {
            match message.kind {
                DONE | ERROR => return message.failure().map_or(Ok(false), Err),
                _ => read(&message),
            }
        }
        Ok(true)
    }

    fn packet(&mut self) -> Result<usize, Errno> {
        let flags = RecvFlags::TRUNC;
        let (_, length) = rustix::io::retry_on_intr(|| {
            rustix::net::recv(&self.socket, &mut self.answer[..], flags)
        })?;
        if length > self.answer.len() { Err(Errno::MSGSIZE) } else { Ok(length) }
    }

    /// A batch for a part of netfilter.
    pub(crate) fn batch(&mut self, subsystem: u16) -> Batch {
        self.number = self.number.wrapping_add(NUMBERS_PER_EXCHANGE);
        let mut batch = Batch {
            writer: Writer::default(),
            subsystem,
            begin: self.number,
            number: self.number,
            last: 0,
        };
        batch.edge(BATCH_BEGIN);
        batch
    }

    /// Has the kernel carry a batch out.
    pub(crate) fn commit(&mut self, mut batch: Batch) -> Result<(), Errno> {
        if batch.is_empty() {
            return Ok(());
        }
        let last = batch.number;
        batch.writer.flag(batch.last, ACK);
        batch.number = batch.number.wrapping_add(1);
        batch.edge(BATCH_END);
        rustix::net::send(&self.socket, &batch.writer.0, SendFlags::empty())?;
        let mut first_failure = None;
        loop {
            let length = self.packet()?;
            for message in messages(&self.answer[..length]).filter(|message| message.kind == ERROR)
            {
                // A batch that is refused as a whole is refused by the number of its beginning.
                let of_batch =
                    message.number.wrapping_sub(batch.begin) <= last.wrapping_sub(batch.begin);
                if !of_batch {
                    continue;
                }
                first_failure = first_failure.or(message.failure());
                if message.number == last || message.number == batch.begin {
                    return first_failure.map_or(Ok(()), Err);
                }
            }
        }
    }
}

impl Batch {
    fn edge(&mut self, kind: u16) {
        let [high, low] = self.subsystem.to_be_bytes();
        self.writer.message(kind, REQUEST, self.number, &[0, 0, high, low]);
    }

    /// One more message.
    pub(crate) fn add(&mut self, message: u16, flags: u16, body: &Writer) {
        self.number = self.number.wrapping_add(1);
        self.last = self.writer.0.len();
        let kind = self.subsystem << 8 | message;
        self.writer.message(kind, REQUEST | flags, self.number, &body.0);
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.last == 0
    }

    /// Whether a message of so many bytes goes in.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.writer.0.len() + bytes <= BATCH_BYTES_MAX
    }
}

impl Writer {
    /// A body that begins so.
    pub(crate) fn new(header: &[u8]) -> Self {
        Self(header.to_vec())
    }

    fn message(&mut self, kind: u16, flags: u16, number: u32, body: &[u8]) {
        let length = (HEADER_BYTES + body.len()) as u32;
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(&flags.to_ne_bytes());
        self.0.extend_from_slice(&number.to_ne_bytes());
        self.0.extend_from_slice(&0_u32.to_ne_bytes());
        self.0.extend_from_slice(body);
        self.pad();
    }

    fn flag(&mut self, message: usize, flag: u16) {
        let at = message + 6;
        let flags = u16::from_ne_bytes([self.0[at], self.0[at + 1]]) | flag;
        self.0[at..at + 2].copy_from_slice(&flags.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// An attribute.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = (ATTRIBUTE_BYTES + value.len()) as u16;
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.pad();
        self
    }

    /// A text, which ends with a zero.
    pub(crate) fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        self.bytes(kind, &[text.as_bytes(), &[0]].concat())
    }

    /// A number, in the order of the network.
    pub(crate) fn number(&mut self, kind: u16, number: u32) -> &mut Self {
        self.bytes(kind, &number.to_be_bytes())
    }

    /// A long number, in the order of the network.
    pub(crate) fn long(&mut self, kind: u16, number: u64) -> &mut Self {
        self.bytes(kind, &number.to_be_bytes())
    }

    /// An attribute of attributes. Who writes them keeps them below 64 KiB.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.bytes(kind | NESTED, &[]);
        inner(self);
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

impl Message<'_> {
    /// What went wrong, where it tells of an end.
    fn failure(&self) -> Option<Errno> {
        let code = self.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
        (code != 0).then(|| Errno::from_raw_os_error(code.saturating_neg()))
    }
}

/// The messages of a packet.
fn messages(packet: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = packet;
    std::iter::from_fn(move || {
        let header: &[u8; HEADER_BYTES] = rest.first_chunk()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let body = rest.get(HEADER_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            number: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            body,
        })
    })
}

/// The attributes that follow a header of so many bytes.
pub(crate) fn attributes(body: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(header..).unwrap_or_default();
    std::iter::from_fn(move || {
        let start: &[u8; ATTRIBUTE_BYTES] = rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([start[0], start[1]]));
        let value = rest.get(ATTRIBUTE_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([start[2], start[3]]) & !NESTED, value))
    })
}

/// The attribute of a kind.
pub(crate) fn attribute(body: &[u8], header: usize, kind: u16) -> Option<&[u8]> {
    attributes(body, header).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut body = Writer::new(&[7; 4]);
        body.text(1, "ssh").nest(2, |inner| {
            inner.number(1, 9).long(2, 10);
        });
        let mut packet = Writer::default();
        packet.message(33, REQUEST, 5, &body.0);
        packet.message(34, 0, 6, &[]);
        let found: Vec<_> = messages(&packet.0).collect();
        assert_eq!((found.len(), found[0].kind, found[0].number, found[1].kind), (2, 33, 5, 34));
        assert_eq!(attribute(found[0].body, 4, 1), Some(&b"ssh\0"[..]));
        let inner = attribute(found[0].body, 4, 2).unwrap();
        assert_eq!(attribute(inner, 0, 1), Some(&9_u32.to_be_bytes()[..]));
        assert_eq!(attribute(inner, 0, 2), Some(&10_u64.to_be_bytes()[..]));
    }

    #[test]
    fn what_is_cut_off_ends() {
        let mut packet = Writer::default();
        packet.message(33, 0, 5, &[1, 2, 3, 4]);
        for length in 0..packet.0.len() {
            assert_eq!(messages(&packet.0[..length]).count(), 0, "{length}");
        }
        // A length of nothing would never end.
        assert_eq!(messages(&[0; 64]).count(), 0);
        assert_eq!(attributes(&[0; 64], 0).count(), 0);
        assert_eq!(attributes(&[1, 2, 3], 8).count(), 0);
    }
}
