//! `cargo xtask setup`: which libtorch to use, and the link `.libtorch/current` to it.
//!
//! `.cargo/config.toml` sets LIBTORCH to that link, so plain cargo, rust-analyzer and programs already built
//! find the same libtorch. A LIBTORCH that the user exported goes first everywhere.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};

use crate::install::{self, SCRATCH};
use crate::libtorch::{Flavour, Libtorch, VERSION, without_build};
use crate::workspace;

/// Makes sure that a build finds libtorch and a C++ compiler; silent where all is in place.
pub fn setup(flavour: Flavour) -> Result<()> {
    check_compiler()?;
    let home = workspace::root().join(".libtorch");
    let exported = env::var_os("LIBTORCH").map(PathBuf::from);
    // Cargo hands its own setting down to what it runs: that is no user's choice.
    let exported = exported.filter(|path| *path != home.join("current"));
    let python = if env::var_os("VIRTUAL_ENV").is_some() {
        "python"
    } else {
        "python3"
    };
    Setup {
        home,
        exported,
        python: python.into(),
        flavour,
    }
    .run()
}

struct Setup {
    /// The folder `.libtorch`.
    home: PathBuf,
    /// LIBTORCH, if the user set it.
    exported: Option<PathBuf>,
    python: OsString,
    flavour: Flavour,
}

impl Setup {
    fn run(&self) -> Result<()> {
        let current = Libtorch::open(&self.home.join("current")).ok();
        let fits = match &self.exported {
            Some(folder) => current == Some(self.open_exported(folder)?),
            None => current.is_some_and(|torch| torch.serves(self.flavour)),
        };
        if fits && self.leftovers().next().is_none() {
            return Ok(());
        }

        fs::create_dir_all(&self.home)
            .with_context(|| format!("making {}", self.home.display()))?;
        let _lock = self.lock()?;
        // Whoever holds the lock is alone here, so these were left by runs that were killed.
        for leftover in self.leftovers() {
            fs::remove_dir_all(&leftover)
                .with_context(|| format!("removing {}", leftover.display()))?;
        }
        self.link(&self.find()?)
    }

    /// The first that serves, in the order that the help of `setup` promises.
    fn find(&self) -> Result<Libtorch> {
        if let Some(folder) = &self.exported {
            return self.open_exported(folder);
        }
        let serving = |place: PathBuf| {
            let torch = Libtorch::open(&self.home.join(place)).ok();
            torch.filter(|torch| torch.serves(self.flavour))
        };
        let found = serving("current".into())
            .or_else(|| self.python_torch())
            .or_else(|| serving(Path::new(&self.flavour.folder()).join("torch")));
        match found {
            Some(torch) => Ok(torch),
            None => install::install(&self.python, &self.home, self.flavour),
        }
    }

    fn open_exported(&self, folder: &Path) -> Result<Libtorch> {
        let help = "help: export the path of another, or unset LIBTORCH and let `cargo xtask setup` find one";
        // torch-sys reads LIBTORCH in a folder of its own.
        ensure!(
            folder.is_absolute(),
            "LIBTORCH is relative\n  found     `{}`\n  expected  an absolute path\n  {help}",
            folder.display()
        );
        let torch = Libtorch::open(folder)
            .map_err(|error| anyhow!("LIBTORCH does not serve: {error}\n  {help}"))?;
        ensure!(
            torch.serves(self.flavour),
            "LIBTORCH has no CUDA\n  found     {}\n  expected  one with libtorch_cuda, for --cuda\n  {help}",
            folder.display()
        );
        Ok(torch)
    }

    /// The `torch` of the user's Python, if it serves; a line says why one was passed over.
    fn python_torch(&self) -> Option<Libtorch> {
        // Importing torch would take seconds.
        const SCRIPT: &str = "from importlib import metadata, util\n\
            print(metadata.version('torch'), *util.find_spec('torch').submodule_search_locations, sep='\\n')";
        let output = Command::new(&self.python)
            .args(["-c", SCRIPT])
            .current_dir(&self.home)
            .output()
            .ok()?;
        let answer = String::from_utf8(output.stdout)
            .ok()
            .filter(|_| output.status.success())?;
        let (version, folder) = answer.trim_end().split_once('\n')?;

        let reason = if without_build(version) == VERSION {
            match Libtorch::open(Path::new(folder)) {
                Ok(torch) if torch.serves(self.flavour) => return Some(torch),
                Ok(_) => "it has no CUDA".into(),
                Err(error) => error.to_string(),
            }
        } else {
            format!("it is not {VERSION}")
        };
        let python = self.python.display();
        eprintln!("torch {version} of {python} is passed over: {reason}");
        None
    }

    /// Points `current` to it in one step: whoever builds meanwhile sees the old link or the new one.
    fn link(&self, torch: &Libtorch) -> Result<()> {
        let current = self.home.join("current");
        if Libtorch::open(&current).is_ok_and(|linked| linked == *torch) {
            return Ok(());
        }
        let (from, to) = (current.display(), torch.path().display());
        let linking = || format!("linking {from} to {to}");
        // Relative inside `.libtorch`, so that the workspace can be moved.
        let home = self.home.canonicalize().with_context(linking)?;
        let target = torch.path().strip_prefix(home).unwrap_or(torch.path());
        let scratch = install::scratch(&self.home)?;
        symlink(target, scratch.path().join("current")).with_context(linking)?;
        fs::rename(scratch.path().join("current"), &current).with_context(linking)?;
        eprintln!("libtorch {VERSION} is {to}");
        Ok(())
    }

    fn lock(&self) -> Result<File> {
        let path = self.home.join("lock");
        let locking = || format!("locking {}", path.display());
        let file = File::create(&path).with_context(locking)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another `cargo xtask`, which sets libtorch up");
                file.lock().with_context(locking)?;
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(locking),
        }
        Ok(file)
    }

    fn leftovers(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.home).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(SCRATCH))
            .map(|entry| entry.path())
    }
}

/// torch-sys would say it too, after a minute and in other words.
fn check_compiler() -> Result<()> {
    let wanted = env::var("CXX").unwrap_or_default();
    let compiler = wanted.split_whitespace().next().unwrap_or("c++");
    let path = env::var_os("PATH").unwrap_or_default();
    ensure!(
        is_program(compiler, &path),
        "no C++ compiler\n  found     no `{compiler}` on PATH\n  expected  a compiler of C++17, for torch-sys\n  \
         help: `apt-get install g++`, or name one in CXX"
    );
    Ok(())
}

fn is_program(name: &str, path: &OsStr) -> bool {
    // `join` leaves an absolute path as it is.
    env::split_paths(path).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::tests::Python;
    use crate::libtorch::tests::fake;

    /// A home in a temp folder, with a Python beside it.
    struct World {
        python: Python,
        exported: Option<PathBuf>,
        flavour: Flavour,
    }

    impl World {
        fn new() -> Self {
            World {
                python: Python::new(),
                exported: None,
                flavour: Flavour::Cpu,
            }
        }

        fn at(&self, place: &str) -> PathBuf {
            self.python.folder().join(place)
        }

        fn torch(&self, place: &str, version: &str) -> PathBuf {
            fake(&self.at(place), version);
            self.at(place)
        }

        fn setup(&self) -> Result<()> {
            let (home, exported) = (self.at(".libtorch"), self.exported.clone());
            Setup {
                home,
                exported,
                python: self.python.program(),
                flavour: self.flavour,
            }
            .run()
        }

        #[track_caller]
        fn check(&self, expected: &str) {
            self.setup().unwrap();
            let current = self.at(".libtorch/current").canonicalize().unwrap();
            assert_eq!(current, self.at(expected).canonicalize().unwrap());
            assert!(self.at(".libtorch/current").is_symlink());
        }

        #[track_caller]
        fn check_error(&self, expected: &str) {
            let error = format!("{:#}", self.setup().unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn first_what_is_exported_then_python_then_an_install() {
        let mut world = World::new();
        world.python.pip("torch 2.11.0");
        world.check(".libtorch/cpu-2.11.0/torch");
        assert_eq!(
            fs::read_link(world.at(".libtorch/current")).unwrap(),
            Path::new("cpu-2.11.0/torch")
        );

        // What is there already stays, whatever Python gets later, until the link goes.
        world
            .python
            .has("2.11.0+cpu", &world.torch("site/torch", "2.11.0+cpu"));
        world.python.pip("exit 1");
        world.check(".libtorch/cpu-2.11.0/torch");
        fs::remove_file(world.at(".libtorch/current")).unwrap();
        world.check("site/torch");

        world.exported = Some(world.torch("mine", "2.11.0"));
        world.check("mine");
        world.exported = None;
        world.check("mine");
    }

    #[test]
    fn other_versions_are_passed_over_in_python_and_refused_in_libtorch() {
        let mut world = World::new();
        world
            .python
            .has("2.10.0", &world.torch("site/torch", "2.10.0"));
        world.python.pip("torch 2.11.0");
        world.check(".libtorch/cpu-2.11.0/torch");

        world.exported = Some(world.torch("mine", "2.10.0"));
        world.check_error("found     version 2.10.0\n  expected  version 2.11.0\n  help: export the path of another");
        world.exported = Some("mine".into());
        world.check_error("LIBTORCH is relative\n  found     `mine`");
        world.exported = Some(world.at("nowhere"));
        world.check_error("found     nothing there");
    }

    #[test]
    fn a_dangling_link_is_repaired() {
        let world = World::new();
        world.torch(".libtorch/cpu-2.11.0/torch", "2.11.0");
        symlink("gone/torch", world.at(".libtorch/current")).unwrap();
        world.check(".libtorch/cpu-2.11.0/torch");
    }

    #[test]
    fn an_incomplete_install_is_replaced() {
        let world = World::new();
        fs::remove_dir(
            world
                .torch(".libtorch/cpu-2.11.0/torch", "2.11.0")
                .join("include"),
        )
        .unwrap();
        symlink("cpu-2.11.0/torch", world.at(".libtorch/current")).unwrap();
        world.python.pip("torch 2.11.0");
        world.check(".libtorch/cpu-2.11.0/torch");
    }

    #[test]
    fn cuda_is_asked_for() {
        let mut world = World::new();
        world
            .python
            .pip("torch 2.11.0; touch $target/torch/lib/libtorch_cuda.so");
        world.check(".libtorch/cpu-2.11.0/torch");
        world.flavour = Flavour::Cuda;
        world.check(".libtorch/cuda-2.11.0/torch");
        world.flavour = Flavour::Cpu;
        world.check(".libtorch/cuda-2.11.0/torch");

        world.flavour = Flavour::Cuda;
        world.exported = Some(world.torch("mine", "2.11.0"));
        world.check_error("LIBTORCH has no CUDA");
    }

    #[test]
    fn leftovers_of_a_killed_run_go() {
        let mut world = World::new();
        let partial = world.torch(".libtorch/partial-killed/site/torch", "2.11.0");
        world.exported = Some(world.torch("mine", "2.11.0"));
        world.check("mine");
        assert!(!partial.exists());

        // Nor does sweeping change what is in place.
        world.exported = None;
        world.torch(".libtorch/partial-killed/site/torch", "2.11.0");
        world.torch(".libtorch/cpu-2.11.0/torch", "2.11.0");
        world.check("mine");
        assert!(!world.at(".libtorch/partial-killed").exists());
    }

    #[test]
    fn a_second_run_waits_for_the_first() {
        let world = World::new();
        world
            .python
            .pip("test ! -e $here/once || exit 1; touch $here/once; sleep 0.2; torch 2.11.0");
        std::thread::scope(|scope| {
            let runs = [scope.spawn(|| world.setup()), scope.spawn(|| world.setup())];
            for run in runs {
                run.join().unwrap().unwrap();
            }
        });
    }

    #[test]
    fn finds_programs_as_a_shell_does() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("c++"), "").unwrap();
        let path = env::join_paths(["/nowhere".as_ref(), folder.path()]).unwrap();
        assert!(is_program("c++", &path));
        assert!(is_program(
            folder.path().join("c++").to_str().unwrap(),
            &path
        ));
        assert!(!is_program("g++", &path));
        assert!(!is_program("c++", "/nowhere".as_ref()));
    }
}
