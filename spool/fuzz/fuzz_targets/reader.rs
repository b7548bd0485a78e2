//! Any bytes as segments are read to the end: by another process, by a writer that recovers from them, and by its reader.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../reader.rs"]
mod reader;

fuzz_target!(|data: &[u8]| reader::check(data));
