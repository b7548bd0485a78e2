//! Inputs for the fuzzers' checks where there is no fuzzer: samples that are cut, joined, repeated and flipped at random.
//!
//! A real fuzzer finds more, since it sees which input goes where. This finds what is found soon, at every run of the tests
//! and with the compiler that builds everything else.

#![allow(clippy::print_stderr, reason = "who looks at a failure needs the input")]

use std::time::{Duration, Instant};

/// How long each check is given, unless `CORRELATOR_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 2;
const INPUT_BYTES_MAX: usize = 4096;
/// What formats are made of.
const SIGNS: &[u8] = b"<>[]\"\\ :0123456789-\n\r\0\xff\xef\xbb\xbf";

/// Gives inputs to a check until its time is up. A check that fails panics; the seed and the input are told then.
#[expect(clippy::disallowed_methods, reason = "a fuzzer works for so long")]
pub fn feed(samples: &[&[u8]], check: impl Fn(&[u8])) {
    let said = std::env::var("CORRELATOR_FUZZ_SECONDS").ok();
    let seconds = said.and_then(|said| said.parse().ok()).unwrap_or(SECONDS);
    let since = Instant::now();
    let seed = std::process::id();
    let mut inputs = Inputs { state: u64::from(seed) << 20 | 1, samples };
    let mut count = 0_u64;
    while since.elapsed() < Duration::from_secs(seconds) {
        let input = inputs.next();
        let told = Told { seed, count, input: &input };
        check(told.input);
        std::mem::forget(told);
        count += 1;
    }
    eprintln!("{count} inputs in {seconds} s, seed {seed}");
}

/// Tells the input if the check panics on it.
struct Told<'a> {
    seed: u32,
    count: u64,
    input: &'a [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        eprintln!("input {} of seed {}: \"{}\"", self.count, self.seed, self.input.escape_ascii());
    }
}

struct Inputs<'a> {
    state: u64,
    samples: &'a [&'a [u8]],
}

impl Inputs<'_> {
    /// xorshift: any numbers do that come again with their seed.
    fn number(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % below.max(1) as u64) as usize
    }

    fn next(&mut self) -> Vec<u8> {
        let mut input = Vec::new();
        for _ in 0..=self.number(4) {
            if self.number(8) == 0 {
                let length = self.number(64);
                input.extend((0..length).map(|_| self.number(256) as u8));
            } else {
                let sample = self.samples[self.number(self.samples.len())];
                input.extend_from_slice(sample);
            }
        }
        for _ in 0..self.number(12) {
            self.change(&mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (at, length) = (self.number(input.len()), self.number(16));
        let end = (at + length).min(input.len());
        match self.number(6) {
            0 if at < input.len() => input[at] ^= 1 << self.number(8),
            1 if at < input.len() => input[at] = self.number(256) as u8,
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let to = self.number(input.len());
                input.splice(to..to, piece);
            }
            4 => {
                let sign = SIGNS[self.number(SIGNS.len())];
                input.insert(at, sign);
            }
            _ => input.truncate(self.number(input.len() + 1)),
        }
    }
}
