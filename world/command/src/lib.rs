//! Programs: one request is one run of a program that the operator named, with arguments that the operator wrote.
//!
//! ```yaml
//! grants:
//!   command:
//!     commands:
//!       block:
//!         program: /usr/local/sbin/block
//!         arguments: ["--ip", "{address}", "--why={why}"]
//!         undo: { arguments: ["--remove", "--ip", "{address}"] }
//!         user: nobody
//!         timeout: 10s
//!         values:
//!           address: { kind: address }
//!           why: { kind: text, length_max: 200 }
//! ```
//!
//! The target of a request is the name of a command, its columns are the values. There is no shell. A value stays within the
//! argument that it stands in, and can't make an option of one. The program gets no environment but `PATH`,
//! `CORRELATOR_ID` (the request's id: the same when it is run again) and what the operator wrote; nothing on its standard
//! input; no way to gain privileges; and is ended, with all that it started, when its time is over or it ends itself.
//!
//! Exit code 0 is done. Those in `retry_codes` (75, as in `sysexits.h`), a signal and a time that is over are for later; every
//! other code is for good.
//!
//! Only root can give a program a user of its own, and (with the right to make PID namespaces) be sure of all that it
//! started. Otherwise what it started is found by its parents, by its process group, by `CORRELATOR_ID` in its environment and
//! by the output that it shares; a process that gets rid of all of these stays. This crate must never know what a program does.
//!
//! # Layout
//! - [`settings`]: what the operator wrote
//! - `limit`: every number that bounds something
//! - `template`: arguments with places for values
//! - `value`: what may stand in such a place
//! - `account`: as whom programs run
//! - `program`: whether nobody else says what is run
//! - `command`: one command, checked
//! - `family`: what a program started
//! - `run`: one run
//! - `delivery`: requests, and what came of each

pub mod settings;

mod limit;

mod template;

mod value;

mod account;

mod program;

mod command;

mod family;

mod run;

mod delivery;

pub use delivery::Commands;
pub use settings::Settings;
