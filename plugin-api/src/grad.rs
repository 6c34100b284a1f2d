//! libtorch's grad mode, which every thread has for itself.

/// `work` as it would run here, with this thread's grad mode, whichever thread runs it.
///
/// libtorch turns the mode on in every new thread, whatever it is in the thread that starts it: under `tch::no_grad` a
/// layer that computes in threads of its own would there record a graph that nobody asked for.
///
/// ```no_run,standalone_crate
/// # use plugin_api::{Tensor, grad};
/// # let x: Tensor = plugin_api::random::uniform(&[2], 0).into();
/// std::thread::scope(|scope| scope.spawn(grad::as_here(move || x.exp())).join());
/// ```
pub fn as_here<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let here = is_on();
    move || {
        let _kept = Kept::new();
        set(here);
        work()
    }
}

/// Puts the mode back when it is dropped, by a panic too: `tch::no_grad` leaves it off where its closure panics.
pub(crate) struct Kept(bool);

impl Kept {
    pub(crate) fn new() -> Self {
        Kept(is_on())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        set(self.0);
    }
}

/// Whether operations of this thread are recorded for gradients.
pub fn is_on() -> bool {
    // The mode can be read only by setting it.
    let before = set(true);
    set(before);
    before
}

/// Sets the mode, and returns the one before.
fn set(on: bool) -> bool {
    // SAFETY: sets a thread-local flag of libtorch and returns the one before.
    unsafe { torch_sys::at_grad_set_enabled(on.into()) != 0 }
}
