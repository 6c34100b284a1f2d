//! Components: registration, parameters, and components as parameters of others.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use plugin_api_data::{Json, Params, Recipe};
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};

use crate::role::*;
use crate::{Error, Result, services};

/// A component as `#[component]` registers it.
pub struct Registration {
    /// The crate that it stands in, which is its plugin.
    pub plugin: &'static str,
    /// `layer`, `strategy`, …
    pub role: &'static str,
    /// Its name inside the plugin.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// JSON Schema of its parameters.
    pub schema: fn() -> Json,
    /// The checks of `pleach plugins check` that it does not pass by design, each with its reason.
    pub exempt: &'static [(&'static str, &'static str)],
    /// How it is made.
    pub make: Make,
}

inventory::collect!(Registration);

/// What serves one role: its name, its object, and who makes it.
pub trait Role {
    /// `layer`, `strategy`, …
    const NAME: &'static str;
    /// Makes one, by the host, from whichever plugin.
    ///
    /// # Errors
    /// Where there is no such component, it has another role, or it refuses its parameters.
    fn make(recipe: &Recipe) -> Result<Box<Self>>;
}

macro_rules! roles {
    ($($role:ident $obj:ident $name:ident),* $(,)?) => {
        /// How a component is made from its parameters, by role.
        pub enum Make {
            $(
                #[doc = concat!("Makes a `", stringify!($role), "`.")]
                $role(fn(&Params) -> Result<Box<dyn $role>>),
            )*
        }

        $(
            impl Role for dyn $role {
                const NAME: &'static str = stringify!($name);
                fn make(recipe: &Recipe) -> Result<Box<Self>> {
                    Ok(Box::new(services()?.$name(recipe)?))
                }
            }

            impl Registration {
                #[doc = concat!("Makes it, if it is a ", stringify!($name), ".")]
                ///
                /// # Errors
                /// Where it has another role, or refuses its parameters.
                pub fn $name(&self, params: &Params) -> Result<$obj> {
                    let owner = crate::boundary::Owner::new(self.plugin, self.name);
                    match self.make {
                        Make::$role(make) => Ok($obj::new(make(params).map_err(|e| crate::boundary::as_error(e).within(self.plugin, self.name))?, owner)),
                        _ => Err(Error::new(format!("`{}/{}` is a {}", self.plugin, self.name, self.role)).expected(concat!("a ", stringify!($name))).into()),
                    }
                }
            }
        )*
    };
}
crate::each_role!(roles);

/// Parameters with ranges; `#[component]` implements it.
pub trait Parameters {
    /// Checks every range.
    ///
    /// # Errors
    /// For the first parameter that is outside.
    fn check(&self) -> Result<(), Error>;
}

/// The JSON Schema of a component's parameters. What has a default is not required.
pub fn schema<T: JsonSchema>() -> Json {
    let mut schema = SchemaGenerator::default()
        .into_root_schema_for::<T>()
        .to_value();
    let object = schema
        .as_object_mut()
        .expect("the schema of a struct is an object");
    // The card has name and doc.
    for key in ["$schema", "title", "description"] {
        object.shift_remove(key);
    }
    let properties = object.get("properties").cloned().unwrap_or_default();
    if let Some(Json::Array(required)) = object.get_mut("required") {
        required.retain(|name| {
            properties[name.as_str().unwrap_or_default()]
                .get("default")
                .is_none()
        });
    }
    schema
}

/// Reads parameters: defaults are filled in, the rest is checked.
///
/// # Errors
/// For unknown, missing, ill-typed parameters and those out of range; the error names the parameter.
pub fn read<T: Parameters + DeserializeOwned + JsonSchema>(params: &Params) -> Result<T> {
    REFUSED.take();
    let mut params = params.clone();
    if let Some(Json::Object(properties)) = schema::<T>().get("properties") {
        for (name, property) in properties {
            if let (Some(default), false) = (property.get("default"), params.contains_key(name)) {
                params.insert(name.clone(), default.clone());
            }
        }
    }
    let read: T = serde_path_to_error::deserialize(Json::Object(params)).map_err(|e| {
        let path = e.path().to_string();
        let wrong = Error::new(if path == "." {
            e.inner().to_string()
        } else {
            format!("parameter `{path}`: {}", e.inner())
        });
        match REFUSED.take() {
            Some(cause) => {
                Error::new(format!("parameter `{path}` cannot be made")).caused_by(cause)
            }
            None => wrong,
        }
    })?;
    read.check()?;
    Ok(read)
}

thread_local! {
    /// Why the host could not make a component inside the parameters that are being read: serde errors are text only.
    static REFUSED: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Checks one parameter; `#[component]` calls it.
///
/// # Errors
/// Where a number is outside.
pub fn check_range(
    name: &str,
    range: &str,
    field: &impl Numbers,
    inside: impl Fn(f64) -> bool,
) -> Result<(), Error> {
    match field.numbers().find(|x| !inside(*x)) {
        Some(x) => Err(Error::new(format!("parameter `{name}` is out of range"))
            .found(x)
            .expected(range.replace('x', name))),
        None => Ok(()),
    }
}

/// The numbers in a parameter that a range speaks of.
pub trait Numbers {
    /// All of them.
    fn numbers(&self) -> impl Iterator<Item = f64>;
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl Numbers for $ty {
            fn numbers(&self) -> impl Iterator<Item = f64> {
                std::iter::once(*self as f64)
            }
        }
    )*};
}
numbers!(f64, i64, u64, usize);

impl<T: Numbers> Numbers for Option<T> {
    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.iter().flat_map(T::numbers)
    }
}

impl<T: Numbers> Numbers for Vec<T> {
    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.iter().flat_map(T::numbers)
    }
}

/// A component as a parameter of another: `inner: Use<dyn Layer>`. The host makes it, from whichever plugin the user
/// named.
pub struct Use<T: ?Sized> {
    it: Box<T>,
    /// What it was made from.
    pub recipe: Recipe,
}

impl<T: ?Sized> Deref for Use<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.it
    }
}

impl<T: ?Sized> DerefMut for Use<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.it
    }
}

impl<'de, T: Role + ?Sized> Deserialize<'de> for Use<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let recipe = Recipe::deserialize(d)?;
        match T::make(&recipe) {
            Ok(it) => Ok(Use { it, recipe }),
            Err(e) => {
                let e = crate::boundary::as_error(e);
                let text = D::Error::custom(&e);
                REFUSED.set(Some(e));
                Err(text)
            }
        }
    }
}

/// A component as a parameter that is not made yet: for those who pass it on, to an architecture or a session.
pub struct RecipeOf<T: ?Sized> {
    /// What to make.
    pub recipe: Recipe,
    role: PhantomData<fn() -> Box<T>>,
}

impl<'de, T: Role + ?Sized> Deserialize<'de> for RecipeOf<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(RecipeOf {
            recipe: Recipe::deserialize(d)?,
            role: PhantomData,
        })
    }
}

macro_rules! role_schema {
    ($($ty:ident),*) => {$(
        impl<T: Role + ?Sized> JsonSchema for $ty<T> {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                T::NAME.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": ["object", "string"], "x-role": T::NAME })
            }
        }
    )*};
}
role_schema!(Use, RecipeOf);
