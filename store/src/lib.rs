//! The store: the embedded database of what is rare and asked about: individual effects and the audit trail.
//!
//! A listener's turn is accepted in one transaction, and what was accepted before is known by its id: a replay changes
//! nothing. Whoever delivers takes what is due, says that it begins, asks the world, and says what came of it. So after
//! a crash it is known what may have been done. Everything that was decided, tried or ordered is an entry in the audit
//! trail, in the same transaction as what it tells of.
//!
//! One process writes, under a lock on the folder; any number of others read meanwhile. Time is always the caller's, in
//! nanoseconds since 1970-01-01T00:00:00Z. SQL is here and nowhere else.
//!
//! # What the audit trail can show, and what not
//! Every entry carries the hash of the one before it and of its own content, so an entry that was changed, taken out or
//! put in between is found, as is an effect or a cause that no longer is what was decided on. The last hash is kept in a
//! file beside the database too, so a tail that was cut off is found as well. Both are kept by the same user on the same
//! disk, and no key is involved: who may write both and knows this program can make up another trail that fits, and who
//! puts back an older copy of the whole folder is not found out. Against that helps a head that is kept elsewhere, on
//! paper or on another machine: [`reader::Reader::verify`] takes such heads and says whether they still are part of the
//! trail.
//!
//! # Layout
//! - [`limit`] and [`settings`]: every number that bounds something; what an operator chooses
//! - [`error`]: what can go wrong
//! - [`effect`]: what is asked for, what became of it, and why
//! - [`entry`]: what the audit trail says
//! - `chain`: what of an entry is hashed, and how
//! - `anchor`: the last hash, beside the database
//! - `lock`: who may write
//! - `schema`, `connection`: tables, their versions, and how a database is opened
//! - `row`: from rows to values
//! - `trail`: appending to the audit trail
//! - `lane`: what comes after what
//! - `room`: who gets how much of it
//! - [`store`], [`recovery`]: the one that writes, and what it finds when it starts
//! - `accept`, [`denials`], [`delivery`], [`command`]: what listeners ask for, what of it is denied, what whoever delivers and
//!   operators do
//! - [`prune`], `sign_off`, [`tended`]: what is old goes, the trail's beginning among it, and by which time it last did
//! - [`abandoned`]: what nobody delivers any more
//! - [`reader`], [`status`], [`filter`], [`verify`]: what is asked about

pub mod limit;

pub mod settings;

pub mod error;

pub mod effect;

pub mod entry;

mod chain;

mod anchor;

mod lock;

mod schema;

mod connection;

mod row;

mod trail;

mod lane;

mod room;

pub mod store;

pub mod recovery;

mod accept;

pub mod denials;

pub mod delivery;

pub mod command;

pub mod prune;

mod sign_off;

pub mod tended;

pub mod abandoned;

pub mod filter;

pub mod status;

pub mod reader;

pub mod verify;
