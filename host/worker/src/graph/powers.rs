//! Products of a graph's powers: what came of a tensor is kept.

use std::sync::{Mutex, PoisonError};

use plugin_api::{Error, Result, Tensor};

use super::weighted::Weighted;
use crate::native;

/// How many products are kept: the last ones.
const KEPT: usize = 4;

/// Products that were asked for, the last one last.
#[derive(Default)]
pub(super) struct Powers(Mutex<Vec<Product>>);

struct Product {
    hops: i64,
    x: Seen,
    product: Seen,
}

/// A tensor as it was: a handle keeps its address from becoming another's, and the version tells of changes in place.
struct Seen {
    tensor: Tensor,
    version: i64,
}

impl Seen {
    fn new(tensor: &tch::Tensor) -> Result<Self> {
        Ok(Seen {
            version: tensor.f_internal_version()?,
            tensor: tensor.detach().into(),
        })
    }

    fn is(&self, other: &tch::Tensor) -> Result<bool> {
        let same = |a: &tch::Tensor, b: &tch::Tensor| {
            a.data_ptr() == b.data_ptr() && a.size() == b.size() && a.stride() == b.stride()
        };
        Ok(same(&self.tensor, other)
            && self.tensor.kind() == other.kind()
            && self.version == other.f_internal_version()?)
    }

    fn is_unchanged(&self) -> Result<bool> {
        self.is(&self.tensor)
    }
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
            if known.hops == hops && known.x.is(x)? && known.product.is_unchanged()? {
                let known = kept.remove(i);
                let product = known.product.tensor.clone();
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
            x: Seen::new(x)?,
            product: Seen::new(&product)?,
        });
        Ok(product.into())
    }
}
