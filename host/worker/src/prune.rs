//! Exact selection: which scored weights stay.

use plugin_api::{Error, Result, Tensors};
use tch::{Kind, Tensor};

/// Masks that keep `round(keep * n)` of the `n` scored weights, those with the highest scores; see `Session::prune`.
pub(crate) fn select(
    scores: &Tensors,
    masks: &Tensors,
    keep: f64,
    global: bool,
) -> Result<Tensors> {
    if !(0.0..=1.0).contains(&keep) {
        return Err(
            Error::new("the fraction of weights to keep is out of range")
                .found(keep)
                .expected("0 <= keep <= 1")
                .into(),
        );
    }
    let mut ranked = vec![];
    for (path, t) in scores.iter() {
        let mut values = Vec::<f64>::try_from(
            t.detach()
                .to_kind(Kind::Double)
                .to_device(tch::Device::Cpu)
                .flatten(0, -1),
        )?;
        if let Some(i) = values.iter().position(|v| v.is_nan()) {
            return Err(Error::new(format!(
                "the score of `{path}`, element {i}, is not a number"
            ))
            .help("the pruner must score every weight that it names")
            .into());
        }
        if let Some(mask) = masks.get(path) {
            let kept = Vec::<f64>::try_from(
                mask.to_kind(Kind::Double)
                    .to_device(tch::Device::Cpu)
                    .flatten(0, -1),
            )?;
            // What is masked already stays masked.
            values
                .iter_mut()
                .zip(kept)
                .filter(|(_, kept)| *kept == 0.0)
                .for_each(|(v, _)| *v = f64::NEG_INFINITY);
        }
        ranked.push((path, values));
    }
    let kept = if global {
        let all: Vec<&[f64]> = ranked.iter().map(|(_, v)| v.as_slice()).collect();
        highest(&all, keep)
    } else {
        ranked
            .iter()
            .flat_map(|(_, v)| highest(&[v.as_slice()], keep))
            .collect()
    };
    ranked
        .iter()
        .zip(kept)
        .map(|((path, _), kept)| {
            let like = &scores[path];
            let mask = Tensor::from_slice(&kept)
                .view(like.size().as_slice())
                .to_kind(Kind::Float)
                .to_device(like.device());
            Ok((*path, mask))
        })
        .collect()
}

/// For each list, which of its entries are among the `round(keep * n)` highest of all lists; ties go to the earlier.
fn highest(lists: &[&[f64]], keep: f64) -> Vec<Vec<bool>> {
    let mut order: Vec<(usize, usize)> = lists
        .iter()
        .enumerate()
        .flat_map(|(l, list)| (0..list.len()).map(move |i| (l, i)))
        .collect();
    let n = (keep * order.len() as f64).round() as usize;
    order.sort_by(|a, b| lists[b.0][b.1].total_cmp(&lists[a.0][a.1]));
    let mut kept: Vec<Vec<bool>> = lists.iter().map(|list| vec![false; list.len()]).collect();
    for (l, i) in order
        .into_iter()
        .take(n)
        .filter(|(l, i)| lists[*l][*i] > f64::NEG_INFINITY)
    {
        kept[l][i] = true;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores() -> Tensors {
        Tensors::new()
            .with("a", Tensor::from_slice(&[1.0, 3.0, 3.0, 0.0]))
            .with(
                "b",
                Tensor::from_slice(&[[3.0], [9.0]].concat()).view([2, 1]),
            )
    }

    fn check(keep: f64, global: bool, masks: &Tensors, a: [f32; 4], b: [f32; 2]) {
        let kept = select(&scores(), masks, keep, global).unwrap();
        assert_eq!(
            Vec::<f32>::try_from(&kept["a"]).unwrap(),
            a,
            "a, keep {keep}"
        );
        assert_eq!(
            Vec::<f32>::try_from(kept["b"].flatten(0, -1)).unwrap(),
            b,
            "b, keep {keep}"
        );
    }

    #[test]
    fn counts_are_exact_and_ties_go_to_the_earlier() {
        let none = Tensors::new();
        check(0.5, true, &none, [0.0, 1.0, 1.0, 0.0], [0.0, 1.0]);
        check(0.5, false, &none, [0.0, 1.0, 1.0, 0.0], [0.0, 1.0]);
        check(2.0 / 6.0, true, &none, [0.0, 1.0, 0.0, 0.0], [0.0, 1.0]);
        check(0.0, true, &none, [0.0; 4], [0.0; 2]);
        check(1.0, true, &none, [1.0; 4], [1.0; 2]);
    }

    #[test]
    fn what_is_masked_stays_masked() {
        let masks = Tensors::new().with("a", Tensor::from_slice(&[1f32, 0.0, 1.0, 1.0]));
        check(1.0, true, &masks, [1.0, 0.0, 1.0, 1.0], [1.0; 2]);
        check(0.5, true, &masks, [0.0, 0.0, 1.0, 0.0], [1.0, 1.0]);
    }

    #[test]
    fn refuses_what_is_no_number() {
        let scores = Tensors::new().with("a", Tensor::from_slice(&[1.0, f64::NAN]));
        let error = select(&scores, &Tensors::new(), 0.5, true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the score of `a`, element 1, is not a number\n  help: the pruner must score every weight that it names"
        );
    }
}
