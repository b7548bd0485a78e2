//! What a store holds for its guest: the memory it may have and the lines it may log.
//!
//! Wasmtime's own limits count each memory for itself; a guest with a thousand memories would have a thousand times
//! the limit. This one sums over the store.

use wasmtime::{ResourceLimiter, Result};

use crate::limit;
use crate::limit::Limits;
use crate::text::clean;
use crate::wit::module::correlator::engine::log;
use crate::wit::module::correlator::engine::types::Severity;

/// The host's side of one guest.
pub(super) struct Meter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    table_elements_max: usize,
    /// Whether memory or table elements were refused since the last call began.
    pub(super) refused: bool,
    /// What the guest logged since the last call began.
    pub(super) lines: Vec<(Severity, String)>,
    /// Lines beyond the limit since the last call began.
    pub(super) lines_dropped: u64,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes,
            table_elements: 0,
            table_elements_max: limits.table_elements,
            refused: false,
            lines: Vec::new(),
            lines_dropped: 0,
        }
    }

    /// Bytes that the guest has now.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Bytes that it may have.
    pub(super) fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> Result<bool> {
        let total = self.memory_bytes.saturating_add(wanted.saturating_sub(now));
        let granted = total <= self.memory_bytes_max;
        if granted {
            self.memory_bytes = total;
        }
        self.refused |= !granted;
        Ok(granted)
    }

    fn table_growing(&mut self, now: usize, wanted: usize, _: Option<usize>) -> Result<bool> {
        let total = self.table_elements.saturating_add(wanted.saturating_sub(now));
        let granted = total <= self.table_elements_max;
        if granted {
            self.table_elements = total;
        }
        self.refused |= !granted;
        Ok(granted)
    }

    fn instances(&self) -> usize {
        limit::GUEST_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        limit::GUEST_TABLES_MAX
    }

    fn memories(&self) -> usize {
        limit::GUEST_MEMORIES_MAX
    }
}

impl log::Host for Meter {
    fn log(&mut self, severity: Severity, message: String) -> Result<()> {
        if self.lines.len() < limit::LOG_LINES_PER_CALL_MAX {
            self.lines.push((severity, clean(&message, limit::LOG_LINE_BYTES_MAX)));
            return Ok(());
        }
        self.lines_dropped += 1;
        if self.lines_dropped > limit::LOG_ATTEMPTS_PER_CALL_MAX {
            return Err(wasmtime::Error::msg("it logs without end"));
        }
        Ok(())
    }
}

impl crate::wit::module::correlator::engine::types::Host for Meter {}
impl crate::wit::module::correlator::engine::records::Host for Meter {}
impl crate::wit::listener::correlator::engine::events::Host for Meter {}
