//! What the theory of wide networks says of how they begin and how fast they learn (after Roberts, Yaida & Hanin 2022).

use std::collections::HashMap;

use plugin_api::prelude::*;
use plugin_api::testing::Alone;
use plugin_api::{NodeKind, services};

/// Normal numbers of variance `1 / (in <f(z)^2>)`, where `f` is the layer that feeds this one, whichever it is, and `z` is
/// standard normal: so what a wide layer gives stays as large from layer to layer.
#[component(initializer = "steady")]
struct Steady {}

impl Initializer for Steady {
    fn init(&self, spec: &WeightSpec, arch: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let into = spec.axes.iter().find(|axis| axis.name == "in");
        let into = into.and_then(|axis| axis.size).context("no axis `in`")? as f64;
        let moment = match feeding(&spec.name, arch) {
            Some(layer) => second_moment(layer)?,
            None => 1.0,
        };
        let unit = random::normal(&spec.size(), seed).f_to_kind(kind(spec.dtype))?;
        Ok(unit.f_mul_scalar((into * moment).powf(-0.5))?.into())
    }
}

/// The layer that feeds the node of a weight; none where that is the network's input.
fn feeding<'a>(path: &str, arch: &'a Arch) -> Option<&'a Recipe> {
    let named = |name: &str| arch.nodes.iter().find(|node| node.name == name);
    let (node, _) = path.rsplit_once('.')?;
    match &named(named(node)?.inputs.get("x")?.node())?.kind {
        NodeKind::Layer(layer) => Some(layer),
        _ => None,
    }
}

/// The mean of `f(z)^2` over a standard normal `z`, by the trapezoidal rule.
fn second_moment(layer: &Recipe) -> Result<f64> {
    let z = Tensor::f_linspace(-12, 12, 24_001, (Kind::Double, Device::Cpu))?;
    let x = Batch::new().with("x", z.f_unsqueeze(1)?);
    let layer = services()?.layer(layer)?;
    let f = layer.forward(&Tensors::new(), &x, &Alone::eval())?;
    let density = z.f_square()?.f_mul_scalar(-0.5)?.f_exp()?;
    let squares = f.tensor("x")?.f_squeeze()?.f_square()?;
    let moment = squares
        .f_dot(&density)?
        .f_div(&density.f_sum(None::<Kind>)?)?;
    Ok(moment.f_double_value(&[])?)
}

/// Scales gradients so that all layers contribute alike to what a wide network learns at a step, where activations are
/// like the hyperbolic tangent: those of weights by `1 / in`, those of biases by `1 / depth`.
#[component(transform = "by-depth")]
struct ByDepth {}

impl Transform for ByDepth {
    fn init(&self, specs: &[WeightSpec], arch: &Arch) -> Result<Tensors> {
        let depths = depths(specs, arch);
        let scale = |spec: &WeightSpec| {
            let into = spec.axes.iter().find(|axis| axis.name == "in");
            let over = match into.and_then(|axis| axis.size) {
                Some(into) => into,
                None => depths.get(node(&spec.name)).copied().unwrap_or(1),
            };
            let size = (kind(spec.dtype), Device::Cpu);
            let scale = Tensor::f_full(spec.size(), 1.0 / over as f64, size)?;
            Ok((format!("scale:{}", spec.name), scale))
        };
        specs.iter().map(scale).collect()
    }

    fn update(
        &self,
        gradients: Tensors,
        _: &Tensors,
        state: &mut Tensors,
        _: &Tick,
    ) -> Result<Tensors> {
        let scaled = gradients.iter().map(|(path, gradient)| {
            let scale = &state[&format!("scale:{path}")];
            Ok((path, gradient.f_mul(scale)?))
        });
        scaled.collect()
    }
}

/// The node of a weight.
fn node(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(node, _)| node)
}

/// How many nodes with weights stand on the longest way from the input to the end of each, by its name.
fn depths<'a>(specs: &[WeightSpec], arch: &'a Arch) -> HashMap<&'a str, i64> {
    let mut depths: HashMap<&str, i64> = HashMap::new();
    for at in &arch.nodes {
        let before = at
            .inputs
            .values()
            .filter_map(|from| depths.get(from.node()));
        let before = before.max().copied().unwrap_or(0);
        let learns = specs.iter().any(|spec| node(&spec.name) == at.name);
        depths.insert(&at.name, before + i64::from(learns));
    }
    depths
}
