//! Graph convolution over several powers of the adjacency at once, side by side.
//!
//! ```text
//! y = [x W_0 | A x W_1 | A^2 x W_2 | …] + b,   A = D^-1/2 (adjacency + I) D^-1/2
//! ```
//!
//! `x`: `[nodes, in]` to `[nodes, out]`, over `graph`. Source: Abu-El-Haija et al. 2019, equation 3; the bias is ours,
//! and so is one width for all powers together, split as evenly as it goes, the lower powers first.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch};

/// Graph convolution over several powers of the adjacency, side by side (Abu-El-Haija et al. 2019).
#[component(layer = "mixhop")]
struct MixHop {
    /// Features that come out, of all powers together; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
    /// The highest power of the adjacency.
    #[param(default = 2, range = "0 <= x <= 16")]
    powers: i64,
}

impl MixHop {
    /// The features of each power.
    fn parts(&self, inputs: &Shapes) -> Result<Vec<Axis>> {
        let width = width(inputs, "x")?;
        let out = self.out.unwrap_or(width);
        if out <= self.powers {
            return Err(Error::new(format!(
                "{out} features leave nothing for some of {} powers",
                self.powers + 1
            ))
            .expected("a feature or more for each power, the zeroth among them")
            .help("set `out` or `powers`")
            .into());
        }
        let powers = self.powers + 1;
        let of_power = |power: i64| out / powers + i64::from(power < out % powers);
        let part = |power| axis(&format!("out-{power}"), of_power(power));
        Ok((0..powers).map(part).collect())
    }

    fn out(&self, inputs: &Shapes) -> Result<Axis> {
        Ok(Axis::sum("out", self.parts(inputs)?))
    }
}

impl Layer for MixHop {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let features = last_axis(inputs, "x")?.named("in");
        let weight = |(power, part): (usize, Axis)| {
            WeightSpec::new(
                &format!("weight-{power}"),
                [features.clone(), part],
                "baselines/glorot",
            )
            .tag("prunable")
        };
        let bias = WeightSpec::new("bias", [self.out(inputs)?], "baselines/zeros");
        let parts = self.parts(inputs)?.into_iter().enumerate();
        Ok(parts.map(weight).chain([bias]).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "graph")?;
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, self.out(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let adjacency = x.graph("graph")?.with_self_loops()?.normalised()?;
        let mut parts = vec![];
        for power in 0..=self.powers {
            // Mapped first: a power runs over its own few features instead of all that come in.
            let mut part = x.product("x", &w[&format!("weight-{power}")])?; // [nodes, out of this power]
            for _ in 0..power {
                part = adjacency.matmul(&part)?;
            }
            parts.push(part);
        }
        Ok(Batch::new().with("x", Tensor::f_cat(&parts, -1)?.f_add(&w["bias"])?))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let looped = pytorch::with_self_loops("graph", "h");
        let normalised = pytorch::normalised("graph", "h");
        let around = pytorch::matmul("graph", "h");
        let of_power = |power: i64| {
            let mapped = format!("h = x @ getattr(self, \"weight-{power}\")\n");
            let hops = format!("for _ in range({power}):\n    h = {around}\n");
            format!("{mapped}{hops}parts.append(h)\n")
        };
        let powers: String = (1..=self.powers).map(of_power).collect();
        let forward = format!(
            "\
h = x @ getattr(self, \"weight-0\")
parts = [h]
{looped}
{normalised}
{powers}return torch.cat(parts, 1) + self.bias"
        );
        match to {
            Source::PYTORCH => Ok(Some(Source::new(inputs, forward))),
            Source::ONNX => Ok(Some(Source::new(inputs, self.onnx()))),
            _ => Ok(None),
        }
    }
}

impl MixHop {
    fn onnx(&self) -> String {
        let (looped, normalised) = (onnx::with_self_loops("graph"), onnx::normalised("graph"));
        let around = onnx::matmul("graph", "h", "h");
        let of_power = |power: i64| {
            let hops = format!("{around}\n").repeat(usize::try_from(power).unwrap_or_default());
            format!("h = x @ getattr(self, \"weight-{power}\")\n{hops}part_{power} = h\n")
        };
        let powers: String = (0..=self.powers).map(of_power).collect();
        let parts: Vec<String> = (0..=self.powers)
            .map(|power| format!("part_{power}"))
            .collect();
        let parts = parts.join(", ");
        format!(
            "\
{looped}
{normalised}
{powers}return Concat({parts}, axis=1) + self.bias"
        )
    }
}
