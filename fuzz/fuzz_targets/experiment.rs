#![no_main]

#[path = "../checks/experiment.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::experiment(bytes));
