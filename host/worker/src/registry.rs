//! The one registry: plugins by name, linked into this program or loaded from files.

use std::collections::BTreeMap;
use std::sync::{Once, RwLock};

use plugin_api::boundary::Owner;
use plugin_api::host::{Services, ServicesObj};
use plugin_api::plugin::{Plugin, PluginObj, linked};
use plugin_api::role::*;
use plugin_api::trace::TracerObj;
use plugin_api::{AdamStep, DataFile, Error, Graph, Recipe, Result, SgdStep, Tensor, Tensors};

/// The host of this process: plugins by name, and, by [`Services`], whatever they can make.
#[derive(Clone, Copy)]
pub struct Registry(());

// Plugins stay until the process ends: components carry code of their library.
static PLUGINS: RwLock<BTreeMap<String, &'static PluginObj>> = RwLock::new(BTreeMap::new());

/// The host of this process, with the plugins that are linked into the program. From its first call on libtorch has one
/// thread.
///
/// # Panics
/// Where a linked plugin cannot describe itself, which is a fault of this very program.
pub fn host() -> Registry {
    static LINKED: Once = Once::new();
    LINKED.call_once(|| {
        // Sums over several threads differ in their last bits; a program that wants more of them says so afterwards.
        tch::set_num_threads(1);
        plugin_api::host::attach(services());
        for plugin in linked() {
            Registry(()).add(plugin).unwrap_or_else(|e| panic!("{e}"));
        }
    });
    Registry(())
}

/// The services that a library gets when it is opened.
pub(crate) fn services() -> ServicesObj {
    ServicesObj::new(Box::new(Registry(())), Owner::UNNAMED)
}

impl Registry {
    /// Takes a plugin in, and returns its name.
    ///
    /// # Errors
    /// Where it cannot describe itself, or another of its name is there.
    pub fn add(&self, plugin: PluginObj) -> Result<String> {
        let name = plugin.card()?.name;
        let mut plugins = PLUGINS.write().expect("no plugin is added by halves");
        if plugins.contains_key(&name) {
            return Err(Error::new(format!("plugin `{name}` is there twice"))
                .help("link it into the program or load its file, not both")
                .into());
        }
        plugins.insert(name.clone(), Box::leak(Box::new(plugin)));
        Ok(name)
    }

    /// The plugin of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn plugin(&self, name: &str) -> Result<&'static PluginObj> {
        let plugins = PLUGINS.read().expect("no plugin is added by halves");
        plugins.get(name).copied().ok_or_else(|| {
            let there: Vec<&str> = plugins.keys().map(String::as_str).collect();
            Error::new(format!("no plugin `{name}` is loaded"))
                .found(there.join(", "))
                .into()
        })
    }
}

macro_rules! makers {
    ($($role:ident $obj:ident $name:ident),* $(,)?) => {$(
        fn $name(&self, recipe: &Recipe) -> Result<$obj> {
            let (plugin, component) = recipe.split()?;
            self.plugin(plugin)?.$name(component, &recipe.params)
        }
    )*};
}

impl Services for Registry {
    fn tracer(&self) -> TracerObj {
        crate::trace::tracer()
    }

    fn graph(
        &self,
        nodes: i64,
        source_nodes: i64,
        sources: &Tensor,
        targets: &Tensor,
        weight: Option<Tensor>,
    ) -> Result<Graph> {
        crate::graph::graph((nodes, source_nodes), sources, targets, weight.as_deref())
    }

    fn adam(
        &self,
        step: &AdamStep,
        gradients: Tensors,
        weights: &[Tensor],
        first: &[Tensor],
        second: &[Tensor],
    ) -> Result<Tensors> {
        crate::native::adam(step, gradients, weights, first, second)
    }

    fn sgd(
        &self,
        step: &SgdStep,
        gradients: Tensors,
        weights: &[Tensor],
        moved: &[Tensor],
    ) -> Result<Tensors> {
        crate::native::sgd(step, gradients, weights, moved)
    }

    fn data_file(&self, file: &DataFile) -> Result<String> {
        crate::data::path(file)
    }

    plugin_api::each_role!(makers);
}
