//! Values that threads share, and values that are computed once.

use std::sync::{Mutex, PoisonError};

use plugin_api::Result;

/// A value that threads share.
///
/// `tch::Tensor` may move to another thread but not be used from two, so the handle that is kept here is used under the
/// lock alone, to make another. Handles share their storage, as they do everywhere in libtorch: that nobody changes it
/// while others read is up to whoever changes tensors in place.
pub(super) struct Shared<T>(Mutex<T>);

impl<T: Clone> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Shared(Mutex::new(value))
    }

    pub(super) fn get(&self) -> T {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A value that is computed at first use, and kept.
pub(super) struct Kept<T>(Mutex<Option<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::new(None))
    }
}

impl<T: Clone> Kept<T> {
    /// Computes under the lock, so that it happens once: a form may need others, but none needs itself.
    pub(super) fn get(&self, compute: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(value) => Ok(value.clone()),
            None => Ok(kept.insert(compute()?).clone()),
        }
    }
}
