//! Datagrams: each is a record (RFC 5426), and many are received with one call.
//!
//! A datagram knows where it ends, so its record may have line ends within. To have the parser see it so, each gets the
//! octet count in front that it would have on a stream; all of a call are then parsed in one go. If the stack names a
//! framing, a datagram may hold several records.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use correlator_record::framing::Framing;
use correlator_record::parser::Parser;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::drops::Drops;
use super::filling::Filling;
use super::gauge::NetGauge;
use super::handle::{Settings, Shared};
use super::serve::moment;
use super::setbacks::Setbacks;
use super::stream::{Manner, Reference};
use crate::intake::Ended;
use crate::limit;

/// Bytes of a datagram that are received: one more than a record may have, so that the parser sees which one is longer.
const SLOT_BYTES: usize = limit::RECORD_BYTES_MAX + 1;
/// Without waiting, and with the whole length of a datagram that is longer than its slot.
const FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_TRUNC);
/// What may stand behind a record and is no part of it.
const ENDINGS: [u8; 3] = *b"\r\n\0";

/// The socket, and how its datagrams are read.
pub(crate) struct Datagrams<'a> {
    /// The source's name, for people.
    pub name: &'a str,
    /// The socket, and what is said to who reads it.
    pub shared: &'a Shared,
    /// How they are read.
    pub manner: Manner,
    /// What is shown.
    pub gauge: &'a NetGauge,
}

/// The socket while it is read.
struct Reading<'a, 'b> {
    datagrams: Datagrams<'a>,
    filling: Filling<'b>,
    parser: Parser,
    reference: Reference,
    drops: Drops,
    setbacks: Setbacks<'a>,
    /// When something had come after a wait.
    woken: Instant,
    /// Whether something comes again as soon as the last has been taken.
    busy: bool,
    /// A slot for each datagram of a call. Only what they fill is ever touched.
    buffer: Vec<u8>,
    /// How long those of the last call are.
    lengths: Vec<usize>,
    tail: Vec<u8>,
}

impl Datagrams<'_> {
    /// Reads until `stop` is set or the intake has ended.
    pub fn run(self, filling: Filling<'_>, stop: &AtomicBool) {
        let (parser, reference) = self.manner.parser(filling.moment.wall);
        let mut reading = Reading {
            drops: Drops::new(
                &self.shared.bound.socket,
                self.shared.bound.dropped.load(Ordering::Relaxed),
                filling.moment.instant,
            ),
            setbacks: Setbacks::new(self.name),
            datagrams: self,
            woken: filling.moment.instant,
            busy: false,
            filling,
            parser,
            reference,
            buffer: vec![0; limit::DATAGRAMS_PER_CALL * SLOT_BYTES],
            lengths: Vec::with_capacity(limit::DATAGRAMS_PER_CALL),
            tail: Vec::new(),
        };
        reading.run(stop);
        let counted = reading.drops.counted();
        reading.datagrams.shared.bound.dropped.store(counted, Ordering::Relaxed);
    }
}

impl Reading<'_, '_> {
    fn run(&mut self, stop: &AtomicBool) {
        let mut last: Option<Instant> = None;
        loop {
            let waits = last.is_none() && self.filling.lot.frame.is_empty();
            if waits && self.busy {
                gather();
            }
            let ready = self.wait(waits);
            self.filling.moment = moment();
            self.take_up();
            if waits && ready {
                self.wake();
            }
            let done = if ready { self.round() } else { self.rest(last.is_some()) };
            if done.is_err() {
                return;
            }
            match last {
                Some(until) if !ready || self.filling.moment.instant >= until => {
                    // An intake that has ended says so; there is nobody to tell it to any more.
                    let _ = self.rest(true);
                    return;
                }
                // What had come by now is still read, but not for ever.
                None if stop.load(Ordering::Relaxed) => {
                    last = Some(self.filling.moment.instant + limit::STOP_DRAIN);
                }
                _ => {}
            }
        }
    }

    /// Goes by other settings, if there are some.
    fn take_up(&mut self) {
        let Some(Settings { manner, .. }) = self.datagrams.shared.next() else { return };
        (self.parser, self.reference) = manner.parser(self.filling.moment.wall);
        self.datagrams.manner = manner;
    }

    /// Something has come after a wait: soon after the last time, or not.
    fn wake(&mut self) {
        let now = self.filling.moment.instant;
        self.busy = now.saturating_duration_since(self.woken) < 2 * limit::DATAGRAMS_REST;
        self.woken = now;
    }

    fn socket(&self) -> &OwnedFd {
        &self.datagrams.shared.bound.socket
    }

    /// Whether something has come; waits for it a little, if that is wanted.
    fn wait(&mut self, waits: bool) -> bool {
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = if waits { &limit::STOP_POLL } else { &none };
        match poll(&mut [PollFd::new(self.socket(), PollFlags::IN)], Some(timeout)) {
            Ok(count) => count > 0,
            Err(Errno::INTR) => false,
            Err(error) => {
                self.setbacks.rest(error);
                false
            }
        }
    }

    /// Nothing more has come: what has come is handed on, with what the kernel dropped meanwhile.
    fn rest(&mut self, at_end: bool) -> Result<(), Ended> {
        let dropped = self.drops.ask(self.filling.moment.instant, at_end);
        self.count_dropped(dropped);
        self.filling.hand_on()
    }

    /// Receives until a call is not filled, or the lot is full.
    fn round(&mut self) -> Result<(), Ended> {
        self.datagrams.gauge.hear(self.filling.moment.wall);
        self.drops.hear();
        self.reference.follow(self.filling.moment.wall, &mut self.parser);
        let dropped = match self.receive() {
            Ok(dropped) => dropped,
            // An error that an earlier datagram brought on, of no use here.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNREFUSED) => return Ok(()),
            Err(error) => {
                self.setbacks.rest(error);
                return Ok(());
            }
        };
        self.count_dropped(dropped);
        self.take()
    }

    fn count_dropped(&mut self, dropped: u64) {
        self.filling.lot.counts.dropped_by_kernel += dropped;
        self.datagrams.gauge.dropped_by_kernel.fetch_add(dropped, Ordering::Relaxed);
    }

    /// Receives what one call brings. How many more were dropped.
    fn receive(&mut self) -> Result<u64, Errno> {
        // The kernel writes into the headers how much of them it has used, so they can't be used again.
        let mut headers =
            MultiHeaders::<()>::preallocate(limit::DATAGRAMS_PER_CALL, Some(cmsg_space!(u32)));
        let mut slots: Vec<_> =
            self.buffer.chunks_exact_mut(SLOT_BYTES).map(|slot| [IoSliceMut::new(slot)]).collect();
        self.lengths.clear();
        let socket = self.datagrams.shared.bound.socket.as_raw_fd();
        let received = recvmmsg(socket, &mut headers, slots.iter_mut(), FLAGS, None)
            .map_err(|error| Errno::from_raw_os_error(error as i32))?;
        let mut dropped = 0;
        for message in received {
            self.lengths.push(message.bytes);
            for control in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(count) = control {
                    dropped += self.drops.note(count);
                }
            }
        }
        Ok(dropped)
    }

    /// Makes records of what was received.
    fn take(&mut self) -> Result<(), Ended> {
        let framing = self.datagrams.manner.framing.as_ref();
        for (slot, &length) in self.buffer.chunks_exact(SLOT_BYTES).zip(&self.lengths) {
            let bytes = &slot[..length.min(SLOT_BYTES)];
            if let Some(capture) = self.filling.capture() {
                let records = framing.map_or_else(|| vec![trimmed(bytes)], |it| it.split(bytes));
                capture.write_datagram(bytes, framing, records);
            }
            let counts = &mut self.filling.lot.counts;
            counts.bytes += length as u64;
            counts.skipped_bytes += (length - bytes.len()) as u64;
            match framing {
                Some(framing) => {
                    self.tail.extend_from_slice(bytes);
                    parse(&mut self.filling, &mut self.parser, framing, &mut self.tail)?;
                }
                None => match trimmed(bytes) {
                    [] => counts.blank += 1,
                    record => {
                        push_count(record.len(), &mut self.tail);
                        self.tail.extend_from_slice(record);
                    }
                },
            }
        }
        parse(&mut self.filling, &mut self.parser, &Framing::Octets, &mut self.tail)
    }
}

/// Lets datagrams gather. To be woken for each of them would cost more than to parse it, and most of that is the
/// sender's, whose system call does the waking.
fn gather() {
    let rest = Timespec { tv_sec: 0, tv_nsec: limit::DATAGRAMS_REST.subsec_nanos().into() };
    // An interrupted rest is a shorter one.
    let _ = poll(&mut [], Some(&rest));
}

/// Parses all of these bytes, however many lots that takes.
fn parse(
    filling: &mut Filling,
    parser: &mut Parser,
    framing: &Framing,
    bytes: &mut Vec<u8>,
) -> Result<(), Ended> {
    while !bytes.is_empty() {
        filling.make_room()?;
        let text = &mut filling.lot.frame.text;
        let start = text.len();
        text.append(bytes);
        if !filling.parse(start, parser, framing, true, bytes).more {
            bytes.clear();
        }
    }
    Ok(())
}

/// A datagram without what stands behind its record.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let behind = bytes.iter().rev().take_while(|byte| ENDINGS.contains(byte)).count();
    &bytes[..bytes.len() - behind]
}

/// Writes an octet count, as it stands before a record on a stream.
fn push_count(count: usize, text: &mut Vec<u8>) {
    let mut divisor = 1;
    while count / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        text.push(b'0' + (count / divisor % 10) as u8);
        divisor /= 10;
    }
    text.push(b' ');
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::{Datagrams, Manner, push_count, trimmed};
    use crate::intake::{Ended, Intake, Lot};
    use crate::net::bind::Bound;
    use crate::net::filling::Filling;
    use crate::net::gauge::NetGauge;
    use crate::net::handle::Shared;
    use crate::net::serve::moment;
    use crate::settings::{Address, Door, Source};

    struct Nowhere;

    impl Intake for Nowhere {
        fn take(&self, _: &mut Lot) -> Result<(), Ended> {
            Ok(())
        }
    }

    #[test]
    fn an_error_ends_nothing() {
        // There is always something to read, and it is no datagram.
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let _peer = TcpStream::connect(listener.local_addr().expect("an address"));
        let gauge = NetGauge::default();
        let bound = Bound {
            socket: OwnedFd::from(listener),
            local: None,
            shown: String::new(),
            _file: None,
            dropped: AtomicU32::new(0),
        };
        let shared = &*Shared::new(Arc::new(bound));
        let address = Address::Path("unused".into(), 0);
        let source = Source {
            name: "test".into(),
            door: Door::Datagram { address, buffer_bytes: 0 },
            framing: None,
            framing_text: String::new(),
            zone: TimeZone::UTC,
            year: None,
            lateness: Duration::ZERO,
            idle_after: Duration::ZERO,
            typed: Vec::new(),
        };
        let (manner, stop) = (Manner::new(&source, usize::MAX), AtomicBool::new(false));
        let datagrams = Datagrams { name: "test", shared, manner, gauge: &gauge };
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                let filling = Filling::new(0, &Nowhere, None, moment());
                datagrams.run(filling, &stop);
            });
            let mut heard = Vec::new();
            while heard.len() < 3 {
                assert!(!run.is_finished(), "it reads on");
                let last = gauge.heard.load(Ordering::Relaxed);
                if last > 0 && heard.last() != Some(&last) {
                    heard.push(last);
                }
                thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn counts_are_written() {
        for count in [1, 9, 10, 11, 99, 100, 1_234, 65_536, 65_537] {
            let mut text = Vec::new();
            push_count(count, &mut text);
            assert_eq!(text, format!("{count} ").as_bytes());
        }
    }

    #[test]
    fn endings_are_no_part_of_a_record() {
        let check = |bytes: &[u8], expected: &[u8]| assert_eq!(trimmed(bytes), expected);
        check(b"", b"");
        check(b"\n", b"");
        check(b"a", b"a");
        check(b"a\r\n", b"a");
        check(b"a\nb\n\0", b"a\nb");
        check(b"\n a ", b"\n a ");
    }
}
