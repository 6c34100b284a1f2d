//! Tells the crate which target it is built for, so that it can refuse plugins for another one.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").expect("Cargo sets TARGET");
    println!("cargo::rustc-env=PLEACH_TARGET={target}");
}
