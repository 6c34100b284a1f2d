//! Products of a graph's powers: a block of columns goes all its hops before the next one begins, so that it stays in the
//! cache; what came of a tensor is kept.

use std::sync::{Mutex, PoisonError};

use plugin_api::{Error, Result, Tensor};
use tch::Device;

use super::weighted::Weighted;

/// How many products are kept: the last ones.
const KEPT: usize = 4;
/// Bytes of a block of columns, which is read and written at each hop.
const BLOCK: i64 = 4 << 20;
/// Columns of a block at least, so that a row of it fills whole lines of the cache.
const NARROWEST: i64 = 32;

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
        let all = || (0..hops).try_fold(x.shallow_clone(), |x, _| self.matmul(&x));
        let constant = self.weights.is_constant() && !x.requires_grad();
        if !constant || self.topology.device != Device::Cpu {
            return Ok(all()?.into());
        }
        let mut kept = self.powers.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (i, known) in kept.iter().enumerate() {
            if known.hops == hops && known.x.is(x)? && known.product.is_unchanged()? {
                let known = kept.remove(i);
                let product = known.product.tensor.clone();
                kept.push(known);
                return Ok(product);
            }
        }
        let product = tch::no_grad(|| self.by_blocks(x, hops))?;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(Product {
            hops,
            x: Seen::new(x)?,
            product: Seen::new(&product)?,
        });
        Ok(product.into())
    }

    fn by_blocks(&self, x: &tch::Tensor, hops: i64) -> Result<tch::Tensor> {
        let (rows, columns) = x.size2()?;
        let bytes = rows.max(1) * x.kind().elt_size_in_bytes() as i64;
        let width =
            (BLOCK / bytes / NARROWEST * NARROWEST).clamp(NARROWEST, columns.max(NARROWEST));
        let mut blocks = vec![];
        for first in (0..columns).step_by(width as usize) {
            let block = x
                .f_narrow(1, first, width.min(columns - first))?
                .f_contiguous()?;
            blocks.push((0..hops).try_fold(block, |block, _| self.matmul(&block))?);
        }
        match blocks.is_empty() {
            true => Ok(x.copy()),
            false => Ok(tch::Tensor::f_cat(&blocks, 1)?),
        }
    }
}
