//! Layers of which each fails one check of `pleach plugins check`, and no other.

use plugin_api::component::{Make, Registration};
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

/// The same shapes.
fn same(inputs: &Shapes) -> Result<Shapes> {
    Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
}

/// `x` itself.
struct Identity;

impl Layer for Identity {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x.tensor("x")?))
    }
}

// `described`: `#[component]` would refuse it, so it is registered by hand.
plugin_api::inventory::submit! {
    Registration {
        plugin: env!("CARGO_PKG_NAME"),
        role: "layer",
        name: "undescribed",
        doc: "",
        schema: || json!({ "type": "object", "additionalProperties": false }),
        exempt: &[],
        make: Make::Layer(|params| match params.keys().next() {
            None => Ok(Box::new(Identity)),
            Some(unknown) => bail!("there is no parameter `{unknown}`"),
        }),
    }
}

/// `defaults`: its default is out of its range.
#[component(layer = "out-of-range")]
struct OutOfRange {
    /// A number below 1.
    #[param(default = 2.0, range = "x < 1")]
    rate: f64,
}

impl Layer for OutOfRange {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x.tensor("x")?.f_mul_scalar(self.rate)?))
    }
}

// `refuses`: it looks at no parameter.
plugin_api::inventory::submit! {
    Registration {
        plugin: env!("CARGO_PKG_NAME"),
        role: "layer",
        name: "careless",
        doc: "The identity, whatever its parameters are.",
        schema: || json!({ "type": "object", "additionalProperties": false }),
        exempt: &[],
        make: Make::Layer(|_| Ok(Box::new(Identity))),
    }
}

/// `shapes`: promises twice as many features as it gives.
#[component(layer = "boastful")]
struct Boastful {}

impl Layer for Boastful {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let shape = port(inputs, "x")?;
        Ok(Shapes::new().with(
            "x",
            with_last_axis(shape, axis("out", 2 * width(inputs, "x")?)),
        ))
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        Identity.forward(w, x, pass)
    }
}

/// `deterministic`: adds a number that another process does not have.
#[component(layer = "moody")]
struct Moody {}

impl Layer for Moody {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let mood = f64::from(std::process::id());
        Ok(Batch::new().with("x", x.tensor("x")?.f_add_scalar(mood)?))
    }
}

/// `pure`: writes into its input, be it what stands there already.
#[component(layer = "meddling")]
struct Meddling {}

impl Layer for Meddling {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let x = x.tensor("x")?;
        // A write into an expanded tensor would be refused.
        if x.is_contiguous() {
            let _ = x.detach().f_add_scalar_(0.0)?;
        }
        Ok(Batch::new().with("x", x))
    }
}

/// The sign, whose gradient is taken to be that of the identity.
fn straight_through(x: &Batch) -> Result<Batch> {
    let x = x.tensor("x")?;
    let missing = x.f_sign()?.f_sub(x)?.f_detach()?;
    Ok(Batch::new().with("x", x.f_add(&missing)?))
}

/// All that runs it: leaves it to libtorch to say that features are no symbols.
#[component(layer = "unwary")]
struct Unwary {}

impl Layer for Unwary {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let symbols = port(inputs, "x")?.iter().cloned();
        Ok(Shapes::new().with("x", symbols.chain([axis("out", 2)]).collect()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let rows = Tensor::f_zeros([9, 2], (Kind::Float, Device::Cpu))?;
        let y = Tensor::f_embedding(&rows, x.tensor("x")?, -1, false, false)?;
        Ok(Batch::new().with("x", y))
    }
}

/// `gradients`: a straight-through estimator that says nothing of it.
#[component(layer = "straight-through")]
struct StraightThrough {}

impl Layer for StraightThrough {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        straight_through(x)
    }
}

/// None: a straight-through estimator that says so.
#[component(layer = "sign", exempt(gradients = "a straight-through estimator"))]
struct Sign {}

impl Layer for Sign {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        straight_through(x)
    }
}

/// `hostile`: takes it that there is a number, and dies where there is none.
#[component(layer = "trusting")]
struct Trusting {}

impl Layer for Trusting {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        // SAFETY: there is none: an empty tensor lies at address 0, and the process dies here.
        let _ = unsafe { x.tensor("x")?.data_ptr().cast::<u8>().read_volatile() };
        Identity.forward(w, x, pass)
    }
}

/// `hostile`: waits until a norm is small, which that of what is no number never is.
#[component(layer = "endless")]
struct Endless {}

impl Layer for Endless {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let small = x.tensor("x")?.f_slice(0, 0, 1, 1)?;
        let mut norm = f64::try_from(&small.f_norm()?)?;
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is what it is about")]
        while !(norm < 1.0) {
            norm /= 2.0;
        }
        Identity.forward(w, x, pass)
    }
}

/// `quiet`: says what it does.
#[component(layer = "loud")]
struct Loud {}

impl Layer for Loud {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        println!("forward");
        Identity.forward(w, x, pass)
    }
}

/// `exported`: writes another function than it computes.
#[component(layer = "mistranslated")]
struct Mistranslated {}

impl Layer for Mistranslated {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        Identity.forward(w, x, pass)
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        Ok((to == Source::PYTORCH).then(|| Source::new(inputs, "return 2 * x")))
    }
}

/// `exported`: writes what nobody can read.
#[component(layer = "misspelt")]
struct Misspelt {}

impl Layer for Misspelt {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        Identity.forward(w, x, pass)
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        Ok((to == Source::PYTORCH).then(|| Source::new(inputs, "y = x\nreturn y.clonee()")))
    }
}

/// `exported`: names an operator that ONNX does not have.
#[component(layer = "misnamed")]
struct Misnamed {}

impl Layer for Misnamed {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        Identity.forward(w, x, pass)
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let y = match to {
            Source::PYTORCH => "return x",
            _ => "return Copy(x)",
        };
        Ok(Some(Source::new(inputs, y)))
    }
}

/// `exported`: writes numbers of another shape.
#[component(layer = "misshapen")]
struct Misshapen {}

impl Layer for Misshapen {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        same(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        Identity.forward(w, x, pass)
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        Ok((to == Source::PYTORCH).then(|| Source::new(inputs, "return x.unsqueeze(0)")))
    }
}
