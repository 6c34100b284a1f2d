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
    /// Where it is asked at all; everywhere where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

/// A condition: a decision that stands before this one took one of these options, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// The other decision.
    pub decision: String,
    /// Its options.
    pub options: Vec<usize>,
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
    /// Any of so many things, each of them or not.
    Subset(usize),
}

impl Decision {
    /// What is decided within this domain.
    pub fn new(name: &str, domain: Domain) -> Self {
        Decision {
            name: name.into(),
            domain,
            when: None,
        }
    }

    /// One of these options.
    pub fn options<T: Into<Json>>(name: &str, options: impl IntoIterator<Item = T>) -> Self {
        let options = options.into_iter().map(Into::into).collect();
        Decision::new(name, Domain::Options(options))
    }

    /// The same, asked only where another decision took one of these options.
    pub fn when(mut self, decision: &str, options: impl IntoIterator<Item = usize>) -> Self {
        self.when = Some(When {
            decision: decision.into(),
            options: options.into_iter().collect(),
        });
        self
    }

    /// Whether it is asked, where the decisions before it were decided so.
    pub fn is_active(&self, point: &Point) -> bool {
        self.when.as_ref().is_none_or(|when| {
            let decided = point.get(&when.decision);
            matches!(decided, Some(Decided::Option(i)) if when.options.contains(i))
        })
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
            (Domain::Subset(n), Decided::Subset(of)) if is_subset(of, *n) => Ok(of.clone().into()),
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
    /// The numbers of those that are in, ascending, counted from 0.
    Subset(Vec<usize>),
}

/// Whether these are numbers below `n`, ascending.
fn is_subset(of: &[usize], n: usize) -> bool {
    of.is_sorted_by(|a, b| a < b) && of.last().is_none_or(|last| *last < n)
}

/// A space's decisions, decided: those that are active, and no others.
pub type Point = Named<Decided>;
