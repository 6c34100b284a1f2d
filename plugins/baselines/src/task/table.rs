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
use std::path::Path;

use plugin_api::prelude::*;

use crate::data::array_task::{ArrayTask, Wholes};
use crate::data::columns::{Columns, names, numbers, spread};
use crate::data::csv_file::CsvFile;
use crate::data::npz;
use crate::data::own_path::OwnFile;
use crate::data::splits::{NAMES, Splits};
use crate::data::targets::{Targets, Wanted};

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
    read: OnceCell<Read>,
}

/// A table that was read.
struct Read {
    columns: Columns,
    samples: ArrayTask,
    /// The names of classes.
    classes: Vec<String>,
}

impl Table {
    fn samples(&self) -> Result<&ArrayTask> {
        Ok(&self.read()?.samples)
    }

    fn read(&self) -> Result<&Read> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let read = self.read_all()?;
        Ok(self.read.get_or_init(|| read))
    }

    fn open(&self, file: &Path) -> Result<CsvFile> {
        let [delimiter] = self.delimiter.as_bytes() else {
            return Err(Error::new("parameter `delimiter` is no ASCII character")
                .found(format!("`{}`", self.delimiter))
                .expected("one, such as `,` or `;`")
                .into());
        };
        CsvFile::open(file, *delimiter)
    }

    fn read_all(&self) -> Result<Read> {
        let table = self.open(&self.file)?;
        let named = [&self.target].into_iter().chain(&self.categories);
        let named = named.chain(&self.leave_out).chain(&self.split_column);
        table.columns(&named.map(String::as_str).collect::<Vec<_>>())?;
        let target = table.columns(&[&self.target])?[0];
        let (targets, y, classes) = match self.kind {
            Wanted::Classes => labels(&table, target)?,
            Wanted::Numbers => {
                let y = numbers(&table, &[target], IF_WANTED)?;
                (Targets::plain(&y)?, y, vec![])
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
        let columns = self.columns(&table, &train)?;
        let samples = ArrayTask {
            x: columns.features(&table)?,
            y,
            targets,
            splits,
            whole: Wholes::default(),
        };
        Ok(Read {
            columns,
            samples,
            classes,
        })
    }

    /// What is learned from: all columns but those that are something else.
    fn columns(&self, table: &CsvFile, train: &Tensor) -> Result<Columns> {
        let others = [&self.target].into_iter().chain(&self.leave_out);
        let others: Vec<&String> = others.chain(&self.split_column).collect();
        let used = (0..table.header.len()).filter(|k| !others.contains(&&table.header[*k]));
        let used: Vec<usize> = used.collect();
        if used.is_empty() {
            return Err(
                Error::new(format!("`{}` has no column to learn from", table.file))
                    .found(table.header.join(", "))
                    .expected("one that is neither the target nor left out")
                    .into(),
            );
        }
        Columns::of(
            table,
            &used,
            &self.categories,
            self.standardise.then_some(train),
        )
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

/// The labels of a column, int64, how many classes there are, and their names.
fn labels(table: &CsvFile, column: usize) -> Result<(Targets, Tensor, Vec<String>)> {
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
        names.into_iter().map(String::from).collect(),
    ))
}

/// Numbers in units of their standard deviation from their mean.
fn standardised(y: &Tensor) -> Result<Targets> {
    let (shift, scale) = spread(y)?;
    Ok(Targets::Numbers { shift, scale })
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

    fn inputs(&self, file: &str) -> Result<Batch> {
        let table = self.open(Path::new(file))?;
        Ok(Batch::new().with("x", self.read()?.columns.features(&table)?))
    }

    fn answers(&self, _: &str, outputs: &Batch) -> Result<Answers> {
        let read = self.read()?;
        let targets = &read.samples.targets;
        targets.answers(outputs.tensor("y")?, &self.target, &read.classes)
    }
}
