//! Rules: whose source is in a set is dropped or rejected. Each carries a comment that says all of it, by which it is
//! known again; nobody has to read the expressions back.

use crate::settings::{Protocol, SetSettings, Verdict};
use crate::table::Width;
use crate::wire::Writer;

const NAME: u16 = 1;
const DATA: u16 = 2;
const EXPRESSION: u16 = 1;
const VALUE: u16 = 1;

const REGISTER: u32 = 1;
const VERDICT_REGISTER: u32 = 0;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const PORT_OFFSET: u32 = 2;
const NF_DROP: u32 = 0;
const REJECT_RESET: u32 = 1;
const REJECT_ICMPX: u32 = 2;
const ICMPX_ADMIN_PROHIBITED: u8 = 3;

/// One rule of a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) width: Width,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) port: Option<u16>,
    pub(crate) verdict: Verdict,
}

impl Rule {
    /// The rules that a set's settings ask for, for one length of prefix.
    pub(crate) fn all(settings: &SetSettings, width: Width) -> Vec<Self> {
        let verdict = settings.verdict;
        if settings.ports.is_empty() {
            return vec![Self { width, protocol: settings.protocol, port: None, verdict }];
        }
        let protocol = Some(settings.protocol.unwrap_or(Protocol::Tcp));
        let one = |port: &u16| Self { width, protocol, port: Some(*port), verdict };
        settings.ports.iter().map(one).collect()
    }

    /// All of it in a line.
    pub(crate) fn comment(self, priority: i32) -> String {
        let protocol = match self.protocol {
            Some(Protocol::Tcp) => " tcp",
            Some(Protocol::Udp) => " udp",
            None => "",
        };
        let port = self.port.map_or_else(String::new, |port| format!(" {port}"));
        let verdict = match self.verdict {
            Verdict::Drop => "drop",
            Verdict::Reject => "reject",
        };
        let family = if self.width.v6 { "v6" } else { "v4" };
        format!("{family}/{}{protocol}{port} {verdict} at {priority}", self.width.length)
    }

    /// The rule as the kernel reads it.
    pub(crate) fn write(self, writer: &mut Writer, set: &str) {
        let family: u8 = if self.width.v6 { 10 } else { 2 };
        meta(writer, META_NFPROTO);
        compare(writer, &[family]);
        let offset = if self.width.v6 { 8 } else { 12 };
        payload(writer, NETWORK_HEADER, offset, self.width.bytes());
        if !self.width.is_single() {
            mask(writer, &self.width.mask());
        }
        expression(writer, "lookup", |data| {
            data.text(1, set).number(2, REGISTER);
        });
        if let Some(protocol) = self.protocol {
            meta(writer, META_L4PROTO);
            compare(writer, &[if protocol == Protocol::Tcp { 6 } else { 17 }]);
        }
        if let Some(port) = self.port {
            payload(writer, TRANSPORT_HEADER, PORT_OFFSET, 2);
            compare(writer, &port.to_be_bytes());
        }
        expression(writer, "counter", |_| {});
        match self.verdict {
            Verdict::Drop => expression(writer, "immediate", |data| {
                data.number(1, VERDICT_REGISTER).nest(2, |value| {
                    value.nest(2, |verdict| {
                        verdict.number(1, NF_DROP);
                    });
                });
            }),
            Verdict::Reject if self.protocol == Some(Protocol::Tcp) => {
                expression(writer, "reject", |data| {
                    data.number(1, REJECT_RESET).bytes(2, &[0]);
                });
            }
            Verdict::Reject => expression(writer, "reject", |data| {
                data.number(1, REJECT_ICMPX).bytes(2, &[ICMPX_ADMIN_PROHIBITED]);
            }),
        }
    }
}

fn expression(writer: &mut Writer, name: &str, data: impl FnOnce(&mut Writer)) {
    writer.nest(EXPRESSION, |inner| {
        inner.text(NAME, name).nest(DATA, data);
    });
}

fn meta(writer: &mut Writer, key: u32) {
    expression(writer, "meta", |data| {
        data.number(2, key).number(1, REGISTER);
    });
}

fn compare(writer: &mut Writer, value: &[u8]) {
    expression(writer, "cmp", |data| {
        data.number(1, REGISTER).number(2, 0).nest(3, |inner| {
            inner.bytes(VALUE, value);
        });
    });
}

fn payload(writer: &mut Writer, base: u32, offset: u32, length: usize) {
    expression(writer, "payload", |data| {
        data.number(1, REGISTER).number(2, base).number(3, offset).number(4, length as u32);
    });
}

fn mask(writer: &mut Writer, mask: &[u8]) {
    expression(writer, "bitwise", |data| {
        data.number(1, REGISTER).number(2, REGISTER).number(3, mask.len() as u32);
        data.nest(4, |inner| {
            inner.bytes(VALUE, mask);
        });
        data.nest(5, |inner| {
            inner.bytes(VALUE, &vec![0; mask.len()]);
        });
    });
}
