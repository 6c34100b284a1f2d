//! Reads steps: what is done with a subject.

use toml::de::DeTable;

use super::Diagnostic;
use super::fields::{Node, array, number, string, table};
use super::resolve::{Reader, keys};
use crate::protocol::Step;

/// What a step of `each` may do.
const STEPS: &[&str] = &["train", "prune", "cut", "generate", "score"];

impl Reader<'_> {
    /// What a stage or an arm does with its subject.
    pub(super) fn steps(&mut self, node: &Node, fields: &DeTable, verb: &str) -> Option<Vec<Step>> {
        if verb != "each" {
            return Some(vec![self.step(node, fields, verb)?]);
        }
        let each = &fields["each"];
        let steps = self.each(each)?;
        if steps.is_empty() {
            let what = "a stage needs one step or more";
            self.errors.push(Diagnostic::new(each.span(), what));
        }
        Some(steps)
    }

    pub(super) fn each(&mut self, node: &Node) -> Option<Vec<Step>> {
        let items = array(node, "each", &mut self.errors)?;
        let steps: Vec<Option<Step>> = items
            .iter()
            .map(|item| {
                let fields = table(item, "a step of each", &mut self.errors)?;
                let verb = self.verb(item, fields, STEPS, "step")?;
                self.refuse_keys(fields, verb, "step", keys(verb));
                self.step(item, fields, verb)
            })
            .collect();
        steps.into_iter().collect()
    }

    fn step(&mut self, node: &Node, fields: &DeTable, verb: &str) -> Option<Step> {
        match verb {
            "prune" => {
                let pruner = self.component(&fields["prune"], "pruner");
                let sparsity = self
                    .required(fields, node.span(), "a prune", "sparsity")
                    .and_then(|n| {
                        number(
                            n,
                            "sparsity",
                            "at least 0 and less than 1",
                            |x| (0.0..1.0).contains(&x),
                            &mut self.errors,
                        )
                    });
                let global = fields.get("scope").map_or(Some(true), |n| self.scope(n));
                Some(Step::Prune {
                    pruner: pruner?,
                    sparsity: sparsity?,
                    global: global?,
                })
            }
            "generate" => {
                let hypernet = self.component(&fields["generate"], "hypernet");
                let target = fields
                    .get("target")
                    .map_or(Some("model"), |n| string(n, "target", &mut self.errors));
                Some(Step::Generate {
                    hypernet: hypernet?,
                    target: target?.into(),
                })
            }
            "cut" => self.cut(&fields["cut"]),
            "score" => self.component(&fields["score"], "scorer").map(Step::Score),
            _ => self.component(&fields["train"], "trainer").map(Step::Train),
        }
    }

    fn scope(&mut self, node: &Node) -> Option<bool> {
        match node.get_ref().as_str() {
            Some("global") => Some(true),
            Some("layer") => Some(false),
            _ => {
                self.errors.push(Diagnostic::new(
                    node.span(),
                    "`scope` must be \"global\" or \"layer\"",
                ));
                None
            }
        }
    }

    fn cut(&mut self, node: &Node) -> Option<Step> {
        if node.get_ref().as_str() == Some("masked") {
            return Some(Step::Cut);
        }
        let error = Diagnostic::new(node.span(), "`cut` must be \"masked\"");
        self.errors
            .push(error.help("what is masked leaves; a `prune` stage masks"));
        None
    }
}
