//! Exact selection: which scored weights stay.

use plugin_api::{Error, Keep, Result, Tensors};
use tch::{Kind, Tensor};

/// Masks that keep the scored weights with the highest scores; see `Session::prune`.
pub(crate) fn select(scores: &Tensors, masks: &Tensors, keep: &Keep) -> Result<Tensors> {
    match *keep {
        Keep::Overall(keep) | Keep::Each(keep) if !(0.0..=1.0).contains(&keep) => {
            return Err(
                Error::new("the fraction of weights to keep is out of range")
                    .found(keep)
                    .expected("0 <= keep <= 1")
                    .into(),
            );
        }
        Keep::Pattern { kept, of, .. } if kept < 0 || of < 1 || kept > of => {
            return Err(Error::new("no pattern keeps that many")
                .found(format!("{kept} of {of}"))
                .expected("0 <= kept <= of, of one or more")
                .into());
        }
        _ => {}
    }
    if scores.is_empty() {
        return Err(Error::new("the pruner scored no weight")
            .help("does any layer tag its weights `prunable`?")
            .into());
    }
    let mut ranked = vec![];
    for (path, t) in scores.iter() {
        let values = numbers(t)?;
        let alive = match masks.get(path) {
            Some(mask) => numbers(mask)?.iter().map(|kept| *kept != 0.0).collect(),
            None => vec![true; values.len()],
        };
        let entries: Vec<Entry> = alive.into_iter().zip(values).collect();
        if let Some(i) = entries
            .iter()
            .position(|(alive, score)| *alive && score.is_nan())
        {
            return Err(Error::new(format!(
                "the score of `{path}`, element {i}, is not a number"
            ))
            .help("the pruner must score every weight that it names")
            .into());
        }
        ranked.push((path, entries));
    }
    let share = |n: usize, keep: f64| (keep * n as f64).round() as usize;
    let kept: Vec<Vec<bool>> = match *keep {
        Keep::Overall(keep) => {
            let all: Vec<&[Entry]> = ranked.iter().map(|(_, v)| v.as_slice()).collect();
            let n = all.iter().map(|list| list.len()).sum();
            highest(&all, share(n, keep))
        }
        Keep::Each(keep) => {
            let each = ranked.iter();
            each.flat_map(|(_, v)| highest(&[v.as_slice()], share(v.len(), keep)))
                .collect()
        }
        Keep::Pattern { kept, of, axis } => {
            let each = ranked.iter();
            each.map(|(path, v)| pattern(path, v, &scores[*path].size(), (kept, of, axis)))
                .collect::<Result<_>>()?
        }
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

/// Whether a weight is not masked yet, and its score.
type Entry = (bool, f64);

fn numbers(t: &Tensor) -> Result<Vec<f64>> {
    let t = t.detach().to_kind(Kind::Double).to_device(tch::Device::Cpu);
    Ok(Vec::try_from(t.flatten(0, -1))?)
}

/// Which entries of a tensor stay, `kept` of every `of` that follow each other along an axis.
fn pattern(
    path: &str,
    entries: &[Entry],
    size: &[i64],
    (kept, of, axis): (i64, i64, usize),
) -> Result<Vec<bool>> {
    let length = size.get(axis).copied().unwrap_or_default();
    if length % of != 0 || length == 0 {
        return Err(Error::new(format!(
            "`{path}` cannot be pruned in groups of {of} along its axis {axis}"
        ))
        .found(format!("{size:?}"))
        .expected(format!("a multiple of {of} there"))
        .into());
    }
    // Between two entries that follow each other along the axis.
    let stride: i64 = size[axis + 1..].iter().product();
    let mut stays = vec![false; entries.len()];
    for first in 0..entries.len() {
        let along = first as i64 / stride % length;
        if along % of != 0 {
            continue;
        }
        let group: Vec<usize> = (0..of).map(|i| first + (i * stride) as usize).collect();
        let of_group: Vec<Entry> = group.iter().map(|i| entries[*i]).collect();
        let chosen = highest(&[&of_group], kept as usize);
        for (i, chosen) in group.iter().zip(&chosen[0]) {
            stays[*i] = *chosen;
        }
    }
    Ok(stays)
}

/// For each list, which of its entries are among the `n` highest of all lists. Ties go to the earlier; what is masked
/// already comes last, and stays masked.
fn highest(lists: &[&[Entry]], n: usize) -> Vec<Vec<bool>> {
    let entry = |&(l, i): &(usize, usize)| lists[l][i];
    let mut order: Vec<(usize, usize)> = lists
        .iter()
        .enumerate()
        .flat_map(|(l, list)| (0..list.len()).map(move |i| (l, i)))
        .collect();
    order.sort_by(|a, b| {
        let ((alive_a, a), (alive_b, b)) = (entry(a), entry(b));
        alive_b.cmp(&alive_a).then(b.total_cmp(&a))
    });
    let mut kept: Vec<Vec<bool>> = lists.iter().map(|list| vec![false; list.len()]).collect();
    for place in order.into_iter().take(n).filter(|place| entry(place).0) {
        kept[place.0][place.1] = true;
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
        let keep = match global {
            true => Keep::Overall(keep),
            false => Keep::Each(keep),
        };
        let kept = select(&scores(), masks, &keep).unwrap();
        assert_eq!(Vec::<f32>::try_from(&kept["a"]).unwrap(), a, "a, {keep:?}");
        assert_eq!(
            Vec::<f32>::try_from(kept["b"].flatten(0, -1)).unwrap(),
            b,
            "b, {keep:?}"
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
    fn a_pattern_keeps_so_many_of_each_group() {
        let scores = Tensor::from_slice(&[4.0, 1.0, 3.0, 1.0, 2.0, 9.0, 1.0, 0.0]).view([4, 2]);
        let scores = Tensors::new().with("a", scores);
        let check = |axis: usize, of: i64, expected: [f32; 8]| {
            let keep = Keep::Pattern { kept: 1, of, axis };
            let kept = select(&scores, &Tensors::new(), &keep).unwrap();
            let kept = Vec::<f32>::try_from(kept["a"].flatten(0, -1)).unwrap();
            assert_eq!(kept, expected);
        };
        // Of two that follow each other in a column, then in a row; the earlier of equals.
        check(0, 2, [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        check(1, 2, [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        let odd = Keep::Pattern {
            kept: 1,
            of: 3,
            axis: 0,
        };
        let error = select(&scores, &Tensors::new(), &odd).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a` cannot be pruned in groups of 3 along its axis 0\n  found     [4, 2]\n  expected  a multiple of 3 there"
        );
    }

    #[test]
    fn what_is_masked_stays_masked() {
        let masks = Tensors::new().with("a", Tensor::from_slice(&[1f32, 0.0, 1.0, 1.0]));
        check(1.0, true, &masks, [1.0, 0.0, 1.0, 1.0], [1.0; 2]);
        check(0.5, true, &masks, [0.0, 0.0, 1.0, 0.0], [1.0, 1.0]);
    }

    #[test]
    fn a_score_may_be_minus_infinity() {
        let scores = Tensors::new().with("a", Tensor::from_slice(&[f64::NEG_INFINITY, 1.0]));
        let kept = select(&scores, &Tensors::new(), &Keep::Overall(1.0)).unwrap();
        assert_eq!(Vec::<f32>::try_from(&kept["a"]).unwrap(), [1.0, 1.0]);
    }

    #[test]
    fn refuses_a_pruner_without_scores() {
        let error = select(&Tensors::new(), &Tensors::new(), &Keep::Overall(0.5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the pruner scored no weight\n  help: does any layer tag its weights `prunable`?"
        );
    }

    #[test]
    fn refuses_what_is_no_number() {
        let scores = Tensors::new().with("a", Tensor::from_slice(&[1.0, f64::NAN]));
        let error = select(&scores, &Tensors::new(), &Keep::Overall(0.5)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the score of `a`, element 1, is not a number\n  help: the pruner must score every weight that it names"
        );
    }
}
