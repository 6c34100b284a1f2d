//! Products of a graph's powers: what came of a tensor is kept.

use std::sync::{Mutex, PoisonError};

use plugin_api::{Error, Result, Tensor};

use super::weighted::Weighted;
use crate::native;
use crate::same::Same;

/// How many products are kept: the last ones.
const KEPT: usize = 4;

/// Products that were asked for, the last one last.
#[derive(Default)]
pub(super) struct Powers(Mutex<Vec<Product>>);

struct Product {
    hops: i64,
    x: Same,
    product: Same,
}

impl Weighted {
    /// `A^hops x`.
    pub(super) fn power(&self, x: &tch::Tensor, hops: i64) -> Result<Tensor> {
        if hops < 0 {
            let what = "a product goes over a whole number of hops";
            return Err(Error::new(what).found(hops).expected("0 or more").into());
        }
        self.check("x", x, ["source nodes", "features"])?;
        let size = self.topology.size;
        if hops > 1 && size.nodes != size.source_nodes {
            let what = "only edges among nodes of one kind are gone twice";
            return Err(Error::new(what)
                .found(format!("{hops} hops"))
                .expected("1 hop from nodes of another kind")
                .into());
        }
        let all = || (0..hops).try_fold(x.shallow_clone(), |x, _| self.matmul(&x));
        let csr = match self.csr(x.kind())? {
            Some(csr) if hops > 0 && !x.requires_grad() => csr,
            _ => return Ok(all()?.into()),
        };
        let mut kept = self.powers.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (i, known) in kept.iter().enumerate() {
            if known.hops != hops || !known.x.is(x)? {
                continue;
            }
            if let Some(product) = known.product.get()? {
                let known = kept.remove(i);
                kept.push(known);
                return Ok(product);
            }
        }
        // Before the new one is made, which may then have its memory.
        if kept.len() == KEPT {
            kept.remove(0);
        }
        let product = native::power(&csr, x, hops)?;
        kept.push(Product {
            hops,
            x: Same::new(x)?,
            product: Same::new(&product)?,
        });
        Ok(product.into())
    }
}
