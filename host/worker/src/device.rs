//! Devices: which one is meant, and whether it is there.

use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pleach::protocol::{Doctor, Limits, send};
use plugin_api::{Error, Result};
use tch::{Cuda, Device};

use crate::child::{Child, ChildSettings, messages};

/// `cpu`, `cuda` or `cuda:N`.
pub(crate) fn parse(name: &str) -> Result<Device> {
    let index = match name.split_once(':') {
        None if name == "cpu" => return Ok(Device::Cpu),
        None if name == "cuda" => Some(0),
        Some(("cuda", index)) => index.parse().ok(),
        _ => None,
    };
    index.map(Device::Cuda).ok_or_else(|| {
        Error::new(format!("there is no device `{name}`"))
            .expected("cpu, cuda or cuda:N")
            .into()
    })
}

/// The device as graphs count them.
pub(crate) fn number(device: Device) -> i64 {
    match device {
        Device::Cuda(index) => index as i64,
        _ => -1,
    }
}

/// Checks that the device is there. CUDA is looked for in a child: no process can use a context that it inherited, so
/// the parent of the others must have none.
pub(crate) fn probe(device: Device, settings: &ChildSettings) -> Result<()> {
    let Device::Cuda(index) = device else {
        return Ok(());
    };
    let limits = Limits {
        seconds: 60.0,
        memory: u64::MAX,
    };
    let mut child = Child::fork("device", &limits, settings, |pipe| {
        Ok(send(pipe, &cuda_devices())?)
    })?;
    let mut ended = child.wait(|| Ok(()))?;
    match messages::<Result<usize, Error>>(&mut ended.sent).pop() {
        Some(Ok(n)) if index < n => Ok(()),
        Some(Ok(n)) => Err(Error::new(format!("there is no device `cuda:{index}`"))
            .found(format!("{n} CUDA devices"))
            .into()),
        Some(Err(e)) => Err(e.into()),
        None => Err(Error::new("looking for CUDA devices ended the process")
            .caused_by(ended.why.unwrap_or_default())
            .into()),
    }
}

/// In a child: makes CUDA usable there.
pub(crate) fn open(device: Device) -> Result<()> {
    if device != Device::Cpu {
        cuda_devices()?;
    }
    Ok(())
}

/// Number of CUDA devices. libtorch's CUDA half is not linked, so that it costs nothing where it is not wanted.
fn cuda_devices() -> Result<usize, Error> {
    // SAFETY: a library of libtorch itself, of the version that this program was linked with.
    let library = unsafe {
        libloading::os::unix::Library::open(
            Some("libtorch_cuda.so"),
            libloading::os::unix::RTLD_NOW | libloading::os::unix::RTLD_GLOBAL,
        )
    };
    match library {
        // It registers itself and stays.
        Ok(library) => std::mem::forget(library),
        Err(e) => {
            return Err(
                Error::new(format!("CUDA's half of libtorch cannot be loaded: {e}"))
                    .help("`cargo xtask setup --cuda` installs it"),
            );
        }
    }
    match Cuda::device_count() {
        0 => Err(Error::new("libtorch sees no CUDA device")
            .help("check the driver with nvidia-smi, or run on `--device cpu`")),
        n => Ok(n as usize),
    }
}

unsafe extern "C" {
    fn aoti_torch_abi_version() -> u64;
}

/// The version of the libtorch that was loaded, by its own word.
pub(crate) fn libtorch() -> String {
    // SAFETY: a function of libtorch's stable C interface that returns a constant.
    let [major, minor, patch, ..] = unsafe { aoti_torch_abi_version() }.to_be_bytes();
    format!("{major}.{minor}.{patch}")
}

/// The folder whose `lib` the libtorch that was loaded stands in, by the word of the loader.
fn libtorch_folder() -> Option<PathBuf> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    let inside = aoti_torch_abi_version as *const () as *const libc::c_void;
    // SAFETY: `dladdr` only looks the address up, and writes no more than one `Dl_info`.
    if unsafe { libc::dladdr(inside, found.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: it was written, and the loader's names live as long as its libraries, which are never unloaded.
    let file = unsafe { CStr::from_ptr(found.assume_init().dli_fname) };
    let file = Path::new(OsStr::from_bytes(file.to_bytes()));
    Some(file.parent()?.parent()?.to_owned())
}

/// What this worker finds.
pub(crate) fn doctor() -> Doctor {
    // A machine without a GPU is a healthy one; one whose GPU cannot be used is not.
    let has_gpu = Path::new("/proc/driver/nvidia").exists();
    let (cuda, mut problems) = match cuda_devices() {
        Ok(n) => ((0..n).map(|i| format!("cuda:{i}")).collect(), vec![]),
        Err(why) if has_gpu => (vec![], vec![why]),
        Err(_) => (vec![], vec![]),
    };
    let x = tch::Tensor::f_ones([2, 2], (tch::Kind::Float, Device::Cpu))
        .and_then(|x| x.f_matmul(&x))
        .and_then(|y| y.f_sum(tch::Kind::Float))
        .and_then(|s| s.f_double_value(&[]));
    match x {
        Ok(8.0) => {}
        Ok(x) => problems.push(
            Error::new("libtorch computes wrongly")
                .found(x)
                .expected(8.0),
        ),
        Err(e) => problems.push(Error::new(format!("libtorch cannot compute: {e}"))),
    }
    Doctor {
        libtorch: Some(libtorch()),
        libtorch_folder: libtorch_folder(),
        cuda,
        problems,
    }
}
