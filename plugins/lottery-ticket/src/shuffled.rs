//! A mask of chance with the ticket's counts: the control that shows what a ticket owes to where its weights are.
//!
//! The mask of each tensor is permuted within it, by a stream of its own of the session's seed, and what is alive then has
//! the weight that it began with, also where the ticket's mask had pruned it. For that, what comes in must be a ticket that
//! was rewound to the very beginning and not trained since; else there would be nothing to take these weights from. Nothing
//! is trained. Source: Frankle & Carbin 2019.

use plugin_api::prelude::*;
use rand::seq::SliceRandom;

use crate::alive::Alive;
use crate::initial::begin_anew;

/// Permutes the mask within each tensor, over the weights that the network began with (Frankle & Carbin 2019).
#[component(trainer = "shuffled")]
struct Shuffled {}

impl Trainer for Shuffled {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let (masks, ticket) = (session.masks()?, session.snapshot("all")?);
        ensure!(
            !masks.is_empty(),
            "nothing is masked that could be shuffled"
        );
        begin_anew(session)?;
        check(&ticket, &masks, &session.weights("all")?)?;
        let seed = session.seed("shuffled");
        let shuffled = masks.iter().map(|(path, mask)| {
            let mask = permuted(mask, stream(seed, path))?;
            Ok((path, mask))
        });
        session.mask(&shuffled.collect::<Result<Tensors>>()?)?;
        Ok(Alive::of(session)?.metrics(Report::default()))
    }
}

/// Holds a ticket to the weights that the network began with.
fn check(ticket: &Tensors, masks: &Tensors, began: &Tensors) -> Result<()> {
    for (path, began) in began.iter() {
        let rewound = match masks.get(path) {
            Some(mask) => began.f_mul(mask)?,
            None => began.shallow_clone(),
        };
        if !rewound.f_equal(&ticket[path])? {
            let what = format!("`{path}` is not what the network began with");
            return Err(Error::new(what)
                .expected(
                    "a ticket as `iterative` hands it on, without `rewind`, before it is trained",
                )
                .into());
        }
    }
    Ok(())
}

/// The same entries in an order of chance.
fn permuted(mask: &Tensor, seed: u64) -> Result<Tensor> {
    let mut entries: Vec<f64> = Vec::try_from(mask.f_flatten(0, -1)?.f_to_kind(Kind::Double)?)?;
    entries.shuffle(&mut random::generator(seed));
    let permuted = Tensor::f_from_slice(&entries)?.f_view(mask.size().as_slice())?;
    Ok(permuted
        .f_to_kind(mask.kind())?
        .f_to_device(mask.device())?)
}
