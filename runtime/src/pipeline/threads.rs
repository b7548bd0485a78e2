//! Threads of the engine: each has a name, and none dies while the others go on as if it were there.

use std::process;
use std::thread::{self, JoinHandle};

use super::RunError;

/// What ends the engine, as a kill would, if the thread that holds it panics: what is kept goes on from where it was, and
/// who watches over the engine starts it anew. One that went on without a thread would lose without a word.
pub(crate) struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            let thread = thread::current();
            let name = thread.name().unwrap_or_default();
            tracing::error!(
                "the thread `{name}` panicked: the engine ends, and goes on from what it keeps when it is started anew"
            );
            process::abort();
        }
    }
}

/// Starts a thread without which the engine can't work.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    stack_bytes: Option<usize>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RunError> {
    let builder = thread::Builder::new().name(name.to_owned());
    let builder = match stack_bytes {
        Some(bytes) => builder.stack_size(bytes),
        None => builder,
    };
    let work = move || {
        let _vital = Vital;
        work()
    };
    builder.spawn(work).map_err(|error| RunError::Thread(error.to_string()))
}
