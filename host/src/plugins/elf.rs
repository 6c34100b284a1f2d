//! Reads out of a plugin's file what it says of itself and what it needs, and makes sure that the file is whole.

use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, Machine, SHT_NOBITS};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, Object, ObjectSection};
use plugin_api_data::{Error, Note, SECTION};

use super::Glibc;
use crate::error::Context;

/// The machine of this host, as ELF numbers it.
const MACHINE: Machine = if cfg!(target_arch = "aarch64") {
    EM_AARCH64
} else {
    EM_X86_64
};

/// What a sound library holds.
pub(super) struct Library {
    /// Its note, where it has one.
    pub(super) note: Option<Note>,
    /// The newest glibc of which it needs a symbol.
    pub(super) glibc: Option<Glibc>,
    /// The libraries that it asks the loader for.
    pub(super) needed: Vec<String>,
}

/// Reads a library, and refuses one that could not be loaded.
pub(super) fn read(bytes: &[u8]) -> Result<Library, Error> {
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
    let broken = |e: object::Error| cut().caused_by(Error::new(e.to_string()));
    let elf = ElfFile64::<Endianness>::parse(bytes).map_err(broken)?;
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
    Ok(Library {
        glibc: glibc(&elf).map_err(broken)?,
        needed: libraries(&elf).map_err(broken)?,
        note: match elf.section_by_name(SECTION) {
            Some(section) => Some(note(section.data().map_err(broken)?)?),
            None => None,
        },
    })
}

fn note(section: &[u8]) -> Result<Note, Error> {
    // A linker may pad the section.
    let end = section
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last + 1);
    serde_json::from_slice(&section[..end]).context(|| "its note cannot be read".into())
}

/// The newest of the versions `GLIBC_x.y` that the loader will look for.
fn glibc(elf: &ElfFile64<Endianness>) -> object::Result<Option<Glibc>> {
    let (endian, sections, bytes) = (elf.endian(), elf.elf_section_table(), elf.data());
    let Some((mut libraries, strings)) = sections.gnu_verneed(endian, bytes)? else {
        return Ok(None);
    };
    let strings = sections.strings(endian, bytes, strings)?;
    let mut newest = None;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            let name = String::from_utf8_lossy(version.name(endian, strings)?);
            // Others, such as `GLIBC_PRIVATE`, are no versions.
            let needed = name.strip_prefix("GLIBC_").and_then(Glibc::parse);
            newest = newest.max(needed);
        }
    }
    Ok(newest)
}

/// The libraries that a library or program asks the loader for.
pub(super) fn needed(bytes: &[u8]) -> Result<Vec<String>, Error> {
    ElfFile64::<Endianness>::parse(bytes)
        .and_then(|elf| libraries(&elf))
        .context(|| "the libraries that it needs cannot be read".into())
}

/// The names that stand in the dynamic section as `DT_NEEDED`.
fn libraries(elf: &ElfFile64<Endianness>) -> object::Result<Vec<String>> {
    let (endian, sections, bytes) = (elf.endian(), elf.elf_section_table(), elf.data());
    let Some((entries, strings)) = sections.dynamic(endian, bytes)? else {
        return Ok(vec![]);
    };
    let strings = sections.strings(endian, bytes, strings)?;
    entries
        .iter()
        .filter(|entry| entry.tag(endian) == DT_NEEDED)
        .map(|entry| {
            let name = entry.string(endian, strings)?;
            Ok(String::from_utf8_lossy(name).into_owned())
        })
        .collect()
}
