//! What recurrent layers share: how their weights lie, and what comes out.

use plugin_api::prelude::*;

/// A recurrent layer of so many gates, whose weights lie as in PyTorch's files: the gates one behind the other.
pub(super) struct Recurrent<'a> {
    pub(super) inputs: &'a Shapes,
    pub(super) out: Option<i64>,
    pub(super) gates: i64,
}

impl Recurrent<'_> {
    fn x(&self) -> Result<&[Axis]> {
        let x = port(self.inputs, "x")?;
        if x.len() != 3 {
            return Err(Error::new("a recurrent layer needs sequences")
                .found(show(x))
                .expected("[batch, steps, in]")
                .into());
        }
        Ok(x)
    }

    fn out(&self) -> Result<Axis> {
        Ok(axis("out", self.out.unwrap_or(width(self.inputs, "x")?)))
    }

    fn gates(&self) -> Result<Axis> {
        let gate = axis("gate", self.gates).fixed();
        Ok(Axis::product("gates", [gate, self.out()?]))
    }

    pub(super) fn weights(&self) -> Result<Vec<WeightSpec>> {
        self.x()?;
        let (gates, out) = (self.gates()?, self.out()?);
        let bound = 1.0 / (out.size.unwrap_or(1) as f64).sqrt();
        let uniform = || {
            let uniform = Recipe::new("baselines/uniform").with("low", -bound);
            uniform.with("high", bound)
        };
        let features = last_axis(self.inputs, "x")?.named("in");
        let of = |name: &str, axes: Shape| WeightSpec::new(name, axes, uniform());
        Ok(vec![
            of("input", vec![gates.clone(), features]).tag("prunable"),
            of("recurrent", vec![gates.clone(), out])
                .tag("prunable")
                .tag("recurrent"),
            of("input-bias", vec![gates.clone()]),
            of("recurrent-bias", vec![gates]),
        ])
    }

    pub(super) fn shapes(&self) -> Result<Shapes> {
        let [batch, steps, _] = self.x()? else {
            unreachable!("checked")
        };
        let out = self.out()?;
        Ok(Shapes::new()
            .with("x", vec![batch.clone(), steps.clone(), out.clone()])
            .with("state", vec![batch.clone(), out]))
    }

    pub(super) fn cost(&self) -> Result<Vec<Cost>> {
        let (steps, gates) = (&self.x()?[1], self.gates()?);
        let each = |from: Axis| Cost::new("macs", 1.0, [steps.clone(), gates.clone(), from]);
        let features = last_axis(self.inputs, "x")?.named("in");
        Ok(vec![each(features), each(self.out()?.named("from"))])
    }
}

/// The state before the first step, `[1, batch, out]`, and the weights in libtorch's order.
pub(super) fn start<'w>(
    w: &'w Tensors,
    x: &Tensor,
    gates: i64,
) -> Result<(Tensor, [&'w Tensor; 4])> {
    let weights = ["input", "recurrent", "input-bias", "recurrent-bias"].map(|name| &w[name]);
    let (Ok((batch, _, features)), Ok((_, out))) = (x.size3(), weights[1].size2()) else {
        return Err(Error::new("sequences are `[batch, steps, in]`")
            .found(format!("{:?}", x.size()))
            .into());
    };
    // libtorch reads beyond the end of weights that do not fit.
    let rows = gates * out;
    let fitting = [
        vec![rows, features],
        vec![rows, out],
        vec![rows],
        vec![rows],
    ];
    let found = weights.map(|weight| weight.size());
    if found != fitting {
        return Err(Error::new("the weights do not fit the sequences")
            .found(format!("{found:?}"))
            .expected(format!("{fitting:?}"))
            .into());
    }
    let state = Tensor::f_zeros([1, batch, out], (x.kind(), x.device()))?;
    Ok((state, weights))
}

/// What comes out: the state after each step, `[batch, steps, out]`, and after the last, from `[1, batch, out]`; where
/// `inputs` have `lengths`, the last is that of each sequence, and behind it there are zeros.
pub(super) fn given(y: Tensor, last: &Tensor, inputs: &Batch) -> Result<Batch> {
    if !inputs.contains("lengths") {
        return Ok(Batch::new()
            .with("x", y)
            .with("state", last.f_squeeze_dim(0)?));
    }
    let lengths = inputs.tensor("lengths")?;
    let (batch, steps, out) = y.size3()?;
    let theirs = sequences::mask(lengths, [batch, steps])?;
    // Steps behind the end change nothing before it: they are computed and left out.
    let y = y.f_masked_fill(&theirs.f_logical_not()?.f_unsqueeze(2)?, 0.0)?;
    let end = lengths.f_sub_scalar(1)?.f_clamp_min(0)?;
    let end = end
        .f_view([batch, 1, 1])?
        .f_expand([batch, 1, out], false)?;
    let state = y.f_gather(1, &end, false)?.f_squeeze_dim(1)?;
    Ok(Batch::new().with("x", y).with("state", state))
}

/// How ONNX writes it all: by this operator, whose gates stand in another order, that of these numbers.
pub(super) fn onnx(operator: &str, gates: &[usize], more: &str, inputs: &Shapes) -> Source {
    let ordered = |name: &str, weight: &str| {
        let names: Vec<String> = (0..gates.len())
            .map(|gate| format!("{name}{gate}"))
            .collect();
        let order: Vec<&str> = gates.iter().map(|gate| names[*gate].as_str()).collect();
        let (names, order, count) = (names.join(", "), order.join(", "), gates.len());
        match count {
            1 => format!("{name} = {weight}\n"),
            _ => format!(
                "\
{names} = Split({weight}, axis=0, num_outputs={count})
{name} = Concat({order}, axis=0)
"
            ),
        }
    };
    let weights = [
        ordered("from_input", "self.input"),
        ordered("from_state", "self.recurrent"),
        ordered("input_bias", "getattr(self, \"input-bias\")"),
        ordered("state_bias", "getattr(self, \"recurrent-bias\")"),
    ]
    .concat();
    let given = match inputs.contains("lengths") {
        false => "return {\"x\": y, \"state\": Squeeze(last, [0])}",
        true => {
            "\
within = Less(Range(0, Squeeze(Shape(x, start=1, end=2)), 1), Unsqueeze(lengths, [1]))
y = Where(Unsqueeze(within, [2]), y, 0.0)
end = Reshape(Max(lengths - 1, 0), [-1, 1, 1])
end = Expand(end, Concat([1, 1], Shape(y, start=2), axis=0))
return {\"x\": y, \"state\": Squeeze(GatherElements(y, end, axis=1), [1])}"
        }
    };
    // Of one direction: `[steps, directions, batch, out]` comes out.
    let forward = format!(
        "\
{weights}bias = Unsqueeze(Concat(input_bias, state_bias, axis=0), [0])
steps = Transpose(x, perm=[1, 0, 2])
y, last = {operator}(steps, Unsqueeze(from_input, [0]), Unsqueeze(from_state, [0]), bias, hidden_size=self.recurrent.size(1){more})
y = Transpose(Squeeze(y, [1]), perm=[1, 0, 2])
{given}"
    );
    Source::new(inputs, forward)
}

/// How PyTorch writes it all, where `run` makes `y` and `last` of `x`, `begin` and `weights`.
pub(super) fn written(run: &str, inputs: &Shapes) -> Source {
    let given = match inputs.contains("lengths") {
        false => "return {\"x\": y, \"state\": last.squeeze(0)}",
        true => {
            "\
within = torch.arange(x.size(1), device=x.device) < lengths.unsqueeze(1)
y = y.masked_fill(~within.unsqueeze(2), 0.0)
end = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, y.size(2))
return {\"x\": y, \"state\": y.gather(1, end).squeeze(1)}"
        }
    };
    let forward = format!(
        "\
weights = [self.input, self.recurrent, getattr(self, \"input-bias\"), getattr(self, \"recurrent-bias\")]
begin = x.new_zeros([1, x.size(0), self.recurrent.size(1)])
{run}
{given}"
    );
    Source::new(inputs, forward)
}
