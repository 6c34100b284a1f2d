//! The shares against their equation, and a step of the search against derivatives worked out by hand.

use plugin_api::NodeKind;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::RelaxationObj;
use plugin_api::testing::close;

use crate::plugin;
use crate::session::{RATE, own, session_of, start, x, y};

fn given() -> Recipe {
    own("shares")
        .with("start", own("test-ones"))
        .with("transforms", vec![own("test-descent")])
}

fn relaxation() -> RelaxationObj {
    plugin().relaxation("shares", &given().params).unwrap()
}

fn decision() -> Decision {
    Decision::options("layer", [own("test-map"), own("test-twice")])
}

fn numbers<const N: usize>(numbers: [f64; N]) -> Tensor {
    Tensor::from_slice(&numbers)
}

#[test]
fn are_squares_that_add_up_to_one() {
    let specs = relaxation().weights(&[decision()]).unwrap();
    assert_eq!((specs[0].size(), specs[0].group), (vec![2], Group::Choice));
    let w = Tensors::new().with("layer", numbers([1.0, -3.0]));
    let draw = Draw {
        seed: 0,
        step: 0,
        train: true,
    };
    let mix = relaxation().mix(&w, &[decision()], &draw).unwrap();
    close(&mix["layer"].weights, &numbers([0.1, 0.9]));
    assert_eq!(mix["layer"].active().collect::<Vec<_>>(), [0, 1]);
}

/// `y = m_0 x w_0 + m_1 2 x w_1`, where both options begin alike and `m = (1/2, 1/2)`.
#[test]
fn a_step_moves_the_weights_then_the_shares() {
    let mix = Mix::new("layer", [own("test-map"), own("test-twice")]);
    let mut session = session_of(NodeKind::Mix(mix), Some(decision()));
    session.relax(&given()).unwrap();
    relaxation().update(&mut session).unwrap();

    // How the loss depends on the output, where `w` is what the options make together.
    let slope = |w: &Tensor| (x().matmul(w) - y()) * (2.0 / 3.0);
    let down = x().tr().matmul(&slope(&(start() * 1.5)));
    let (w_0, w_1) = (start() - &down * (0.5 * RATE), start() - &down * RATE);
    close(&session.weights("all").unwrap()["map.0.weight"], &w_0);
    close(&session.weights("all").unwrap()["map.1.weight"], &w_1);

    let slope = slope(&(&w_0 * 0.5 + &w_1));
    let of_share = [w_0, w_1 * 2.0].map(|w| (x().matmul(&w) * &slope).sum(Kind::Double));
    // At `a = (1, 1)` a share grows by half of what its own `a` does, and falls by half of what the other's does.
    let by_half = (&of_share[0] - &of_share[1]) * (0.5 * RATE);
    let a = Tensor::stack(&[1.0 - &by_half, 1.0 + &by_half], 0);
    near(&session.weights("choice").unwrap()["relaxation.layer"], &a);

    let scores = relaxation().decide(&mut session).unwrap();
    let squares = a.square();
    near(&scores["layer"], &(&squares / squares.sum(Kind::Double)));
}

/// As `close`, for numbers of single precision.
fn near(found: &Tensor, expected: &Tensor) {
    let expected = expected.to_kind(Kind::Float);
    assert!(
        found.allclose(&expected, 1e-6, 1e-6, false),
        "found\n{found}\nexpected\n{expected}"
    );
}

/// Ones.
#[component(initializer = "test-ones")]
struct Ones {}

impl Initializer for Ones {
    fn init(&self, spec: &WeightSpec, _: &Arch, _: u64) -> Result<plugin_api::Tensor> {
        Ok(Tensor::ones(spec.size(), (kind(spec.dtype), Device::Cpu)).into())
    }
}

/// Twice a linear map.
#[component(layer = "test-twice")]
struct Twice {}

impl Layer for Twice {
    fn weights(&self, _: &Shapes) -> Result<Vec<WeightSpec>> {
        let weight = WeightSpec::new("weight", &[("in", 2), ("out", 1)], own("test-start"));
        Ok(vec![WeightSpec {
            dtype: Dtype::F64,
            ..weight
        }])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, axis("out", 1))))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x["x"].f_matmul(&w["weight"])?.f_mul_scalar(2.0)?))
    }
}
