//! Parts that networks of tests are made of.

use plugin_api::prelude::*;

/// Options of unlike widths, each stretched to the widest by repeating its last feature, and summed by weight.
#[component(layer = "widest")]
struct Widest {}

impl Layer for Widest {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let options = inputs.iter().filter(|(port, _)| *port != "mix");
        let widest = options.max_by_key(|(_, shape)| shape.last().and_then(|axis| axis.size));
        let (_, shape) = widest.context("nothing to join")?;
        let width = shape.last().and_then(|axis| axis.size);
        Ok(Shapes::new().with("x", with_last_axis(shape, axis("widest", width))))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let mix = x.tensor("mix")?;
        let ports: Vec<&str> = x.names().filter(|port| *port != "mix").collect();
        let widths = ports.iter().map(|port| Ok(x.tensor(port)?.size()[1]));
        let widest = widths.collect::<Result<Vec<i64>>>()?.into_iter().max();
        let widest = widest.context("nothing to join")?;
        let mut sum: Option<Tensor> = None;
        for port in ports {
            let option = x.tensor(port)?;
            let last = option.size()[1] - 1;
            let along = Tensor::arange(widest, (Kind::Int64, option.device())).f_clamp_max(last)?;
            let wide = option.f_index_select(1, &along)?;
            let weighed = wide.f_mul(&mix.f_get(port.parse()?)?)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&weighed)?,
                None => weighed,
            });
        }
        Ok(Batch::new().with("x", sum.context("nothing to join")?))
    }
}

/// Each weight is a learned direction times the mean of what the hypernet sees.
#[component(hypernet = "scaled")]
struct Scaled {}

impl Hypernet for Scaled {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        Ok(target.to_vec())
    }

    fn generate(&self, w: &Tensors, condition: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let port = condition.names().next().context("a condition")?;
        let seen = condition.tensor(port)?;
        let mean = seen.f_mean(seen.kind())?;
        let each = target
            .iter()
            .map(|spec| Ok((&spec.name, w[&spec.name].f_mul(&mean)?)));
        each.collect()
    }
}
