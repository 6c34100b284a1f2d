//! What layers with attention share: how their weights lie, which keys are seen, and what is computed.

use plugin_api::prelude::*;

/// Scaled dot-product attention by several heads, with the maps before and behind it: the equation of
/// `multi-head-attention`.
pub(super) struct Attention {
    pub(super) heads: i64,
    /// Whether the maps add a learned `b`.
    pub(super) bias: bool,
    /// Whether a step sees no later one.
    pub(super) causal: bool,
    /// Probability that, in training, a head does not see what it would see.
    pub(super) dropout: f64,
}

impl Attention {
    /// Queries and keys, and values, of all heads. What leaves a query would change its scale: none can.
    fn parts(&self, out: &Axis) -> Result<[Axis; 2]> {
        let width = out.size.unwrap_or_default();
        if width % self.heads != 0 {
            return Err(Error::new(format!(
                "{width} features cannot be split among {} heads",
                self.heads
            ))
            .expected("a multiple of `heads`")
            .help("set `heads` or the width")
            .into());
        }
        let value = [
            axis("heads", self.heads).fixed(),
            axis("head", width / self.heads),
        ];
        Ok([axis("query", width).fixed(), Axis::product("value", value)])
    }

    /// The weights for queries, keys and values of these features, with outputs of those.
    pub(super) fn weights(&self, from: [Axis; 3], out: &Axis) -> Result<Vec<WeightSpec>> {
        let [query, value] = self.parts(out)?;
        let maps = [("query", &query), ("key", &query), ("value", &value)];
        let maps = maps.into_iter().zip(from);
        let maps = maps.map(|((name, to), from)| (name, to.clone(), from.named("in")));
        let maps = maps.chain([("output", out.clone().named("out"), value.clone())]);
        let of_map = |(name, to, from): (&str, Axis, Axis)| {
            let weight = WeightSpec::new(name, [to.clone(), from], "baselines/glorot");
            let bias = WeightSpec::new(&format!("{name}-bias"), [to], "baselines/zeros");
            [Some(weight.tag("prunable")), self.bias.then_some(bias)]
        };
        Ok(maps.flat_map(of_map).flatten().collect())
    }

    /// What it takes: for queries, keys and values of these features over so many steps, with outputs of those.
    pub(super) fn cost(&self, from: [&[Axis]; 3], out: &Axis) -> Result<Vec<Cost>> {
        let [query, value] = self.parts(out)?;
        let [x, keys, values] = from;
        let (steps, seen) = (&x[1], &keys[1]);
        let each = |axes: [&Axis; 3]| Cost::new("macs", 1.0, axes.map(Axis::clone));
        Ok(vec![
            each([steps, &x[2], &query]),
            each([seen, &keys[2], &query]),
            each([seen, &values[2], &value]),
            each([steps, seen, &query]),
            each([steps, seen, &value]),
            each([steps, &value, out]),
        ])
    }

    /// Queries, keys and values, `[batch, steps, in]`, to `[batch, steps, out]`; of padded keys the first `lengths`,
    /// `[batch]`, are seen. Where no key is, `y` is the bias.
    pub(super) fn forward(
        &self,
        w: &Tensors,
        from: [&Tensor; 3],
        lengths: Option<&Tensor>,
        pass: &dyn Pass,
    ) -> Result<Tensor> {
        let [query, key, value] = from;
        let (q, k, v) = (
            self.split(w, "query", query)?,
            self.split(w, "key", key)?,
            self.split(w, "value", value)?,
        );
        let y = self.attend([&q, &k, &v], lengths, pass)?;
        let y = y.f_transpose(1, 2)?.f_flatten(2, 3)?; // [batch, steps, values]
        mapped(w, "output", &y)
    }

    /// How PyTorch writes it, for queries, keys and values from arguments of these names.
    pub(super) fn written(&self, from: [&str; 3], inputs: &Shapes) -> Source {
        let heads = self.heads;
        let map = |name: &str, x: &str| match self.bias {
            true => format!("{x} @ self.{name}.t() + getattr(self, \"{name}-bias\")"),
            false => format!("{x} @ self.{name}.t()"),
        };
        let split = |(short, name, x): (&str, &str, &str)| {
            let y = map(name, x);
            format!("{short} = ({y}).unflatten(2, [{heads}, -1]).transpose(1, 2)\n")
        };
        let maps = [
            ("q", "query", from[0]),
            ("k", "key", from[1]),
            ("v", "value", from[2]),
        ];
        let maps: String = maps.map(split).concat();
        let masked = self.masked(inputs.contains("lengths"));
        let dropped = match self.dropout > 0.0 {
            true => format!(
                "attention = torch.dropout(attention, {:?}, self.training)\n",
                self.dropout
            ),
            false => String::new(),
        };
        let output = map("output", "y");
        let forward = format!(
            "\
{maps}scores = q @ k.transpose(2, 3) / q.size(3) ** 0.5
{masked}{dropped}y = (attention @ v).transpose(1, 2).flatten(2)
return {output}"
        );
        Source::new(inputs, forward)
    }

    /// How PyTorch makes `attention` of `scores`, `[batch, heads, steps, keys]`.
    fn masked(&self, lengths: bool) -> String {
        let earlier = "torch.ones_like(scores).tril() > 0";
        let theirs = "torch.arange(scores.size(3), device=x.device) < lengths.view(-1, 1, 1, 1)";
        let seen = match (self.causal, lengths) {
            (false, false) => return "attention = torch.softmax(scores, -1)\n".into(),
            (true, false) => earlier.into(),
            (false, true) => theirs.into(),
            (true, true) => format!("({earlier}) & ({theirs})"),
        };
        format!(
            "\
seen = {seen}
attention = torch.softmax(scores.masked_fill(~seen, float(\"-inf\")), -1)
attention = attention.masked_fill(~seen, 0.0)  # where no key is seen
"
        )
    }

    /// What a map makes of steps, `[batch, heads, steps, numbers of a head]`.
    fn split(&self, w: &Tensors, name: &str, x: &Tensor) -> Result<Tensor> {
        let Ok((batch, steps, _)) = x.size3() else {
            return Err(Error::new("attention is paid to steps of sequences")
                .found(format!("{:?}", x.size()))
                .expected("[batch, steps, in]")
                .into());
        };
        let y = mapped(w, name, x)?;
        let of_head = y.size()[2] / self.heads;
        let y = y.f_reshape([batch, steps, self.heads, of_head])?;
        Ok(y.f_transpose(1, 2)?)
    }

    /// Which keys each step sees: `[batch or 1, 1, steps or 1, keys]`, bool; `None` where that is all of them.
    fn seen(&self, q: &Tensor, k: &Tensor, lengths: Option<&Tensor>) -> Result<Option<Tensor>> {
        let (batch, steps, keys) = (k.size()[0], q.size()[2], k.size()[2]);
        let earlier = match self.causal {
            true => {
                let all = Tensor::f_ones([1, 1, steps, keys], (Kind::Bool, k.device()))?;
                Some(all.f_tril(0)?)
            }
            false => None,
        };
        let Some(lengths) = lengths else {
            return Ok(earlier);
        };
        let theirs = sequences::mask(lengths, [batch, keys])?;
        let theirs = theirs.f_view([batch, 1, 1, keys])?;
        Ok(Some(match earlier {
            Some(earlier) => earlier.f_logical_and(&theirs)?,
            None => theirs,
        }))
    }

    /// How ONNX writes it, likewise.
    pub(super) fn onnx(&self, from: [&str; 3], inputs: &Shapes) -> Source {
        let heads = self.heads;
        let map = |name: &str, x: &str| match self.bias {
            true => format!(
                "{x} @ Transpose(self.{name}, perm=[1, 0]) + getattr(self, \"{name}-bias\")"
            ),
            false => format!("{x} @ Transpose(self.{name}, perm=[1, 0])"),
        };
        let split = |(short, name, x): (&str, &str, &str)| {
            let y = map(name, x);
            format!("{short} = Transpose(Reshape({y}, [0, 0, {heads}, -1]), perm=[0, 2, 1, 3])\n")
        };
        let maps = [
            ("q", "query", from[0]),
            ("k", "key", from[1]),
            ("v", "value", from[2]),
        ];
        let maps: String = maps.map(split).concat();
        let masked = self.onnx_masked(inputs.contains("lengths"));
        let output = map("output", "y");
        let forward = format!(
            "\
{maps}scale = Sqrt(CastLike(Shape(q, start=3), q))
scores = q @ Transpose(k, perm=[0, 1, 3, 2]) / scale
{masked}
y = Reshape(Transpose(attention @ v, perm=[0, 2, 1, 3]), [0, 0, -1])
return {output}"
        );
        Source::new(inputs, forward)
    }

    /// How ONNX makes `attention` of `scores`.
    fn onnx_masked(&self, lengths: bool) -> String {
        let keys = "keys = Range(0, Squeeze(Shape(scores, start=3)), 1)\n";
        let earlier = "\
steps = Range(0, Squeeze(Shape(scores, start=2, end=3)), 1)
earlier = GreaterOrEqual(Unsqueeze(steps, [1]), keys)
";
        let theirs = "theirs = Less(keys, Reshape(lengths, [-1, 1, 1, 1]))\n";
        let seen = match (self.causal, lengths) {
            (false, false) => return "attention = Softmax(scores, axis=-1)".into(),
            (true, false) => format!("{earlier}seen = earlier"),
            (false, true) => format!("{theirs}seen = theirs"),
            (true, true) => format!("{earlier}{theirs}seen = And(earlier, theirs)"),
        };
        // The second line is for steps that see no key.
        format!(
            "\
{keys}{seen}
attention = Softmax(Where(seen, scores, -3.0e38), axis=-1)
attention = Where(seen, attention, 0.0)"
        )
    }

    /// The attention of each head times its values: `[batch, heads, steps, numbers of a value]`.
    fn attend(
        &self,
        [q, k, v]: [&Tensor; 3],
        lengths: Option<&Tensor>,
        pass: &dyn Pass,
    ) -> Result<Tensor> {
        let seen = self.seen(q, k, lengths)?;
        let drops = pass.train() && self.dropout > 0.0;
        let recorded = [q, k, v].iter().any(|t| t.requires_grad());
        if !drops && !recorded {
            // libtorch's kernels keep no tensor of `[steps, keys]`, but they draw from a generator of their own, and
            // their gradients cannot be differentiated. Steps that are not seen are skipped where no mask says so.
            let (seen, causal) = match lengths {
                None => (None, self.causal),
                Some(_) => (seen, false),
            };
            return Ok(Tensor::f_scaled_dot_product_attention(
                q, k, v, seen, 0.0, causal, None, false,
            )?);
        }
        let scale = 1.0 / (q.size()[3] as f64).sqrt();
        let mut scores = q.f_mul_scalar(scale)?.f_matmul(&k.f_transpose(2, 3)?)?;
        if let Some(seen) = seen {
            scores = scores.f_masked_fill(&seen.f_logical_not()?, f64::NEG_INFINITY)?;
        }
        // Zeros where no key is seen.
        let mut attention = scores.f_internal_safe_softmax(-1, None::<Kind>)?;
        if drops {
            attention = pass.dropout(&attention.into(), self.dropout)?.into();
        }
        Ok(attention.f_matmul(v)?)
    }
}

/// The affine map of this name.
fn mapped(w: &Tensors, name: &str, x: &Tensor) -> Result<Tensor> {
    let bias = w.get(&format!("{name}-bias")).map(|bias| &**bias);
    Ok(x.f_linear(&w[name], bias)?)
}

/// The lengths of padded sequences, where they come in.
pub(super) fn lengths(inputs: &Batch) -> Result<Option<&Tensor>> {
    match inputs.contains("lengths") {
        true => Ok(Some(inputs.tensor("lengths")?)),
        false => Ok(None),
    }
}

/// The shape of sequences at a port.
pub(super) fn steps<'a>(inputs: &'a Shapes, port: &str) -> Result<&'a [Axis]> {
    let shape = plugin_api::port(inputs, port)?;
    if shape.len() != 3 {
        return Err(Error::new("attention is paid to steps of sequences")
            .found(show(shape))
            .expected("[batch, steps, in]")
            .into());
    }
    last_axis(inputs, port)?;
    Ok(shape)
}
