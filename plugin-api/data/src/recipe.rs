//! A component by name, with its parameters.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

use crate::{Error, Json};

/// Parameters of a component, by name.
pub type Params = serde_json::Map<String, Json>;

/// `{ use = "plugin/component", … }`: what to make, as data. A bare string is the recipe without parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// `plugin/component`.
    pub component: String,
    /// The component's own parameters; what is left out has its default.
    pub params: Params,
}

impl Recipe {
    /// A component with its defaults.
    pub fn new(component: impl Into<String>) -> Self {
        Recipe {
            component: component.into(),
            params: Params::new(),
        }
    }

    /// The same with one parameter set.
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// `(plugin, component)`.
    ///
    /// # Errors
    /// Where the name has not exactly one `/`.
    pub fn split(&self) -> Result<(&str, &str), Error> {
        match self.component.split_once('/') {
            Some((plugin, component))
                if !plugin.is_empty() && !component.is_empty() && !component.contains('/') =>
            {
                Ok((plugin, component))
            }
            _ => Err(
                Error::new(format!("`{}` names no component", self.component))
                    .expected("plugin/component, e.g. baselines/linear"),
            ),
        }
    }
}

impl From<&str> for Recipe {
    fn from(component: &str) -> Self {
        Recipe::new(component)
    }
}

impl From<Recipe> for Json {
    fn from(recipe: Recipe) -> Json {
        let named = [("use".to_string(), recipe.component.into())];
        named.into_iter().chain(recipe.params).collect()
    }
}

impl Serialize for Recipe {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Json::from(self.clone()).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Json::deserialize(d)? {
            Json::String(component) => Ok(Recipe::new(component)),
            Json::Object(mut params) => match params.shift_remove("use") {
                Some(Json::String(component)) => Ok(Recipe { component, params }),
                _ => Err(D::Error::custom(
                    "a component needs its name: use = \"plugin/component\"",
                )),
            },
            _ => Err(D::Error::custom(
                "expected a component: { use = \"plugin/component\", … }",
            )),
        }
    }
}
