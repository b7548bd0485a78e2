//! What ends a run from outside: a first signal has it end in good order, a second one at once, since what ends it in good
//! order may be what is stuck.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

use super::EXIT_INTERRUPTED;
use crate::{clock, confine, limit};

/// Has the first signal tell this from now on. Signals that come together are one: `timeout` and service managers tell both
/// a process and its group.
pub(super) fn tell(stop: &Arc<AtomicBool>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let stop = Arc::clone(stop);
    let listen = move || {
        // It begins before the process is confined, and needs nothing but its clock.
        confine::bare_thread();
        let mut first = None;
        for _ in signals.forever() {
            let now = clock::instant();
            let since = now.duration_since(*first.get_or_insert(now));
            stop.store(true, Ordering::Relaxed);
            if since >= limit::SIGNALS_APART {
                tracing::warn!("told once more to end: the run ends at once");
                exit(i32::from(EXIT_INTERRUPTED));
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen).map(drop)
}
