//! Golden texts that should not change with every byte of a file.

/// A text with every SHA-256 as `HASH`.
pub fn without_hashes(text: &str) -> String {
    let is_hash = |w: &str| w.len() == 64 && w.chars().all(|c| c.is_ascii_hexdigit());
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric())
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_hash(word) {
                piece.replace(word, "HASH")
            } else {
                piece.into()
            }
        })
        .collect()
}
