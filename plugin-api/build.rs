//! A plugin's note says what it was built for, and its guard catches what only C++ can catch.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=native/catch.cpp");
    for (name, value) in [
        ("PLEACH_TARGET", "TARGET"),
        ("PLEACH_FEATURES", "CARGO_CFG_TARGET_FEATURE"),
    ] {
        let value = std::env::var(value).unwrap_or_default();
        println!("cargo::rustc-env={name}={value}");
    }
    cc::Build::new()
        .cpp(true)
        .file("native/catch.cpp")
        .compile("pleach_catch");
}
