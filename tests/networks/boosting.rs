//! Boosting: a network that grows while it trains, by any solver, and of which any prefix predicts.

use plugin_api::NodeKind;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear, on, rows};

/// `y = 1 + x_0 x_1` and the sine of `x_2`.
struct Product;

impl Task for Product {
    fn ports(&self) -> Result<Ports> {
        let y = vec![axis("rows", None), axis("out", 2)];
        Ok(Ports {
            inputs: rows(3),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", y),
            metric: "left".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let x = random::normal(&[50, 3], stream(0, split));
        let x = x.to_kind(Kind::Double);
        let column = |i| x.narrow(1, i, 1);
        let product: Tensor = column(0) * column(1) + 1.0;
        let y = Tensor::cat(&[product, column(2).sin()], 1);
        Ok((at.index == 0).then(|| Batch::new().with("x", x).with("y", y)))
    }

    fn loss(&self, _: &Batch, _: &Batch) -> Result<Tensors> {
        bail!("only what is left is trained on")
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let left = outputs.tensor("y")? - batch.tensor("y")?;
        let left = left.square().mean(Kind::Double).double_value(&[]);
        Ok(Named::new().with("left", left))
    }
}

#[test]
fn blocks_are_boosted_into_one_network_of_which_any_prefix_predicts() {
    let adam = json!([{ "use": "baselines/adam", "rate": 0.05 }]);
    let backprop = Recipe::new("baselines/backprop")
        .with("epochs", 60)
        .with("transforms", adam);
    let again = Recipe::new("wrappers/trainer").with("inner", backprop.clone());
    for solver in [backprop, again] {
        for seed in 0..3 {
            let arch = Arch::new(rows(3))
                .of(Dtype::F64)
                .layer("any", linear(2), &[("x", "in.x")])
                .output("y", "any.x");
            let mut session = on(Product).on_task(arch, seed).unwrap();
            let boosted = Recipe::new("wrappers/boosted")
                .with("solver", solver.clone())
                .with("stages", 5)
                .with("units", 2);
            let trainer = host().trainer(&boosted).unwrap();
            let report = trainer.fit(&mut session).unwrap();
            let left: Vec<f64> = report.tables["stages"].rows.iter().map(|r| r[1]).collect();
            let mut arch = session.arch().unwrap();
            let names: Vec<&str> = arch.nodes.iter().map(|n| n.name.as_str()).collect();
            assert_eq!(names, ["hidden", "act", "head"]);
            let hidden = &session.weights("model").unwrap()["hidden.weight"];
            assert_eq!(hidden.size(), [10, 3]);

            // The mean of what is to be fitted comes first; each block is as long as leaves least.
            assert!(
                left.len() == 6 && left.windows(2).all(|w| w[1] < w[0]),
                "{left:?}"
            );
            assert!(left[5] < 0.7 * left[0], "{left:?}");
            for (first, left) in left.iter().enumerate() {
                let Some(NodeKind::Layer(head)) = arch.find_mut("head").map(|n| &mut n.kind) else {
                    panic!("the head is a layer");
                };
                head.params.insert("first".into(), json!(first));
                session.replace(&arch, &[]).unwrap();
                let found = session.evaluate("train", &Ask::eval()).unwrap()["left"];
                assert!((found - left).abs() < 1e-12, "{first}: {found}, {left}");
            }
        }
    }
}
