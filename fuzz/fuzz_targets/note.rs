#![no_main]

#[path = "../checks/note.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::note(bytes));
