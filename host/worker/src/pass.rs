//! A forward pass as one layer sees it.

use std::cell::{Cell, RefCell};

use plugin_api::boundary::raise;
use plugin_api::pass::dropped;
use plugin_api::{Ask, Choice, Choices, Pass, Result, Tensor, Tensors, stream};

use crate::native;

/// What all layers of a pass share.
pub(crate) struct Run<'a> {
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) step: i64,
    pub(crate) seed: u64,
    pub(crate) taps: RefCell<Tensors>,
    /// Whether anybody looks at taps: most passes have nobody, and need no names.
    pub(crate) watched: bool,
    /// Taps that objectives need.
    pub(crate) needed: &'a [String],
    /// What the options of each decision weigh.
    pub(crate) choices: Option<Choices>,
}

impl Run<'_> {
    /// Shows a value under its full name.
    pub(crate) fn show(&self, tap: &str, x: Tensor) -> Tensor {
        let x = match self.ask.hook() {
            Some(hook) => hook.at(tap, x),
            None => x,
        };
        if self.ask.wants(tap) || self.needed.iter().any(|needed| needed == tap) {
            self.taps.borrow_mut().put(tap, x.clone());
        }
        if self.ask.cuts(tap) {
            return x.detach().into();
        }
        x
    }
}

/// The pass at one layer.
pub(crate) struct LayerPass<'a> {
    pub(crate) run: &'a Run<'a>,
    /// Where the layer stands: `node`, or `node.2` in a mix.
    pub(crate) place: &'a str,
    pub(crate) weights: &'a Tensors,
    pub(crate) draws: Cell<u32>,
}

impl LayerPass<'_> {
    /// The stream of the next draw: of seed, place, step and its number.
    fn next_draw(&self) -> u64 {
        let draw = self.draws.replace(self.draws.get() + 1);
        let name = format!("draw:{}:{}:{draw}", self.place, self.run.step);
        stream(self.run.seed, &name)
    }
}

impl Pass for LayerPass<'_> {
    fn train(&self) -> bool {
        self.run.ask.is_train()
    }

    fn step(&self) -> i64 {
        self.run.step
    }

    fn tap(&self, name: &str, x: Tensor) -> Tensor {
        if self.run.watched {
            self.run.show(&format!("{}/{name}", self.place), x)
        } else {
            x
        }
    }

    fn choice(&self, decision: &str) -> Option<Choice> {
        self.run.choices.as_ref()?.get(decision).cloned()
    }

    fn keep(&self, buffer: &str, value: Tensor) {
        // A pass with other weights than the session's is a thought, not an experience.
        if self.train() && !self.run.ask.is_dry() {
            tch::no_grad(|| self.weights[buffer].shallow_clone().copy_(&value));
        }
    }

    fn uniform(&self, size: &[i64]) -> Tensor {
        let drawn = native::uniform(size, self.next_draw());
        drawn.unwrap_or_else(|e| raise(e)).into()
    }

    fn dropout(&self, x: &Tensor, rate: f64) -> Result<Tensor> {
        let key = self.next_draw();
        match native::dropout(x, rate, key) {
            Some(made) => Ok(made?.into()),
            None => dropped(x, &native::uniform(&x.size(), key)?.into(), rate),
        }
    }
}
