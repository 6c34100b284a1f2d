//! What a new plugin can begin with: for each role a small component that works, and the tests that hold it to its
//! equation.

use plugin_api_data::Error;

use crate::error::nearest;

/// A role, and the component that a new plugin begins with.
pub struct Role {
    /// `layer`, `strategy`, …
    pub name: &'static str,
    /// The component's file.
    pub(super) source: &'static str,
    /// The file of its tests.
    pub(super) tests: &'static str,
}

macro_rules! roles {
    ($($name:literal),* $(,)?) => {
        &[$(Role {
            name: $name,
            source: include_str!(concat!("../../templates/src/", $name, ".rs")),
            tests: include_str!(concat!("../../templates/tests/", $name, ".rs")),
        }),*]
    };
}

const ROLES: &[Role] = roles![
    "task",
    "layer",
    "initializer",
    "space",
    "strategy",
    "scorer",
    "trainer",
    "transform",
    "pruner",
    "hypernet",
    "relaxation",
    "objective",
    "schedule",
    "kernel",
    "analysis",
];

/// All roles.
pub fn roles() -> impl Iterator<Item = &'static str> {
    ROLES.iter().map(|role| role.name)
}

/// The role of this name.
///
/// # Errors
/// Where there is none.
pub fn role(name: &str) -> Result<&'static Role, Error> {
    ROLES.iter().find(|role| role.name == name).ok_or_else(|| {
        let all: Vec<&str> = roles().collect();
        let error = Error::new(format!("there is no role `{name}`")).expected(all.join(", "));
        match nearest(name, roles()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        }
    })
}

impl Role {
    /// The component's name.
    pub fn component(&self) -> &'static str {
        self.around_the_mark().1
    }

    /// The summary of what the component is, as a part of a sentence.
    pub(super) fn summary(&self) -> &'static str {
        let before = self.around_the_mark().0;
        let line = before.lines().next_back().unwrap_or_default();
        line.trim_start_matches("/// ").trim_end_matches('.')
    }

    /// Whether its tests need a session.
    pub(super) fn needs_session(&self) -> bool {
        self.tests.contains("use crate::session::")
    }

    /// The source up to `#[component(role = "name")]`, and the name.
    fn around_the_mark(&self) -> (&'static str, &'static str) {
        let mark = format!("#[component({} = \"", self.name);
        let found = self.source.split_once(&mark);
        let named = found.and_then(|(before, rest)| Some((before, rest.split_once('"')?.0)));
        named.expect(
            "each file of `templates/src` holds a component of the role that it is named after",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_role_has_a_component_with_a_name_of_its_own() {
        let names: BTreeSet<&str> = ROLES.iter().map(Role::component).collect();
        assert_eq!(names.len(), ROLES.len(), "{names:?}");
        let layer = role("layer").unwrap();
        assert_eq!(layer.component(), "scale");
        assert_eq!(
            layer.summary(),
            "Multiplies each feature by a learned factor: `y = x * scale`"
        );
    }
}
