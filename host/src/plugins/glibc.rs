//! Versions of the C library: which one a plugin needs, and which one is here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A version of glibc, such as `2.34` or `2.2.5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glibc(Vec<u32>);

impl Glibc {
    /// Reads numbers with dots between them; `None` where it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let numbers: Option<Vec<u32>> = text.split('.').map(|n| n.parse().ok()).collect();
        numbers.map(Glibc)
    }

    /// The one that this program runs on; `None` where it was built for another C library.
    #[cfg(target_env = "gnu")]
    pub fn here() -> Option<Self> {
        // SAFETY: it takes nothing, and returns a string that ends with a zero and lives as long as the program.
        let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        Glibc::parse(version.to_str().ok()?)
    }

    /// The one that this program runs on; `None` where it was built for another C library.
    #[cfg(not(target_env = "gnu"))]
    pub fn here() -> Option<Self> {
        None
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

impl From<Glibc> for String {
    fn from(version: Glibc) -> String {
        version.to_string()
    }
}

impl TryFrom<String> for Glibc {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Glibc::parse(&text).ok_or_else(|| format!("`{text}` is no version of glibc"))
    }
}
