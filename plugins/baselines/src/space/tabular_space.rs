//! The points of a table of results: for searches whose trials the trainer `baselines/tabular` looks up.
//!
//! Each of `decisions` is a column, and its options are that column's different values, numbers upwards, then texts. Where
//! a column `arch` holds a digit for each decision, as in `00210122`, these are called `arch0`, `arch1`, …. The space
//! stands for no networks: the architecture of each point hands the input of the task `baselines/tabular-task` on.

use std::sync::OnceLock;

use plugin_api::prelude::*;

use super::some_of_each;
use crate::data::tabular::Results;

/// The points of a table of results, for searches that look their trials up.
#[component(space = "tabular-space")]
struct TabularSpace {
    /// The table: the path of a CSV file with a header, which may be packed by gzip, or the name of a benchmark's table in
    /// a folder of data, as `nas_nasbench201/accuracy.csv.gz`.
    #[param(example = "results.csv")]
    file: String,
    /// The columns that are decisions.
    #[param(example = ["depth", "width"])]
    decisions: Vec<String>,
    /// The decisions, once they were read.
    #[serde(skip)]
    read: OnceLock<Vec<Decision>>,
}

impl Space for TabularSpace {
    fn supernet(&self, _: &Ports) -> Result<Option<Arch>> {
        Ok(None)
    }

    fn decisions(&self, _: &Ports) -> Result<Vec<Decision>> {
        if let Some(read) = self.read.get() {
            return Ok(read.clone());
        }
        some_of_each(&[("decisions", self.decisions.is_empty())])?;
        let results = Results::read(&self.file)?;
        let decision = |name: &String| Ok(Decision::options(name, results.options(name)?));
        let decisions: Vec<Decision> =
            self.decisions.iter().map(decision).collect::<Result<_>>()?;
        Ok(self.read.get_or_init(|| decisions).clone())
    }

    fn arch(&self, ports: &Ports, _: &Point, _: &dyn Host) -> Result<Arch> {
        let (x, y) = (port(&ports.inputs, "x")?, ports.outputs.get("y"));
        if ports.outputs.len() != 1 || y != Some(x) {
            return Err(Error::new("a table stands for no networks that a task could run")
                .help("use the task `baselines/tabular-task`, or a space of networks and the trainer `baselines/tabular`")
                .into());
        }
        Ok(Arch::new(ports.inputs.clone()).output("y", "in.x"))
    }
}
