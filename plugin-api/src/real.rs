//! Real parameters that may change with the step.

use std::borrow::Cow;

use plugin_api_data::Json;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error as _};

use crate::component::{Numbers, Role};
use crate::role::Schedule;
use crate::{Result, Use};

/// A real parameter: a number, or a schedule that gives one for each step.
///
/// A range holds for a number that is written down; what a schedule gives is its own affair.
pub enum Real {
    /// The same at every step.
    Number(f64),
    /// A number for each step.
    Schedule(Use<dyn Schedule>),
}

impl Real {
    /// Its value for the step with this many before it.
    pub fn at(&self, step: i64) -> f64 {
        match self {
            Real::Number(x) => *x,
            Real::Schedule(schedule) => schedule.at(step),
        }
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(d)?;
        match json.as_f64() {
            Some(x) => Ok(Real::Number(x)),
            None => Use::deserialize(json)
                .map(Real::Schedule)
                .map_err(D::Error::custom),
        }
    }
}

impl Numbers for Real {
    fn numbers(&self) -> impl Iterator<Item = f64> {
        match self {
            Real::Number(x) => Some(*x),
            Real::Schedule(_) => None,
        }
        .into_iter()
    }
}

impl JsonSchema for Real {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Real".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "number" }, { "type": ["object", "string"], "x-role": <dyn Schedule>::NAME }]
        })
    }
}
