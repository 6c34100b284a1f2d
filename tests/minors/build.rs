//! The host finds libtorch by itself.

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        println!("cargo::rustc-link-arg-examples=-Wl,-rpath,{libtorch}/lib");
    }
}
