//! Programs as latent vectors that are searched (after Macfarlane & Bonnet 2025).

use plugin_api::prelude::*;

/// Trains an encoder of pairs, and a decoder: the latent of a pair is the mean over the codes of all others in the batch,
/// moved to where the decoder does best on these others; what it then makes of the pair itself is trained. The encoder
/// learns as if the latent had not moved.
#[component(trainer = "leave-one-out")]
struct LeaveOneOut {
    /// The node that gives a code for each pair, at `x`; those behind it decode. The first where it is left out.
    encoder: Option<String>,
    /// Steps of a latent.
    #[param(default = 5, range = "0 <= x")]
    moves: i64,
    /// Length of such a step, for a gradient of one.
    #[param(default = 0.1, range = "0 < x")]
    rate: f64,
    /// Training steps.
    #[param(default = 10, range = "1 <= x")]
    steps: i64,
    /// From gradients to updates.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Trainer for LeaveOneOut {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let transforms = self.transforms.iter().map(|t| t.recipe.clone());
        session.chain("main", &transforms.collect::<Vec<_>>(), "model")?;
        let parts = self.parts(&session.arch()?)?;
        let mut curve = vec![];
        for _ in 0..self.steps {
            let batch = session.next("train", 0)?;
            let codes = parts.encode(session, &batch)?;
            let pairs = codes.size()[0];
            let (mut unmoved, mut moved) = (vec![], vec![]);
            for pair in 0..pairs {
                let others: Vec<i64> = (0..pairs).filter(|other| *other != pair).collect();
                let (pair, others) = (Tensor::from_slice(&[pair]), Tensor::from_slice(&others));
                let of_others = codes.f_index_select(0, &others)?;
                let first = of_others.f_mean_dim([0_i64].as_slice(), true, None)?;
                let best =
                    self.search(session, &parts, &rows(&batch, &others)?, &first.f_detach()?)?;
                // Where it was moved to, with the gradient of where it was.
                let latent = first.f_add(&best.f_sub(&first)?.f_detach()?)?;
                let pair = rows(&batch, &pair)?;
                unmoved.push(parts.loss(session, &pair, &first)?);
                moved.push(parts.loss(session, &pair, &latent)?);
            }
            let (unmoved, moved) = (mean(&unmoved)?, mean(&moved)?);
            let gradients = gradients_of(&moved, &session.weights("model")?, false)?;
            session.apply("main", &gradients)?;
            curve.push(vec![
                unmoved.f_double_value(&[])?,
                moved.f_double_value(&[])?,
            ]);
        }
        Ok(Report::default().table("curve", &["unmoved", "moved"], curve))
    }
}

impl LeaveOneOut {
    fn parts(&self, arch: &Arch) -> Result<Parts> {
        let mut nodes = arch.nodes.iter().map(|node| node.name.clone());
        let encoder = match &self.encoder {
            None => nodes.next(),
            Some(encoder) => nodes.find(|name| name == encoder),
        };
        Ok(Parts {
            encoder: encoder.context("there is no such encoder")?,
            decoder: nodes.collect(),
        })
    }

    /// The best latent on the way down the decoder's loss on these pairs.
    fn search(
        &self,
        session: &dyn Session,
        parts: &Parts,
        pairs: &Batch,
        first: &Tensor,
    ) -> Result<Tensor> {
        let mut latent = first.f_set_requires_grad(true)?;
        let (mut best, mut least) = (first.shallow_clone(), f64::INFINITY);
        for step in 0..=self.moves {
            let loss = parts.loss(session, pairs, &latent)?;
            let value = loss.f_double_value(&[])?;
            if value < least {
                (best, least) = (latent.f_detach()?, value);
            }
            if step < self.moves {
                let of = Tensors::new().with("latent", &latent);
                let slope = &gradients_of(&loss, &of, false)?["latent"];
                let next = latent.f_detach()?.f_sub(&slope.f_mul_scalar(self.rate)?)?;
                latent = next.f_set_requires_grad(true)?;
            }
        }
        Ok(best)
    }
}

/// The nodes of an encoder's end and of a decoder.
struct Parts {
    encoder: String,
    decoder: Vec<String>,
}

impl Parts {
    /// A code for each pair: `[pairs, latent]`.
    fn encode(&self, session: &dyn Session, pairs: &Batch) -> Result<Tensor> {
        let code = format!("{}.x", self.encoder);
        let ask = Ask::train().until(&self.encoder).tapped([&code]);
        Ok(session.forward(pairs, &ask)?.taps[&code].shallow_clone())
    }

    /// The loss of what the decoder makes of these pairs' inputs with a latent, `[1, latent]`.
    fn loss(&self, session: &dyn Session, pairs: &Batch, latent: &Tensor) -> Result<Tensor> {
        let n = pairs.tensor("y")?.size()[0];
        let latents = latent.f_expand([n, -1], false)?;
        let given = pairs.clone().with(format!("{}.x", self.encoder), latents);
        let seen = session.forward(&given, &Ask::train().only(&self.decoder))?;
        Ok(session.loss(&seen, pairs)?.into())
    }
}

/// These rows of everything in a batch.
fn rows(batch: &Batch, of: &Tensor) -> Result<Batch> {
    let rows = batch
        .names()
        .map(|port| Ok((port, batch.tensor(port)?.f_index_select(0, of)?)));
    rows.collect()
}

fn mean(losses: &[Tensor]) -> Result<Tensor> {
    Ok(Tensor::f_stack(losses, 0)?.f_mean(None::<Kind>)?)
}
