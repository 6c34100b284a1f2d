//! The ways to misbehave, which all components share.

use std::hint::black_box;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// How to misbehave.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
pub enum How {
    /// Not at all.
    None,
    /// Prints to standard output, through Rust and through C, which must not disturb anyone.
    Print,
    /// Returns an error.
    Error,
    /// Panics.
    Panic,
    /// Panics with a payload whose destructor panics.
    Payload,
    /// Panics, and panics again while the first panic unwinds.
    PanicTwice,
    /// Panics where libtorch's gradients are off.
    PanicWithoutGrad,
    /// Calls libtorch in the form that panics, with shapes that do not fit.
    Libtorch,
    /// The same in the form that returns an error.
    LibtorchError,
    /// Throws a C++ exception through Rust.
    Exception,
    /// Throws a C++ exception that is no `std::exception`.
    OddException,
    /// Aborts the process.
    Abort,
    /// Ends the process as if all were well.
    Exit,
    /// Writes where nothing is.
    Segv,
    /// Recurses without end.
    Stack,
    /// Never returns.
    Loop,
    /// Takes memory without end.
    Memory,
    /// Has libtorch take 2 GiB at once.
    TensorMemory,
    /// Fails where libtorch has more threads than one; has it have three from then on.
    Threads,
    /// Starts a thread that goes on for ever.
    Thread,
    /// Lets libtorch work on three threads.
    Parallel,
}

unsafe extern "C-unwind" {
    fn faulty_throw();
    fn faulty_throw_number();
}

unsafe extern "C" {
    fn faulty_print();
}

impl How {
    /// Does it.
    pub fn misbehave(self) -> Result<()> {
        match self {
            How::None => {}
            How::Print => {
                println!("printed by println on purpose");
                // SAFETY: prints constant texts.
                unsafe { faulty_print() }
            }
            How::Error => bail!("refused on purpose"),
            How::Panic => panic!("on purpose"),
            How::Payload => std::panic::panic_any(Grenade),
            How::PanicTwice => {
                let _grenade = Grenade;
                panic!("on purpose");
            }
            How::PanicWithoutGrad => tch::no_grad(|| panic!("on purpose")),
            How::Libtorch => {
                let x = two_by_three();
                let _ = x.matmul(&x);
            }
            How::LibtorchError => {
                let x = two_by_three();
                let _ = x.f_matmul(&x)?;
            }
            // SAFETY: declared to unwind; what becomes of a foreign exception in Rust is what the test wants to see.
            How::Exception => unsafe { faulty_throw() },
            // SAFETY: as above.
            How::OddException => unsafe { faulty_throw_number() },
            How::Abort => std::process::abort(),
            How::Exit => std::process::exit(0),
            // SAFETY: there is none. The first page of memory is never mapped, so the process dies here.
            How::Segv => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) },
            How::Stack => {
                black_box(recurse(0));
            }
            How::Loop => loop {
                std::hint::spin_loop();
            },
            How::Memory => {
                let mut hoard: Vec<Vec<u8>> = vec![];
                loop {
                    // Ones, not zeros: untouched zero pages take no memory.
                    hoard.push(vec![1; 16 << 20]);
                    black_box(&hoard);
                }
            }
            How::TensorMemory => {
                // 2 GiB, of which no page is touched: only a limit refuses them.
                let _ = black_box(Tensor::f_empty([1 << 29], (Kind::Float, Device::Cpu))?);
            }
            How::Threads => {
                let threads = tch::get_num_threads();
                ensure!(threads == 1, "libtorch has {threads} threads");
                tch::set_num_threads(3);
            }
            How::Thread => {
                std::thread::spawn(|| {
                    loop {
                        std::thread::park();
                    }
                });
            }
            How::Parallel => {
                tch::set_num_threads(3);
                let x = Tensor::f_ones([1 << 20], (Kind::Float, Device::Cpu))?;
                let _ = black_box(x.f_exp()?);
            }
        }
        Ok(())
    }
}

fn two_by_three() -> Tensor {
    Tensor::zeros([2, 3], (Kind::Float, Device::Cpu))
}

struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("on purpose, while dropped");
    }
}

/// Deeper and deeper; the black boxes keep the compiler from making a loop of it.
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if black_box(depth) == u64::MAX {
        depth
    } else {
        recurse(depth + 1) + frame[0]
    }
}
