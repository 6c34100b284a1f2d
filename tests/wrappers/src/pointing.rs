//! Pointer networks (Vinyals et al. 2015): what comes out are positions of what comes in, so that there are as many of the
//! one as of the other, whatever the weights were learned on.

use plugin_api::prelude::*;

/// Puts encoded items in an order: each step attends over the items that are left, and points at one.
///
/// Where it sees a `target`, it is forced to follow it; else it decodes by a beam search.
///
/// `x` `[batch, items, features]`, and, where a batch has them, `target` `[batch, items]` and `lengths` `[batch]`, int64:
/// the items of a sequence behind its length are padding, which is pointed at in its own places, for sure. To `x`
/// `[batch, items, items]`, the probabilities at each step; `order` `[batch, items]`, int64, the target that was followed
/// or the order that was found; `log-likelihood` `[batch]`, that of the order.
#[component(layer = "pointer")]
struct Pointer {
    /// The decoder's cell: from the item that was pointed at last, `x`, and `state` to the next `state`. What it begins
    /// with is what the encoder ended with, the last item.
    #[param(default = "wrappers/cell")]
    cell: Use<dyn Layer>,
    /// Hypotheses that the search keeps of each sequence; with one it is greedy.
    #[param(default = 1, range = "1 <= x")]
    beams: i64,
}

impl Layer for Pointer {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let x = sequences(inputs)?;
        let (features, attention) = (last_axis(inputs, "x")?, axis("attention", x[2].size));
        let row = vec![x[0].clone(), features.clone()];
        let step = Shapes::new().with("x", row.clone()).with("state", row);
        let cell = self.cell.weights(&step)?.into_iter();
        let map = |name: &str| {
            let axes = [attention.clone(), features.clone().named("in")];
            WeightSpec::new(name, axes, "baselines/glorot")
        };
        let own = [
            map("key"),
            map("query"),
            WeightSpec::new("score", [attention.clone()], "baselines/uniform"),
            WeightSpec::new("start", [features.clone()], "baselines/uniform"),
        ];
        Ok(cell.map(|spec| spec.under("cell.")).chain(own).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let [batch, items, _] = sequences(inputs)?;
        let steps = || items.clone().named("steps");
        Ok(Shapes::new()
            .with("x", vec![batch.clone(), steps(), items.clone()])
            .with("order", vec![batch.clone(), steps()])
            .with("log-likelihood", vec![batch.clone()]))
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let decoder = Decoder::new(&*self.cell, w, x, pass)?;
        let order = match x.contains("target") {
            true => x.tensor("target")?.shallow_clone(),
            false => tch::no_grad(|| decoder.search(self.beams))?,
        };
        let logs = decoder.follow(&order)?;
        let chosen = logs.f_gather(2, &order.f_unsqueeze(2)?, false)?;
        let likelihood = chosen.f_sum_dim_intlist([1_i64, 2].as_slice(), false, None::<Kind>)?;
        Ok(Batch::new()
            .with("x", logs.f_exp()?)
            .with("order", order)
            .with("log-likelihood", likelihood))
    }
}

fn sequences(inputs: &Shapes) -> Result<&[Axis; 3]> {
    let x = port(inputs, "x")?;
    x.as_slice().try_into().map_err(|_| {
        let error = Error::new("a pointer needs sequences").found(show(x));
        error.expected("[batch, items, features]").into()
    })
}

/// The weights, and the items of a batch.
struct Decoder<'a> {
    cell: &'a dyn Layer,
    of_cell: Tensors,
    w: &'a Tensors,
    pass: Within<'a>,
    /// `[batch, items, features]`.
    x: &'a Tensor,
    /// What queries are held to: `[batch, items, attention]`.
    keys: Tensor,
    /// `[batch]`.
    lengths: Tensor,
}

/// Orders as far as they are decoded, a row each.
struct Hypotheses {
    /// The sample that each belongs to: `[rows]`.
    sample: Tensor,
    /// `[rows, features]`.
    state: Tensor,
    /// The item that each pointed at last: `[rows, features]`.
    last: Tensor,
    /// Which items each has pointed at: `[rows, items]`.
    taken: Tensor,
}

impl<'a> Decoder<'a> {
    fn new(cell: &'a dyn Layer, w: &'a Tensors, x: &'a Batch, pass: &'a dyn Pass) -> Result<Self> {
        let lengths = match x.contains("lengths") {
            true => Some(x.tensor("lengths")?.shallow_clone()),
            false => None,
        };
        let x = x.tensor("x")?;
        let (batch, items, _) = x.size3()?;
        let full = || Tensor::f_full([batch], items, (Kind::Int64, x.device()));
        Ok(Decoder {
            cell,
            of_cell: w.under("cell."),
            w,
            pass: Within {
                outer: pass,
                name: "cell",
                hook: None,
            },
            x,
            keys: x.f_linear(&w["key"], None::<&Tensor>)?,
            lengths: lengths.map_or_else(full, Ok)?,
        })
    }

    fn samples(&self) -> i64 {
        self.x.size()[0]
    }

    fn items(&self) -> i64 {
        self.x.size()[1]
    }

    /// One hypothesis for each sample, which has pointed at nothing yet.
    fn begin(&self) -> Result<Hypotheses> {
        let sample = Tensor::f_arange(self.samples(), (Kind::Int64, self.x.device()))?;
        let size = [self.samples(), self.items()];
        Ok(Hypotheses {
            state: self.at(&sample, &self.lengths.f_sub_scalar(1)?)?,
            last: self.w["start"].f_expand([self.samples(), -1], false)?,
            taken: Tensor::f_zeros(size, (Kind::Bool, self.x.device()))?,
            sample,
        })
    }

    /// The items at these places of these samples: `[rows, features]`.
    fn at(&self, sample: &Tensor, place: &Tensor) -> Result<Tensor> {
        Ok(self.x.f_index(&[Some(sample), Some(place)])?)
    }

    /// The log-probability of each item to be next, `[rows, items]`, and the state from which it was computed.
    fn point(&self, so_far: &Hypotheses, step: i64) -> Result<(Tensor, Tensor)> {
        let from = Batch::new()
            .with("x", &so_far.last)
            .with("state", &so_far.state);
        let state = self.cell.forward(&self.of_cell, &from, &self.pass)?;
        let state = state.tensor("state")?;
        let query = state.f_linear(&self.w["query"], None::<&Tensor>)?;
        let keys = self.keys.f_index_select(0, &so_far.sample)?;
        let scores = keys.f_add(&query.f_unsqueeze(1)?)?.f_tanh()?;
        let scores = scores.f_matmul(&self.w["score"])?; // [rows, items]

        // A row in which all is closed would have no softmax: so padding stays open, each at its own step.
        let place = Tensor::f_arange(self.items(), (Kind::Int64, scores.device()))?;
        let length = self.lengths.f_index_select(0, &so_far.sample)?;
        let length = length.f_unsqueeze(1)?;
        let closed = so_far.taken.f_logical_or(&place.f_ge_tensor(&length)?)?;
        let closed = closed.f_where_self(&length.f_gt(step)?, &place.f_ne(step)?)?;
        let logs = scores.f_masked_fill(&closed, f64::NEG_INFINITY)?;
        Ok((logs.f_log_softmax(-1, None::<Kind>)?, state.shallow_clone()))
    }

    /// These of the hypotheses, `[rows]`, each with one more item, `[rows]`.
    fn go_on(
        &self,
        so_far: &Hypotheses,
        state: &Tensor,
        from: &Tensor,
        item: &Tensor,
    ) -> Result<Hypotheses> {
        let sample = so_far.sample.f_index_select(0, from)?;
        let taken = so_far.taken.f_index_select(0, from)?;
        Ok(Hypotheses {
            state: state.f_index_select(0, from)?,
            last: self.at(&sample, item)?,
            taken: taken.f_scatter_value(1, &item.f_unsqueeze(1)?, 1)?,
            sample,
        })
    }

    /// The log-probabilities at each step of these orders: `[batch, steps, items]`.
    fn follow(&self, order: &Tensor) -> Result<Tensor> {
        let mut so_far = self.begin()?;
        let from = so_far.sample.shallow_clone();
        let mut logs = vec![];
        for step in 0..self.items() {
            let (log, state) = self.point(&so_far, step)?;
            so_far = self.go_on(&so_far, &state, &from, &order.f_select(1, step)?)?;
            logs.push(log);
        }
        Ok(Tensor::f_stack(&logs, 1)?)
    }

    /// The best order of each sample that a search finds which keeps so many hypotheses: `[batch, items]`.
    fn search(&self, beams: i64) -> Result<Tensor> {
        let mut so_far = self.begin()?;
        let (samples, items) = (self.samples(), self.items());
        let mut likelihood = Tensor::f_zeros([samples, 1], (self.x.kind(), self.x.device()))?;
        let mut order = so_far.sample.f_unsqueeze(1)?.f_narrow(1, 0, 0)?;
        for step in 0..items {
            let (log, state) = self.point(&so_far, step)?;
            let kept = likelihood.size()[1];
            let reached = likelihood.f_view([-1, 1])?.f_add(&log)?;
            let reached = reached.f_view([samples, kept * items])?;
            let (best, which) = reached.f_topk(beams.min(kept * items), 1, true, true)?;
            let first = Tensor::f_arange(samples, (Kind::Int64, best.device()))?;
            let first = first.f_mul_scalar(kept)?.f_unsqueeze(1)?;
            let from = which.f_floor_divide_scalar(items)?.f_add(&first)?;
            let (from, item) = (from.f_view([-1])?, which.f_remainder(items)?.f_view([-1])?);
            so_far = self.go_on(&so_far, &state, &from, &item)?;
            order = Tensor::f_cat(&[order.f_index_select(0, &from)?, item.f_unsqueeze(1)?], 1)?;
            likelihood = best;
        }
        // The best of each sample stands first.
        let kept = likelihood.size()[1];
        Ok(order.f_view([samples, kept, items])?.f_select(1, 0)?)
    }
}
