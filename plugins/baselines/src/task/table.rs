//! A table of one's own: a class or a number for each row of a CSV file.
//!
//! Gives `x`: `[batch, features]`, the numbers of each row, and a 1 in one of several places for each category; wants `y`:
//! logits `[batch, classes]`, or `[batch, 1]` for numbers. A batch also holds `y`: labels `[batch]`, int64, which number the
//! classes in the order of their names (of their values, where all are numbers), or numbers `[batch, 1]`.
//!
//! `standardise` shifts and scales columns of numbers to mean 0 and standard deviation 1 over the training rows; a column
//! that is constant there becomes 0. Numbers that are wanted are treated likewise: outputs and loss are in these units,
//! `rmse`, `mae` and `r2` in the table's own.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::Path;

use plugin_api::prelude::*;

use crate::data::array_task::{ArrayTask, Wholes};
use crate::data::csv_file::CsvFile;
use crate::data::npz;
use crate::data::own_path::OwnFile;
use crate::data::splits::{NAMES, Splits};
use crate::data::targets::{Targets, Wanted};

/// What to do where a number is missing that is given, or there is text.
const IF_GIVEN: [&str; 2] = [
    "fill it in, or leave the row out, or the column, by `leave_out`",
    "if the column names categories, list it in `categories`; else leave it out, by `leave_out`",
];

/// What to do where a number is missing that is wanted, or there is text.
const IF_WANTED: [&str; 2] = [
    "fill it in, or leave the row out",
    "if the column names classes: kind = \"classes\"",
];

/// A class or a number for each row of a CSV file, gzipped or not, from its other columns.
#[component(task = "table")]
struct Table {
    /// The file; its first line names the columns. A relative path begins in the folder in which pleach runs.
    #[param(example = "iris.csv")]
    file: OwnFile,
    /// The column that is wanted.
    #[param(example = "species")]
    target: String,
    /// What it holds.
    #[param(example = "classes")]
    kind: Wanted,
    /// Columns that name categories.
    #[param(default = [])]
    categories: Vec<String>,
    /// Columns that are not to be used.
    #[param(default = [])]
    leave_out: Vec<String>,
    /// What stands between cells, one ASCII character.
    #[param(default = ",")]
    delimiter: String,
    /// Whether columns of numbers are scaled to mean 0 and standard deviation 1 over the training rows.
    #[param(default = true)]
    standardise: bool,
    /// Seed of the splits, where the data has none.
    #[param(default = 0)]
    split: u64,
    /// Share of the rows for validation, where splits are drawn.
    #[param(default = 0.15, range = "0 < x < 1")]
    val: f64,
    /// Share of the rows for testing, where splits are drawn.
    #[param(default = 0.15, range = "0 < x < 1")]
    test: f64,
    /// Column that says of each row `train`, `val` or `test`; splits are drawn where it is left out.
    split_column: Option<String>,
    /// File with `train`, `val` or `test` in a line for each row, in place of such a column.
    split_file: Option<OwnFile>,
    /// What was read.
    #[serde(skip)]
    samples: OnceCell<ArrayTask>,
}

impl Table {
    fn samples(&self) -> Result<&ArrayTask> {
        if let Some(samples) = self.samples.get() {
            return Ok(samples);
        }
        let samples = self.read()?;
        Ok(self.samples.get_or_init(|| samples))
    }

    fn read(&self) -> Result<ArrayTask> {
        let [delimiter] = self.delimiter.as_bytes() else {
            return Err(Error::new("parameter `delimiter` is no ASCII character")
                .found(format!("`{}`", self.delimiter))
                .expected("one, such as `,` or `;`")
                .into());
        };
        let table = CsvFile::open(&self.file, *delimiter)?;
        let named = [&self.target].into_iter().chain(&self.categories);
        let named = named.chain(&self.leave_out).chain(&self.split_column);
        table.columns(&named.map(String::as_str).collect::<Vec<_>>())?;
        let target = table.columns(&[&self.target])?[0];
        let (targets, y) = match self.kind {
            Wanted::Classes => labels(&table, target)?,
            Wanted::Numbers => {
                let y = numbers(&table, &[target], IF_WANTED)?;
                (Targets::plain(&y)?, y)
            }
        };
        let splits = self.splits(&table, &targets, &y)?;
        let train = Tensor::f_from_slice(&splits.train)?;
        let (targets, y) = match targets {
            Targets::Numbers { .. } => {
                let targets = match self.standardise {
                    true => standardised(&y.f_index_select(0, &train)?)?,
                    false => targets,
                };
                (targets, y.f_to_kind(Kind::Float)?)
            }
            targets => (targets, y),
        };
        Ok(ArrayTask {
            x: self.features(&table, &train)?,
            y,
            targets,
            splits,
            whole: Wholes::default(),
        })
    }

    /// The columns of numbers, then those of categories: `[rows, features]`, float32.
    fn features(&self, table: &CsvFile, train: &Tensor) -> Result<Tensor> {
        let others = [&self.target].into_iter().chain(&self.leave_out);
        let others: Vec<&String> = others.chain(&self.split_column).collect();
        let used = (0..table.header.len()).filter(|k| !others.contains(&&table.header[*k]));
        let (categories, plain): (Vec<_>, Vec<_>) =
            used.partition(|k| self.categories.contains(&table.header[*k]));
        let mut columns = vec![];
        if !plain.is_empty() {
            let mut x = numbers(table, &plain, IF_GIVEN)?;
            if self.standardise {
                let (shift, scale) = spread(&x.f_index_select(0, train)?)?;
                x = x.f_sub(&shift)?.f_div(&scale)?;
            }
            columns.push(x.f_to_kind(Kind::Float)?);
        }
        for column in categories {
            columns.push(one_hot(table, column)?);
        }
        if columns.is_empty() {
            return Err(
                Error::new(format!("`{}` has no column to learn from", table.file))
                    .found(table.header.join(", "))
                    .expected("one that is neither the target nor left out")
                    .into(),
            );
        }
        Ok(Tensor::f_cat(&columns, 1)?)
    }

    fn splits(&self, table: &CsvFile, targets: &Targets, y: &Tensor) -> Result<Splits> {
        let names = match (&self.split_column, &self.split_file) {
            (None, None) => {
                let shares = [self.val, self.test];
                return Splits::drawn(&targets.groups(y)?, shares, self.split);
            }
            (Some(column), None) => of_column(table, table.columns(&[column])?[0])?,
            (None, Some(file)) => of_file(file, table)?,
            (Some(_), Some(_)) => {
                return Err(Error::new(
                    "parameters `split_column` and `split_file` both give the splits",
                )
                .expected("one of them")
                .into());
            }
        };
        let split = |of: usize| (0..).zip(&names).filter(move |(_, name)| **name == of);
        let rows = [0, 1, 2].map(|of| split(of).map(|(row, _)| row).collect());
        let file = self
            .split_file
            .as_ref()
            .map(|file| file.display().to_string());
        Splits::given(rows, table.rows(), file.as_ref().unwrap_or(&table.file))
    }
}

/// Which split each row is in, as a column says.
fn of_column(table: &CsvFile, column: usize) -> Result<Vec<usize>> {
    let name = |row| {
        let split = NAMES
            .iter()
            .position(|name| *name == table.cell(row, column));
        let wrong = || {
            table
                .at(row, column, "this is no split")
                .expected("train, val or test")
        };
        Ok(split.ok_or_else(wrong)?)
    };
    (0..table.rows()).map(name).collect()
}

/// Which split each row is in, as a file says.
fn of_file(path: &Path, table: &CsvFile) -> Result<Vec<usize>> {
    let (file, content) = (path.display(), npz::read(path)?);
    let text = String::from_utf8_lossy(&content);
    let lines = (1..).zip(text.lines());
    let names = lines.map(|(line, name)| {
        let split = NAMES.iter().position(|split| *split == name.trim());
        Ok(split.ok_or_else(|| {
            Error::new(format!("`{file}`, line {line}: this is no split"))
                .found(format!("`{name}`"))
                .expected("train, val or test")
        })?)
    });
    let names: Vec<usize> = names.collect::<Result<_>>()?;
    if names.len() != table.rows() {
        return Err(
            Error::new(format!("`{file}` has a split for another number of rows"))
                .found(names.len())
                .expected(format!(
                    "{}, a line for each row of `{}`",
                    table.rows(),
                    table.file
                ))
                .into(),
        );
    }
    Ok(names)
}

/// The labels of a column, int64, and how many classes there are.
fn labels(table: &CsvFile, column: usize) -> Result<(Targets, Tensor)> {
    let names = names(table, column, "the class is missing")?;
    let rows = table.rows();
    if names.len() < 2 || names.len() * 2 > rows {
        let few = names.len() < 2;
        let (file, name) = (&table.file, &table.header[column]);
        let wrong = Error::new(format!("`{file}`, column `{name}` holds no classes"))
            .found(format!("values: {}, rows: {rows}", names.len()))
            .expected("two classes or more, and on the average two rows of each");
        return Err(match few {
            true => wrong.into(),
            false => wrong
                .help("if these are numbers: kind = \"numbers\"")
                .into(),
        });
    }
    let number = |cell| {
        names
            .iter()
            .position(|name| *name == cell)
            .unwrap_or_default() as i64
    };
    let labels: Vec<i64> = table.cells(column).map(number).collect();
    Ok((
        Targets::Classes(names.len() as i64),
        Tensor::f_from_slice(&labels)?,
    ))
}

/// A 1 where a row has a category, in the order of their names: `[rows, categories]`, float32.
fn one_hot(table: &CsvFile, column: usize) -> Result<Tensor> {
    let names = names(table, column, "the category is missing")?;
    let rows = table.cells(column);
    let x: Vec<f32> = rows
        .flat_map(|cell| names.iter().map(move |name| f32::from(*name == cell)))
        .collect();
    Ok(Tensor::f_from_slice(&x)?.f_view([-1, names.len() as i64])?)
}

/// What stands in a column, each once: in the order of their values where all are numbers, else as text.
fn names<'a>(table: &'a CsvFile, column: usize, missing: &str) -> Result<Vec<&'a str>> {
    if let Some(row) = table.cells(column).position(str::is_empty) {
        let help = "fill it in, or leave the row out";
        return Err(table
            .at(row, column, missing)
            .expected("a name")
            .help(help)
            .into());
    }
    let names: BTreeSet<&str> = table.cells(column).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    let values: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    if values.is_some() {
        let value = |name: &str| name.parse::<f64>().unwrap_or_default();
        names.sort_by(|a, b| value(a).total_cmp(&value(b)));
    }
    Ok(names)
}

/// The numbers of these columns: `[rows, columns]`, float64.
fn numbers(table: &CsvFile, columns: &[usize], remedies: [&str; 2]) -> Result<Tensor> {
    let rows = 0..table.rows();
    let cells = rows.flat_map(|row| columns.iter().map(move |column| (row, *column)));
    let numbers = cells.map(|(row, column)| table.number(row, column, remedies));
    let numbers: Vec<f64> = numbers.collect::<Result<_>>()?;
    Ok(Tensor::f_from_slice(&numbers)?.f_view([-1, columns.len() as i64])?)
}

/// Numbers in units of their standard deviation from their mean.
fn standardised(y: &Tensor) -> Result<Targets> {
    let (shift, scale) = spread(y)?;
    Ok(Targets::Numbers { shift, scale })
}

/// Mean and standard deviation of each column; 1 for one that is constant.
fn spread(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let axis = [0_i64];
    let mean = x.f_mean_dim(axis.as_slice(), false, Kind::Double)?;
    let deviation = x.f_std_dim(axis.as_slice(), false, false)?;
    let ones = deviation.f_ones_like()?;
    Ok((mean, deviation.f_where_self(&deviation.f_gt(0.0)?, &ones)?))
}

impl Task for Table {
    fn ports(&self) -> Result<Ports> {
        Ok(self.samples()?.ports())
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.samples()?.batch(split, at)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.samples()?.targets.loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.samples()?.targets.metrics(outputs, batch)
    }
}
