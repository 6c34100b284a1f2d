//! Reads what a stage starts from.

use plugin_api_data::Arch;
use toml::de::{DeTable, DeValue};

use super::component::Checker;
use super::fields::{Node, Place, json, params, string, table};
use super::resolve::Reader;
use super::{Diagnostic, Origin, recipes};
use crate::error::Context;
use crate::files::read_within;

/// A larger file is no architecture that anyone could mean.
const ARCH: u64 = 64 << 20;

impl Reader<'_> {
    /// What a stage starts from.
    pub(super) fn origin(
        &mut self,
        node: &Node,
        fields: &DeTable,
        name: &str,
        earlier: &[String],
    ) -> Option<Origin> {
        match (fields.get("arch"), fields.get("from")) {
            (Some(_), Some(from)) => {
                self.errors.push(Diagnostic::new(
                    from.span(),
                    "a stage starts from one subject; this one has `arch` and `from`",
                ));
                None
            }
            (Some(arch), None) => self.arch(arch),
            (None, Some(from)) => Some(Origin::Stage(self.earlier(from, "from", earlier)?)),
            (None, None) => match earlier.last() {
                Some(last) => Some(Origin::Stage(last.clone())),
                None => {
                    let error = Diagnostic::new(
                        node.span(),
                        format!("the first stage, `{name}`, has no subject"),
                    );
                    self.errors.push(error.help("begin with a search, or give it `arch = \"file.json\"` or `arch = { use = SPACE, point = {…} }`"));
                    None
                }
            },
        }
    }

    /// The name of a stage that stands before this one.
    pub(super) fn earlier(&mut self, node: &Node, key: &str, earlier: &[String]) -> Option<String> {
        let wanted = string(node, key, &mut self.errors)?;
        if !earlier.iter().any(|s| s == wanted) {
            let error = Diagnostic::new(
                node.span(),
                format!("no stage before this one is named `{wanted}`"),
            );
            let list = earlier
                .iter()
                .map(|s| format!("`{s}`"))
                .collect::<Vec<_>>()
                .join(", ");
            self.errors.push(if earlier.is_empty() {
                error
            } else {
                error.help(format!("there is {list}"))
            });
        }
        Some(wanted.into())
    }

    fn arch(&mut self, node: &Node) -> Option<Origin> {
        match node.get_ref() {
            DeValue::String(file) => {
                let path = self.source.folder().join(file.as_ref());
                let read = read_within(&path, ARCH).context(|| "it cannot be read".into());
                match read.and_then(|bytes| {
                    serde_json::from_slice::<Arch>(&bytes)
                        .context(|| "it is no architecture".into())
                }) {
                    Ok(arch) => {
                        // The architecture holds no place of the experiment, so errors point at the file's name.
                        for recipe in recipes(&arch) {
                            let role = if arch.generated.iter().any(|g| g.hypernet == *recipe) {
                                "hypernet"
                            } else {
                                "layer"
                            };
                            let value = serde_json::to_value(recipe).expect("a recipe is JSON");
                            Checker {
                                catalog: self.catalog,
                                errors: &mut self.errors,
                            }
                            .component(
                                &value,
                                &Place::of(node),
                                role,
                                true,
                            );
                        }
                        Some(Origin::File(file.as_ref().into(), Box::new(arch)))
                    }
                    Err(e) => {
                        let cause = e.cause.map(|c| c.what).unwrap_or_default();
                        self.errors.push(
                            Diagnostic::new(
                                node.span(),
                                format!("the architecture `{}` cannot be used", path.display()),
                            )
                            .label(format!("{}: {cause}", e.what)),
                        );
                        None
                    }
                }
            }
            DeValue::Table(fields) => {
                let point = self
                    .required(fields, node.span(), "an architecture of a space", "point")
                    .and_then(|n| table(n, "point", &mut self.errors));
                let point = point.map(|p| params(p, &mut self.errors));
                let mut space = json(node, &mut self.errors);
                space
                    .as_object_mut()
                    .expect("it is a table")
                    .shift_remove("point");
                Some(Origin::Point(self.check(&space, node, "space")?, point?))
            }
            _ => {
                self.errors.push(Diagnostic::new(
                    node.span(),
                    "`arch` must be a file, or { use = SPACE, point = {…} }",
                ));
                None
            }
        }
    }
}
