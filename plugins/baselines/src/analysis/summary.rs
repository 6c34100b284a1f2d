//! What networks are made of, node by node: parameters, multiplications, bytes.
//!
//! Of each subject the report has the table `SUBJECT`, a row for each node in the order in which they run, named as the
//! node, with `parameters` (those that are learned), `macs` (the multiplications of one sample, as the layers count them)
//! and `bytes` (of all weights, buffers too); and the sums, the metrics `SUBJECT.parameters`, `SUBJECT.macs` and
//! `SUBJECT.bytes`. A node `cell.conv` stands within the network `cell`, `slot.2` is the option 2 of a mix; weights that
//! several nodes share count at the first. What masks prune is there, and counts.

use plugin_api::prelude::*;

/// What networks are made of, node by node: parameters, multiplications of a sample, bytes.
#[component(analysis = "summary")]
struct Summary {}

/// What is counted: the column, what a session calls it, and how many of that are one.
const COUNTED: [(&str, &str, f64); 3] = [
    ("parameters", "parameters", 1.0),
    ("macs", "macs", 1.0),
    ("bytes", "bits", 8.0),
];

impl Analysis for Summary {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let columns = COUNTED.map(|(column, ..)| column);
        let mut report = Report::default();
        for subject in bench.subjects()? {
            let session = bench.subject(&subject)?;
            let mut rows: Named<Vec<f64>> = Named::new();
            for (column, what, each) in COUNTED {
                let mut sum = 0.0;
                for (node, count) in session.costs(what)? {
                    let count = count / each;
                    sum += count;
                    let mut row = rows.get(&node).cloned().unwrap_or_default();
                    row.push(count);
                    rows.put(node, row);
                }
                report = report.metric(&format!("{subject}.{column}"), sum);
            }
            report = report.labelled(&subject, &columns, rows);
        }
        Ok(report)
    }
}
