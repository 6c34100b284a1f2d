//! Reads out of a plugin's file its note and what it needs, and makes sure that the file is whole.

use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, Machine, SHT_NOBITS};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, Object, ObjectSection};
use plugin_api_data::{Error, Note, SECTION};

use crate::error::Context;

/// The machine of this host, as ELF numbers it.
const MACHINE: Machine = if cfg!(target_arch = "aarch64") {
    EM_AARCH64
} else {
    EM_X86_64
};

/// What is read out of a plugin's file.
pub(super) struct Contents {
    /// What it says of itself.
    pub(super) note: Note,
    /// The libraries that the loader loads with it.
    pub(super) needed: Vec<String>,
}

/// The contents of a plugin; `None` where the library is sound and has no note.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Contents>, Error> {
    if !bytes.starts_with(b"\x7fELF") {
        let found = if bytes.is_empty() {
            "an empty file"
        } else {
            "something else"
        };
        return Err(Error::new("not a library")
            .found(found)
            .expected("a 64-bit ELF file"));
    }
    let cut =
        || Error::new("the file is damaged or cut short").help("build or copy the plugin again");
    let elf = ElfFile64::<Endianness>::parse(bytes)
        .map_err(|e| cut().caused_by(Error::new(e.to_string())))?;
    let endian = elf.endian();
    let machine = elf.elf_header().e_machine(endian);
    if machine != MACHINE {
        let name = |m: Machine| match m {
            EM_X86_64 => "x86-64".into(),
            EM_AARCH64 => "aarch64".into(),
            Machine(other) => format!("machine {other}"),
        };
        return Err(Error::new("built for another machine")
            .found(name(machine))
            .expected(name(MACHINE)));
    }
    // The loader maps what the headers promise; a byte that is missing would kill the worker with SIGBUS.
    let segments = elf
        .elf_program_headers()
        .iter()
        .map(|s| s.p_offset(endian).saturating_add(s.p_filesz(endian)));
    let sections = elf
        .elf_section_table()
        .iter()
        .filter(|s| s.sh_type(endian) != SHT_NOBITS)
        .map(|s| s.sh_offset(endian).saturating_add(s.sh_size(endian)));
    let needed = segments.chain(sections).max().unwrap_or(0);
    if needed > bytes.len() as u64 {
        return Err(cut()
            .found(format!("{} bytes", bytes.len()))
            .expected(format!("at least {needed} bytes")));
    }
    let Some(section) = elf.section_by_name(SECTION) else {
        return Ok(None);
    };
    let damaged = |e: object::Error| cut().caused_by(Error::new(e.to_string()));
    let data = section.data().map_err(damaged)?;
    // A linker may pad the section.
    let end = data
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last + 1);
    let note = serde_json::from_slice(&data[..end]).context(|| "its note cannot be read".into())?;
    let needed = libraries(&elf).map_err(damaged)?;
    Ok(Some(Contents { note, needed }))
}

/// The names that stand in the dynamic section as `DT_NEEDED`.
fn libraries(elf: &ElfFile64<'_>) -> Result<Vec<String>, object::Error> {
    let (endian, sections) = (elf.endian(), elf.elf_section_table());
    let Some((entries, strings)) = sections.dynamic(endian, elf.data())? else {
        return Ok(vec![]);
    };
    let strings = sections.strings(endian, elf.data(), strings)?;
    entries
        .iter()
        .filter(|entry| entry.tag(endian) == DT_NEEDED)
        .map(|entry| Ok(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned()))
        .collect()
}
