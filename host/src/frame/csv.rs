//! A table as CSV.

use std::io;

use csv::WriterBuilder;

use super::{Cell, Frame};

pub(super) fn write(frame: &Frame) -> io::Result<String> {
    let mut writer = WriterBuilder::new().from_writer(vec![]);
    writer.write_record(frame.columns().names())?;
    for row in 0..frame.rows() {
        let cells = frame.columns().values();
        let cells = cells.map(|cells| cells[row].as_ref().map(Cell::to_text));
        writer.write_record(cells.map(Option::unwrap_or_default))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let reals = [
            0.1 + 0.2,
            1e-310,
            -0.0,
            f64::MAX,
            42.0,
            f64::INFINITY,
            f64::NAN,
        ];
        let texts = ["a,b", "a \"b\"", "two\nlines", "", "ü", "1", " "];
        let mut frame = Frame::new(reals.len());
        frame.column("real, odd", reals.map(Some));
        frame.column("text", texts.map(Some));
        let text = frame.to_csv().unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["real, odd", "text"]);
        let read: Vec<(f64, String)> = reader.deserialize().map(Result::unwrap).collect();
        let bits: Vec<u64> = read.iter().map(|row| row.0.to_bits()).collect();
        assert_eq!(bits, reals.map(f64::to_bits));
        let read: Vec<&str> = read.iter().map(|row| row.1.as_str()).collect();
        assert_eq!(read, texts);
    }
}
