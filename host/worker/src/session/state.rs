//! What a session remembers: overwriting it, copying it, putting it back.

use std::path::Path;
use std::rc::Rc;

use plugin_api::role::TaskObj;
use plugin_api::{Error, Named, Result, Session, Tensor, Tensors, WeightSpec};
use tch::Device;

use super::NetSession;
use crate::weights;

impl NetSession {
    /// Copies of what `select` names.
    pub(super) fn take(&self, select: &str) -> Tensors {
        let everything = select == "everything";
        let named = |part: &str| everything || select.split(',').any(|s| s.trim() == part);
        let mut snapshot = Tensors::new();
        for spec in self
            .network
            .specs
            .iter()
            .filter(|s| everything || s.matches(select))
        {
            snapshot.put(&spec.name, self.weights[&spec.name].detach().copy());
        }
        if named("masks") {
            // Present even where there is none: restoring takes masks away that were not there yet.
            snapshot.put("masks", tch::Tensor::from_slice::<f32>(&[]));
            let masks = self.network.all_specs();
            snapshot.extend(masks.filter_map(|spec| {
                let mask = self.masks.get(&spec.name)?;
                Some((format!("mask:{}", spec.name), Tensor::from(mask.copy())))
            }));
        }
        if named("chains") {
            let mut chains: Vec<_> = self.chains.iter().collect();
            chains.sort_by_key(|(name, _)| *name);
            for (name, chain) in chains {
                snapshot.extend(
                    chain
                        .snapshot()
                        .into_iter()
                        .map(|(slot, t)| (format!("chain:{name}:{slot}"), Tensor::from(t))),
                );
            }
        }
        if named("clock") {
            snapshot.put("clock:steps", tch::Tensor::from_slice(&[self.steps]));
            for (split, (epoch, index)) in self.positions.iter() {
                snapshot.put(
                    format!("clock:data:{split}"),
                    tch::Tensor::from_slice(&[*epoch, *index]),
                );
            }
        }
        snapshot
    }

    /// Writes architecture, weights and masks to a safetensors file, whole or not at all: masks as `mask:PATH`, the
    /// architecture as metadata.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        let mut all = self.take("all,masks");
        // It says that masks are known, which goes without saying in a file.
        all.remove("masks");
        let arch = serde_json::to_string(&self.network.arch)?;
        weights::save(file, &all, (weights::ARCH, &arch))
    }

    /// A network as [`save`](NetSession::save) wrote it. `seed` is that of what is drawn from here on.
    ///
    /// # Errors
    /// Where the file is none of these, or does not fit the task.
    pub fn open(file: &Path, task: Rc<TaskObj>, seed: u64, device: Device) -> Result<Self> {
        let (arch, saved) = weights::load_with(file, weights::ARCH)?;
        let mut session = NetSession::new(serde_json::from_str(&arch)?, task, seed, device)?;
        session.put_back(&saved)?;
        Ok(session)
    }

    /// Puts back what [`NetSession::take`] gave: all of it is looked at before anything is changed.
    pub(super) fn put_back(&mut self, snapshot: &Tensors) -> Result<()> {
        let (mut weights, mut masks, mut chains) = (Tensors::new(), Tensors::new(), vec![]);
        let mut positions = Named::new();
        for (name, t) in snapshot.iter() {
            if let Some(path) = name.strip_prefix("mask:") {
                masks.put(path, t.clone());
            } else if let Some((chain, slot)) = name
                .strip_prefix("chain:")
                .and_then(|rest| rest.split_once(':'))
            {
                self.chain_of(chain)?;
                chains.push((chain, slot, t));
            } else if let Some(split) = name.strip_prefix("clock:data:") {
                positions.put(split, (t.int64_value(&[0]), t.int64_value(&[1])));
            } else if name != "clock:steps" && name != "masks" {
                weights.put(name, t.clone());
            }
        }
        self.check_fit("weight", &weights, &self.network.specs)?;
        self.check_masks(&masks)?;

        if let Some(steps) = snapshot.get("clock:steps") {
            (self.steps, self.positions) = (steps.int64_value(&[0]), positions);
        }
        for (chain, slot, t) in chains {
            self.chain_of(chain)?.restore(slot, t)?;
        }
        if snapshot.contains("masks") {
            self.masks = Tensors::new();
        }
        self.mask(&masks)?;
        self.overwrite(&weights)
    }

    /// Overwrites weights in place, so that handles to them stay good.
    pub(super) fn overwrite(&mut self, weights: &Tensors) -> Result<()> {
        self.check_fit("weight", weights, &self.network.specs)?;
        for (path, t) in weights.iter() {
            self.weights[path].detach().f_copy_(&t.detach())?;
        }
        self.apply_masks()
    }

    /// Overwrites weights by those of a file, under the names that a map gives them.
    pub(super) fn load_file(
        &mut self,
        file: &str,
        names: &[(String, String)],
    ) -> Result<Vec<String>> {
        let mut loaded = Tensors::new();
        let mut unknown = vec![];
        for (name, t) in weights::load(Path::new(file))? {
            let renamed = names.iter().find_map(|(from, to)| renamed(&name, from, to));
            let path = match renamed {
                Some(path) => path,
                None if names.is_empty() => name.clone(),
                None => continue,
            };
            if self.weights.contains(&path) {
                loaded.put(path, t);
            } else {
                unknown.push(path);
            }
        }
        if loaded.is_empty() || !unknown.is_empty() {
            return Err(
                Error::new(format!("`{file}` holds other weights than these"))
                    .found(unknown.join(", "))
                    .expected(self.weights.names().collect::<Vec<_>>().join(", "))
                    .help("map the file's names to paths: (\"encoder.*\", \"body.*\")")
                    .into(),
            );
        }
        self.overwrite(&loaded)?;
        Ok(loaded.names().map(str::to_string).collect())
    }

    pub(super) fn check_masks(&self, masks: &Tensors) -> Result<()> {
        self.check_fit("mask", masks, self.network.all_specs())?;
        for (path, mask) in masks.iter() {
            let other = mask.f_logical_not()?.f_logical_or(&mask.f_eq(1)?)?;
            let other = mask.f_masked_select(&other.f_logical_not()?)?;
            if other.numel() > 0 {
                let what = format!("the mask of `{path}` neither keeps nor prunes");
                return Err(Error::new(what)
                    .found(other.f_double_value(&[0])?)
                    .expected("1 where a weight is kept, 0 where it is pruned")
                    .into());
            }
        }
        Ok(())
    }

    /// Each tensor must be shaped as the weight of its path.
    pub(super) fn check_fit<'a>(
        &self,
        what: &str,
        tensors: &Tensors,
        specs: impl IntoIterator<Item = &'a WeightSpec> + Clone,
    ) -> Result<()> {
        for (path, t) in tensors.iter() {
            let mut specs = specs.clone().into_iter();
            let spec = specs
                .find(|s| s.name == path)
                .ok_or_else(|| Error::new(format!("there is no weight `{path}`")))?;
            if spec.size() != t.size() {
                return Err(
                    Error::new(format!("the {what} of `{path}` has another shape"))
                        .found(format!("{:?}", t.size()))
                        .expected(format!("{:?}", spec.size()))
                        .into(),
                );
            }
        }
        Ok(())
    }

    pub(super) fn apply_masks(&mut self) -> Result<()> {
        for (path, mask) in self.masks.iter() {
            if let Some(weight) = self.weights.get(path) {
                let _ = weight.detach().f_mul_(mask)?;
            }
        }
        Ok(())
    }
}

/// The name that a pattern gives to another, with what its `*` stands for.
fn renamed(name: &str, from: &str, to: &str) -> Option<String> {
    match from.split_once('*') {
        None => (name == from).then(|| to.to_string()),
        Some((begin, end)) => {
            let middle = name.strip_prefix(begin)?.strip_suffix(end)?;
            Some(to.replacen('*', middle, 1))
        }
    }
}
