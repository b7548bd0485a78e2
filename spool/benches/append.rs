//! What a frame costs, beside what the system and the checksum cost alone. Written below.

fn main() {}
