//! A table as Parquet.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::{Cell, Frame};

pub(super) fn write(frame: &Frame) -> Result<Vec<u8>> {
    let columns = frame.columns().iter();
    let fields = columns.map(|(name, cells)| field(name, Kind::of(cells)).map(Arc::new));
    let schema = Type::group_type_builder("table")
        .with_fields(fields.collect::<Result<_>>()?)
        .build()?;
    let mut bytes = vec![];
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::default())?;
    let mut rows = writer.next_row_group()?;
    for cells in frame.columns().values() {
        let mut column = rows.next_column()?.expect("the schema has every column");
        put(&mut column, cells)?;
        column.close()?;
    }
    rows.close()?;
    writer.close()?;
    Ok(bytes)
}

/// What a column holds: the narrowest type that has all of its cells.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Integer,
    Real,
    Text,
}

impl Kind {
    fn of(cells: &[Option<Cell>]) -> Self {
        let kinds = cells.iter().flatten().map(|cell| match cell {
            Cell::Integer(_) => Kind::Integer,
            Cell::Real(_) => Kind::Real,
            Cell::Text(_) => Kind::Text,
        });
        let wider = |a, b| match (a, b) {
            (Kind::Integer, Kind::Integer) => Kind::Integer,
            (Kind::Text, _) | (_, Kind::Text) => Kind::Text,
            _ => Kind::Real,
        };
        // Of an empty column nothing is known but that a text may be empty.
        kinds.reduce(wider).unwrap_or(Kind::Text)
    }
}

fn field(name: &str, kind: Kind) -> Result<Type> {
    let (physical, logical) = match kind {
        Kind::Integer => (Physical::INT64, None),
        Kind::Real => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    Type::primitive_type_builder(name, physical)
        .with_logical_type(logical)
        .with_repetition(Repetition::OPTIONAL)
        .build()
}

fn put(column: &mut SerializedColumnWriter, cells: &[Option<Cell>]) -> Result<()> {
    match Kind::of(cells) {
        Kind::Integer => batch::<Int64Type>(column, cells, |cell| match cell {
            Cell::Integer(i) => *i,
            _ => unreachable!("the column holds integers alone"),
        }),
        Kind::Real => batch::<DoubleType>(column, cells, |cell| match cell {
            Cell::Integer(i) => *i as f64,
            Cell::Real(x) => *x,
            Cell::Text(_) => unreachable!("the column holds numbers alone"),
        }),
        Kind::Text => batch::<ByteArrayType>(column, cells, |cell| {
            ByteArray::from(cell.to_text().into_bytes())
        }),
    }
}

/// The values of the cells that are not empty, and which these are.
fn batch<T: DataType>(
    column: &mut SerializedColumnWriter,
    cells: &[Option<Cell>],
    value: impl Fn(&Cell) -> T::T,
) -> Result<()> {
    let values: Vec<T::T> = cells.iter().flatten().map(value).collect();
    let levels: Vec<i16> = cells.iter().map(|cell| cell.is_some().into()).collect();
    column
        .typed::<T>()
        .write_batch(&values, Some(&levels), None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let reals = [0.1 + 0.2, 1e-310, -0.0, f64::MAX, 1.0 / 3.0];
        let mut frame = Frame::new(5);
        frame.column("number", [Some(i64::MIN), None, Some(3), Some(4), Some(5)]);
        frame.column("real", reals.map(Some));
        frame.column("mixed", [Some(Cell::Integer(2)), Some(Cell::Real(0.5))]);
        frame.column("text", ["a", "", "ü", "two\nlines", "x"].map(Some));
        frame.column(
            "either",
            [Some(Cell::Integer(2)), Some(Cell::Text("t".into()))],
        );
        frame.column("nothing", [None::<Cell>]);
        let bytes = bytes::Bytes::from(frame.to_parquet().unwrap());
        let reader = SerializedFileReader::new(bytes).unwrap();
        let rows: Vec<Vec<Field>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| {
                row.unwrap()
                    .into_columns()
                    .into_iter()
                    .map(|c| c.1)
                    .collect()
            })
            .collect();
        let text = |text: &str| Field::Str(text.into());
        assert_eq!(rows.len(), 5);
        for (row, real) in rows.iter().zip(reals) {
            let Field::Double(read) = row[1] else {
                panic!("{row:?}")
            };
            assert_eq!(read.to_bits(), real.to_bits());
        }
        assert_eq!(rows[0][0], Field::Long(i64::MIN));
        assert_eq!(rows[1][0], Field::Null);
        assert_eq!(
            (&rows[0][2], &rows[1][2]),
            (&Field::Double(2.0), &Field::Double(0.5))
        );
        assert_eq!((&rows[1][3], &rows[3][3]), (&text(""), &text("two\nlines")));
        assert_eq!((&rows[0][4], &rows[1][4]), (&text("2"), &text("t")));
        assert_eq!((&rows[2][4], &rows[0][5]), (&Field::Null, &Field::Null));
    }
}
