//! Syslog: one request is one message to a syslog server, in the form of RFC 5424 or, within that, of CEF.
//!
//! ```yaml
//! grants:
//!   syslog:
//!     targets:
//!       siem:
//!         address: siem.example.org:6514
//!         transport: tls            # or tcp, udp, unix (a datagram socket: the address is its path)
//!         ca: /etc/correlator/ca.pem
//!         format: cef               # or rfc5424
//!         facility: local0
//! ```
//!
//! | column | |
//! | --- | --- |
//! | `message` | the text, whose control characters are made visible |
//! | `severity` | a name (`emergency` to `debug`) or a number from 0 to 7; `informational`, if absent |
//! | `event`, `module` | names; may be absent |
//! | `time` | when it happened; may be absent |
//! | `id` | what tells a message that comes twice; the request's own, if absent |
//! | `fields` | a JSON object, whose members become structured data or CEF extensions; may be absent |
//!
//! A message that would be too long is cut, the longest values and the text first: what is in them is a stranger's, and the
//! message must come.
//!
//! The target of a request is the name of a target. A message is done when the system has taken it: syslog confirms nothing.
//! What was written lately to a connection that turns out to be broken is sent again on the next one, so a message may come
//! twice, with the same `id`. It must never know what an event means.
//!
//! # Layout
//! - [`settings`]: what the operator wrote
//! - `limit`: every number that bounds something
//! - `record`: what a request says
//! - `escape`: text that stays where it is put
//! - `fit`: named values in so many bytes
//! - `rfc5424`, `cef`: the forms of a message
//! - `target`: one target, checked
//! - `stream`, `datagram`: the ways to a server
//! - `delivery`: requests, and what came of each

pub mod settings;

mod limit;

mod record;

mod escape;

mod fit;

mod rfc5424;

mod cef;

mod target;

mod stream;

mod datagram;

mod delivery;

pub use delivery::Syslog;
pub use settings::Settings;
