//! Any bytes, cut anywhere, give records whose spans are within the text, and the same ones as uncut.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../parse.rs"]
mod parse;

fuzz_target!(|data: &[u8]| parse::check(data));
