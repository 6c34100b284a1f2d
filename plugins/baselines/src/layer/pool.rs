//! Pooling over one to three axes: of each channel, one number for each window.
//!
//! `x`: `[batch, channels, ..]` to `[batch, channels, ..]`, shorter. Source: LeCun et al. 1998 (mean), Ranzato et al.
//! 2007 (maximum).

use std::ops::Range;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

use super::windows;

/// One number for each window of a channel, over as many axes as follow the channels, one to three.
#[component(layer = "pool")]
struct Pool {
    /// What becomes of a window.
    #[param(default = "mean")]
    kind: Kind,
    /// Length of the window along each axis; the whole axis where it is left out.
    #[param(range = "1 <= x")]
    kernel: Option<i64>,
    /// Steps between windows; as long as a window where it is left out.
    #[param(range = "1 <= x")]
    stride: Option<i64>,
    /// How far windows reach over each side, at most half of their length; only numbers that are there count.
    #[param(default = 0, range = "0 <= x")]
    padding: i64,
}

/// What becomes of a window.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Kind {
    /// Its mean.
    Mean,
    /// Its largest number.
    Max,
}

impl Layer for Pool {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let x = port(inputs, "x")?;
        if !(3..=5).contains(&x.len()) {
            return Err(
                Error::new("pooling needs one to three axes after the channels")
                    .found(show(x))
                    .expected("[batch, channels, ..]")
                    .into(),
            );
        }
        let slide = |along: &Axis| match self.kernel {
            Some(kernel) if 2 * self.padding > kernel => {
                Err(Error::new("windows would lie beside what they slide over")
                    .found(format!("a padding of {}", self.padding))
                    .expected(format!("at most {}", kernel / 2))
                    .into())
            }
            Some(kernel) => windows(along, kernel, self.stride.unwrap_or(kernel), self.padding),
            None => Ok(axis(&along.name, 1).fixed()),
        };
        let along = x[2..].iter().map(slide).collect::<Result<Vec<_>>>()?;
        let shape = x[..2].iter().cloned().chain(along).collect();
        Ok(Shapes::new().with("x", shape))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let x = x.tensor("x")?;
        let size = x.size();
        let of = |n: Option<i64>| match n {
            Some(n) => vec![n; size.len() - 2],
            None => size[2..].to_vec(),
        };
        let kernel = of(self.kernel);
        let stride = of(self.stride.or(self.kernel));
        let padding = match self.kernel {
            Some(_) => of(Some(self.padding)),
            None => of(Some(0)),
        };
        let one = of(Some(1));
        let y = match (self.kind, size.len()) {
            (Kind::Mean, 3) => x.f_avg_pool1d(kernel, stride, padding, false, false)?,
            (Kind::Mean, 4) => x.f_avg_pool2d(kernel, stride, padding, false, false, None)?,
            (Kind::Mean, _) => x.f_avg_pool3d(kernel, stride, padding, false, false, None)?,
            (Kind::Max, 3) => x.f_max_pool1d(kernel, stride, padding, one, false)?,
            (Kind::Max, 4) => x.f_max_pool2d(kernel, stride, padding, one, false)?,
            (Kind::Max, _) => x.f_max_pool3d(kernel, stride, padding, one, false)?,
        };
        Ok(Batch::new().with("x", y))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let axes = 2..port(inputs, "x")?.len();
        let y = match to {
            Source::PYTORCH => self.pytorch(axes),
            Source::ONNX => self.onnx(axes.len()),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}

impl Pool {
    fn pytorch(&self, axes: Range<usize>) -> String {
        match (self.kind, self.kernel) {
            (Kind::Mean, None) => format!("return x.mean({}, keepdim=True)", list(axes)),
            (Kind::Max, None) => format!("return x.amax({}, keepdim=True)", list(axes)),
            (Kind::Mean, Some(kernel)) => self.mean(kernel, axes),
            (Kind::Max, Some(kernel)) => format!(
                "return torch.max_pool{}d(x, {kernel}, {}, {})",
                axes.len(),
                self.stride.unwrap_or(kernel),
                self.padding
            ),
        }
    }

    fn onnx(&self, axes: usize) -> String {
        let Some(kernel) = self.kernel else {
            return match self.kind {
                Kind::Mean => "return GlobalAveragePool(x)".into(),
                Kind::Max => "return GlobalMaxPool(x)".into(),
            };
        };
        let each = |n: i64| vec![n; axes];
        let (length, strides) = (each(kernel), each(self.stride.unwrap_or(kernel)));
        let pads = [each(self.padding), each(self.padding)].concat();
        let windows = format!("kernel_shape={length:?}, strides={strides:?}, pads={pads:?}");
        match self.kind {
            Kind::Mean => format!("return AveragePool(x, {windows}, count_include_pad=0)"),
            Kind::Max => format!("return MaxPool(x, {windows})"),
        }
    }

    /// How PyTorch writes the mean of each window, which `torch` itself has for one axis alone.
    fn mean(&self, kernel: i64, axes: Range<usize>) -> String {
        let stride = self.stride.unwrap_or(kernel);
        let unfold = |axis| format!(".unfold({axis}, {kernel}, {stride})");
        let unfolded: String = axes.clone().map(unfold).collect();
        let windows = list((1..=axes.len()).map(|i| format!("-{i}")));
        if self.padding == 0 {
            return format!("return x{unfolded}.mean({windows})");
        }
        let padding = list(axes.flat_map(|_| [self.padding; 2]));
        format!(
            "\
there = torch.constant_pad_nd(torch.ones_like(x), {padding}){unfolded}
x = torch.constant_pad_nd(x, {padding}){unfolded}
return x.sum({windows}) / there.sum({windows})"
        )
    }
}

/// A list, as Python writes it.
fn list<T: std::fmt::Display>(of: impl IntoIterator<Item = T>) -> String {
    let of: Vec<String> = of.into_iter().map(|x| x.to_string()).collect();
    format!("[{}]", of.join(", "))
}
