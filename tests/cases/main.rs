//! The end-to-end cases: the real binary, real files, real components.
//!
//! One test binary for all of them, so that they share a cache of compiled guests and one build. It must never reach
//! into the engine: what a case can't see from outside, an operator can't either.

#![allow(
    clippy::print_stderr,
    reason = "what is skipped, and with which seed a run began, is told plainly"
)]
#![allow(clippy::disallowed_methods, reason = "tests wait for other processes by the clock")]
#![allow(
    clippy::format_collect,
    clippy::match_same_arms,
    clippy::semicolon_if_nothing_returned,
    reason = "tables of cases read better so"
)]

mod acting;
mod acting_attacks;
mod acting_blocks;
mod acting_denied;
mod acting_ends;
mod acting_firewall;
mod acting_flapping;
mod acting_foreseen;
mod acting_grants;
mod acting_kills;
mod acting_mail;
mod acting_outage;
mod acting_room;
mod acting_rows;
mod acting_shares;
mod book;
mod captures;
mod changed;
mod changes;
mod control;
mod crash;
mod credentials;
mod damage;
mod descriptors;
mod disk;
mod dist;
mod effects;
mod handed;
mod hostile;
mod hostile_floods;
mod hostile_table;
mod house;
mod live;
mod mended;
mod numbers;
mod peers;
mod put_off;
mod reload;
mod service;
mod shared;
mod soak;
mod stacks;
mod tending;
mod times;
