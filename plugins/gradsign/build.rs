//! Tests find libtorch by themselves; the plugin is loaded by a host that has it.

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        println!("cargo::rustc-link-arg-tests=-Wl,-rpath,{libtorch}/lib");
    }
}
