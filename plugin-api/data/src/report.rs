//! What a trainer or a stage hands back.

use serde::{Deserialize, Serialize};

use crate::Named;

/// Metrics and tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Numbers by name.
    pub metrics: Named<f64>,
    /// Tables by name.
    #[serde(default)]
    pub tables: Named<Table>,
}

/// A table of numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, as long as `columns`.
    pub rows: Vec<Vec<f64>>,
}

impl Report {
    /// The same with one more metric.
    pub fn metric(mut self, name: &str, value: f64) -> Self {
        self.metrics.put(name, value);
        self
    }

    /// The same with one more table.
    pub fn table(mut self, name: &str, columns: &[&str], rows: Vec<Vec<f64>>) -> Self {
        self.tables.put(
            name,
            Table {
                columns: columns.iter().map(|c| c.to_string()).collect(),
                rows,
            },
        );
        self
    }
}
