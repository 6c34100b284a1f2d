//! Memory that a worker shares with the children that it forks.

use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// A page of zeros, shared with the children that are forked from now on.
pub(crate) struct SharedPage(NonNull<u8>);

impl SharedPage {
    pub(crate) fn new() -> rustix::io::Result<Self> {
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let page = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                PAGE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        }?;
        Ok(SharedPage(
            NonNull::new(page.cast()).expect("a mapping is not at address 0"),
        ))
    }

    /// Where it is mapped, as long as `self` lives.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.0
    }

    /// Keeps it mapped until the process ends.
    pub(crate) fn leak(self) -> NonNull<u8> {
        let page = self.0;
        std::mem::forget(self);
        page
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody else in this process reads it.
        let unmapped = unsafe { munmap(self.0.as_ptr().cast(), PAGE) };
        debug_assert!(unmapped.is_ok());
    }
}
