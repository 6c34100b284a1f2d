//! Tables of results: a row for each point of a space, with what came of it when somebody trained it.
//!
//! A table is a CSV file with a header, or one that gzip has packed. A decision stands in the column of its name: its
//! options are the different values of that column, numbers upwards, then texts. A decision `arch3` where there is no such
//! column, but a column `arch`, stands in the fourth character of that one.

pub(crate) mod nas_bench_graph;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use plugin_api::prelude::*;
use plugin_api::{DataFile, Json, data_file};

/// Tables that everybody means by these names, in folders of data.
const KNOWN: [(&str, &str); 11] = [
    (
        "nas_nasbench201/accuracy.csv.gz",
        "40d7d5c1d33da584230b4fb1bfb47af2f8961aa388fb8d2fd41e117a70f506c7",
    ),
    (
        "nas_bench_macro/cifar10.csv.gz",
        "431afb781c404caaa783312840344d51cbe5754b9cb5d63d401befa3623db6c3",
    ),
    (
        "nas_bench_graph/arxiv.csv.gz",
        "6ce396ea6ae725a397a70d015e11b6ed80cbeb17994e696a0ffd64a02648dd88",
    ),
    (
        "nas_bench_graph/citeseer.csv.gz",
        "05436549832ba62684e5ea22d80af581256d86061b14999a541f4ffb6a77a776",
    ),
    (
        "nas_bench_graph/computers.csv.gz",
        "721a3c77264778d39829499e7ef5c8d5d66173bfaaece8dd9194a72929cdfa74",
    ),
    (
        "nas_bench_graph/cora.csv.gz",
        "0a0911139247d330c739e3a65c9bf817e13e8c71ea70b6aa5572993b5072c552",
    ),
    (
        "nas_bench_graph/cs.csv.gz",
        "55b98b831b89c2814740902a5566f5856966a4d1e704ec6c21522f9f78db15c8",
    ),
    (
        "nas_bench_graph/photo.csv.gz",
        "c9ad21aadc1f9997a4f435449341a145b43751a856c3c7b4a28e70f42745a043",
    ),
    (
        "nas_bench_graph/physics.csv.gz",
        "803229b0cc18d222834c86809ca76d25ee97af3eba7f57c774c1cc29789b913a",
    ),
    (
        "nas_bench_graph/proteins.csv.gz",
        "96a061e45837d1695f7088f605be6dca5c951a459a408877a3ebb6ab8f26940a",
    ),
    (
        "nas_bench_graph/pubmed.csv.gz",
        "0826b9c634032604f9cb0e6fc7be5a11a9c6934f8e8acef38409ddd34e02beaf",
    ),
];

/// A table of results.
pub(crate) struct Results {
    file: String,
    header: Vec<String>,
    rows: Vec<csv::StringRecord>,
    /// Columns of decisions, as far as somebody has asked.
    coded: Mutex<HashMap<String, Arc<Coded>>>,
}

/// A column of few values: what they are, and which each row has.
struct Coded {
    values: Vec<Json>,
    rows: Vec<usize>,
}

/// Where a decision stands.
enum Column {
    Whole(usize),
    Character(usize, usize),
}

impl Results {
    pub(crate) fn read(file: &str) -> Result<Self> {
        let path = find(file)?;
        let open = File::open(&path);
        let open = open.with_context(|| format!("the table `{file}` cannot be opened"))?;
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        let bytes: Box<dyn Read> = match packed {
            true => Box::new(MultiGzDecoder::new(open)),
            false => Box::new(open),
        };
        let unreadable = |e: csv::Error| {
            Error::new(format!("the table `{file}` cannot be read"))
                .found(e)
                .expected("a CSV file with a header, and rows as long as that")
        };
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(unreadable)?;
        let header = header.iter().map(|name| name.trim().to_string()).collect();
        let rows = reader.records().collect::<Result<_, _>>();
        Ok(Results {
            file: file.into(),
            header,
            rows: rows.map_err(unreadable)?,
            coded: Mutex::default(),
        })
    }

    /// The options of a decision.
    pub(crate) fn options(&self, decision: &str) -> Result<Vec<Json>> {
        Ok(self.coded(decision)?.values.clone())
    }

    /// What a point decides, as the table writes it.
    pub(crate) fn values(&self, point: &Point) -> Result<Named<Json>> {
        let value = |(name, decided): (&str, &Decided)| -> Result<(String, Json)> {
            let outside = |options: usize| {
                Error::new(format!("the table `{}` has no such `{name}`", self.file))
                    .found(format!("{decided:?}"))
                    .expected(format!("one of {options} options"))
            };
            let value = match decided {
                Decided::Option(i) => {
                    let coded = self.coded(name)?;
                    let value = coded.values.get(*i).cloned();
                    value.ok_or_else(|| outside(coded.values.len()))?
                }
                Decided::Integer(i) => number(*i as f64),
                Decided::Real(x) => number(*x),
                Decided::Subset(_) => {
                    return Err(
                        Error::new(format!("no column can hold the subset `{name}`"))
                            .expected("options and numbers")
                            .into(),
                    );
                }
            };
            Ok((name.to_string(), value))
        };
        point.iter().map(value).collect()
    }

    /// The one row with these values.
    pub(crate) fn row(&self, values: &Named<Json>) -> Result<usize> {
        let mut wanted = vec![];
        for (name, value) in values.iter() {
            let coded = self.coded(name)?;
            let code = coded.values.iter().position(|v| v == value);
            wanted.push((coded, code));
        }
        let fits = |row: &usize| {
            let mut wanted = wanted.iter();
            wanted.all(|(coded, code)| Some(coded.rows[*row]) == *code)
        };
        let mut rows = (0..self.rows.len()).filter(fits);
        let point = || {
            let decided = values
                .iter()
                .map(|(name, value)| format!("{name} = {value}"));
            decided.collect::<Vec<_>>().join(", ")
        };
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row),
            (Some(row), Some(other)) => {
                let what = format!("the table `{}` has several rows for a point", self.file);
                let lines = format!(
                    "{}: lines {} and {}",
                    point(),
                    self.line(row),
                    self.line(other)
                );
                Err(Error::new(what).found(lines).expected("one").into())
            }
            (None, _) => {
                let what = format!("the table `{}` has no row for the point", self.file);
                Err(Error::new(what).found(point()).into())
            }
        }
    }

    /// The number of a row in a column.
    pub(crate) fn number(&self, row: usize, column: &str) -> Result<f64> {
        let i = self.header.iter().position(|name| name == column);
        let i = i.ok_or_else(|| self.no_column(column))?;
        let cell = self.rows[row][i].trim();
        let number = cell.parse().ok().filter(|x: &f64| x.is_finite());
        number.ok_or_else(|| {
            Error::new(self.cell(row, column))
                .found(format!("`{cell}`"))
                .expected("a number")
                .into()
        })
    }

    fn coded(&self, decision: &str) -> Result<Arc<Coded>> {
        let mut coded = self.coded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(coded) = coded.get(decision) {
            return Ok(Arc::clone(coded));
        }
        let made = Arc::new(self.code(decision)?);
        coded.insert(decision.into(), Arc::clone(&made));
        Ok(made)
    }

    fn code(&self, decision: &str) -> Result<Coded> {
        let column = self.column(decision)?;
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut rows = vec![];
        for row in 0..self.rows.len() {
            let cell = self.decided(row, &column, decision)?;
            let next = numbers.len();
            rows.push(*numbers.entry(cell).or_insert(next));
        }
        // Texts that are one number are one value.
        let mut texts: Vec<(Json, usize)> = numbers.iter().map(|(t, i)| (value(t), *i)).collect();
        texts.sort_by(|(a, _), (b, _)| ascending(a, b));
        let mut values: Vec<Json> = vec![];
        let mut codes = vec![0; texts.len()];
        for (value, i) in texts {
            if values.last() != Some(&value) {
                values.push(value);
            }
            codes[i] = values.len() - 1;
        }
        Ok(Coded {
            values,
            rows: rows.into_iter().map(|i| codes[i]).collect(),
        })
    }

    fn column(&self, decision: &str) -> Result<Column> {
        let position = |name: &str| self.header.iter().position(|column| column == name);
        if let Some(i) = position(decision) {
            return Ok(Column::Whole(i));
        }
        let name = decision.trim_end_matches(|c: char| c.is_ascii_digit());
        let place = decision[name.len()..].parse();
        match (position(name), place) {
            (Some(i), Ok(place)) => Ok(Column::Character(i, place)),
            _ => Err(self.no_column(decision).into()),
        }
    }

    fn decided(&self, row: usize, column: &Column, decision: &str) -> Result<String> {
        let (Column::Whole(i) | Column::Character(i, _)) = column;
        let cell = self.rows[row][*i].trim();
        let cell = match column {
            Column::Whole(_) => Some(cell.to_string()).filter(|cell| !cell.is_empty()),
            Column::Character(_, place) => cell.chars().nth(*place).map(String::from),
        };
        cell.ok_or_else(|| {
            Error::new(self.cell(row, decision))
                .found("nothing")
                .expected("a value of the decision")
                .into()
        })
    }

    fn no_column(&self, name: &str) -> Error {
        Error::new(format!("the table `{}` has no column `{name}`", self.file))
            .found(self.header.join(", "))
    }

    fn cell(&self, row: usize, column: &str) -> String {
        let line = self.line(row);
        format!(
            "line {line} of the table `{}`, column `{column}`",
            self.file
        )
    }

    /// The line of the file in which a row begins.
    fn line(&self, row: usize) -> u64 {
        self.rows[row].position().map_or(0, csv::Position::line)
    }
}

/// A file of one's own, or one of those that everybody means.
fn find(file: &str) -> Result<PathBuf> {
    if Path::new(file).is_file() {
        return Ok(file.into());
    }
    match KNOWN.iter().find(|(name, _)| *name == file) {
        Some((name, sha256)) => data_file(&DataFile::new(name, sha256, [])),
        None => {
            let known: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
            Err(Error::new(format!("there is no table `{file}`"))
                .expected(format!(
                    "the path of a CSV file, or one of {}",
                    known.join(", ")
                ))
                .into())
        }
    }
}

/// What a cell says: a number where it is one, else a text.
fn value(text: &str) -> Json {
    match text.parse() {
        Ok(x) if f64::is_finite(x) => number(x),
        _ => text.into(),
    }
}

/// A number as JSON, a whole one without a point.
fn number(x: f64) -> Json {
    const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    match x.fract() == 0.0 && x.abs() < EXACT {
        true => (x as i64).into(),
        false => x.into(),
    }
}

/// Numbers upwards, then texts.
fn ascending(a: &Json, b: &Json) -> std::cmp::Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (None, None) => a.as_str().cmp(&b.as_str()),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
