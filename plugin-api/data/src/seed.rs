//! Seeds are numbers; streams of them never depend on the order in which things are made.

use sha2::{Digest, Sha256};

/// The seed of the stream `name` under `seed`. Neighbouring seeds and names give unrelated streams.
pub fn stream(seed: u64, name: &str) -> u64 {
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(name)
        .finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::stream;

    #[test]
    fn is_the_same_everywhere() {
        // printf '\x01\0\0\0\0\0\0\0a' | sha256sum: the first eight bytes, least significant first
        assert_eq!(stream(1, "a"), 0xf655_a58b_c821_61ae);
        assert_ne!(stream(1, "a"), stream(1, "b"));
        assert_ne!(stream(1, "a"), stream(2, "a"));
    }
}
