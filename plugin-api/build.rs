//! A plugin's note says what it was built for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for (name, value) in [
        ("PLEACH_TARGET", "TARGET"),
        ("PLEACH_FEATURES", "CARGO_CFG_TARGET_FEATURE"),
    ] {
        println!(
            "cargo::rustc-env={name}={}",
            std::env::var(value).unwrap_or_default()
        );
    }
}
