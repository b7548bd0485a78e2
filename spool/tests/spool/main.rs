//! What a spool promises: against a model, against damage, against a full disk, and with many at once.

#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

mod concurrent;
mod damage;
mod disk;
mod folder;
mod fuzzed;
mod model;
mod recycling;
mod support;
mod syncing;
