//! Kernels against the same composed of plain operations: on the CPU, or on the device that `PLEACH_TEST_DEVICE` names.

use plugin_api::pass::dropped;
use plugin_api::{AdamStep, SgdStep, Tensor, Tensors, random};
use tch::{Device, Kind};

use super::{adam, add, dropout, masked, sgd, uniform};
use crate::device;

fn device() -> Device {
    let name = std::env::var("PLEACH_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
    let device = device::parse(&name).unwrap();
    device::open(device).unwrap();
    device
}

fn near(found: &tch::Tensor, expected: &tch::Tensor, what: &str) {
    let within = match expected.kind() {
        Kind::Float => 1e-6,
        _ => 1e-12,
    };
    assert_eq!(found.size(), expected.size(), "{what}");
    assert_eq!(found.kind(), expected.kind(), "{what}");
    assert!(
        found.allclose(expected, within, within * 1e-3, false),
        "{what}\nfound\n{found}\nexpected\n{expected}"
    );
}

fn normal(size: &[i64], seed: u64, kind: Kind) -> tch::Tensor {
    random::normal(size, seed).to_kind(kind).to_device(device())
}

/// Layouts that a tensor can have: empty, one number, none of the vector lengths, more than one thread's share, columns
/// of another, the same numbers many times.
fn layouts(seed: u64, kind: Kind) -> Vec<Tensor> {
    let of = |size: &[i64]| normal(size, seed, kind);
    let all = [
        of(&[0, 3]),
        of(&[]),
        of(&[7]),
        of(&[129, 513]),
        of(&[33, 5]).tr(),
        of(&[9, 8]).slice(1, 0, 8, 2),
    ];
    all.into_iter().map(Tensor::from).collect()
}

fn copies(tensors: &[Tensor]) -> Vec<Tensor> {
    // With their strides.
    let copy = |t: &Tensor| {
        let to = t.empty_like();
        to.shallow_clone().copy_(t);
        to.into()
    };
    tensors.iter().map(copy).collect()
}

fn squares(tensors: Vec<Tensor>) -> Vec<Tensor> {
    tensors.iter().map(|t| t.square().into()).collect()
}

/// The same under names of their own.
fn named(tensors: Vec<Tensor>) -> Tensors {
    let named = tensors.into_iter().enumerate();
    named.map(|(i, t)| (format!("t{i}"), t)).collect()
}

fn listed(tensors: &Tensors) -> Vec<Tensor> {
    tensors.values().cloned().collect()
}

fn all_near(found: &[Tensor], expected: &[Tensor], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        near(found, expected, &format!("{what}, tensor {i}"));
    }
}

#[test]
fn adam_is_its_composition() {
    for kind in [Kind::Float, Kind::Double] {
        for decay in [0.0, 0.1] {
            let weights = layouts(1, kind);
            let (first, second) = (layouts(2, kind), squares(layouts(3, kind)));
            let (first_too, second_too) = (copies(&first), copies(&second));
            for step in 0..3 {
                let rule = AdamStep {
                    rate: 0.01,
                    beta1: 0.9,
                    beta2: 0.999,
                    epsilon: 1e-8,
                    decay,
                    step,
                };
                let g = named(layouts(10 + step as u64, kind));
                let expected = rule.plain(&g, &weights, &first_too, &second_too).unwrap();
                let found = adam(&rule, g, &weights, &first, &second).unwrap();
                let (found, expected) = (listed(&found), listed(&expected));
                let what = format!("{kind:?}, decay {decay}, step {step}");
                all_near(&found, &expected, &what);
                all_near(&first, &first_too, &what);
                all_near(&second, &second_too, &what);
            }
        }
    }
}

#[test]
fn a_gradient_may_be_laid_out_otherwise_than_its_moments() {
    let rule = AdamStep {
        rate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        decay: 0.1,
        step: 0,
    };
    let of = |seed| normal(&[33, 5], seed, Kind::Double);
    let list = |t: tch::Tensor| vec![Tensor::from(t)];
    let (g, w) = (list(of(1).tr()), list(of(2).tr()));
    let (m, v) = (
        list(of(3).view([5, 33])),
        list(of(4).square().view([5, 33])),
    );
    let (m_too, v_too) = (copies(&m), copies(&v));
    let g = named(g);
    let expected = rule.plain(&g, &w, &m_too, &v_too).unwrap();
    let found = adam(&rule, g, &w, &m, &v).unwrap();
    all_near(&listed(&found), &listed(&expected), "update");
    all_near(&m, &m_too, "first");
    all_near(&v, &v_too, "second");
}

#[test]
fn sgd_is_its_composition() {
    for kind in [Kind::Float, Kind::Double] {
        for (momentum, nesterov, decay) in [
            (0.0, false, 0.0),
            (0.0, false, 0.1),
            (0.9, false, 0.0),
            (0.9, true, 0.1),
        ] {
            let rule = SgdStep {
                rate: 0.1,
                momentum,
                nesterov,
                decay,
            };
            let moved = match momentum {
                0.0 => vec![],
                _ => layouts(2, kind),
            };
            let (weights, moved_too) = (layouts(1, kind), copies(&moved));
            for step in 0..3 {
                let g = named(layouts(10 + step, kind));
                let expected = rule.plain(&g, &weights, &moved_too).unwrap();
                let found = sgd(&rule, g, &weights, &moved).unwrap();
                let (found, expected) = (listed(&found), listed(&expected));
                let what = format!("{kind:?}, {rule:?}, step {step}");
                all_near(&found, &expected, &what);
                all_near(&moved, &moved_too, &what);
            }
        }
    }
}

#[test]
fn adding_is_its_composition_and_leaves_handles_good() {
    for kind in [Kind::Float, Kind::Double] {
        for masked in [false, true] {
            let (weights, updates) = (layouts(1, kind), layouts(2, kind));
            for (weight, update) in weights.iter().zip(&updates) {
                let mask = Tensor::from(weight.gt(0.0).to_kind(Kind::Uint8).contiguous());
                let mask = masked.then_some(&mask);
                let mut expected = &**weight + &**update;
                if let Some(mask) = mask {
                    expected *= &**mask;
                }
                let (leaf, version) = (
                    weight.set_requires_grad(true),
                    weight.f_internal_version().unwrap(),
                );
                add(&leaf.detach(), update, mask).unwrap();
                assert_eq!(weight.detach(), expected);
                // Autograd must see that numbers have changed under it.
                assert!(leaf.f_internal_version().unwrap() > version);
            }
        }
    }
    let weight = normal(&[2, 3], 1, Kind::Float);
    let wrong = normal(&[4], 1, Kind::Float).into();
    assert!(add(&weight, &wrong, None).is_err());
}

#[test]
fn masking_changes_only_what_nobody_else_sees() {
    for kind in [Kind::Float, Kind::Double] {
        for (t, mask) in layouts(1, kind).into_iter().zip(layouts(2, kind)) {
            let mask = Tensor::from(mask.gt(0.0).to_kind(Kind::Uint8).contiguous());
            let (before, expected) = (t.copy(), &*t * &*mask);
            let second = t.clone();
            assert!(masked(t, &mask).unwrap().equal(&expected));
            assert!(second.equal(&before));
            // Another tensor on the same numbers.
            let view = second.alias();
            assert!(masked(second, &mask).unwrap().equal(&expected));
            assert!(view.equal(&before));
        }
        // A copy: what a view was taken of lives on beside it.
        let (t, mask) = (
            normal(&[7], 1, kind).copy(),
            normal(&[7], 2, kind).gt(0.0).to_kind(Kind::Uint8),
        );
        let (place, expected) = (t.data_ptr(), &t * &mask);
        let found = masked(t.into(), &mask.into()).unwrap();
        assert!(found.equal(&expected));
        assert_eq!(found.data_ptr() == place, device() == Device::Cpu);
    }
}

#[test]
fn optimizers_tell_what_does_not_fit() {
    let one: Vec<Tensor> = vec![normal(&[3], 1, Kind::Float).into()];
    let other: Vec<Tensor> = vec![normal(&[4], 1, Kind::Float).into()];
    let rule = SgdStep {
        rate: 0.1,
        momentum: 0.9,
        nesterov: false,
        decay: 0.0,
    };
    let g = || named(one.clone());
    assert!(sgd(&rule, g(), &[], &one).is_err());
    assert!(sgd(&rule, g(), &one, &other).is_err());
}

#[test]
fn an_update_lies_in_its_gradient_where_nobody_else_sees_that() {
    let rule = SgdStep {
        rate: 1.0,
        momentum: 0.0,
        nesterov: false,
        decay: 0.0,
    };
    let w = [Tensor::from(normal(&[4, 3], 1, Kind::Float))];
    let of = || normal(&[4, 3], 2, Kind::Float).copy();
    let check = |g: tch::Tensor, seen_by: Option<tch::Tensor>| {
        let (place, expected) = (g.data_ptr(), -&g);
        let before = seen_by.as_ref().map(|other| other.copy());
        let found = sgd(&rule, named(vec![g.into()]), &w, &[]).unwrap();
        assert!(found["t0"].equal(&expected));
        assert_eq!(seen_by, before);
        let here = seen_by.is_none() && device() == Device::Cpu;
        assert_eq!(found["t0"].data_ptr() == place, here);
    };
    check(of(), None);
    // A view that autograd made: what it is a view of is nobody's.
    check(tch::no_grad(|| of().tr().copy().tr()), None);
    let g = of();
    check(g.shallow_clone(), Some(g));
    let g = of();
    check(g.alias(), Some(g));
    let both = normal(&[2, 4, 3], 2, Kind::Float).copy();
    check(both.get(0), Some(both));
}

/// The same with one thread and with two.
fn with_threads<T>(threads: i32, f: impl FnOnce() -> T) -> T {
    let before = tch::get_num_threads();
    tch::set_num_threads(threads);
    let made = f();
    tch::set_num_threads(before);
    made
}

#[test]
fn threads_change_no_bit() {
    let run = || {
        let of = |seed| Tensor::from(normal(&[300, 1000], seed, Kind::Float));
        let (g, w, m, v) = (of(1), of(2), of(3), Tensor::from(of(4).square()));
        let rule = AdamStep {
            rate: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            decay: 0.1,
            step: 4,
        };
        let of = |t: &Tensor| vec![t.clone()];
        let update = adam(&rule, named(of(&g)), &of(&w), &of(&m), &of(&v)).unwrap();
        let mask = Tensor::from(g.gt(0.0).to_kind(Kind::Uint8));
        add(&w, update.values().next().unwrap(), Some(&mask)).unwrap();
        let drawn = uniform(&[300, 1000], 7).unwrap();
        let kept = dropout(&w, 0.3, 7).map_or_else(|| w.copy(), |kept| kept.unwrap());
        [w.into(), m.into(), v.into(), drawn, kept]
    };
    let (one, two) = (with_threads(1, run), with_threads(2, run));
    for (one, two) in one.iter().zip(&two) {
        assert!(one.equal(two));
    }
}

#[test]
fn numbers_are_uniform_and_independent() {
    let n = 1 << 20;
    let draws = [1_u64, 2, 1 << 32, u64::MAX].map(|key| uniform(&[n], key).unwrap());
    let number = |t: tch::Tensor| t.to_kind(Kind::Double).double_value(&[]);
    for x in &draws {
        let x = x.to_kind(Kind::Double);
        assert!(number(x.min()) >= 0.0 && number(x.max()) < 1.0);
        // Five standard deviations each.
        let root = (n as f64).sqrt();
        let off = |found: f64, expected: f64, deviation: f64| {
            assert!(
                (found - expected).abs() < 5.0 * deviation / root,
                "{found} for {expected}"
            );
        };
        let centred = &x - 0.5;
        off(number(x.mean(None::<Kind>)), 0.5, (1.0 / 12.0_f64).sqrt());
        off(
            number(centred.square().mean(None::<Kind>)),
            1.0 / 12.0,
            (1.0 / 180.0_f64).sqrt(),
        );
        for lag in [1, 2, 3, 8, 16, 64, 1 << 10] {
            let (one, other) = (
                centred.narrow(0, 0, n - lag),
                centred.narrow(0, lag, n - lag),
            );
            off(number((one * other).mean(None::<Kind>)), 0.0, 1.0 / 12.0);
        }
        // Equal shares, by chi squared: its mean is 255, its deviation 22.6.
        let shares = (&x * 256.0).floor().histc(256) / (n as f64 / 256.0) - 1.0;
        let chi = number(shares.square().sum(Kind::Double)) * n as f64 / 256.0;
        assert!((chi - 255.0).abs() < 5.0 * 22.6, "{chi}");
        for other in draws
            .iter()
            .filter(|other| !other.equal(&x.to_kind(Kind::Float)))
        {
            let other = other.to_kind(Kind::Double) - 0.5;
            off(
                number((&centred * other).mean(None::<Kind>)),
                0.0,
                1.0 / 12.0,
            );
        }
    }
    assert!(draws[0].equal(&uniform(&[n], 1).unwrap()));
    let places = uniform(&[4, 5], 1).unwrap();
    assert!(places.view([20]).equal(&draws[0].narrow(0, 0, 20)));
}

#[test]
fn dropout_is_its_composition() {
    for kind in [Kind::Float, Kind::Double] {
        for rate in [0.0, 1e-3, 0.3, 0.5, 0.999] {
            for x in layouts(1, kind) {
                let plain = dropped(&x, &uniform(&x.size(), 9).unwrap().into(), rate).unwrap();
                match dropout(&x, rate, 9) {
                    Some(found) => assert!(found.unwrap().equal(&plain)),
                    None => assert_ne!(device(), Device::Cpu),
                }
            }
        }
    }
    let x = normal(&[3], 1, Kind::Float);
    for rate in [-0.1, 1.0, f64::NAN] {
        assert!(dropout(&x, rate, 1).is_none());
        assert!(dropped(&(&x).into(), &uniform(&[3], 1).unwrap().into(), rate).is_err());
    }
    assert!(dropout(&x.to_kind(Kind::Half), 0.5, 1).is_none());
}

#[test]
fn dropout_keeps_the_mean_and_grows_the_variance() {
    let (n, rate) = (1 << 20, 0.3);
    let x = tch::Tensor::ones([n], (Kind::Double, Device::Cpu));
    let y = dropout(&x, rate, 3).unwrap().unwrap();
    let variance = rate / (1.0 - rate);
    let deviation = 5.0 * variance.sqrt() / (n as f64).sqrt();
    assert!((y.mean(Kind::Double).double_value(&[]) - 1.0).abs() < deviation);
    assert!((y.var(false).double_value(&[]) - variance).abs() < 0.01);
}

#[test]
fn dropout_has_gradients_of_any_order() {
    let x = normal(&[40, 3], 1, Kind::Double)
        .to_device(Device::Cpu)
        .set_requires_grad(true);
    let factors = dropout(&x.ones_like().detach(), 0.4, 5).unwrap().unwrap();
    // y = (f x)^3, so y' = 3 f (f x)^2 and y'' = 6 f^2 (f x).
    let y = dropout(&x, 0.4, 5).unwrap().unwrap().pow_tensor_scalar(3);
    let dy = tch::Tensor::run_backward(&[y.sum(Kind::Double)], &[&x], true, true).remove(0);
    let fx = &factors * &x;
    near(
        &dy.detach(),
        &(fx.square() * &factors * 3.0).detach(),
        "first",
    );
    let ddy = tch::Tensor::run_backward(&[dy.sum(Kind::Double)], &[&x], false, false).remove(0);
    near(&ddy, &(fx * factors.square() * 6.0).detach(), "second");
    // Columns of a wider gradient.
    let wide = tch::Tensor::run_backward(
        &[dropout(&x, 0.4, 5)
            .unwrap()
            .unwrap()
            .tr()
            .cumsum(1, Kind::Double)
            .sum(Kind::Double)],
        &[&x],
        false,
        false,
    )
    .remove(0);
    let expected = (dropped(&(&x).into(), &uniform(&[40, 3], 5).unwrap().into(), 0.4).unwrap())
        .tr()
        .cumsum(1, Kind::Double)
        .sum(Kind::Double);
    let expected = tch::Tensor::run_backward(&[expected], &[&x], false, false).remove(0);
    near(&wide, &expected, "of a transposed one");
    assert!(!tch::no_grad(|| dropout(&x, 0.4, 5).unwrap().unwrap()).requires_grad());
}
