//! Going on with another architecture: what becomes of weights and masks.

use std::rc::Rc;

use plugin_api::{Arch, Carry, Error, Result, Tensors};
use tch::{Kind, Tensor};

use super::NetSession;

impl NetSession {
    /// A session of this architecture, with all that can be carried over.
    pub(super) fn grown_to(&mut self, arch: &Arch, carry: &[Carry]) -> Result<NetSession> {
        let mut next =
            NetSession::new(arch.clone(), Rc::clone(&self.task), self.seed, self.device)?;
        let (mut weights, mut masks) = (Tensors::new(), Tensors::new());
        for spec in &next.network.specs {
            let (path, carried) = (&spec.name, |c: &Carry| c.to == *spec.name);
            if carry.iter().any(carried) {
                continue;
            }
            let same = |t: &Tensor| t.size() == spec.size();
            if let Some(weight) = self.weights.get(path).filter(|w| same(w)) {
                weights.put(path, weight.clone());
            }
            if let Some(mask) = self.masks.get(path).filter(|m| same(m)) {
                masks.put(path, mask.clone());
            }
        }
        for carry in carry {
            let (from, to) = (carry.from.as_str(), carry.to.as_str());
            let there = |t: Option<&plugin_api::Tensor>, path: &str| {
                t.map(|t| t.detach())
                    .ok_or_else(|| Error::new(format!("there is no weight `{path}` to carry")))
            };
            let old = there(self.weights.get(from), from)?;
            let begun = there(next.weights.get(to), to)?;
            weights.put(to, carried(&old, &begun, carry)?);
            if let Some(mask) = self.masks.get(from) {
                masks.put(
                    to,
                    carried(mask, &begun.f_ones_like()?.f_to_kind(mask.kind())?, carry)?,
                );
            }
        }
        next.overwrite(&weights)?;
        plugin_api::Session::mask(&mut next, &masks)?;
        (next.steps, next.positions) = (self.steps, self.positions.clone());
        next.take_objectives(self);
        Ok(next)
    }
}

/// `begun` with the entries of `old` that the carry names.
fn carried(old: &Tensor, begun: &Tensor, carry: &Carry) -> Result<Tensor> {
    let (mut taken, mut anew) = (
        old.shallow_clone(),
        begun.f_zeros_like()?.f_to_kind(Kind::Bool)?,
    );
    for (axis, index) in carry.index.iter().enumerate() {
        let Some(index) = index.as_ref().into_option() else {
            continue;
        };
        let (axis, index) = (i64::try_from(axis)?, index.f_to_device(old.device())?);
        taken = taken.f_index_select(axis, &index.f_clamp_min(0)?)?;
        let mut along = vec![1; begun.dim()];
        if let Some(length) = along.get_mut(axis as usize) {
            *length = -1;
        }
        anew = anew.f_logical_or(&index.f_lt(0)?.f_view(along.as_slice())?)?;
    }
    if taken.size() != begun.size() {
        let what = format!("`{}` cannot be carried to `{}`", carry.from, carry.to);
        return Err(Error::new(what)
            .found(format!("{:?} after its indices", taken.size()))
            .expected(format!("{:?}", begun.size()))
            .into());
    }
    Ok(begun.f_where_self(&anew, &taken.f_to_kind(begun.kind())?)?)
}
