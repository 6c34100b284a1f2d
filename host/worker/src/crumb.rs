//! Where a child is: a page shared with its parent, read when the child has died without a word.

use std::cell::Cell;
use std::ptr::NonNull;

use crate::shared::{PAGE, SharedPage};

/// A page that a child writes and its parent reads.
pub(crate) struct Page(SharedPage);

impl Page {
    /// A page, shared with the children that are forked from now on.
    pub(crate) fn new() -> rustix::io::Result<Self> {
        Ok(Page(SharedPage::new()?))
    }

    /// What the child wrote last: `plugin/component`, or nothing.
    pub(crate) fn read(&self) -> Option<String> {
        // SAFETY: the page is mapped as long as `self` lives; a child that still writes it may garble the text, no more.
        let bytes: [u8; PAGE] = unsafe { self.0.start().cast::<[u8; PAGE]>().read_volatile() };
        let length = usize::from(u16::from_le_bytes([bytes[0], bytes[1]])).min(PAGE - 2);
        (length > 0).then(|| String::from_utf8_lossy(&bytes[2..2 + length]).into_owned())
    }

    /// In the child: what is run from now on is written here.
    pub(crate) fn adopt(self) {
        HERE.set(Some(self.0.leak()));
    }
}

thread_local! {
    static HERE: Cell<Option<NonNull<u8>>> = const { Cell::new(None) };
}

/// Says that `component` runs until the guard is dropped.
pub(crate) fn enter(component: &str) -> Left {
    let before = HERE.get().map(|page| {
        // SAFETY: the page is ours to read and write, and stays mapped until the process ends.
        unsafe { page.cast::<[u8; 130]>().read() }
    });
    write(component.as_bytes());
    Left(before)
}

fn write(text: &[u8]) {
    if let Some(page) = HERE.get() {
        let length = text.len().min(128);
        // SAFETY: as above, and 130 bytes fit.
        unsafe {
            page.cast::<[u8; 2]>().write((length as u16).to_le_bytes());
            page.add(2)
                .copy_from_nonoverlapping(NonNull::from(text).cast(), length);
        }
    }
}

/// Puts back what ran before.
pub(crate) struct Left(Option<[u8; 130]>);

impl Drop for Left {
    fn drop(&mut self) {
        if let (Some(page), Some(before)) = (HERE.get(), self.0) {
            // SAFETY: as above.
            unsafe { page.cast::<[u8; 130]>().write(before) };
        }
    }
}
