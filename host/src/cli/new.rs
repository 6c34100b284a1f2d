//! `pleach new`.

use std::env;
use std::fs;
use std::path::{self, Path, PathBuf};

use clap::Args;
use etcetera::BaseStrategy;
use pleach::error::Context;
use pleach::new::{Api, Checkout, Crate, Role, check_built, check_name, role, roles};
use pleach::plugins::Plugin;
use pleach::protocol;
use pleach::worker::Program;
use plugin_api_data::{Error, LIBTORCH};

use super::{Failure, Search, doctor, print};

#[derive(Args)]
#[command(after_help = "Examples:
  pleach new scale --role layer
  pleach new mine --role strategy,scorer --path plugins --api ../pleach")]
pub(super) struct New {
    /// The plugin's name, which is that of its crate and of its folder
    name: String,
    // Its help lists what can be made, from the one place that knows.
    #[arg(
        long = "role",
        value_name = "ROLE",
        value_delimiter = ',',
        required = true,
        help = help_on_roles()
    )]
    roles: Vec<String>,
    /// Build against this checkout of pleach, or its folder `plugin-api` [default: the registry]
    #[arg(long, value_name = "PATH")]
    api: Option<PathBuf>,
    /// Make its folder in this one
    #[arg(long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    search: Search,
}

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (roles, api) = self.check().map_err(Failure::Usage)?;
        let build = match &api {
            Api::Checkout(checkout) => checkout.build.clone(),
            Api::Registry => shared_build()?,
        };
        check_built(&self.name, &build).map_err(Failure::Usage)?;
        let libtorch = find_libtorch(&api)?;
        let plugin = Crate {
            name: self.name,
            roles,
            api,
            build,
            libtorch,
        };
        plugin.write(&self.path)?;
        print(&next(&plugin, &self.path));
        Ok(())
    }

    /// Refuses what makes no sense, before anything is written.
    fn check(&self) -> Result<(Vec<&'static Role>, Api), Error> {
        check_name(&self.name)?;
        let mut roles: Vec<&Role> = vec![];
        for name in &self.roles {
            let role = role(name)?;
            if !roles.iter().any(|there| there.name == role.name) {
                roles.push(role);
            }
        }
        let place = self.path.join(&self.name);
        if !self.path.is_dir() {
            let what = format!("there is no folder `{}`", self.path.display());
            return Err(Error::new(what).help("make it first, or leave `--path` out"));
        }
        if fs::symlink_metadata(&place).is_ok() {
            return Err(
                Error::new(format!("`{}` is there already", place.display()))
                    .help("choose another name, or another folder with `--path`"),
            );
        }
        check_plugins(&self.name, &self.search.find()?)?;
        let api = match &self.api {
            None => Api::Registry,
            Some(path) => {
                let checkout = Checkout::open(path)?;
                checkout.check_name(&self.name)?;
                Api::Checkout(checkout)
            }
        };
        Ok((roles, api))
    }
}

fn help_on_roles() -> String {
    let all: Vec<&str> = roles().collect();
    format!(
        "What it begins with, a small component each: {}; several joined by commas",
        all.join(", ")
    )
}

/// A second plugin of a name would only shadow the first.
fn check_plugins(name: &str, found: &[Plugin]) -> Result<(), Error> {
    let symbol = |name: &str| name.replace('-', "_");
    let same = |plugin: &&Plugin| plugin.name().is_some_and(|n| symbol(n) == symbol(name));
    match found.iter().find(same) {
        None => Ok(()),
        Some(plugin) => Err(Error::new(format!("a plugin is called `{name}` already"))
            .found(plugin.path.display())
            .help("choose another name, or remove that file")),
    }
}

/// The libtorch to build with: `$LIBTORCH`, that of the checkout, or that of the worker.
fn find_libtorch(api: &Api) -> Result<PathBuf, Error> {
    let folder = match (env::var_os("LIBTORCH"), api) {
        (Some(folder), _) => path::absolute(&folder)
            .context(|| format!("LIBTORCH is no path: {}", folder.display()))?,
        (None, Api::Checkout(checkout)) if checkout.libtorch().is_some() => {
            checkout.libtorch().unwrap_or_default()
        }
        _ => of_the_worker()?,
    };
    for part in ["include", "lib/libtorch_cpu.so"] {
        if !folder.join(part).exists() {
            let what = format!("`{}` is no libtorch to build with", folder.display());
            return Err(Error::new(what)
                .found(format!("no {part} in it"))
                .help(format!(
                    "export LIBTORCH with the path of libtorch {LIBTORCH}"
                )));
        }
    }
    Ok(folder)
}

fn of_the_worker() -> Result<PathBuf, Error> {
    let ask = || Program::find()?.query::<protocol::Doctor>(&["doctor"], doctor::LIMIT);
    let unknown = || {
        Error::new("cannot tell which libtorch to build with").help(format!(
            "export LIBTORCH with the path of libtorch {LIBTORCH}"
        ))
    };
    let answer = ask().map_err(|e| unknown().caused_by(e))?;
    answer.libtorch_folder.ok_or_else(unknown)
}

/// Where the plugins of one user share what they compile.
fn shared_build() -> Result<PathBuf, Error> {
    let strategy = etcetera::choose_base_strategy()
        .context(|| "cannot tell where the cache of this user is".into())?;
    Ok(strategy.cache_dir().join("pleach/target"))
}

/// What was made, and what to type next.
fn next(plugin: &Crate, folder: &Path) -> String {
    let name = &plugin.name;
    let made: Vec<String> = (plugin.roles.iter())
        .map(|role| format!("  {name}/{} ({})", role.component(), role.name))
        .collect();
    let first = plugin.roles.first().map_or("", |role| role.component());
    let folder = folder.join(name);
    let folder = folder.strip_prefix(".").unwrap_or(&folder).display();
    let library = plugin.library();
    let library = library.display();
    format!(
        "made the plugin `{name}` with\n{}\n\nnext:\n  \
         cd {folder}\n  \
         cargo build\n  \
         cargo test\n  \
         pleach plugins check {library}\n  \
         pleach describe {name}/{first} --plugins target/debug\n  \
         pleach run examples/experiment.toml --plugins target/debug",
        made.join("\n")
    )
}
