//! The one error type.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What went wrong, where, what was expected, and one way out.
///
/// Printed it reads like a compiler's: a first line that names the thing, then `found`, `expected`, `help` and the
/// causes, each on a line of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Error {
    /// `plugin/component` that failed, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// What happened, lower case, without blame.
    pub what: String,
    /// What was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What should have been there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// One way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The failure underneath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<Error>>,
}

impl Error {
    /// An error that says what happened.
    pub fn new(what: impl Into<String>) -> Self {
        Error {
            what: what.into(),
            ..Error::default()
        }
    }

    /// Says what was there.
    pub fn found(mut self, found: impl fmt::Display) -> Self {
        self.found = Some(found.to_string());
        self
    }

    /// Says what should have been there.
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    /// Shows one way out.
    pub fn help(mut self, help: impl fmt::Display) -> Self {
        self.help = Some(help.to_string());
        self
    }

    /// Adds the failure underneath.
    pub fn caused_by(mut self, cause: impl Into<Error>) -> Self {
        self.cause = Some(Box::new(cause.into()));
        self
    }

    /// Names the component that failed. Where another one is named already, that one becomes the cause.
    pub fn within(self, plugin: &str, component: &str) -> Self {
        let name = format!("{plugin}/{component}");
        match &self.component {
            None => Error {
                component: Some(name),
                ..self
            },
            Some(inner) => Error {
                component: Some(name),
                what: format!("`{inner}` failed"),
                ..Error::default()
            }
            .caused_by(self),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(component) = &self.component {
            write!(f, "`{component}`: ")?;
        }
        f.write_str(&self.what)?;
        for (label, text) in [
            ("found    ", &self.found),
            ("expected ", &self.expected),
            ("help:", &self.help),
        ] {
            if let Some(text) = text {
                write!(f, "\n  {label} {}", text.replace('\n', "\n            "))?;
            }
        }
        match &self.cause {
            Some(cause) => write!(f, "\n  caused by {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_compilers() {
        let e = Error::new("panicked: on purpose")
            .help("do not")
            .within("alpha", "hostile")
            .within("alpha", "twice");
        assert_eq!(
            e.to_string(),
            "`alpha/twice`: `alpha/hostile` failed\n  caused by `alpha/hostile`: panicked: on purpose\n  help: do not"
        );
    }
}
