//! What a space leaves open, and what a point decides.

use serde::{Deserialize, Serialize};

use crate::{Error, Json, Named};

/// One thing that a space leaves open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its name, by which mixes and parameters `{ decide = "name" }` ask for it.
    pub name: String,
    /// What it may be.
    pub domain: Domain,
}

/// What a decision may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// One of these.
    Options(Vec<Json>),
    /// A whole number, both ends included.
    Integer(i64, i64),
    /// A real number, both ends included.
    Real(f64, f64),
}

impl Decision {
    /// One of these options.
    pub fn options<T: Into<Json>>(name: &str, options: impl IntoIterator<Item = T>) -> Self {
        Decision {
            name: name.into(),
            domain: Domain::Options(options.into_iter().map(Into::into).collect()),
        }
    }

    /// The value that a decided point stands for.
    ///
    /// # Errors
    /// Where the point leaves it open, or decides what the domain does not hold.
    pub fn value(&self, point: &Point) -> Result<Json, Error> {
        let decided = point
            .get(&self.name)
            .ok_or_else(|| Error::new(format!("the point leaves `{}` open", self.name)))?;
        let outside = || {
            Error::new(format!("`{}` cannot be {decided:?}", self.name))
                .expected(format!("one of {:?}", self.domain))
        };
        match (&self.domain, decided) {
            (Domain::Options(options), Decided::Option(i)) => {
                options.get(*i).cloned().ok_or_else(outside)
            }
            (Domain::Integer(low, high), Decided::Integer(i)) if (low..=high).contains(&i) => {
                Ok((*i).into())
            }
            (Domain::Real(low, high), Decided::Real(x)) if (low..=high).contains(&x) => {
                Ok((*x).into())
            }
            _ => Err(outside()),
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decided {
    /// The option of this number, counted from 0.
    Option(usize),
    /// A whole number.
    Integer(i64),
    /// A real number.
    Real(f64),
}

/// A space's decisions, decided.
pub type Point = Named<Decided>;
