//! A learned row for each symbol: `y = weight[x]`.
//!
//! `x`: `[..]`, int64, numbers of symbols counted from 0, to `[.., out]`; `weight` is `[symbols, out]`, as in PyTorch's
//! files. Source: Bengio et al. 2003, JMLR 3.

use plugin_api::prelude::*;

/// A learned row for each symbol, such as a word (Bengio et al. 2003).
#[component(layer = "embedding")]
struct Embedding {
    /// How many symbols there are.
    #[param(example = 1000, range = "1 <= x")]
    symbols: i64,
    /// Features of each.
    #[param(example = 64, range = "1 <= x")]
    out: i64,
}

impl Embedding {
    fn out(&self) -> Axis {
        axis("out", self.out)
    }
}

impl Layer for Embedding {
    fn weights(&self, _: &Shapes) -> Result<Vec<WeightSpec>> {
        // Which symbol is which, the data says: no row can leave.
        let symbols = axis("symbols", self.symbols).fixed();
        let axes = [symbols, self.out()];
        Ok(vec![WeightSpec::new("weight", axes, "baselines/normal")])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let symbols = port(inputs, "x")?.iter().cloned();
        Ok(Shapes::new().with("x", symbols.chain([self.out()]).collect()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (rows, x) = (&w["weight"], x.tensor("x")?);
        check(x, rows.size2()?.0)?;
        let y = Tensor::f_embedding(rows, x, -1, false, false)?; // [.., out]
        Ok(Batch::new().with("x", y))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let y = match to {
            Source::PYTORCH => "return torch.embedding(self.weight, x)",
            Source::ONNX => "return Gather(self.weight, x)",
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}

/// Refuses what are no numbers of so many symbols: libtorch would not name them, and on CUDA end the process.
fn check(x: &Tensor, symbols: i64) -> Result<()> {
    if x.kind() != Kind::Int64 {
        return Err(Error::new("`x` holds no symbols")
            .found(format!("{:?}", x.kind()))
            .expected("Int64, a number of each symbol")
            .into());
    }
    if x.numel() == 0 {
        return Ok(());
    }
    let (least, largest) = x.f_aminmax(None, false)?;
    for number in [i64::try_from(&least)?, i64::try_from(&largest)?] {
        if !(0..symbols).contains(&number) {
            return Err(Error::new("`x` holds a symbol that has no row")
                .found(number)
                .expected(format!("numbers from 0, below {symbols}"))
                .help("set `symbols` to how many there are")
                .into());
        }
    }
    Ok(())
}
