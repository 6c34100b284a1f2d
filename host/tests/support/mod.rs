//! What the tests share: plugin files that hold nothing but a note.

use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use pleach::plugins::TARGET;
use plugin_api_data::{API, LIBTORCH, Note, SECTION, TCH};

/// A note that fits this host.
pub fn note(name: &str) -> Note {
    Note {
        name: name.into(),
        version: "0.1.0".into(),
        api: API.into(),
        tch: TCH.into(),
        libtorch: LIBTORCH.into(),
        target: TARGET.into(),
        features: "fxsr,sse,sse2".into(),
    }
}

/// An ELF file with this text as its note.
pub fn library(architecture: Architecture, text: Option<&str>) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
    if let Some(text) = text {
        let section = object.add_section(vec![], SECTION.into(), SectionKind::ReadOnlyData);
        object.append_section_data(section, text.as_bytes(), 1);
    }
    object.write().unwrap()
}

/// A plugin file with this note.
pub fn plugin(note: &Note) -> Vec<u8> {
    library(
        Architecture::X86_64,
        Some(&serde_json::to_string(note).unwrap()),
    )
}
