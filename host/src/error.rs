//! Failures of the system below, put into the one error type.

use plugin_api_data::Error;

/// Says what was being attempted when something below failed.
pub trait Context<T> {
    /// The failure below becomes the cause of an error that says what was being attempted.
    ///
    /// # Errors
    /// Where there was one.
    fn context(self, attempt: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: std::error::Error> Context<T> for Result<T, E> {
    fn context(self, attempt: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|e| Error::new(attempt()).caused_by(Error::new(e.to_string())))
    }
}

/// The candidate that is most like `wanted`, where one is like it at all.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(wanted, c), c))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}
