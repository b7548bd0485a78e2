//! The store of a state folder, opened when something first has to be kept there: a run that asks for nothing has none.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use correlator_store::error::StoreError;
use correlator_store::settings::Settings;
use correlator_store::store::Store;

use crate::clock;

/// The store, opened or not.
pub(crate) struct Archive {
    folder: Box<Path>,
    store: OnceLock<Arc<Store>>,
    /// Held by who opens it: a store has one writer.
    opening: Mutex<()>,
}

impl Archive {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.into(), store: OnceLock::new(), opening: Mutex::new(()) }
    }

    /// The store, if it was opened.
    pub(crate) fn get(&self) -> Option<&Arc<Store>> {
        self.store.get()
    }

    /// The store, which is opened now if it was not.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) fn open(&self) -> Result<Arc<Store>, StoreError> {
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = self.get() {
            return Ok(Arc::clone(store));
        }
        let (store, recovery) = Store::open(&self.folder, Settings::default(), clock::now())?;
        for id in &recovery.interrupted {
            tracing::warn!(
                "{id} was being done when the engine ended: it may have been, and is tried again"
            );
        }
        if let Some(torn) = &recovery.torn {
            tracing::error!("the audit trail does not fit its anchor: {torn}");
        }
        Ok(Arc::clone(self.store.get_or_init(|| Arc::new(store))))
    }

    /// Opens what an earlier run left, if it did. That it can't be opened is told, and fails nothing.
    pub(crate) fn open_if_there(&self) {
        if self.get().is_none()
            && Store::is_there(&self.folder)
            && let Err(error) = self.open()
        {
            tracing::warn!("{error}; what an earlier run left there is not seen to");
        }
    }
}
