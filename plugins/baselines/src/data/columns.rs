//! How the columns of a table become features: the same way in every table of these columns.
//!
//! Numbers stand first, as they are or in units of their standard deviation from their mean; then, for each column of
//! categories, a 1 in one of several places.

use std::collections::BTreeSet;

use plugin_api::prelude::*;

use crate::data::csv_file::CsvFile;

/// What to do where a number is missing that is given, or there is text.
const IF_GIVEN: [&str; 2] = [
    "fill it in, or leave the row out, or the column, by `leave_out`",
    "if the column names categories, list it in `categories`; else leave it out, by `leave_out`",
];

/// Which columns are used, and how.
pub(crate) struct Columns {
    /// Columns of numbers.
    plain: Vec<String>,
    /// What is taken from each of them, and what the rest is divided by: `[columns]`, float64.
    scale: Option<(Tensor, Tensor)>,
    /// Columns of categories, and the names of these.
    categories: Vec<(String, Vec<String>)>,
}

impl Columns {
    /// These columns of a table, in its order. With `scaled` numbers are scaled to mean 0 and standard deviation 1 over
    /// these rows.
    pub(crate) fn of(
        table: &CsvFile,
        used: &[usize],
        categories: &[String],
        scaled: Option<&Tensor>,
    ) -> Result<Self> {
        let name = |column: &usize| table.header[*column].clone();
        let (categories, plain): (Vec<usize>, Vec<usize>) =
            { used.iter() }.partition(|column| categories.contains(&table.header[**column]));
        let named = categories.iter().map(|column| {
            let names = names(table, *column, "the category is missing")?;
            let names = names.into_iter().map(String::from).collect();
            Ok((name(column), names))
        });
        let scale = match scaled {
            Some(rows) if !plain.is_empty() => {
                let x = numbers(table, &plain, IF_GIVEN)?;
                Some(spread(&x.f_index_select(0, rows)?)?)
            }
            _ => None,
        };
        Ok(Columns {
            plain: plain.iter().map(name).collect(),
            scale,
            categories: named.collect::<Result<_>>()?,
        })
    }

    /// The features of a table that has these columns: `[rows, features]`, float32.
    ///
    /// # Errors
    /// Where a column is missing, a cell holds no number, or a category that nobody has met.
    pub(crate) fn features(&self, table: &CsvFile) -> Result<Tensor> {
        let names = self
            .plain
            .iter()
            .chain(self.categories.iter().map(|c| &c.0));
        table.columns(&names.map(String::as_str).collect::<Vec<_>>())?;
        let place = |name: &String| Ok::<_, anyhow::Error>(table.columns(&[name])?[0]);
        let mut columns = vec![];
        if !self.plain.is_empty() {
            let plain: Vec<usize> = self.plain.iter().map(place).collect::<Result<_>>()?;
            let mut x = numbers(table, &plain, IF_GIVEN)?;
            if let Some((shift, scale)) = &self.scale {
                x = x.f_sub(shift)?.f_div(scale)?;
            }
            columns.push(x.f_to_kind(Kind::Float)?);
        }
        for (name, names) in &self.categories {
            columns.push(one_hot(table, place(name)?, names)?);
        }
        Ok(Tensor::f_cat(&columns, 1)?)
    }
}

/// A 1 where a row has a category, in the order of their names: `[rows, categories]`, float32.
fn one_hot(table: &CsvFile, column: usize, names: &[String]) -> Result<Tensor> {
    let rows = table.cells(column);
    if let Some(row) = { rows }.position(|cell| !names.iter().any(|name| name == cell)) {
        return Err(table
            .at(
                row,
                column,
                "this category is not in the table that was learned from",
            )
            .expected(names.join(", "))
            .into());
    }
    let rows = table.cells(column);
    let x: Vec<f32> = rows
        .flat_map(|cell| names.iter().map(move |name| f32::from(name == cell)))
        .collect();
    Ok(Tensor::f_from_slice(&x)?.f_view([-1, names.len() as i64])?)
}

/// What stands in a column, each once: in the order of their values where all are numbers, else as text.
pub(crate) fn names<'a>(table: &'a CsvFile, column: usize, missing: &str) -> Result<Vec<&'a str>> {
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
pub(crate) fn numbers(table: &CsvFile, columns: &[usize], remedies: [&str; 2]) -> Result<Tensor> {
    let rows = 0..table.rows();
    let cells = rows.flat_map(|row| columns.iter().map(move |column| (row, *column)));
    let numbers = cells.map(|(row, column)| table.number(row, column, remedies));
    let numbers: Vec<f64> = numbers.collect::<Result<_>>()?;
    Ok(Tensor::f_from_slice(&numbers)?.f_view([-1, columns.len() as i64])?)
}

/// Mean and standard deviation of each column; 1 for one that is constant.
pub(crate) fn spread(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let axis = [0_i64];
    let mean = x.f_mean_dim(axis.as_slice(), false, Kind::Double)?;
    let deviation = x.f_std_dim(axis.as_slice(), false, false)?;
    let ones = deviation.f_ones_like()?;
    Ok((mean, deviation.f_where_self(&deviation.f_gt(0.0)?, &ones)?))
}
