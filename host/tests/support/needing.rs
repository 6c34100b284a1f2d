//! Plugin files that need a glibc, as the loader sees it.

use object::elf::SHT_GNU_VERNEED;
use object::read::elf::{ElfFile64, FileHeader};
use object::write::{Object, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, Object as _, ObjectSection, SectionKind, SymbolFlags,
    SymbolKind, SymbolScope,
};
use plugin_api_data::{Note, SECTION};

/// A plugin file that needs this version of a library, such as `GLIBC_2.34`.
///
/// The writer knows no such table, so it makes room for one, and the numbers are filled in afterwards.
pub fn needing(note: &Note, version: &str) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let text = serde_json::to_vec(note).unwrap();
    let section = object.add_section(vec![], SECTION.into(), SectionKind::ReadOnlyData);
    object.append_section_data(section, &text, 1);
    let needs = object.add_section(
        vec![],
        b".gnu.version_r".to_vec(),
        SectionKind::ReadOnlyData,
    );
    object.append_section_data(needs, &[0; 32], 4);
    // A symbol only so that its name is among the strings.
    object.add_symbol(Symbol {
        name: version.into(),
        value: 0,
        size: 0,
        kind: SymbolKind::Data,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Undefined,
        flags: SymbolFlags::None,
    });
    let mut bytes = object.write().unwrap();
    let elf = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    let (strings, needs) = (
        elf.section_by_name(".strtab").unwrap(),
        elf.section_by_name(".gnu.version_r").unwrap(),
    );
    let wanted = [version.as_bytes(), &[0]].concat();
    let mut names = strings.data().unwrap().windows(wanted.len());
    let name = names.position(|w| w == wanted).unwrap() as u32;
    let header = elf.elf_header().e_shoff(elf.endian()) as usize + 64 * needs.index().0;
    let table = needs.file_range().unwrap().0 as usize;
    let patches = [
        (header + 4, SHT_GNU_VERNEED.0),         // sh_type
        (header + 40, strings.index().0 as u32), // sh_link: where the names are
        (header + 44, 1),                        // sh_info: one library
        (table, 1 | 1 << 16),                    // vn_version, vn_cnt
        (table + 4, name),                       // vn_file
        (table + 8, 16),                         // vn_aux: right behind
        (table + 24, name),                      // vna_name
    ];
    for (at, value) in patches {
        bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    bytes
}
