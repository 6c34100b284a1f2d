//! Every form and every derivative by a second route: the dense matrix.

mod aggregate;

use plugin_api::tch::Tensor;

use super::*;

/// Small numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n as u64) as i64
    }

    fn tensor(&mut self, size: &[i64]) -> Tensor {
        let n: i64 = size.iter().product();
        let values: Vec<f64> = (0..n)
            .map(|_| self.below(2001) as f64 / 1000. - 1.)
            .collect();
        Tensor::from_slice(&values).reshape(size)
    }
}

/// Nodes, sources, targets.
type Case = (i64, Vec<i64>, Vec<i64>);

fn cases() -> Vec<Case> {
    let mut cases = vec![
        (0, vec![], vec![]),
        (1, vec![], vec![]),
        (5, vec![], vec![]),
        (1, vec![0, 0], vec![0, 0]),
        (4, vec![2, 0, 2, 2, 0], vec![0, 2, 0, 2, 2]), // double edges, a loop, two nodes without edges
    ];
    let mut numbers = Numbers(7);
    for (nodes, edges) in [(2, 1), (6, 9), (10, 40), (50, 60), (30, 500)] {
        let mut ends = || (0..edges).map(|_| numbers.below(nodes)).collect::<Vec<_>>();
        cases.push((nodes as i64, ends(), ends()));
    }
    cases
}

fn make((nodes, sources, targets): &Case, weight: Option<&Tensor>) -> Graph {
    graph(
        (*nodes, *nodes),
        &Tensor::from_slice(sources),
        &Tensor::from_slice(targets),
        weight,
    )
    .unwrap()
}

/// Weights that no two edges have in common, none of them negative.
fn weights(case: &Case) -> Tensor {
    (Numbers(3).tensor(&[case.1.len() as i64]) + 1.01).to_kind(Kind::Double)
}

/// Differentiable in the weight, whose edges are in the order of the case.
fn dense((nodes, sources, targets): &Case, weight: &Tensor) -> Tensor {
    let at = [
        Some(Tensor::from_slice(targets)),
        Some(Tensor::from_slice(sources)),
    ];
    Tensor::zeros([*nodes, *nodes], (Kind::Double, Device::Cpu)).index_put(&at, weight, true)
}

fn dense_with_self_loops(a: &Tensor) -> Tensor {
    let eye = Tensor::eye(a.size()[0], (Kind::Double, Device::Cpu));
    a * (1. - &eye) + eye
}

fn dense_normalised(a: &Tensor) -> Tensor {
    let degrees = a.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    let zero = degrees.eq(0.);
    let d = degrees
        .masked_fill(&zero, 1.)
        .pow_tensor_scalar(-0.5)
        .masked_fill(&zero, 0.);
    d.unsqueeze(1) * a * d.unsqueeze(0)
}

fn assert_close(a: &Tensor, b: &Tensor, what: &dyn std::fmt::Debug) {
    assert_eq!((a.size(), a.kind()), (b.size(), b.kind()), "{what:?}");
    let tolerance = if a.kind() == Kind::Float { 1e-5 } else { 1e-11 };
    assert!(
        a.allclose(b, tolerance, tolerance, false),
        "{what:?}: {a} and {b}"
    );
}

fn gradient(y: &Tensor, of: &Tensor) -> Tensor {
    Tensor::run_backward(&[y], &[of], true, true).remove(0)
}

/// The first, second and third derivative of a scalar along changing directions.
fn derivatives(y: &Tensor, x: &Tensor) -> [Tensor; 3] {
    let along = |g: &Tensor, seed| (g * Numbers(seed).tensor(&g.size())).sum(Kind::Double);
    let first = gradient(y, x);
    let second = gradient(&along(&first, 1), x);
    let third = gradient(&along(&second, 2), x);
    [first, second, third]
}

/// Central differences of a scalar function.
fn differences(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    let step = 1e-5;
    let n = x.numel() as i64;
    let at = |i: i64, by: f64| {
        let shift = Tensor::zeros([n], (Kind::Double, Device::Cpu));
        let _ = shift.get(i).fill_(by);
        f(&(x.detach() + shift.reshape(x.size()))).double_value(&[])
    };
    let slopes: Vec<f64> = (0..n)
        .map(|i| (at(i, step) - at(i, -step)) / (2. * step))
        .collect();
    Tensor::from_slice(&slopes).reshape(x.size())
}

fn learning(t: &Tensor) -> Tensor {
    t.detach().copy().set_requires_grad(true)
}

#[test]
fn edges_are_in_order() {
    for case in cases() {
        let weight = weights(&case);
        let g = make(&case, Some(&weight));
        let list: Vec<f64> = Vec::try_from(&weight).unwrap();
        let mut expected: Vec<_> = case
            .2
            .iter()
            .zip(&case.1)
            .zip(list)
            .map(|((&t, &s), w)| (t, s, w))
            .collect();
        expected.sort_by_key(|&(t, s, _)| (t, s)); // stable
        let targets: Vec<i64> = Vec::try_from(&*g.targets()).unwrap();
        let sources: Vec<i64> = Vec::try_from(&*g.sources()).unwrap();
        let list: Vec<f64> = Vec::try_from(&*g.weight()).unwrap();
        let found: Vec<_> = targets
            .into_iter()
            .zip(sources)
            .zip(list)
            .map(|((t, s), w)| (t, s, w))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(g.nodes(), case.0);
    }
}

#[test]
fn products_are_those_of_the_dense_matrix() {
    for case in cases() {
        for features in [0, 1, 3, 16, 70, 130] {
            let x = Numbers(5).tensor(&[case.0, features]);
            let weight = weights(&case);
            let a = dense(&case, &weight);
            assert_close(
                &make(&case, Some(&weight)).matmul(&x).unwrap(),
                &a.matmul(&x),
                &case,
            );
            let learned = make(&case, Some(&learning(&weight)));
            assert_close(&learned.matmul(&x).unwrap().detach(), &a.matmul(&x), &case);
            let x = x.to_kind(Kind::Float);
            let a = dense(&case, &weight.ones_like()).to_kind(Kind::Float);
            assert_close(&make(&case, None).matmul(&x).unwrap(), &a.matmul(&x), &case);
        }
    }
}

#[test]
fn derivatives_of_any_order_are_those_of_the_dense_matrix() {
    for case in cases() {
        let weight = weights(&case);
        let (g, a) = (make(&case, Some(&weight)), dense(&case, &weight));
        let x = learning(&Numbers(5).tensor(&[case.0, 3]));
        let f = |product: &dyn Fn(&Tensor) -> Tensor, x: &Tensor| {
            product(&product(x).sin())
                .pow_tensor_scalar(4)
                .sum(Kind::Double)
        };
        let ours = |x: &Tensor| f(&|x| g.matmul(x).unwrap(), x);
        let theirs = f(&|x| a.matmul(x), &x);
        for (ours, theirs) in derivatives(&ours(&x), &x)
            .iter()
            .zip(derivatives(&theirs, &x))
        {
            assert_close(ours, &theirs, &case);
        }
        let slopes = differences(ours, &x);
        assert!(
            slopes.allclose(&gradient(&ours(&x), &x), 1e-5, 1e-5, false),
            "{case:?}"
        );
    }
}

#[test]
fn weights_learn_through_every_form() {
    for case in cases() {
        let x = learning(&Numbers(5).tensor(&[case.0, 3]));
        let w = learning(&weights(&case));
        let ours = |w: &Tensor| {
            let g = make(&case, Some(w));
            let once = g.normalised().unwrap().matmul(&x).unwrap();
            let twice = g
                .with_self_loops()
                .unwrap()
                .normalised()
                .unwrap()
                .matmul(&once.sin())
                .unwrap();
            twice.pow_tensor_scalar(2).sum(Kind::Double)
                + (&*g.degrees() * &*g.degrees()).sum(Kind::Double)
        };
        let theirs = |w: &Tensor| {
            let a = dense(&case, w);
            let once = dense_normalised(&a).matmul(&x);
            let twice = dense_normalised(&dense_with_self_loops(&a)).matmul(&once.sin());
            let degrees = a.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
            twice.pow_tensor_scalar(2).sum(Kind::Double) + (&degrees * &degrees).sum(Kind::Double)
        };
        for of in [&w, &x] {
            for (ours, theirs) in derivatives(&ours(&w), of)
                .iter()
                .zip(derivatives(&theirs(&w), of))
            {
                assert_close(ours, &theirs, &case);
            }
        }
        let slopes = differences(ours, &w);
        assert!(
            slopes.allclose(&gradient(&ours(&w), &w), 1e-4, 1e-4, false),
            "{case:?}"
        );
    }
}

#[test]
fn a_graph_follows_its_weights_from_step_to_step() {
    let case = (3, vec![0, 1, 2], vec![1, 2, 0]);
    let mut w = learning(&weights(&case));
    let g = make(&case, Some(&w));
    let x = Numbers(5).tensor(&[3, 2]);
    for _ in 0..3 {
        let y = g
            .normalised()
            .unwrap()
            .matmul(&x)
            .unwrap()
            .pow_tensor_scalar(2)
            .sum(Kind::Double);
        let expected = dense_normalised(&dense(&case, &w))
            .matmul(&x)
            .pow_tensor_scalar(2)
            .sum(Kind::Double);
        assert_close(&y, &expected, &case);
        let step = Tensor::run_backward(&[&y], &[&w], false, false).remove(0);
        let _ = tch::no_grad(|| w.g_sub_(&(step * 0.1)));
    }
}

#[test]
fn constant_weights_are_copied() {
    let case = (2, vec![0, 1], vec![0, 1]);
    let mut w = Tensor::from_slice(&[2., 3.]);
    let g = make(&case, Some(&w));
    let _ = w.fill_(0.);
    assert_eq!(*g.weight(), Tensor::from_slice(&[2., 3.]));
}

#[test]
fn forms_are_those_of_the_dense_matrix() {
    for case in cases() {
        let weight = weights(&case);
        let (g, a) = (make(&case, Some(&weight)), dense(&case, &weight));
        let eye = Tensor::eye(case.0, (Kind::Double, Device::Cpu));
        let matrix = |g: Graph| g.matmul(&eye).unwrap();
        assert_close(
            &g.degrees(),
            &a.sum_dim_intlist([1i64].as_slice(), false, Kind::Double),
            &case,
        );
        assert_close(
            &matrix(g.with_self_loops().unwrap()),
            &dense_with_self_loops(&a),
            &case,
        );
        assert_close(
            &matrix(g.normalised().unwrap()),
            &dense_normalised(&a),
            &case,
        );
        let gcn = g.with_self_loops().unwrap().normalised().unwrap();
        assert_close(
            &matrix(gcn.clone()),
            &dense_normalised(&dense_with_self_loops(&a)),
            &case,
        );
        // The same from weights in float32.
        let g = make(&case, None);
        assert_eq!(
            (g.weight().kind(), g.degrees().kind()),
            (Kind::Float, Kind::Float)
        );
        let a = dense(&case, &weight.ones_like());
        assert_close(
            &matrix(g.normalised().unwrap()),
            &dense_normalised(&a),
            &case,
        );
    }
}

#[test]
fn forms_are_kept() {
    let case = cases().remove(7);
    let g = make(&case, Some(&weights(&case)));
    let kept = |form: &dyn Fn(&Graph) -> plugin_api::Tensor| {
        form(&g).data_ptr() == form(&g.clone()).data_ptr()
    };
    assert!(kept(&|g| g.sources()));
    assert!(kept(&|g| g.weight()));
    assert!(kept(&|g| g.degrees()));
    assert!(kept(&|g| g.components().unwrap()));
    assert!(kept(&|g| g.normalised().unwrap().weight()));
    assert!(kept(&|g| g
        .with_self_loops()
        .unwrap()
        .normalised()
        .unwrap()
        .weight()));
    assert_eq!(
        g.normalised().unwrap().targets().data_ptr(),
        g.targets().data_ptr()
    );
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let mut numbers = Numbers(11);
    // Most edges go to few nodes, so that shares of work begin and end anywhere.
    let (nodes, edges) = (3000, 60_000);
    let sources = (0..edges).map(|_| numbers.below(nodes)).collect();
    let targets = (0..edges)
        .map(|_| numbers.below(nodes).min(numbers.below(nodes)) / 2)
        .collect();
    let case = (nodes as i64, sources, targets);
    let g = make(&case, None).normalised().unwrap();
    let before = tch::get_num_threads();
    for features in [7, 64, 200] {
        let x = learning(
            &numbers
                .tensor(&[nodes as i64, features])
                .to_kind(Kind::Float),
        );
        let both = |threads| {
            tch::set_num_threads(threads);
            let y = g.matmul(&x).unwrap();
            let slope = gradient(&y.pow_tensor_scalar(2).sum(Kind::Float), &x);
            // Columns in blocks; of a copy, as what is kept would be the same anyhow.
            let power = g.power(&x.detach().copy().into(), 5).unwrap();
            [y, slope, power.into()]
        };
        let (one, two) = (both(1), both(2));
        for (one, two) in one.iter().zip(&two) {
            assert!(one.equal(two), "{features} features");
        }
        let products = (0..5).fold(x.detach(), |x, _| g.matmul(&x).unwrap());
        assert!(one[2].equal(&products), "{features} features");
    }
    tch::set_num_threads(before);
}

#[test]
fn threads_share_a_graph() {
    let case = cases().pop().unwrap();
    let weight = weights(&case);
    let (g, a) = (
        make(&case, Some(&weight)),
        dense_normalised(&dense(&case, &weight)),
    );
    let x = Numbers(5).tensor(&[case.0, 8]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (g, x, y) = (&g, x.shallow_clone(), a.matmul(&x));
            scope.spawn(move || {
                assert_close(&g.normalised().unwrap().matmul(&x).unwrap(), &y, &"shared")
            });
        }
    });
}

#[test]
fn names_of_nodes_do_not_matter() {
    for case in cases() {
        let mut to: Vec<i64> = (0..case.0).collect();
        to.reverse();
        to.rotate_left(case.0 as usize / 3);
        let rename = |ends: &[i64]| {
            ends.iter()
                .map(|&node| to[node as usize])
                .collect::<Vec<_>>()
        };
        let renamed = (case.0, rename(&case.1), rename(&case.2));
        let (to, x) = (Tensor::from_slice(&to), Numbers(5).tensor(&[case.0, 5]));
        let run = |case: &Case, x: &Tensor| {
            let g = make(case, Some(&weights(case)))
                .with_self_loops()
                .unwrap()
                .normalised()
                .unwrap();
            g.matmul(x).unwrap()
        };
        let moved = x.zeros_like().index_copy(0, &to, &x); // node i is now node to[i]
        assert_close(
            &run(&renamed, &moved).index_select(0, &to),
            &run(&case, &x),
            &case,
        );
    }
}

#[test]
fn components_are_numbered_by_their_first_nodes() {
    for case in cases() {
        let mut expected: Vec<i64> = (0..case.0).collect();
        for _ in 0..case.0 {
            for (&s, &t) in case.1.iter().zip(&case.2) {
                let least = expected[s as usize].min(expected[t as usize]);
                (expected[s as usize], expected[t as usize]) = (least, least);
            }
        }
        let mut firsts = expected.clone();
        firsts.sort_unstable();
        firsts.dedup();
        for number in &mut expected {
            *number = firsts.binary_search(number).unwrap() as i64;
        }
        let found: Vec<i64> = Vec::try_from(&*make(&case, None).components().unwrap()).unwrap();
        assert_eq!(found, expected, "{case:?}");
    }
}

/// The text of a failure.
/// A graph as its matrix, `[nodes, source nodes]`, double edges added up.
fn matrix(g: &Graph) -> Tensor {
    let zeros = Tensor::zeros([g.nodes(), g.source_nodes()], (Kind::Double, Device::Cpu));
    let (to, from) = (Tensor::from(g.targets()), Tensor::from(g.sources()));
    zeros.index_put(
        &[Some(to), Some(from)],
        &g.weight().to_kind(Kind::Double),
        true,
    )
}

/// From 7 nodes of one kind to 5 of another, with double edges and nodes without any.
fn bipartite(weight: Option<&Tensor>) -> Graph {
    let mut numbers = Numbers(5);
    let mut ends = |n| (0..12).map(|_| numbers.below(n)).collect::<Vec<_>>();
    let (from, to) = (Tensor::from_slice(&ends(6)), Tensor::from_slice(&ends(5)));
    graph((5, 7), &from, &to, weight).unwrap()
}

#[test]
fn nodes_of_two_kinds_are_rows_and_columns() {
    for learned in [false, true] {
        let weight = Numbers(9).tensor(&[12]) + 1.01;
        let weight = weight.set_requires_grad(learned);
        let g = bipartite(Some(&weight));
        let a = matrix(&g);
        let x = learning(&Numbers(2).tensor(&[7, 3]));
        assert_close(&g.matmul(&x).unwrap(), &a.matmul(&x), &"product");
        let back = g.transposed().unwrap();
        assert_close(&matrix(&back), &a.tr(), &"transposed");
        let y = Numbers(4).tensor(&[5, 2]);
        assert_close(
            &back.matmul(&y).unwrap(),
            &a.tr().matmul(&y),
            &"its product",
        );
        let root = |sums: Tensor| {
            let zero = sums.eq(0.0);
            sums.masked_fill(&zero, 1.0).rsqrt().masked_fill(&zero, 0.0)
        };
        let rows = root(a.sum_dim_intlist(1, false, Kind::Double)).unsqueeze(1);
        let columns = root(a.sum_dim_intlist(0, false, Kind::Double)).unsqueeze(0);
        let normalised = matrix(&g.normalised().unwrap());
        assert_close(&normalised, &(rows * &a * columns), &"normalised");
        for y in [g.matmul(&x).unwrap(), a.matmul(&x)] {
            let slope = gradient(&y.square().sum(Kind::Double), &x);
            let y = a.matmul(&x.detach());
            assert_close(&slope, &(a.tr().matmul(&y) * 2.0), &"gradient");
        }
    }
    let said = said(bipartite(None).with_self_loops());
    assert_eq!(
        said,
        "a graph from nodes of one kind to nodes of another has no loops\n  found     7 nodes to 5"
    );
}

#[test]
fn other_weights_on_the_same_edges() {
    for case in cases() {
        let g = make(&case, None);
        let weight = weights(&case);
        let order = make(&case, Some(&weight)).weight();
        let other = g.weighted(&order).unwrap();
        assert_close(&matrix(&other), &dense(&case, &weight), &case);
        // What follows from the edges is found once for all weights.
        assert_eq!(other.sources().data_ptr(), g.sources().data_ptr());
        let w = learning(&order);
        let x = Numbers(1).tensor(&[case.0, 2]);
        let y = g.weighted(&w.into()).unwrap().normalised().unwrap();
        let y = y.matmul(&x).unwrap();
        assert!(y.requires_grad());
    }
}

#[test]
fn edges_go_and_come_in_both_directions() {
    let mut numbers = Numbers(11);
    for case in cases() {
        let g = make(&case, Some(&weights(&case)));
        let a = matrix(&g);
        let n = case.0 as usize;
        if n == 0 {
            continue;
        }
        let pairs: Vec<i64> = (0..8).map(|_| numbers.below(n)).collect();
        let (less, more) = (a.copy(), a.copy());
        for pair in pairs.chunks(2) {
            for (to, from) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let _ = less.get(to).get(from).fill_(0.0);
            }
            let _ = more.get(pair[0]).get(pair[1]).f_add_scalar_(1.0).unwrap();
            if pair[0] != pair[1] {
                let _ = more.get(pair[1]).get(pair[0]).f_add_scalar_(1.0).unwrap();
            }
        }
        let pairs = Tensor::from_slice(&pairs).view([4, 2]);
        assert_close(&matrix(&g.without(&pairs).unwrap()), &less, &case);
        assert_close(&matrix(&g.with(&pairs).unwrap()), &more, &case);

        // Two more nodes; the first edge goes to one of them, the second between them.
        let (from, to) = (
            Tensor::from_slice(&[0, case.0]),
            Tensor::from_slice(&[case.0 + 1; 2]),
        );
        let grown = matrix(&g.appended(2, &from, &to).unwrap());
        assert_close(&grown.narrow(0, 0, case.0).narrow(1, 0, case.0), &a, &case);
        assert_eq!(grown.size(), [case.0 + 2; 2]);
        assert_eq!(grown.double_value(&[case.0 + 1, 0]), 1.0);
        let more = (grown.sum(Kind::Double) - a.sum(Kind::Double)).double_value(&[]);
        assert!((more - 2.0).abs() < 1e-9);
    }
    let pairs = Tensor::from_slice(&[0_i64, 9]).view([1, 2]);
    assert_eq!(
        said(make(&cases()[4], None).without(&pairs)),
        "these are no pairs of the graph's nodes\n  found     Int64 [1, 2]\n  expected  int64 [pairs, 2], numbers below 4"
    );
}

#[test]
fn rows_and_what_they_share() {
    let mut numbers = Numbers(13);
    for case in cases() {
        let (g, n) = (make(&case, Some(&weights(&case))), case.0 as usize);
        if n == 0 {
            continue;
        }
        let a = matrix(&g);
        let mut some = || {
            let picked: Vec<i64> = (0..6).map(|_| numbers.below(n)).collect();
            Tensor::from_slice(&picked)
        };
        let (one, other) = (some(), some());
        let (of_one, of_other) = (g.rows(&one).unwrap(), g.rows(&other).unwrap());
        let (b, c) = (a.index_select(0, &one), a.index_select(0, &other));
        assert_close(&matrix(&of_one), &b, &case);
        let there = c.ne(0.0).to_kind(Kind::Double);
        assert_close(
            &matrix(&of_one.common(&of_other).unwrap()),
            &(&b * &there),
            &case,
        );
        let left = &b * (1.0 - &there);
        assert_close(&matrix(&of_one.except(&of_other).unwrap()), &left, &case);
    }
}

#[test]
fn graphs_stand_side_by_side() {
    let all: Vec<Graph> = cases()
        .iter()
        .map(|case| make(case, Some(&weights(case))))
        .collect();
    let whole = Graph::side_by_side(&all).unwrap();
    let blocks: Vec<Tensor> = all.iter().map(matrix).collect();
    assert_close(&matrix(&whole), &Tensor::block_diag(&blocks), &"blocks");

    // Many weightings at once are one after the other.
    let case = &cases()[8];
    let g = make(case, None);
    let edges = g.sources().size()[0];
    let weights = Numbers(3).tensor(&[3, edges]) + 1.01;
    let x = Numbers(4).tensor(&[case.0, 2]);
    let copies = g
        .repeated(3)
        .unwrap()
        .weighted(&weights.reshape([-1]).into())
        .unwrap();
    let at_once = copies
        .normalised()
        .unwrap()
        .matmul(&x.repeat([3, 1]))
        .unwrap();
    for (i, y) in (0..3).zip(at_once.split(case.0, 0)) {
        let alone = g
            .weighted(&weights.get(i).into())
            .unwrap()
            .normalised()
            .unwrap();
        assert_close(&y, &alone.matmul(&x).unwrap(), &i);
    }
}

#[test]
fn powers_are_products_and_are_kept() {
    for case in cases() {
        let g = make(&case, Some(&(weights(&case) * 0.1)));
        let x = Numbers(4).tensor(&[case.0, 70]);
        let mut expected = x.copy();
        for hops in 0..4 {
            let y = g.power(&(&x).into(), hops).unwrap();
            assert_close(&y, &expected, &(&case, hops));
            expected = g.matmul(&expected).unwrap();
        }
        if case.0 == 0 {
            continue;
        }
        let (mut x, hops) = (plugin_api::Tensor::from(&x), 3);
        let first = g.power(&x, hops).unwrap();
        assert_eq!(g.power(&x, hops).unwrap().data_ptr(), first.data_ptr());
        // Whoever changes a tensor has another one, though it lies in the same place.
        let _ = x.f_add_scalar_(1.0).unwrap();
        let changed = g.power(&x, hops).unwrap();
        assert!(changed.data_ptr() != first.data_ptr());
        let mut first = changed;
        let before = first.copy();
        let _ = first.f_zero_().unwrap();
        assert_close(&g.power(&x, hops).unwrap(), &before, &case);
        // With gradients it is the products.
        let x = learning(&x);
        let y = g.power(&(&x).into(), hops).unwrap();
        let slope = gradient(&y.sum(Kind::Double), &x);
        let ones = y.ones_like();
        let back = g.transposed().unwrap().power(&ones.into(), hops).unwrap();
        assert_close(&slope, &back, &case);
    }
}

fn said<T>(result: Result<T>) -> String {
    result.err().expect("a failure").to_string()
}

#[test]
fn refuses_more_nodes_than_there_is_memory_for() {
    let none = Tensor::from_slice::<i64>(&[]);
    assert_eq!(
        said(graph((i64::MAX, 1), &none, &none, None)),
        format!(
            "there is no memory for as many lines of a sparse matrix\n  found     {}",
            i64::MAX
        )
    );
}

#[test]
fn says_what_is_wrong_with_the_edges() {
    let ints = |values: &[i64]| Tensor::from_slice(values);
    let floats = |values: &[f32]| Tensor::from_slice(values);
    let said = |nodes, sources: &Tensor, targets: &Tensor, weight: Option<&Tensor>| {
        said(graph((nodes, nodes), sources, targets, weight))
    };
    assert_eq!(
        said(3, &ints(&[0, 1, 2]), &ints(&[0, 1]), Some(&floats(&[1.]))),
        "the edges of a graph differ in number\n  found     `sources` 3, `targets` 2, `weight` 1\n  expected  one of \
         each for each edge"
    );
    assert_eq!(
        said(3, &ints(&[0, 1, 5, 7]), &ints(&[0, 1, 2, -1]), None),
        "edge 2 leaves the graph\n  found     5 -> 2\n  expected  nodes 0 to 2 at both ends"
    );
    assert_eq!(
        said(1, &ints(&[0]), &ints(&[-1]), None),
        "edge 0 leaves the graph\n  found     0 -> -1\n  expected  node 0 at both ends"
    );
    assert_eq!(
        said(0, &ints(&[0]), &ints(&[0]), None),
        "edge 0 leaves the graph\n  found     0 -> 0\n  expected  no edges, since there are no nodes"
    );
    assert_eq!(
        said(-2, &ints(&[]), &ints(&[]), None),
        "a graph cannot have this many nodes\n  found     -2\n  expected  0 or more"
    );
    assert_eq!(
        said(3, &floats(&[0.]), &ints(&[0]), None),
        "`sources` cannot describe the edges of a graph\n  found     float32 [1]\n  expected  int64 [edges]"
    );
    assert_eq!(
        said(3, &ints(&[0]), &ints(&[0]).reshape([1, 1]), None),
        "`targets` cannot describe the edges of a graph\n  found     int64 [1, 1]\n  expected  int64 [edges]"
    );
    assert_eq!(
        said(3, &ints(&[0]), &ints(&[0]), Some(&ints(&[1]))),
        "`weight` cannot describe the edges of a graph\n  found     int64 [1]\n  expected  float32 or float64 [edges]"
    );
}

#[test]
fn says_what_a_graph_cannot_do() {
    let g = make(&(2, vec![0], vec![1]), None);
    let zeros = |size: &[i64], kind| Tensor::zeros(size, (kind, Device::Cpu));
    let expected = "expected  float32 or float64 [2, features]";
    for (x, found) in [
        (zeros(&[3, 2], Kind::Float), "float32 [3, 2]"),
        (zeros(&[2], Kind::Float), "float32 [2]"),
        (zeros(&[2, 2], Kind::Int64), "int64 [2, 2]"),
    ] {
        let text = format!("x does not fit the graph\n  found     {found}\n  {expected}");
        assert_eq!(said(g.matmul(&x)), text);
    }
    assert_eq!(
        said(g.on_device(-2)),
        "a graph cannot be on this device\n  found     -2\n  expected  -1 for the CPU, or the number of a GPU"
    );
    assert_eq!(
        said(make(&(2, vec![0], vec![1]), Some(&Tensor::from_slice(&[-1.]))).normalised()),
        "a graph with degrees below zero cannot be normalised\n  found     -1 at node 1\n  expected  weights that add up \
         to 0 or more at each node"
    );
    assert_eq!(
        g.on_device(-1).unwrap().targets().data_ptr(),
        g.targets().data_ptr()
    );
}
