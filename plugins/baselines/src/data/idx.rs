//! IDX files, plain or packed with gzip: a mark, the length of each axis, bytes.
//!
//! ```text
//! 00 00 08 03   lengths of 3 axes, each 4 bytes, the highest first   one byte a pixel      images
//! 00 00 08 01   number of labels, 4 bytes                            one byte a label      labels
//! ```
//!
//! Source: LeCun, Cortes and Burges, "The MNIST database".

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use plugin_api::prelude::*;

/// The mark of images.
const IMAGES: u32 = 0x0803;
/// The mark of labels.
const LABELS: u32 = 0x0801;

/// Images of one file.
pub(crate) struct Images {
    /// Images, rows, columns.
    pub size: [i64; 3],
    /// Image by image, row by row.
    pub pixels: Vec<u8>,
}

/// Reads a file of images.
///
/// # Errors
/// Where it cannot be read, is something else, or is not whole.
pub(crate) fn images(path: &Path) -> Result<Images> {
    let (size, pixels) = read(path, IMAGES)?;
    Ok(Images { size, pixels })
}

/// Reads a file of labels.
///
/// # Errors
/// Where it cannot be read, is something else, or is not whole.
pub(crate) fn labels(path: &Path) -> Result<Vec<u8>> {
    let ([_], labels) = read(path, LABELS)?;
    Ok(labels)
}

/// The lengths of the axes, and the bytes behind them.
fn read<const AXES: usize>(path: &Path, wanted: u32) -> Result<([i64; AXES], Vec<u8>)> {
    let file = unpacked(path)?;
    let mut words = file.chunks_exact(4).map(|word| {
        let word = word.try_into().expect("four bytes");
        u32::from_be_bytes(word)
    });
    let mark = words.next();
    if mark != Some(wanted) {
        return Err(Error::new(format!(
            "`{}` is no IDX file of {}",
            path.display(),
            called(wanted)
        ))
        .found(match mark {
            Some(mark @ (IMAGES | LABELS)) => format!("one of {}", called(mark)),
            Some(mark) => format!("the mark {mark:#010x}"),
            None => "nothing".into(),
        })
        .expected(format!("the mark {wanted:#010x}"))
        .into());
    }
    let size: Vec<i64> = words.take(AXES).map(i64::from).collect();
    let bytes = file.get(4 * (AXES + 1)..).unwrap_or_default();
    // Lengths of 32 bits, of which three can be multiplied in 128.
    let promised: i128 = size.iter().map(|n| i128::from(*n)).product();
    match size.try_into() {
        Ok(size) if bytes.len() as i128 == promised => Ok((size, bytes.to_vec())),
        _ => Err(Error::new(format!("`{}` is not whole", path.display()))
            .found(format!("{} bytes of {}", bytes.len(), called(wanted)))
            .expected(format!("{promised}, as it says at its head"))
            .help("get it again")
            .into()),
    }
}

fn called(mark: u32) -> &'static str {
    match mark {
        IMAGES => "images",
        _ => "labels",
    }
}

/// What is in a file, or in the gzip file that it is.
pub(crate) fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let file = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if !file.starts_with(&[0x1f, 0x8b]) {
        return Ok(file);
    }
    let mut bytes = vec![];
    GzDecoder::new(&*file)
        .read_to_end(&mut bytes)
        .map_err(|e| {
            Error::new(format!("`{}` cannot be unpacked", path.display()))
                .found(e)
                .help("get it again: it may have been cut short")
        })?;
    Ok(bytes)
}
