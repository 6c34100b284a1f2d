//! A plugin as a whole: its note, its header, and what it hands out.

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::RResult;
use plugin_api_data::{Card, Params, PluginCard};
use plugin_api_macros::boundary;

use crate::boundary::{Fault, Owner, guard};
use crate::component::Registration;
use crate::host::ServicesObj;
use crate::role::*;
use crate::{Error, Result};

pub use plugin_api_data::CLAIMS;

/// A plugin: what it is, and its components. Those of a file and those linked into a program look alike.
#[boundary(owned)]
pub trait Plugin: Send + Sync {
    /// What it says of itself.
    fn card(&self) -> Result<PluginCard>;
    /// Makes a task of this name.
    fn task(&self, name: &str, params: &Params) -> Result<TaskObj>;
    /// Makes a layer of this name.
    fn layer(&self, name: &str, params: &Params) -> Result<LayerObj>;
    /// Makes an initializer of this name.
    fn initializer(&self, name: &str, params: &Params) -> Result<InitializerObj>;
    /// Makes a space of this name.
    fn space(&self, name: &str, params: &Params) -> Result<SpaceObj>;
    /// Makes a strategy of this name.
    fn strategy(&self, name: &str, params: &Params) -> Result<StrategyObj>;
    /// Makes a scorer of this name.
    fn scorer(&self, name: &str, params: &Params) -> Result<ScorerObj>;
    /// Makes a trainer of this name.
    fn trainer(&self, name: &str, params: &Params) -> Result<TrainerObj>;
    /// Makes a transform of this name.
    fn transform(&self, name: &str, params: &Params) -> Result<TransformObj>;
    /// Makes a pruner of this name.
    fn pruner(&self, name: &str, params: &Params) -> Result<PrunerObj>;
    /// Makes a hypernet of this name.
    fn hypernet(&self, name: &str, params: &Params) -> Result<HypernetObj>;
    /// Makes a relaxation of this name.
    #[since(1.1)]
    fn relaxation(&self, name: &str, params: &Params) -> Result<RelaxationObj> {
        let _ = (name, params);
        Err(older_than_role("relaxation"))
    }
    /// Makes an objective of this name.
    #[since(1.1)]
    fn objective(&self, name: &str, params: &Params) -> Result<ObjectiveObj> {
        let _ = (name, params);
        Err(older_than_role("objective"))
    }
    /// Makes a schedule of this name.
    #[since(1.1)]
    fn schedule(&self, name: &str, params: &Params) -> Result<ScheduleObj> {
        let _ = (name, params);
        Err(older_than_role("schedule"))
    }
    /// Makes a kernel of this name.
    #[since(1.1)]
    fn kernel(&self, name: &str, params: &Params) -> Result<KernelObj> {
        let _ = (name, params);
        Err(older_than_role("kernel"))
    }
    /// Makes an analysis of this name.
    #[since(1.1)]
    fn analysis(&self, name: &str, params: &Params) -> Result<AnalysisObj> {
        let _ = (name, params);
        Err(older_than_role("analysis"))
    }
}

fn older_than_role(role: &str) -> anyhow::Error {
    Error::new(format!("the plugin is older than the role `{role}`"))
        .help("build it anew against this version of pleach-plugin-api")
        .into()
}

/// What `plugin!` registers.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Name of the crate.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its description.
    pub description: &'static str,
    /// Its licence.
    pub licence: &'static str,
    /// The paper that it follows, if one.
    pub paper: &'static str,
    /// What it claims to reproduce, as [`PluginCard::claims`] has it: paths and texts.
    pub claims: &'static [(&'static str, &'static str)],
}

inventory::collect!(Info);

/// The plugins that are linked into this program or library, by name.
pub fn linked() -> Vec<PluginObj> {
    let mut infos: Vec<&'static Info> = inventory::iter::<Info>.into_iter().collect();
    // The order of registration differs between builds.
    infos.sort_by_key(|info| info.name);
    infos
        .into_iter()
        .map(|info| PluginObj::new(Box::new(Registered(info)), Owner::UNNAMED))
        .collect()
}

/// A plugin by what its crate registered.
struct Registered(&'static Info);

impl Registered {
    fn registrations(&self) -> impl Iterator<Item = &'static Registration> {
        inventory::iter::<Registration>
            .into_iter()
            .filter(|r| r.plugin == self.0.name)
    }

    fn find(&self, name: &str) -> Result<&'static Registration> {
        self.registrations()
            .find(|r| r.name == name)
            .ok_or_else(|| {
                let there: Vec<_> = self.registrations().map(|r| r.name).collect();
                Error::new(format!("`{}` has no component `{name}`", self.0.name))
                    .expected(format!("one of {}", there.join(", ")))
                    .into()
            })
    }
}

macro_rules! makers {
    ($($role:ident $obj:ident $name:ident),* $(,)?) => {$(
        fn $name(&self, name: &str, params: &Params) -> Result<$obj> {
            self.find(name)?.$name(params)
        }
    )*};
}

impl Plugin for Registered {
    fn card(&self) -> Result<PluginCard> {
        let Info {
            name,
            version,
            description,
            licence,
            paper,
            claims,
        } = *self.0;
        let mut components: Vec<Card> = self
            .registrations()
            .map(|r| Card {
                role: r.role.into(),
                name: r.name.into(),
                doc: r.doc.into(),
                schema: (r.schema)(),
                exempt: r
                    .exempt
                    .iter()
                    .map(|(check, reason)| (check, reason.to_string()))
                    .collect(),
            })
            .collect();
        components.sort_by(|a, b| (&a.role, &a.name).cmp(&(&b.role, &b.name)));
        // A recipe names no role, so two roles cannot share a name either.
        let mut names: Vec<&str> = components.iter().map(|card| card.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::new(format!(
                "`{name}` registers two components named `{}`",
                twice[0]
            ))
            .help("call one of them otherwise")
            .into());
        }
        if components.is_empty() {
            return Err(Error::new(format!("`{name}` has no components"))
                .help("mark its structs with #[component(role = \"name\")]")
                .into());
        }
        let [name, version, description, licence, paper] =
            [name, version, description, licence, paper].map(String::from);
        Ok(PluginCard {
            name,
            version,
            description,
            licence,
            paper,
            components,
            claims: { claims.iter() }
                .map(|(path, text)| (*path, (*text).to_owned()))
                .collect(),
        })
    }

    crate::each_role!(makers);
}

/// What a plugin's file exports: it takes the host's services and hands out the plugin.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = RootRef)))]
#[sabi(missing_field(panic))]
pub struct Root {
    /// Called once, before anything else of the library.
    #[sabi(last_prefix_field)]
    pub open: extern "C" fn(ServicesObj) -> RResult<PluginObj, Fault>,
}

impl RootModule for RootRef {
    abi_stable::declare_root_module_statics! {RootRef}
    const BASE_NAME: &'static str = "pleach_plugin";
    const NAME: &'static str = "pleach_plugin";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

/// Opens the plugin of this library; `plugin!` exports it.
pub fn open(services: ServicesObj, info: &'static Info) -> RResult<PluginObj, Fault> {
    guard(|| {
        crate::host::attach(services);
        crate::host::trace_to_host()?;
        Ok(PluginObj::new(Box::new(Registered(info)), Owner::UNNAMED))
    })
}

/// The target that this crate was built for.
pub const TARGET: &str = env!("PLEACH_TARGET");
/// The processor features that this crate was built for.
pub const FEATURES: &str = env!("PLEACH_FEATURES");

/// How long these texts are together.
pub const fn length(parts: &[&str]) -> usize {
    let (mut total, mut i) = (0, 0);
    while i < parts.len() {
        total += parts[i].len();
        i += 1;
    }
    total
}

/// These texts as one.
pub const fn join<const N: usize>(parts: &[&str]) -> [u8; N] {
    let (mut joined, mut at, mut i) = ([0; N], 0, 0);
    while i < parts.len() {
        let (part, mut k) = (parts[i].as_bytes(), 0);
        while k < part.len() {
            joined[at] = part[k];
            at += 1;
            k += 1;
        }
        i += 1;
    }
    joined
}

/// Makes the crate a plugin: once, in `src/lib.rs`. `plugin!(paper = "Authors, year, id")` names the paper.
///
/// What it claims to reproduce stands in `claims.toml` in the crate's folder; `plugin!(paper = "…", claims =
/// ["experiments/one.toml"])` takes that file in, with the experiments that it names and the files that these name, so that
/// `pleach reproduce` finds them wherever the plugin has come to.
///
/// It leaves a note in the file, which hosts read without running anything, and exports the header by which they load it.
#[macro_export]
macro_rules! plugin {
    () => { $crate::plugin!(paper = ""); };
    (paper = $paper:literal) => { $crate::plugin!(@ $paper, &[]); };
    (paper = $paper:literal, claims = [$($file:literal),+ $(,)?]) => {
        $crate::plugin!(@ $paper, &[
            ($crate::plugin::CLAIMS, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/claims.toml"))),
            $(($file, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $file))),)+
        ]);
    };
    (@ $paper:literal, $claims:expr) => {
        const _: () = {
            #[cfg(not(panic = "unwind"))]
            compile_error!("a plugin is built with panic = \"unwind\": a panic that aborts takes the whole worker with it");

            static INFO: $crate::plugin::Info = $crate::plugin::Info {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
                description: env!("CARGO_PKG_DESCRIPTION"),
                licence: env!("CARGO_PKG_LICENSE"),
                paper: $paper,
                claims: $claims,
            };
            $crate::inventory::submit! { INFO }

            const PARTS: &[&str] = &[
                r#"{"name":""#, env!("CARGO_PKG_NAME"), r#"","version":""#, env!("CARGO_PKG_VERSION"),
                r#"","api":""#, $crate::API, r#"","tch":""#, $crate::TCH, r#"","libtorch":""#, $crate::LIBTORCH,
                r#"","target":""#, $crate::plugin::TARGET, r#"","features":""#, $crate::plugin::FEATURES, r#""}"#,
            ];
            #[used]
            #[unsafe(link_section = ".pleach")]
            static NOTE: [u8; $crate::plugin::length(PARTS)] = $crate::plugin::join(PARTS);

            extern "C" fn open(
                services: $crate::host::ServicesObj,
            ) -> $crate::abi_stable::std_types::RResult<$crate::plugin::PluginObj, $crate::boundary::Fault> {
                $crate::plugin::open(services, &INFO)
            }
            extern "C" fn root() -> $crate::abi_stable::library::RootModuleResult {
                $crate::abi_stable::library::__call_root_module_loader(|| {
                    $crate::abi_stable::prefix_type::PrefixTypeTrait::leak_into_prefix($crate::plugin::Root { open })
                })
            }
            // Of the package, as the note is: the library of a package may be called otherwise.
            #[unsafe(export_name = concat!("pleach_plugin_", env!("CARGO_PKG_NAME")))]
            // SAFETY: `root` makes the root module of this very type.
            pub static HEADER: $crate::abi_stable::library::LibHeader = unsafe {
                $crate::abi_stable::library::LibHeader::from_constructor::<$crate::plugin::RootRef>(root, $crate::abi_stable::library::CheckTypeLayout::Yes)
            };
        };
    };
}
