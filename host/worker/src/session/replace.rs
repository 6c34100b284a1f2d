//! Going on with another architecture: what becomes of weights, masks, chains and the relaxation.

use std::rc::Rc;

use plugin_api::{Arch, Carry, Error, Result, Session, Tensors};
use tch::{Kind, Tensor};

use super::NetSession;

impl NetSession {
    /// A session of this architecture, with all that can be carried over.
    pub(super) fn grown_to(&mut self, arch: &Arch, carry: &[Carry]) -> Result<NetSession> {
        let mut next =
            NetSession::new(arch.clone(), Rc::clone(&self.task), self.seed, self.device)?;
        if let Some(relaxed) = self.relaxed.as_ref().filter(|_| !arch.decisions.is_empty()) {
            next.attach(&relaxed.recipe)?;
        }
        for carry in carry {
            for (there, path) in [(&self.weights, &carry.from), (&next.weights, &carry.to)] {
                if !there.contains(path) {
                    return Err(Error::new(format!("there is no weight `{path}` to carry")).into());
                }
            }
        }
        let mut weights = Tensors::new();
        for (path, begun) in next.weights.iter() {
            if let Some(weight) = over(&self.weights, path, begun, carry)? {
                weights.put(path, weight);
            }
        }
        let mut masks = Tensors::new();
        for spec in next.network.all_specs() {
            let all = Tensor::f_ones(spec.size(), (Kind::Float, self.device))?;
            if let Some(mask) = over(&self.masks, &spec.name, &all, carry)? {
                masks.put(&spec.name, mask);
            }
        }
        next.overwrite(&weights)?;
        Session::mask(&mut next, &masks)?;
        for (name, chain) in &self.chains {
            let specs = next.learned(&chain.plan.select);
            if !specs.is_empty() {
                let over =
                    |slots: &Tensors, path: &str, begun: &Tensor| over(slots, path, begun, carry);
                let (arch, device) = (&next.network.arch, self.device);
                let learned = next.leaves(specs.iter().map(|spec| spec.name.as_str()))?;
                let chain = chain.go_on(&specs, learned, arch, device, &over)?;
                next.chains.insert(name.clone(), chain);
            }
        }
        for path in &self.frozen {
            if next.weights.contains(path) {
                next.freeze(path, true)?;
            }
        }
        (next.steps, next.positions) = (self.steps, self.positions.clone());
        next.take_objectives(self);
        next.keep_as(self);
        (next.point, next.parent) = (self.point.clone(), self.parent.clone());
        Ok(next)
    }
}

/// What goes over to the tensor of a path, of those that belong to paths; `None` where it begins anew.
fn over(old: &Tensors, path: &str, begun: &Tensor, carry: &[Carry]) -> Result<Option<Tensor>> {
    match carry.iter().find(|c| c.to == path) {
        Some(carry) => {
            let old = old.get(&carry.from);
            old.map(|old| carried(&old.detach(), begun, carry))
                .transpose()
        }
        None => {
            let same = old.get(path).filter(|t| t.size() == begun.size());
            Ok(same.map(|t| t.detach()))
        }
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
