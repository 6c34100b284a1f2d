//! Results as JSON that keeps every number. JSON has no NaN and no infinities; they are written as strings.

use plugin_api_data::{Arch, Named, Report, Table};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::Done;

pub(super) fn to_json(done: &Done) -> serde_json::Result<String> {
    let reports = done.reports.iter().map(|report| WrittenReport {
        metrics: exact(&report.metrics),
        tables: report.tables.map(|_, table| WrittenTable {
            columns: table.columns.clone(),
            rows: table
                .rows
                .iter()
                .map(|row| row.iter().copied().map(Exact).collect())
                .collect(),
            labels: table.labels.clone(),
        }),
        measured: report.measured.map(|_, metrics| exact(metrics)),
    });
    serde_json::to_string(&Written {
        arch: done.arch.clone(),
        metrics: exact(&done.metrics),
        reports: reports.collect(),
    })
}

pub(super) fn from_json(text: &str) -> serde_json::Result<Done> {
    let written: Written = serde_json::from_str(text)?;
    let reports = written.reports.iter().map(|report| Report {
        metrics: plain(&report.metrics),
        tables: report.tables.map(|_, table| Table {
            columns: table.columns.clone(),
            rows: table
                .rows
                .iter()
                .map(|row| row.iter().map(|x| x.0).collect())
                .collect(),
            labels: table.labels.clone(),
        }),
        measured: report.measured.map(|_, metrics| plain(metrics)),
    });
    Ok(Done {
        metrics: plain(&written.metrics),
        reports: reports.collect(),
        arch: written.arch,
        answers: None,
    })
}

/// A [`Done`] of exact numbers.
#[derive(Serialize, Deserialize)]
struct Written {
    arch: Arch,
    metrics: Named<Exact>,
    reports: Vec<WrittenReport>,
}

#[derive(Serialize, Deserialize)]
struct WrittenReport {
    metrics: Named<Exact>,
    tables: Named<WrittenTable>,
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    measured: Named<Named<Exact>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenTable {
    columns: Vec<String>,
    rows: Vec<Vec<Exact>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
}

fn exact(metrics: &Named<f64>) -> Named<Exact> {
    metrics.map(|_, x| Exact(*x))
}

fn plain(metrics: &Named<Exact>) -> Named<f64> {
    metrics.map(|_, x| x.0)
}

struct Exact(f64);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            s.serialize_f64(self.0)
        } else {
            s.collect_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(f64),
            Text(String),
        }
        match Form::deserialize(d)? {
            Form::Number(x) => Ok(Exact(x)),
            Form::Text(text) => text.parse().map(Exact).map_err(D::Error::custom),
        }
    }
}
