#![no_main]

#[path = "../checks/archive.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::archive(bytes);
});
