//! A forward pass as one layer sees it.

use std::cell::{Cell, RefCell};

use plugin_api::{Ask, Pass, Tensor, Tensors, random, stream};

/// What all layers of a pass share.
pub(crate) struct Run<'a> {
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) step: i64,
    pub(crate) seed: u64,
    pub(crate) taps: RefCell<Tensors>,
    /// Whether anybody looks at taps: most passes have nobody, and need no names.
    pub(crate) watched: bool,
}

impl<'a> Run<'a> {
    pub(crate) fn new(ask: &'a Ask<'a>, step: i64, seed: u64) -> Self {
        Run {
            ask,
            step,
            seed,
            taps: RefCell::default(),
            watched: ask.is_watched(),
        }
    }

    /// Shows a value under its full name.
    pub(crate) fn show(&self, tap: &str, x: Tensor) -> Tensor {
        let x = match self.ask.hook() {
            Some(hook) => hook.at(tap, x),
            None => x,
        };
        if self.ask.wants(tap) {
            self.taps.borrow_mut().put(tap, x.clone());
        }
        x
    }
}

/// The pass at one node.
pub(crate) struct NodePass<'a> {
    pub(crate) run: &'a Run<'a>,
    pub(crate) node: &'a str,
    pub(crate) draws: Cell<u32>,
}

impl Pass for NodePass<'_> {
    fn train(&self) -> bool {
        self.run.ask.is_train()
    }

    fn step(&self) -> i64 {
        self.run.step
    }

    fn tap(&self, name: &str, x: Tensor) -> Tensor {
        if self.run.watched {
            self.run.show(&format!("{}/{name}", self.node), x)
        } else {
            x
        }
    }

    fn uniform(&self, size: &[i64]) -> Tensor {
        let draw = self.draws.replace(self.draws.get() + 1);
        random::uniform(
            size,
            stream(
                self.run.seed,
                &format!("draw:{}:{}:{draw}", self.node, self.run.step),
            ),
        )
    }
}
