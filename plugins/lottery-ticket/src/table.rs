//! Rows that know their columns, as a table.

use plugin_api::Named;

/// The columns that all rows have, and the rows of these.
pub(crate) fn common(rows: &[Named<f64>]) -> (Vec<&str>, Vec<Vec<f64>>) {
    let in_all = |name: &&str| rows.iter().all(|row| row.contains(name));
    let columns: Vec<&str> = rows.iter().take(1).flat_map(Named::names).collect();
    let columns: Vec<&str> = columns.into_iter().filter(in_all).collect();
    let rows = rows.iter().map(|row| {
        let values = columns.iter().filter_map(|name| row.get(name));
        values.copied().collect()
    });
    let rows = rows.collect();
    (columns, rows)
}
