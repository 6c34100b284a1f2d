//! What a package says of itself.

use std::path::{Component, Path};

use pleach::package::Manifest;

/// Reads a manifest; one that is accepted names nothing outside its folder, and can be written and read again.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    for file in &manifest.files {
        let mut steps = Path::new(&file.path).components();
        assert!(
            steps.all(|step| matches!(step, Component::Normal(_))),
            "`{}` leaves its folder",
            file.path
        );
    }
    assert!(manifest.files.iter().any(|f| f.path == manifest.library()));
    let written = serde_json::to_vec(&manifest).unwrap();
    // What was escaped may take more room.
    if let Ok(again) = Manifest::parse(&written) {
        assert_eq!(again, manifest);
    }
}
