//! Splitting any bytes moves on at every step and gives ranges that are in order, in whatever framing they seem to have.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../framing.rs"]
mod framing;

fuzz_target!(|data: &[u8]| framing::check(data));
