//! A record as a module sees it: a view over the batch, nothing is copied.

use bstr::BStr;
use correlator_frame::record as frame;
use correlator_frame::severity::Severity;

use crate::time::Time;

/// One record of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    inner: frame::Record<'a>,
    literals: &'a [u32],
}

impl<'a> Record<'a> {
    /// `literals` are the lengths of the literals of the interest, in order.
    #[inline]
    pub(crate) fn new(inner: frame::Record<'a>, literals: &'a [u32]) -> Self {
        Self { inner, literals }
    }

    /// When it happened.
    #[inline]
    #[must_use]
    pub fn time(self) -> Time {
        Time::from_nanoseconds(self.inner.time())
    }

    /// All of the record, as it came, without its frame.
    #[inline]
    #[must_use]
    pub fn raw(self) -> &'a BStr {
        BStr::new(self.inner.raw())
    }

    /// The message.
    #[inline]
    #[must_use]
    pub fn message(self) -> &'a BStr {
        BStr::new(self.inner.message())
    }

    /// Who sent it; empty if unknown.
    #[inline]
    #[must_use]
    pub fn host(self) -> &'a BStr {
        BStr::new(self.inner.host())
    }

    /// The program's name; empty if unknown.
    #[inline]
    #[must_use]
    pub fn program(self) -> &'a BStr {
        BStr::new(self.inner.program())
    }

    /// The process id; empty if unknown.
    #[inline]
    #[must_use]
    pub fn process_id(self) -> &'a BStr {
        BStr::new(self.inner.process_id())
    }

    /// The message id; empty if unknown.
    #[inline]
    #[must_use]
    pub fn message_id(self) -> &'a BStr {
        BStr::new(self.inner.message_id())
    }

    /// How severe it is.
    #[inline]
    #[must_use]
    pub fn severity(self) -> Severity {
        self.inner.severity()
    }

    /// Its syslog facility, 0 to 23.
    #[inline]
    #[must_use]
    pub fn facility(self) -> u32 {
        self.inner.facility()
    }

    /// The sender's offset from UTC in seconds.
    #[inline]
    #[must_use]
    pub fn zone_seconds(self) -> i32 {
        self.inner.zone_seconds()
    }

    /// The fields, in order, structured data among them.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> {
        self.inner.fields().map(|field| Field {
            element: BStr::new(field.element),
            name: BStr::new(field.name),
            value: BStr::new(field.value),
        })
    }

    /// The value of a field by its name, or of structured data as `ELEMENT.PARAMETER`. The first one counts.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'a BStr> {
        self.fields().find(|field| field.is_called(name)).map(|field| field.value)
    }

    /// The value of a parameter of structured data. The first one counts.
    #[must_use]
    pub fn structured(self, element: &str, parameter: &str) -> Option<&'a BStr> {
        self.fields()
            .find(|field| field.element == element && field.name == parameter)
            .map(|field| field.value)
    }

    /// The literals of the interest that the host found in the message, the first clause's first.
    #[inline]
    pub fn hits(self) -> impl Iterator<Item = Hit<'a>> {
        self.inner.hits().filter_map(move |(literal, offset)| {
            let literal = literal as usize;
            let length = *self.literals.get(literal)? as usize;
            let start = offset.checked_sub(self.inner.message_offset())? as usize;
            let message = self.inner.message();
            let rest = message.get(start + length..)?;
            Some(Hit { literal, before: BStr::new(&message[..start]), rest: BStr::new(rest) })
        })
    }

    /// The first of the hits.
    #[inline]
    #[must_use]
    pub fn hit(self) -> Option<Hit<'a>> {
        self.hits().next()
    }

    /// The message behind a literal's first occurrence, or nothing if it isn't in the message. Literals are counted
    /// through all clauses of the interest in order, from 0.
    #[inline]
    #[must_use]
    pub fn after(self, literal: usize) -> Option<&'a BStr> {
        self.hits().find(|hit| hit.literal == literal).map(|hit| hit.rest)
    }

    /// Whether its format was understood. If not, the message is the whole record.
    #[inline]
    #[must_use]
    pub fn is_parsed(self) -> bool {
        !self.is(frame::UNPARSED)
    }

    /// Whether it had no time, so that one was assumed.
    #[inline]
    #[must_use]
    pub fn time_assumed(self) -> bool {
        self.is(frame::TIME_ASSUMED)
    }

    /// Whether its time had no zone, so that one was assumed.
    #[inline]
    #[must_use]
    pub fn zone_assumed(self) -> bool {
        self.is(frame::ZONE_ASSUMED)
    }

    /// Whether its time had no year, so that one was assumed.
    #[inline]
    #[must_use]
    pub fn year_assumed(self) -> bool {
        self.is(frame::YEAR_ASSUMED)
    }

    /// Whether it had no priority, so that severity and facility were assumed.
    #[inline]
    #[must_use]
    pub fn priority_assumed(self) -> bool {
        self.is(frame::PRIORITY_ASSUMED)
    }

    /// Whether there is invalid UTF-8 in it.
    #[inline]
    #[must_use]
    pub fn has_invalid_utf8(self) -> bool {
        self.is(frame::INVALID_UTF8)
    }

    /// Whether it was cut because it was too long.
    #[inline]
    #[must_use]
    pub fn is_truncated(self) -> bool {
        self.is(frame::TRUNCATED)
    }

    /// Whether it is in the format of RFC 5424.
    #[inline]
    #[must_use]
    pub fn is_rfc5424(self) -> bool {
        self.is(frame::RFC5424)
    }

    #[inline]
    fn is(self, flag: u32) -> bool {
        self.inner.flags() & flag != 0
    }
}

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The SD-ID; empty for a field that is not structured data.
    pub element: &'a BStr,
    /// Its name; empty for an element without parameters.
    pub name: &'a BStr,
    /// Its value, unescaped.
    pub value: &'a BStr,
}

impl Field<'_> {
    /// Whether `name` names it: its own name, or `ELEMENT.PARAMETER` for structured data.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        if self.element.is_empty() {
            return self.name == name;
        }
        let rest = name.as_bytes().strip_prefix(self.element.as_ref() as &[u8]);
        rest.is_some_and(|rest| match rest {
            [] => self.name.is_empty(),
            [b'.', parameter @ ..] => self.name == parameter,
            _ => false,
        })
    }
}

/// A literal of the interest that the host found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// Which literal, counted through all clauses in order, from 0.
    pub literal: usize,
    /// The message before it.
    pub before: &'a BStr,
    /// The message behind it.
    pub rest: &'a BStr,
}
