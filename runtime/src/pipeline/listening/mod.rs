//! What listeners have that modules have not: how they look at events, what they ask the world for, and what of that is
//! denied. This room must never know how a request is carried out.

pub(super) mod asker;
pub(super) mod asking;
pub(super) mod denials;
pub(super) mod former;
pub(super) mod listener;
pub(super) mod outside;
mod patience;
pub(super) mod view;
