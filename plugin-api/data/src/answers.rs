//! What a network says of samples, as a table.

use serde::{Deserialize, Serialize};

use crate::Named;

/// A row for each sample, in columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answers {
    /// Equally long.
    pub columns: Named<Column>,
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Any numbers.
    Reals(Vec<f64>),
    /// Texts.
    Texts(Vec<String>),
}

impl Answers {
    /// The same with another column, behind the others.
    pub fn column(mut self, name: impl AsRef<str>, column: impl Into<Column>) -> Self {
        self.columns.put(name, column.into());
        self
    }

    /// The same with the columns of another table behind its own.
    pub fn and(mut self, other: Answers) -> Self {
        self.columns.extend(other.columns);
        self
    }
}

impl From<Vec<i64>> for Column {
    fn from(numbers: Vec<i64>) -> Self {
        Column::Integers(numbers)
    }
}

impl From<Vec<f64>> for Column {
    fn from(numbers: Vec<f64>) -> Self {
        Column::Reals(numbers)
    }
}

impl From<Vec<String>> for Column {
    fn from(texts: Vec<String>) -> Self {
        Column::Texts(texts)
    }
}
