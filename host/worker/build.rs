//! Builds the native kernels against libtorch's headers, and lets the program find libtorch where it was linked from.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=native");
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    let libtorch = PathBuf::from(
        env::var_os("LIBTORCH")
            .expect("LIBTORCH names libtorch's folder: `cargo xtask setup` sees to it"),
    );
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .opt_level(3)
        // Most of it would describe libtorch's templates.
        .debug(false)
        // libtorch's own strings and lists.
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        // Without it `at::parallel_for` is a plain loop. torch-sys links the library behind it.
        .flag("-fopenmp")
        // The same bits whether or not a processor multiplies and adds in one step.
        .flag("-ffp-contract=off")
        // A root is one instruction where it need not tell libc of negative numbers.
        .flag("-fno-math-errno")
        // A choice between numbers need not be a branch: nobody looks at the processor's floating-point exceptions.
        .flag("-fno-trapping-math")
        .include(libtorch.join("include"))
        .include(libtorch.join("include/torch/csrc/api/include"))
        .files(
            [
                "attention",
                "caught",
                "draw",
                "max",
                "script",
                "sparse",
                "update",
            ]
            .map(|name| format!("native/{name}.cpp")),
        )
        .compile("pleach_native");
    println!(
        "cargo::rustc-link-arg=-Wl,-rpath,{}",
        libtorch.join("lib").display()
    );
}
