//! What a store promises: nothing lost, nothing twice, everything in order, every change in the trail, and clear words.

#![expect(clippy::unwrap_used, reason = "tests may fail loudly")]

mod accepting;
mod asking;
mod commands;
mod delivering;
mod denying;
mod disk;
mod model;
mod opening;
mod pruning;
mod sharing;
mod support;
mod trail;
