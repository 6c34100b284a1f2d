//! Tables as CSV, with the names of the columns in the first line, gzipped or not: errors say which line and column.

use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, StringRecord, Trim};
use plugin_api::prelude::*;

use crate::data::npz;

/// A table.
pub(crate) struct CsvFile {
    /// What it is called in errors.
    pub(crate) file: String,
    /// The columns' names.
    pub(crate) header: Vec<String>,
    rows: Vec<StringRecord>,
    /// The line in which each row begins, counted from 1 as editors do.
    lines: Vec<usize>,
}

impl CsvFile {
    /// The file at this path.
    ///
    /// # Errors
    /// Where it is none, has no rows, or rows of unlike length.
    pub(crate) fn open(path: &Path, delimiter: u8) -> Result<Self> {
        let file = path.display().to_string();
        let text = inflated(npz::read(path)?, &file)?;
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .trim(Trim::All)
            .from_reader(&*text);
        let mut table = CsvFile {
            file,
            header: vec![],
            rows: vec![],
            lines: vec![],
        };
        let (mut line, mut counted) = (1, 0);
        for record in reader.byte_records() {
            let record = record.with_context(|| format!("`{}` cannot be read", table.file))?;
            // The parser counts empty lines in front of a record to it.
            let start = record.position().map_or(0, |at| at.byte() as usize);
            let empty = (text[start..].iter())
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
            line += newlines(&text[counted..start + empty]);
            counted = start + empty;
            table.add(record, line)?;
        }
        match table.rows.is_empty() {
            false => Ok(table),
            true => Err(Error::new(format!("`{}` has no rows", table.file))
                .expected("the names of the columns, and a row for each sample")
                .into()),
        }
    }

    fn add(&mut self, record: ByteRecord, line: usize) -> Result<()> {
        let file = &self.file;
        let record = StringRecord::from_byte_record(record).map_err(|e| {
            Error::new(format!("`{file}`, line {line}: this is no UTF-8"))
                .found(e)
                .help("save the table as UTF-8")
        })?;
        if self.header.is_empty() {
            self.header = record.iter().map(String::from).collect();
            let names = self.header.iter().enumerate();
            let mut twice = names.filter(|(i, name)| self.header[..*i].contains(name));
            return match twice.next() {
                None => Ok(()),
                Some((_, name)) => Err(Error::new(format!(
                    "`{file}`, line {line}: two columns have the name `{name}`"
                ))
                .expected("a name of its own for each")
                .into()),
            };
        }
        if record.len() != self.header.len() {
            return Err(
                Error::new(format!("`{file}`, line {line}: the row has another length"))
                    .found(format!("{} cells", record.len()))
                    .expected(format!("{}, as in the first line", self.header.len()))
                    .help("quote cells that hold the delimiter, or set `delimiter`")
                    .into(),
            );
        }
        self.rows.push(record);
        self.lines.push(line);
        Ok(())
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The places of these columns.
    ///
    /// # Errors
    /// Where some are not there; all of these are named.
    pub(crate) fn columns(&self, names: &[&str]) -> Result<Vec<usize>> {
        let place = |name: &&str| self.header.iter().position(|column| column == name);
        let missing: Vec<String> = (names.iter())
            .filter(|name| place(name).is_none())
            .map(|name| format!("`{name}`"))
            .collect();
        if missing.is_empty() {
            return Ok(names.iter().filter_map(place).collect());
        }
        Err(Error::new(format!(
            "`{}` has no column {}",
            self.file,
            missing.join(", ")
        ))
        .found(self.header.join(", "))
        .expected("names as they stand in the first line")
        .into())
    }

    /// What stands in a cell.
    pub(crate) fn cell(&self, row: usize, column: usize) -> &str {
        &self.rows[row][column]
    }

    /// All cells of a column.
    pub(crate) fn cells(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| &row[column])
    }

    /// An error about a cell.
    pub(crate) fn at(&self, row: usize, column: usize, what: &str) -> Error {
        let (file, line, name) = (&self.file, self.lines[row], &self.header[column]);
        Error::new(format!("`{file}`, line {line}, column `{name}`: {what}"))
            .found(format!("`{}`", self.cell(row, column)))
    }

    /// The number in a cell. `remedies` say what to do where it is empty, and where it holds text.
    ///
    /// # Errors
    /// Where there is none that float32 has.
    pub(crate) fn number(&self, row: usize, column: usize, remedies: [&str; 2]) -> Result<f64> {
        let cell = self.cell(row, column);
        let number: Option<f64> = cell.parse().ok();
        if let Some(number) = number.filter(|number| (*number as f32).is_finite()) {
            return Ok(number);
        }
        let [if_empty, if_text] = remedies;
        let (what, help) = match (cell, number) {
            ("", _) => ("the cell is empty", if_empty),
            (_, Some(_)) => (
                "this is no finite number",
                "fill one in, or leave the row out",
            ),
            (_, None) => ("this is no number", if_text),
        };
        Err(self
            .at(row, column, what)
            .expected("a number")
            .help(help)
            .into())
    }
}

/// What a file holds, inflated where it is gzipped.
fn inflated(content: Vec<u8>, file: &str) -> Result<Vec<u8>> {
    if !content.starts_with(&[0x1f, 0x8b]) {
        return Ok(content);
    }
    let mut text = vec![];
    flate2::read::MultiGzDecoder::new(&*content)
        .read_to_end(&mut text)
        .map_err(|e| {
            Error::new(format!("`{file}` is no gzip file, or not all of one"))
                .found(e)
                .help("compress it anew, or give the CSV as it is")
        })?;
    Ok(text)
}

fn newlines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}
