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
    /// The task's metrics on a split, for trainers that know them without a pass over it, as from a table of results. Where
    /// the last step of a work reports them, the host takes them and does not evaluate the split.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub measured: Named<Named<f64>>,
}

/// A table of numbers, whose rows may have names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, as long as `columns`.
    pub rows: Vec<Vec<f64>>,
    /// Names of the rows, where these are more than numbers one behind the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Report {
    /// The same with one more metric.
    pub fn metric(mut self, name: &str, value: f64) -> Self {
        self.metrics.put(name, value);
        self
    }

    /// The same with the task's metrics on a split.
    pub fn measured(mut self, split: &str, metrics: Named<f64>) -> Self {
        self.measured.put(split, metrics);
        self
    }

    /// The same with one more table.
    pub fn table(self, name: &str, columns: &[&str], rows: Vec<Vec<f64>>) -> Self {
        self.add(name, columns, rows, vec![])
    }

    /// The same with one more table, each of whose rows has a name.
    pub fn labelled<L: Into<String>>(
        self,
        name: &str,
        columns: &[&str],
        rows: impl IntoIterator<Item = (L, Vec<f64>)>,
    ) -> Self {
        let (labels, rows) = rows.into_iter().map(|(l, row)| (l.into(), row)).unzip();
        self.add(name, columns, rows, labels)
    }

    fn add(
        mut self,
        name: &str,
        columns: &[&str],
        rows: Vec<Vec<f64>>,
        labels: Vec<String>,
    ) -> Self {
        let columns = columns.iter().map(|c| c.to_string()).collect();
        let table = Table {
            columns,
            rows,
            labels,
        };
        self.tables.put(name, table);
        self
    }
}
