//! A table of named columns, for other programs: as CSV, as Parquet, as JSON.

mod csv;
mod parquet;

use std::path::Path;

use plugin_api_data::{Error, Json, Named};

use crate::error::Context;
use crate::files::write_whole;

/// Columns of equally many cells, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    rows: usize,
    columns: Named<Vec<Option<Cell>>>,
}

/// What stands in a cell that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
}

impl Frame {
    /// So many rows, and no column yet.
    pub fn new(rows: usize) -> Self {
        Frame {
            rows,
            columns: Named::new(),
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, each with a cell for each row.
    pub fn columns(&self) -> &Named<Vec<Option<Cell>>> {
        &self.columns
    }

    /// Adds a column at the end, of the cells of the rows in turn.
    pub fn column<C: Into<Cell>>(
        &mut self,
        name: &str,
        cells: impl IntoIterator<Item = Option<C>>,
    ) {
        let mut cells: Vec<_> = cells.into_iter().map(|cell| cell.map(Into::into)).collect();
        cells.resize(self.rows, None);
        self.columns.put(name, cells);
    }

    /// Fills a cell; a column that is not there yet is added at the end.
    pub fn put(&mut self, row: usize, name: &str, cell: impl Into<Cell>) {
        if !self.columns.contains(name) {
            self.column(name, [None::<Cell>]);
        }
        if let Some(place) = self
            .columns
            .get_mut(name)
            .and_then(|cells| cells.get_mut(row))
        {
            *place = Some(cell.into());
        }
    }

    /// As CSV, with the names of the columns in the first line. A real number is written so that it reads back as the same
    /// one, and with a point or an exponent; an empty cell is an empty text.
    ///
    /// # Errors
    /// Where there is no column.
    pub fn to_csv(&self) -> Result<String, Error> {
        csv::write(self).context(|| "cannot write a table as CSV".into())
    }

    /// As Parquet: int64, double and UTF-8, each of which may be null.
    ///
    /// # Errors
    /// Where the format does not allow it.
    pub fn to_parquet(&self) -> Result<Vec<u8>, Error> {
        parquet::write(self).context(|| "cannot write a table as Parquet".into())
    }

    /// As a list of objects, a null for each empty cell. JSON has no NaN and no infinities: they are texts.
    pub fn to_json(&self) -> Json {
        let row = |row: usize| {
            let cells = self.columns.iter();
            let cells = cells.map(|(name, cells)| {
                let cell = cells[row].as_ref().map_or(Json::Null, Cell::to_json);
                (name.to_owned(), cell)
            });
            Json::Object(cells.collect())
        };
        (0..self.rows).map(row).collect()
    }

    /// Writes it whole or not at all, in the format that the file's ending names.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, path: &Path, format: Format) -> Result<(), Error> {
        let bytes = match format {
            Format::Csv => self.to_csv()?.into_bytes(),
            Format::Parquet => self.to_parquet()?,
        };
        write_whole(path, &bytes).context(|| format!("cannot write `{}`", path.display()))
    }
}

/// How a table is written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Csv,
    /// Columns with their types.
    Parquet,
}

impl Format {
    /// The format of a file of this name.
    ///
    /// # Errors
    /// Where its ending names none.
    pub fn of(path: &Path) -> Result<Self, Error> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Format::Csv),
            Some("parquet") => Ok(Format::Parquet),
            _ => Err(
                Error::new(format!("`{}` names no format of tables", path.display()))
                    .expected("a file that ends in .csv or .parquet"),
            ),
        }
    }
}

impl Cell {
    fn to_json(&self) -> Json {
        match self {
            Cell::Integer(i) => (*i).into(),
            Cell::Real(x) if x.is_finite() => (*x).into(),
            Cell::Real(_) | Cell::Text(_) => self.to_text().into(),
        }
    }

    /// As it stands in a text.
    fn to_text(&self) -> String {
        match self {
            Cell::Integer(i) => i.to_string(),
            // With a point or an exponent always, so that readers take the column for one of reals.
            Cell::Real(x) => format!("{x:?}"),
            Cell::Text(text) => text.clone(),
        }
    }
}

impl From<f64> for Cell {
    fn from(x: f64) -> Self {
        Cell::Real(x)
    }
}

impl From<i64> for Cell {
    fn from(i: i64) -> Self {
        Cell::Integer(i)
    }
}

impl From<u64> for Cell {
    /// Numbers that int64 does not have are texts.
    fn from(n: u64) -> Self {
        i64::try_from(n).map_or_else(|_| Cell::Text(n.to_string()), Cell::Integer)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_added_as_they_appear() {
        let mut frame = Frame::new(3);
        frame.column("a", [Some(1_i64), None]);
        frame.put(2, "c", "x");
        frame.put(0, "b", 0.5);
        frame.put(0, "c", "y");
        assert_eq!(frame.to_csv().unwrap(), "a,c,b\n1,y,0.5\n,,\n,x,\n");
        let json = serde_json::json!([
            { "a": 1, "c": "y", "b": 0.5 },
            { "a": null, "c": null, "b": null },
            { "a": null, "c": "x", "b": null },
        ]);
        assert_eq!(frame.to_json(), json);
    }

    #[test]
    fn a_file_says_its_format_by_its_ending() {
        let of = |name: &str| Format::of(Path::new(name)).ok();
        assert_eq!(of("a/t.csv"), Some(Format::Csv));
        assert_eq!(of("t.parquet"), Some(Format::Parquet));
        assert_eq!(of("csv"), None);
        assert_eq!(of("t.CSV.gz"), None);
    }
}
