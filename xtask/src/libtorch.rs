//! A folder that holds libtorch: the archive from pytorch.org, or Python's `torch`.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The one version that `tch`, as pinned in the workspace, is made for.
pub const VERSION: &str = "2.11.0";

/// With or without what CUDA needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flavour {
    Cpu,
    Cuda,
}

impl Flavour {
    /// Its folder under `.libtorch`.
    pub fn folder(self) -> String {
        match self {
            Flavour::Cpu => format!("cpu-{VERSION}"),
            Flavour::Cuda => format!("cuda-{VERSION}"),
        }
    }
}

/// A complete libtorch of the pinned version, by its canonical path.
#[derive(Debug, PartialEq)]
pub struct Libtorch(PathBuf);

impl Libtorch {
    /// Checks the folder; the error says what was found there and what was expected.
    pub fn open(folder: &Path) -> Result<Self> {
        let fault = |found: String, expected: &str| {
            format!(
                "{} is not the libtorch we need\n  found     {found}\n  expected  {expected}",
                folder.display()
            )
        };
        let Ok(path) = folder.canonicalize() else {
            bail!(fault(
                "nothing there".into(),
                &format!("libtorch {VERSION}")
            ));
        };
        for part in [format!("lib/{}", library("torch_cpu")), "include".into()] {
            if !path.join(&part).exists() {
                bail!(fault(format!("no {part}"), "a folder with lib and include"));
            }
        }
        match version(&path) {
            Some(found) if without_build(&found) == VERSION => Ok(Libtorch(path)),
            Some(found) => bail!(fault(
                format!("version {found}"),
                &format!("version {VERSION}")
            )),
            None => bail!(fault(
                "neither version.py nor build-version".into(),
                "one that says the version"
            )),
        }
    }

    /// The folder that holds `lib` and `include`.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it can serve as this flavour.
    pub fn serves(&self, flavour: Flavour) -> bool {
        // Our install for the CPU holds libtorch_cuda too, but none of the libraries beneath it.
        flavour == Flavour::Cpu
            || (self.0.join("lib").join(library("torch_cuda")).exists()
                && !self
                    .0
                    .parent()
                    .is_some_and(|parent| parent.ends_with(Flavour::Cpu.folder())))
    }
}

/// The version without the build, as in `2.11.0+cu130`.
pub fn without_build(version: &str) -> &str {
    version
        .split_once('+')
        .map_or(version, |(version, _)| version)
}

fn version(folder: &Path) -> Option<String> {
    let read = |name| fs::read_to_string(folder.join(name)).ok();
    let archive = || Some(read("build-version")?.trim().to_owned());
    let python = || version_in_python(&read("version.py")?).map(str::to_owned);
    archive().or_else(python)
}

fn version_in_python(source: &str) -> Option<&str> {
    let value = source
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(value.trim().trim_matches(['\'', '"']))
}

fn library(name: &str) -> String {
    format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Makes a folder that passes for Python's `torch` of this version.
    pub fn fake(folder: &Path, version: &str) {
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::create_dir_all(folder.join("include")).unwrap();
        fs::write(folder.join("lib").join(library("torch_cpu")), "").unwrap();
        fs::write(
            folder.join("version.py"),
            format!("debug = False\n__version__ = '{version}'\ncuda = None\n"),
        )
        .unwrap();
    }

    fn check(spoil: impl Fn(&Path), expected: Result<(), &str>) {
        let folder = tempfile::tempdir().unwrap();
        fake(folder.path(), "2.11.0+cu130");
        spoil(folder.path());
        match (Libtorch::open(folder.path()), expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(expected)) if error.to_string().contains(expected) => {}
            (opened, expected) => panic!("opened {opened:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn opens_whole_folders_of_the_pinned_version() {
        let write =
            |folder: &Path, name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        check(|_| (), Ok(()));
        check(
            |dir| write(dir, "version.py", "__version__ = \"2.11.0\"\n"),
            Ok(()),
        );
        check(
            |dir| write(dir, "version.py", "__version__ = '2.11.01'\n"),
            Err("version 2.11.01\n  expected  version 2.11.0"),
        );
        check(
            |dir| write(dir, "version.py", "version = '2.11.0'\n"),
            Err("neither version.py nor build-version"),
        );
        check(|dir| write(dir, "build-version", "2.11.0+cpu\n"), Ok(()));
        check(
            |dir| write(dir, "build-version", "2.4.0+cpu\n"),
            Err("version 2.4.0+cpu\n"),
        );
        check(
            |dir| fs::remove_dir(dir.join("include")).unwrap(),
            Err("no include"),
        );
        check(
            |dir| fs::remove_dir_all(dir.join("lib")).unwrap(),
            Err("no lib/libtorch_cpu"),
        );
        check(|dir| fs::remove_dir_all(dir).unwrap(), Err("nothing there"));
    }

    #[test]
    fn cuda_needs_its_libraries() {
        let home = tempfile::tempdir().unwrap();
        let check = |place: &str, with_cuda: bool, serves: bool| {
            let folder = home.path().join(place);
            fake(&folder, VERSION);
            if with_cuda {
                fs::write(folder.join("lib").join(library("torch_cuda")), "").unwrap();
            }
            let torch = Libtorch::open(&folder).unwrap();
            assert!(torch.serves(Flavour::Cpu));
            assert_eq!(torch.serves(Flavour::Cuda), serves, "{place}");
        };
        check("site-packages/torch", true, true);
        check("archive", false, false);
        check("cuda-2.11.0/torch", true, true);
        check("cpu-2.11.0/torch", true, false);
    }
}
