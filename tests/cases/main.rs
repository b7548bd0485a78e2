//! The end-to-end cases: the real binary, real files, real components.
//!
//! One test binary for all of them, so that they share a cache of compiled guests and one build. It must never reach
//! into the engine: what a case can't see from outside, an operator can't either.

mod captures;
mod control;
mod crash;
mod damage;
mod disk;
mod dist;
mod hostile;
mod hostile_table;
mod house;
mod live;
mod reload;
mod service;
mod stacks;
