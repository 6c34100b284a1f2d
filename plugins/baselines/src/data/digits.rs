//! Handwritten digits: 1,797 images of 8x8 pixels, their labels, seeded splits, and nearest neighbours.
//!
//! Source: UCI "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, CC BY 4.0); `data/README.md` says
//! how the file was made.

use plugin_api::prelude::*;

use crate::data::splits::Splits;

/// Number of classes.
pub const CLASSES: usize = 10;
/// Number of pixels along each side of an image.
pub const SIDE: usize = 8;
/// Number of pixels of an image.
pub const PIXELS: usize = SIDE * SIDE;

/// An image: 64 pixels in rows of 8, each 0 to 16, and the digit that it shows.
pub struct Image {
    /// Row by row.
    pub pixels: &'static [u8],
    /// What it shows.
    pub label: u8,
}

/// The images, in the order of their source.
pub fn images() -> impl ExactSizeIterator<Item = Image> {
    let data: &'static [u8] = include_bytes!("../../data/digits.bin");
    data.chunks_exact(PIXELS + 1).map(|image| Image {
        pixels: &image[..PIXELS],
        label: image[PIXELS],
    })
}

/// Draws splits: of each class so many for training, of `val` equally many, the first classes one more where that does not
/// come out even, and the rest for testing.
///
/// # Errors
/// Where a class is too small for them.
pub fn splits(seed: u64, train_per_class: usize, val: usize) -> Result<Splits> {
    let labels: Vec<i64> = images().map(|image| i64::from(image.label)).collect();
    let val_of = |class| val / CLASSES + usize::from(class < val % CLASSES);
    Splits::of_each(&labels, train_per_class, val_of, seed)
}

/// Splits in the order of the source: the first images for training, those that follow for validation, the rest for
/// testing.
pub fn in_order(train: usize, val: usize) -> Splits {
    let all: Vec<i64> = (0..images().len() as i64).collect();
    let (train, rest) = all.split_at(train);
    let (val, test) = rest.split_at(val);
    Splits::new([train, val, test].map(<[i64]>::to_vec))
}

/// The edges of the symmetric graph of nearest neighbours, ascending: `(i, j)` and `(j, i)` are there if one of the two
/// is among the other's `k` nearest, by Euclidean distance. Of equally near images the earlier one is nearer.
pub fn neighbours(k: usize) -> Vec<(i64, i64)> {
    let pixels: Vec<&[u8]> = images().map(|image| image.pixels).collect();
    // Squared, so that distances are whole numbers and ties are exact.
    let distance = |a: &[u8], b: &[u8]| -> u32 {
        a.iter()
            .zip(b)
            .map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2))
            .sum()
    };
    let mut edges = vec![];
    for (i, image) in pixels.iter().enumerate() {
        let mut others: Vec<(u32, usize)> = pixels
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(j, other)| (distance(image, other), j))
            .collect();
        others.select_nth_unstable(k - 1);
        edges.extend(
            others[..k]
                .iter()
                .flat_map(|(_, j)| [(i as i64, *j as i64), (*j as i64, i as i64)]),
        );
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The pixels of these images, scaled to `[0, 1]`: `[images, 64]`, float32.
pub fn pixels(which: &[i64]) -> Result<Tensor> {
    let all: Vec<&[u8]> = images().map(|image| image.pixels).collect();
    let scaled: Vec<f32> = which
        .iter()
        .flat_map(|i| all[*i as usize])
        .map(|pixel| f32::from(*pixel) / 16.0)
        .collect();
    Ok(Tensor::f_from_slice(&scaled)?.f_view([which.len() as i64, PIXELS as i64])?)
}

/// The labels of these images: `[images]`, int64.
pub fn labels(which: &[i64]) -> Result<Tensor> {
    let all: Vec<u8> = images().map(|image| image.label).collect();
    let labels: Vec<i64> = which.iter().map(|i| i64::from(all[*i as usize])).collect();
    Ok(Tensor::f_from_slice(&labels)?)
}
