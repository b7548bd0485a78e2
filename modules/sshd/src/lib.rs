//! OpenSSH: who logged in and for how long, who failed to, and who tries too often.
//!
//! # Layout
//! In the order of a record's way:
//! - `module`: what the engine sees
//! - `options`: what the stack may set
//! - `literals`: how messages begin
//! - `bytes`: looking at many at once
//! - `peer`, `message`, `accepted`: what messages say
//! - `key`: which process says it
//! - `attempt`, `session`, `failures`: what is remembered
//! - `machine`: what follows
//! - `tally`, `events`: what is counted and told

mod module;

mod options;

mod literals;

mod bytes;

mod peer;

mod message;

mod accepted;

mod key;

mod attempt;

mod session;

mod failures;

mod machine;

mod tally;

mod events;

pub use module::Sshd;

correlator_sdk::export_module!(Sshd);

#[cfg(test)]
mod tests;
