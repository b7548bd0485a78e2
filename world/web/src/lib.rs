//! What is asked of the world over HTTP: webhooks, text messages, search engines.
//!
//! All of it goes through one client that is careful about whom it talks to: it follows no redirects, looks at every
//! address that a name has before it connects to it, waits for nothing without a limit, and reads no more than it was
//! told to. Three capabilities stand on it: [`webhook`], [`sms`] and [`elastic`]; each says in its own words what its
//! grant looks like and which columns its requests have.
//!
//! Whom certificates may come from is what the machine trusts (the system's roots, that its operator keeps up), or the
//! file that `ca` names, and then nobody else.
//!
//! # Layout
//! - `limit`, `clock`: what bounds, and where time comes from;
//! - `settings`: the values that several grants have in common;
//! - `client`: the one door to the network;
//! - `recipe`: how to speak to a service, as data: method, headers, body, and what its answers mean;
//! - `webhook`, `sms`, `elastic`: the capabilities.

mod client;
mod clock;
mod limit;
mod recipe;
mod settings;

pub mod elastic;
pub mod sms;
pub mod webhook;

pub use client::{Lookup, System};
pub use recipe::{Auth, Rule, Statuses, Verdict};
pub use settings::{Network, Span};
