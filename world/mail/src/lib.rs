//! E-mail: one request is one mail, handed to the mail server that the operator named.
//!
//! ```yaml
//! grants:
//!   mail:
//!     server: mail.example.org:587
//!     security: starttls            # or tls; none only to this machine
//!     username: correlator
//!     credential: smtp              # a name; `correlator credential set smtp` gives it a value
//!     from: Correlator <correlator@example.org>
//!     to: [ops@example.org]         # where a request names nobody
//!     recipients: ["*@example.org"] # whom a request may name besides
//! ```
//!
//! | column | |
//! | --- | --- |
//! | `to` | recipients, separated by commas; those of the grant, if absent |
//! | `subject` | the subject; line ends and other control characters become spaces, and it is cut at 200 characters |
//! | `text` | the mail as plain text |
//! | `html` | the same in HTML, as the guest escaped it; may be absent |
//! | `reply_to` | where answers go; only where the grant has `reply_to: true` |
//!
//! lettre makes the mail. The conversation is this crate's own: lettre's waits without end for the end of a line, takes what
//! was said before TLS for what is said in it, panics at a blank line, and ends with the first recipient that is refused.
//!
//! A mail that a server may or may not have taken is sent again, with the same `Message-ID`. It must never know why a mail is
//! sent.
//!
//! # Layout
//! - [`settings`]: what the operator wrote
//! - `limit`: every number that bounds something
//! - `recipient`: who may get mail
//! - `message`: the mail itself
//! - `reply`: what a server says
//! - `dialogue`: one conversation with a server
//! - `delivery`: many mails, and what came of each

pub mod settings;

mod limit;

mod recipient;

mod message;

mod reply;

mod dialogue;

mod delivery;

pub use delivery::Mail;
pub use settings::Settings;
