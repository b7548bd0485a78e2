//! Running guests over samples, natively and exactly as the engine does.
//!
//! Every module ships sample logs with the events that must come of them. [`check_samples`] runs them, compares, and
//! then cuts each sample at many random places: a batch ends there, or the state is saved and restored into a fresh
//! instance. The results must be the same. So state that `save` forgets, and conclusions that depend on where a batch
//! ends, are found here and not in an operator's night.
//!
//! ```text
//! #[test]
//! fn samples() {
//!     correlator_sdk::testing::check_samples::<FirstSeen>(env!("CARGO_MANIFEST_DIR"));
//! }
//! ```
//!
//! A sample is `samples/NAME.log` with its events in `samples/NAME.events`, where lines that begin with `#` are notes
//! for people, and options in `samples/NAME.options` (`name = value`, all others at their defaults; a text may stand in
//! quotes, with `\n`, `\"` and `\\` in it).
//! `CORRELATOR_UPDATE=1 cargo test` writes the expected files anew and keeps the notes: read the difference.
//!
//! For a listener a sample is a list of events, `samples/NAME.events`, with the effects in `samples/NAME.effects`:
//! see [`check_listener_samples`].
//!
//! # Layout
//! - `line`: how values stand in a line
//! - `options`: settings as text
//! - `records`: bytes to records, and which of them a module wants
//! - `timers`: when ticks fall
//! - `cuts`: where batches end, and where state is saved and restored
//! - `module`: a module over a log
//! - `events`, `listener`: a listener over a list of events
//! - `samples`: the files, and the comparison

mod cuts;

mod events;

mod line;

mod listener;

mod module;

mod options;

mod records;

mod samples;

mod timers;

pub use listener::{check_listener_samples, effects};
pub use module::{Emitted, Outcome, check_cuts, check_samples, lines, run};

/// How many times each sample is cut at other places.
const CUT_RUNS: u64 = 40;
