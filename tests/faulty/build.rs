//! Compiles what Rust cannot do by itself: throw a C++ exception, print through C.

fn main() {
    println!("cargo::rerun-if-changed=src/faults.cpp");
    cc::Build::new()
        .cpp(true)
        .file("src/faults.cpp")
        .compile("faults");
}
