//! Files of data that no plugin carries.

use serde::{Deserialize, Serialize};

/// A file of data by its name, its bytes and where they can be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Where it lies inside a folder of data: `mnist/train-images-idx3-ubyte.gz`.
    pub name: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Where it can be downloaded, in the order in which that is tried; nowhere where there are none. The hash is known,
    /// so `http` is as good as `https`.
    pub urls: Vec<String>,
}

impl DataFile {
    /// A file of this name and hash, with the URLs where it can be had.
    pub fn new<'a>(name: &str, sha256: &str, urls: impl IntoIterator<Item = &'a str>) -> Self {
        DataFile {
            name: name.into(),
            sha256: sha256.into(),
            urls: urls.into_iter().map(str::to_owned).collect(),
        }
    }
}
