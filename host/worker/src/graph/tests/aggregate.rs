//! Attention, the largest and the mean: by their definitions, and kernels against the same composed of plain operations.

use plugin_api::testing;

use super::super::plain::Plain;
use super::*;

/// What a graph does with some tensors.
type Of<'a> = &'a dyn Fn(&[Tensor]) -> Tensor;

/// Some edges weigh nothing, and no two others the same.
fn weights_and_zeros(case: &Case) -> Tensor {
    let weight = weights(case);
    let taken_out = (0..weight.size()[0]).map(|edge| edge % 5 == 3);
    let taken_out: Vec<bool> = taken_out.collect();
    weight.masked_fill(&Tensor::from_slice(&taken_out), 0.)
}

/// All cases, and some whose edges go to nodes of another kind.
fn graphs() -> Vec<Graph> {
    let alike = cases().into_iter();
    let alike = alike.map(|case| make(&case, Some(&weights_and_zeros(&case))));
    let of_two_kinds = cases().into_iter().filter(|case| case.0 > 1).map(|case| {
        // Fewer targets, and sources of which nobody has heard.
        let targets: Vec<i64> = case.2.iter().map(|target| target / 2).collect();
        graph(
            ((case.0 + 1) / 2, case.0 + 3),
            &Tensor::from_slice(&case.1),
            &Tensor::from_slice(&targets),
            Some(&weights_and_zeros(&case)),
        )
    });
    alike.chain(of_two_kinds.map(Result::unwrap)).collect()
}

fn plain(g: &Graph, kind: Kind) -> Plain {
    Plain {
        nodes: g.nodes(),
        sources: g.sources().into(),
        targets: g.targets().into(),
        weight: g.weight().to_kind(kind),
    }
}

fn t(x: &Tensor) -> plugin_api::Tensor {
    x.into()
}

const SLOPE: f64 = 0.2;

/// Everything that a graph does here, by kernels and by plain operations, with tensors that it may do it with.
fn each(g: &Graph, check: impl Fn(&str, &[Tensor], Of, Of)) {
    let (nodes, sources, edges) = (g.nodes(), g.source_nodes(), g.sources().size()[0]);
    let mut numbers = Numbers(5);
    for (heads, features) in [(1, 3), (3, 1), (2, 21), (9, 8), (2, 0)] {
        let score = numbers.tensor(&[edges, heads]);
        // No sum of two is 0, where a leaky unit has no slope.
        let ends = [(sources, 3e-4), (nodes, 0.)].map(|(n, by)| numbers.tensor(&[n, heads]) + by);
        let x = numbers.tensor(&[sources, heads, features]);
        // Many are equal.
        let rounded = (numbers.tensor(&[sources, heads * features]) * 2.).round();
        let plain = |x: &[Tensor]| plain(g, x[0].kind());
        check(
            "softmax",
            &[score.shallow_clone()],
            &|x| g.softmax(&t(&x[0])).unwrap().into(),
            &|x| plain(x).softmax(&x[0]).unwrap(),
        );
        check(
            "attention",
            &ends,
            &|x| g.attention(&t(&x[0]), &t(&x[1]), SLOPE).unwrap().into(),
            &|x| plain(x).attention(&x[0], &x[1], SLOPE).unwrap(),
        );
        check(
            "attend",
            &[score, x],
            &|x| g.attend(&t(&x[0]), &t(&x[1])).unwrap().into(),
            &|x| plain(x).attend(&x[0], &x[1]).unwrap(),
        );
        check(
            "max",
            &[rounded],
            &|x| g.max(&t(&x[0])).unwrap().into(),
            &|x| plain(x).max(&x[0]).unwrap(),
        );
    }
}

/// The gradients of a scalar.
fn gradients(y: &Tensor, of: &[Tensor]) -> Vec<Tensor> {
    Tensor::run_backward(&[y], of, true, true)
}

/// Gradients of three orders, mixed ones among them.
fn all_derivatives(f: Of, leaves: &[Tensor]) -> Vec<Tensor> {
    let inner: Vec<Tensor> = leaves.iter().map(Tensor::sin).collect();
    let mut y = f(&inner).sin().pow_tensor_scalar(4).sum(Kind::Double);
    let mut all = vec![];
    for order in 0..3 {
        let found = gradients(&y, leaves);
        y = (0..)
            .zip(&found)
            .map(|(i, g)| (g * Numbers(3 * order + i).tensor(&g.size())).sum(Kind::Double))
            .sum();
        all.extend(found);
    }
    all
}

#[test]
fn kernels_are_their_compositions() {
    for g in graphs() {
        each(&g, |name, x, ours, theirs| {
            for kind in [Kind::Double, Kind::Float] {
                let x: Vec<_> = x.iter().map(|x| x.to_kind(kind)).collect();
                assert_close(&ours(&x), &theirs(&x), &(name, &g));
            }
        });
    }
}

#[test]
fn derivatives_of_any_order_are_those_of_the_composition() {
    for g in graphs() {
        each(&g, |name, x, ours, theirs| {
            let leaves: Vec<_> = x.iter().map(learning).collect();
            let both = all_derivatives(ours, &leaves);
            for (ours, theirs) in both.iter().zip(all_derivatives(theirs, &leaves)) {
                assert_close(ours, &theirs, &(name, &g));
            }
            // What nobody differentiates again takes other ways.
            let value = ours(&leaves).sin().pow_tensor_scalar(4).sum(Kind::Double);
            let again = Tensor::run_backward(&[&value], &leaves, true, true);
            let once = Tensor::run_backward(&[&value], &leaves, false, false);
            for (once, again) in once.iter().zip(&again) {
                assert_close(once, &again.detach(), &(name, &g));
            }
        });
    }
}

#[test]
fn gradients_are_differences() {
    for g in graphs() {
        each(&g, |name, x, ours, _| {
            if name == "max" || x.iter().any(|x| x.numel() > 100) {
                return; // equal numbers have no slope; the others would take long
            }
            let leaves: Vec<_> = x.iter().map(learning).collect();
            let value = |x: &[Tensor]| ours(x).sin().pow_tensor_scalar(2).sum(Kind::Double);
            let found = gradients(&value(&leaves), &leaves);
            for (i, gradient) in found.iter().enumerate() {
                let moved = |x: &Tensor| {
                    let mut all: Vec<_> = leaves.iter().map(Tensor::detach).collect();
                    all[i] = x.shallow_clone();
                    value(&all)
                };
                let slopes = differences(moved, &leaves[i]);
                assert!(slopes.allclose(gradient, 1e-6, 1e-6, false), "{name} {g:?}");
            }
        });
    }
}

/// The numbers of an edge or node.
fn row(x: &Tensor, i: i64) -> Vec<f64> {
    Vec::try_from(x.get(i).flatten(0, -1)).unwrap()
}

#[test]
fn definitions_hold_edge_by_edge() {
    let heads = 2;
    for g in graphs() {
        let ints = |x: plugin_api::Tensor| Vec::<i64>::try_from(&*x).unwrap();
        let (sources, targets) = (ints(g.sources()), ints(g.targets()));
        let weight: Vec<f64> = Vec::try_from(&*g.weight()).unwrap();
        let mut numbers = Numbers(5);
        let [source, target] =
            [g.source_nodes(), g.nodes()].map(|nodes| numbers.tensor(&[nodes, heads]));
        let x = numbers.tensor(&[g.source_nodes(), heads, 3]);
        let score = |e: usize, h: usize| {
            let sum = row(&source, sources[e])[h] + row(&target, targets[e])[h];
            if sum > 0. { sum } else { SLOPE * sum }
        };
        let into = |node: i64| {
            let targets = &targets;
            (0..targets.len()).filter(move |e| targets[*e] == node)
        };
        let attention = |e: usize, h: usize| {
            let count = |e: usize| weight[e] * score(e, h).exp();
            let total: f64 = into(targets[e]).map(count).sum();
            if total == 0. { 0. } else { count(e) / total }
        };
        let (mut coefficients, mut sums, mut largest, mut means) = (vec![], vec![], vec![], vec![]);
        for e in 0..sources.len() {
            coefficients.extend((0..heads as usize).map(|h| attention(e, h)));
        }
        for node in 0..g.nodes() {
            let total: f64 = into(node).map(|e| weight[e]).sum();
            for i in 0..heads as usize * 3 {
                let part = |e: usize| row(&x, sources[e])[i];
                sums.push(
                    into(node)
                        .map(|e| attention(e, i / 3) * part(e))
                        .sum::<f64>(),
                );
                let counting = into(node).filter(|e| weight[*e] != 0.).map(part);
                largest.push(counting.reduce(f64::max).unwrap_or(0.));
                let mean = into(node).map(|e| weight[e] * part(e)).sum::<f64>() / total;
                means.push(if total == 0. { 0. } else { mean });
            }
        }
        let check = |found: &Tensor, expected: &[f64]| {
            assert_close(found, &Tensor::from_slice(expected).view_as(found), &g);
        };
        let found = g.attention(&t(&source), &t(&target), SLOPE).unwrap();
        check(&found, &coefficients);
        check(&g.attend(&found, &t(&x)).unwrap(), &sums);
        let flat = t(&x.flatten(1, 2));
        check(&g.max(&flat).unwrap(), &largest);
        check(&g.mean(&flat).unwrap(), &means);
    }
}

#[test]
fn any_score_has_its_exponential() {
    // All scores at one node; the first is the largest.
    let scores = Tensor::linspace(0., -760., 20_000, (Kind::Double, Device::Cpu));
    let ends = vec![0; 20_000];
    let g = make(&(1, ends.clone(), ends), None);
    // Down to `normal` an attention is a normal number, below `zero` it is 0.
    for (kind, normal, zero) in [(Kind::Double, -700., -708.), (Kind::Float, -80., -87.)] {
        let given = scores.to_kind(kind);
        let found = g.softmax(&t(&given.unsqueeze(1))).unwrap().flatten(0, -1);
        let found = found.to_kind(Kind::Double);
        let (ratios, given) = (&found / found.get(0), given.to_kind(Kind::Double));
        let errors = (&ratios / given.exp() - 1.)
            .abs()
            .masked_fill(&given.lt(normal), 0.);
        let epsilon = if kind == Kind::Double {
            f64::EPSILON
        } else {
            f32::EPSILON.into()
        };
        assert!(
            errors.max().double_value(&[]) < 4. * epsilon,
            "{}",
            errors.max()
        );
        let rest = ratios.masked_fill(&given.ge(zero), 0.);
        assert_eq!(rest.max().double_value(&[]), 0.);
    }
}

#[test]
fn scores_of_any_size_stay_finite() {
    let case = (3, vec![0, 1, 2, 0], vec![1, 1, 1, 2]);
    let infinite = f64::NEG_INFINITY;
    let given = Tensor::from_slice(&[1e4, 1e4 + 1., infinite, infinite]).unsqueeze(1);
    let (one, e) = (1f64, 1f64.exp());
    let expected = Tensor::from_slice(&[one / (one + e), e / (one + e), 0., 0.]).unsqueeze(1);
    // The edge of the largest score weighs nothing.
    let weight = Tensor::from_slice(&[0., 1., 1., 1.]);
    let alone = Tensor::from_slice(&[0., 1., 0., 0.]).unsqueeze(1);
    let high = Tensor::from_slice(&[1e6, 1., infinite, infinite]).unsqueeze(1);
    for learns in [false, true] {
        let make = |weight: &Tensor| match learns {
            true => make(&case, Some(&learning(weight))),
            false => make(&case, Some(weight)),
        };
        for (weight, given, expected) in [
            (&weight.ones_like(), &given, &expected),
            (&weight, &high, &alone),
        ] {
            let leaf = learning(given);
            let found = make(weight).softmax(&t(&leaf)).unwrap();
            assert_close(&found.detach(), expected, &"large scores");
            let slope = gradient(&found.square().sum(Kind::Double), &leaf);
            assert!(bool::try_from(slope.isfinite().all()).unwrap(), "{slope}");
        }
    }
}

#[test]
fn an_edge_of_no_weight_is_as_if_it_were_not_there() {
    let case = cases().remove(7);
    let weight = weights_and_zeros(&case);
    let there: Vec<usize> = (0..case.1.len())
        .filter(|e| weight.double_value(&[*e as i64]) != 0.)
        .collect();
    let pick = |of: &[i64]| there.iter().map(|e| of[*e]).collect::<Vec<_>>();
    let fewer = (case.0, pick(&case.1), pick(&case.2));
    let without = weight.index_select(0, &weight.nonzero().flatten(0, -1));
    assert!(fewer.1.len() < case.1.len());
    let run = |case: &Case, weight: &Tensor| {
        let g = make(case, Some(weight));
        let mut numbers = Numbers(5);
        let ends = [(); 2].map(|()| t(&numbers.tensor(&[case.0, 2])));
        let x = numbers.tensor(&[case.0, 2, 3]);
        let attention = g.attention(&ends[0], &ends[1], SLOPE).unwrap();
        let flat = t(&x.flatten(1, 2));
        [
            g.attend(&attention, &t(&x)).unwrap(),
            g.max(&flat).unwrap(),
            g.mean(&flat).unwrap(),
        ]
    };
    for (with, without) in run(&case, &weight).iter().zip(run(&fewer, &without)) {
        assert_close(with, &without, &case);
    }
}

#[test]
fn weights_learn_through_attention_and_mean() {
    for case in cases() {
        let mut numbers = Numbers(5);
        let ends = [(); 2].map(|()| t(&numbers.tensor(&[case.0, 2])));
        let x = t(&numbers.tensor(&[case.0, 2, 3]));
        let flat = t(&x.flatten(1, 2));
        // A weight of 0 has a slope as well, but not where it is the only one.
        for (given, loops) in [(weights(&case), false), (weights_and_zeros(&case), true)] {
            let value = |w: &Tensor| {
                let mut g = make(&case, Some(w));
                if loops {
                    g = g.with_self_loops().unwrap();
                }
                let attention = g.attention(&ends[0], &ends[1], SLOPE).unwrap();
                g.attend(&attention, &x).unwrap().sin().sum(Kind::Double)
                    + g.mean(&flat).unwrap().sin().sum(Kind::Double)
            };
            let leaf = learning(&given);
            let found = gradient(&value(&leaf), &leaf);
            let slopes = differences(value, &leaf);
            assert!(slopes.allclose(&found, 1e-6, 1e-6, false), "{case:?}");
            // Constant weights give the same value.
            assert_close(&value(&leaf).detach(), &value(&given), &case);
        }
    }
}

#[test]
fn the_largest_is_the_first_of_equals() {
    let nan = f64::NAN;
    let low = f64::NEG_INFINITY;
    let x = Tensor::from_slice(&[-2., 1., low, -1., nan, low, -1., 1., low]).view([3, 3]);
    // Into node 0 from all, from node 1 twice; into node 1 from node 0; into node 2 from nobody.
    let case = (3, vec![0, 1, 1, 2, 0], vec![0, 0, 0, 0, 1]);
    for learns in [false, true] {
        let ones = Tensor::ones([5], (Kind::Double, Device::Cpu));
        let weight = if learns { learning(&ones) } else { ones };
        let leaf = learning(&x);
        let found = make(&case, Some(&weight)).max(&t(&leaf)).unwrap();
        let expected = Tensor::from_slice(&[-1., nan, low, -2., 1., low, 0., 0., 0.]);
        assert!(
            found.allclose(&expected.view([3, 3]), 0., 0., true),
            "{}",
            &*found
        );
        let slope = gradient(
            &found
                .nan_to_num(0., 0., 0.)
                .narrow(1, 0, 1)
                .sum(Kind::Double),
            &leaf,
        );
        let expected = Tensor::from_slice(&[1., 0., 0., 1., 0., 0., 0., 0., 0.]);
        assert_close(&slope.detach(), &expected.view([3, 3]), &learns);
        // Where there is no finite number, too.
        let slope = gradient(&found.narrow(1, 2, 1).sum(Kind::Double), &leaf);
        let expected = Tensor::from_slice(&[0., 0., 2., 0., 0., 0., 0., 0., 0.]);
        assert_close(&slope.detach(), &expected.view([3, 3]), &learns);
    }
}

#[test]
fn the_slow_and_obvious_graph_does_the_same() {
    let (nodes, pairs) = (6, [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4), (2, 2)]);
    let slow = testing::graph(nodes, &pairs);
    let (sources, targets): (Vec<i64>, Vec<i64>) = (
        Vec::try_from(&*slow.sources()).unwrap(),
        Vec::try_from(&*slow.targets()).unwrap(),
    );
    let case = (nodes as i64, sources, targets);
    let quick = make(&case, None);
    let run = |g: &Graph, x: &[Tensor]| {
        let attention = g.attention(&t(&x[0]), &t(&x[1]), SLOPE).unwrap();
        let attended = g.attend(&attention, &t(&x[2])).unwrap();
        let flat = t(&x[3]);
        [
            g.softmax(&t(&x[4])).unwrap(),
            attended,
            attention,
            g.max(&flat).unwrap(),
            g.mean(&flat).unwrap(),
        ]
    };
    let mut numbers = Numbers(5);
    let sizes: [&[i64]; 5] = [&[6, 2], &[6, 2], &[6, 2, 3], &[6, 4], &[11, 3]];
    for kind in [Kind::Float, Kind::Double] {
        let leaves = sizes.map(|size| learning(&numbers.tensor(size).to_kind(kind)));
        for (slow, quick) in run(&slow, &leaves).iter().zip(run(&quick, &leaves)) {
            assert_close(&quick.detach(), &slow.detach(), &kind);
        }
        let slopes = |g: &Graph| {
            let all = run(g, &leaves).map(|y| y.sin().square().sum(kind));
            Tensor::run_backward(&[all.into_iter().sum::<Tensor>()], &leaves, false, false)
        };
        for (slow, quick) in slopes(&slow).iter().zip(slopes(&quick)) {
            assert_close(&quick, slow, &kind);
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let mut numbers = Numbers(11);
    // Most edges go to few nodes, so that shares of work begin and end anywhere.
    let (nodes, edges) = (3000, 60_000);
    let sources = (0..edges).map(|_| numbers.below(nodes)).collect();
    let targets = (0..edges)
        .map(|_| numbers.below(nodes).min(numbers.below(nodes)) / 2)
        .collect();
    let g = make(&(nodes as i64, sources, targets), None);
    let mut leaf = |size: &[i64]| learning(&numbers.tensor(size).to_kind(Kind::Float));
    let ends = [(); 2].map(|()| leaf(&[nodes as i64, 3]));
    let x = leaf(&[nodes as i64, 3, 21]);
    let before = tch::get_num_threads();
    let run = |threads| {
        tch::set_num_threads(threads);
        let attention = g.attention(&t(&ends[0]), &t(&ends[1]), SLOPE).unwrap();
        let again = g.softmax(&attention).unwrap();
        let y = g.attend(&again, &t(&x)).unwrap();
        let flat = t(&x.flatten(1, 2));
        let (max, mean) = (g.max(&flat).unwrap(), g.mean(&flat).unwrap());
        let all = y.square().sum(Kind::Float) + max.square().sum(Kind::Float);
        let all = all + mean.square().sum(Kind::Float);
        let leaves = [&ends[0], &ends[1], &x];
        let mut made = Tensor::run_backward(&[all], &leaves, false, false);
        made.extend([y, max, mean].map(Tensor::from));
        made
    };
    let (one, two) = (run(1), run(2));
    tch::set_num_threads(before);
    for (i, (one, two)) in one.iter().zip(&two).enumerate() {
        assert!(one.equal(two), "tensor {i}");
    }
}

#[test]
fn names_of_nodes_do_not_matter_to_them() {
    for case in cases() {
        let mut to: Vec<i64> = (0..case.0).collect();
        to.reverse();
        to.rotate_left(case.0 as usize / 3);
        let rename = |ends: &[i64]| {
            let renamed = ends.iter().map(|&node| to[node as usize]);
            renamed.collect::<Vec<_>>()
        };
        let renamed = (case.0, rename(&case.1), rename(&case.2));
        let mut numbers = Numbers(5);
        let sizes: [&[i64]; 3] = [&[case.0, 2], &[case.0, 2], &[case.0, 2, 3]];
        let x = sizes.map(|size| numbers.tensor(size));
        let run = |case: &Case, x: &[Tensor; 3]| {
            let g = make(case, Some(&weights_and_zeros(case)));
            let attention = g.attention(&t(&x[0]), &t(&x[1]), SLOPE).unwrap();
            let flat = t(&x[2].flatten(1, 2));
            [
                g.attend(&attention, &t(&x[2])).unwrap(),
                g.max(&flat).unwrap(),
                g.mean(&flat).unwrap(),
            ]
        };
        let to = Tensor::from_slice(&to);
        // Node i is now node to[i].
        let moved = x.each_ref().map(|x| x.zeros_like().index_copy(0, &to, x));
        for (there, here) in run(&renamed, &moved).iter().zip(run(&case, &x)) {
            assert_close(&there.index_select(0, &to), &here, &case);
        }
    }
}

#[test]
fn tensors_may_lie_in_any_layout() {
    let case = cases().remove(6);
    let g = make(&case, None);
    let mut numbers = Numbers(5);
    let mut tensor = |size: &[i64]| numbers.tensor(size).to_kind(Kind::Float);
    let edges = case.1.len() as i64;
    let (scores, x) = (
        tensor(&[3, edges]).tr(),
        tensor(&[4, 3, case.0]).permute([2, 1, 0]),
    );
    let ends = [(); 2].map(|()| tensor(&[3, case.0]).tr());
    let (scores, x) = (t(&scores), t(&x));
    let ends = ends.map(|end| t(&end));
    let dense = |x: &plugin_api::Tensor| t(&x.contiguous());
    let same = |a: plugin_api::Tensor, b: plugin_api::Tensor| assert!(a.equal(&b));
    same(
        g.softmax(&scores).unwrap(),
        g.softmax(&dense(&scores)).unwrap(),
    );
    same(
        g.attention(&ends[0], &ends[1], SLOPE).unwrap(),
        g.attention(&dense(&ends[0]), &dense(&ends[1]), SLOPE)
            .unwrap(),
    );
    same(
        g.attend(&scores, &x).unwrap(),
        g.attend(&dense(&scores), &dense(&x)).unwrap(),
    );
    let flat = t(&x.select(2, 1));
    same(g.max(&flat).unwrap(), g.max(&dense(&flat)).unwrap());
}

#[test]
fn says_what_does_not_fit() {
    let g = make(&(2, vec![0, 0, 1], vec![1, 0, 1]), None);
    let zeros = |size: &[i64]| t(&Tensor::zeros(size, (Kind::Float, Device::Cpu)));
    let double = |size: &[i64]| t(&Tensor::zeros(size, (Kind::Double, Device::Cpu)));
    assert_eq!(
        said(g.softmax(&zeros(&[2, 4]))),
        "score does not fit the graph\n  found     float32 [2, 4]\n  expected  float32 or float64 [3, heads]"
    );
    assert_eq!(
        said(g.attention(&zeros(&[2, 4]), &zeros(&[3, 4]), SLOPE)),
        "target does not fit the graph\n  found     float32 [3, 4]\n  expected  float32 or float64 [2, heads]"
    );
    assert_eq!(
        said(g.attention(&zeros(&[2, 4]), &double(&[2, 4]), SLOPE)),
        "source and target do not fit together\n  found     float32 [2, 4], float64 [2, 4]\n  expected  the same kind \
         and number of heads"
    );
    assert_eq!(
        said(g.attend(&zeros(&[3, 4]), &zeros(&[2, 5, 3]))),
        "attention and x do not fit together\n  found     float32 [3, 4], float32 [2, 5, 3]\n  expected  the same kind \
         and number of heads"
    );
    assert_eq!(
        said(g.attend(&zeros(&[3, 4]), &zeros(&[2, 4]))),
        "x does not fit the graph\n  found     float32 [2, 4]\n  expected  float32 or float64 [2, heads, features]"
    );
    for result in [g.max(&zeros(&[3, 1])), g.mean(&zeros(&[3, 1]))] {
        assert_eq!(
            said(result),
            "x does not fit the graph\n  found     float32 [3, 1]\n  expected  float32 or float64 [2, features]"
        );
    }
}
