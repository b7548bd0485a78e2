//! The spool: an append-only, checksummed, segmented log of frames.

pub mod settings;
