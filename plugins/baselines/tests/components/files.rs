//! Files for the tests of tasks over data of one's own.

use std::io::Write;
use std::path::{Path, PathBuf};

use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, ZipWriter};
use plugin_api::Json;
use plugin_api::plugin::Plugin;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;

use crate::{params, plugin};

/// A folder that is gone at the end of the test.
pub struct Folder(tempfile::TempDir);

/// An array as NumPy writes it.
pub struct Npy {
    descr: &'static str,
    shape: Vec<usize>,
    is_fortran: bool,
    bytes: Vec<u8>,
}

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a file of arrays.
    pub fn npz(&self, name: &str, arrays: &[(&str, Npy)]) -> PathBuf {
        self.put(name, npz(arrays))
    }

    /// A text without the folder's own name, which each run has another of.
    pub fn hide(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// What a file of arrays holds.
pub fn npz(arrays: &[(&str, Npy)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(vec![]));
    let options = FileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, array) in arrays {
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(&array.content()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

impl Npy {
    /// Bytes of this type.
    pub fn raw(descr: &'static str, shape: &[usize], bytes: Vec<u8>) -> Self {
        Npy {
            descr,
            shape: shape.into(),
            is_fortran: false,
            bytes,
        }
    }

    pub fn f32(shape: &[usize], numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
        Npy::raw("<f4", shape, bytes.collect())
    }

    pub fn f64(shape: &[usize], numbers: &[f64]) -> Self {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
        Npy::raw("<f8", shape, bytes.collect())
    }

    pub fn i64(shape: &[usize], numbers: &[i64]) -> Self {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
        Npy::raw("<i8", shape, bytes.collect())
    }

    pub fn mask(truths: &[bool]) -> Self {
        let bytes = truths.iter().map(|truth| u8::from(*truth));
        Npy::raw("|b1", &[truths.len()], bytes.collect())
    }

    /// The same bytes, read with the first axis fastest.
    pub fn fortran(self) -> Self {
        Npy {
            is_fortran: true,
            ..self
        }
    }

    fn content(&self) -> Vec<u8> {
        let shape: Vec<String> = self.shape.iter().map(|n| format!("{n},")).collect();
        let order = match self.is_fortran {
            true => "True",
            false => "False",
        };
        let mut header = format!(
            "{{'descr': '{}', 'fortran_order': {order}, 'shape': ({}), }}",
            self.descr,
            shape.concat()
        );
        // Magic, version and length take ten bytes; the header ends on a multiple of 64.
        let rest = (10 + header.len() + 1) % 64;
        header.push_str(&" ".repeat((64 - rest) % 64));
        header.push('\n');
        let length = (header.len() as u16).to_le_bytes();
        [
            b"\x93NUMPY\x01\x00",
            &length[..],
            header.as_bytes(),
            &self.bytes,
        ]
        .concat()
    }
}

/// A task over a file.
pub fn task(name: &str, file: &Path, mut json: Json) -> TaskObj {
    // Graphs are the host's.
    pleach_worker::host();
    match name {
        "graph-nodes" => json["data"] = json!({ "file": file.to_str().unwrap() }),
        _ => json["file"] = file.to_str().unwrap().into(),
    }
    plugin().task(name, &params(json)).unwrap()
}
