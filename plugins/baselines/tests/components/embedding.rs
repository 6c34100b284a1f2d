//! Embeddings: rows of symbols, and what is refused in their place.

use pleach_worker::NetSession;
use plugin_api::On;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::Alone;

use crate::{close, numbers, params, plugin, task};

#[test]
fn give_rows_of_symbols_and_refuse_all_else() {
    let given = params(json!({ "symbols": 3, "out": 2 }));
    let embedding = plugin().layer("embedding", &given).unwrap();
    let rows = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).view([3, 2]);
    let w = Tensors::new().with("weight", rows);
    let give = |x: Tensor| embedding.forward(&w, &Batch::new().with("x", x), &Alone::eval());
    let y = give(Tensor::from_slice(&[2_i64, 0, 0, 1]).view([2, 2])).unwrap();
    assert_eq!(y["x"].size(), [2, 2, 2]);
    close(&numbers(&y["x"]), &[5.0, 6.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0]);
    let none = give(Tensor::zeros([0, 2], (Kind::Int64, Device::Cpu))).unwrap();
    assert_eq!(none["x"].size(), [0, 2, 2]);

    let check = |x: Tensor, expected: &str| {
        let error = give(x).err().expect("refused").to_string();
        assert_eq!(error, format!("`baselines/embedding`: {expected}"));
    };
    check(
        Tensor::from_slice(&[0.0_f32, 1.0]),
        "`x` holds no symbols\n  found     Float\n  expected  Int64, a number of each symbol",
    );
    for (x, found) in [([0_i64, 3], 3), ([-1, 2], -1)] {
        let expected = format!(
            "`x` holds a symbol that has no row\n  found     {found}\n  expected  numbers from 0, below 3\n  help: set `symbols` to how many there are"
        );
        check(Tensor::from_slice(&x), &expected);
    }
}

#[test]
fn are_cut_along_features_and_not_along_symbols() {
    let task = task("digits", json!({})).unwrap();
    let any = Arch::new(task.ports().unwrap().inputs)
        .layer(
            "y",
            Recipe::new("baselines/linear").with("out", 10),
            &[("x", "in.x")],
        )
        .output("y", "y.x");
    let any = NetSession::new(any, task.into(), 0, Device::Cpu).unwrap();

    let words = vec![axis("batch", None), axis("time", 3)];
    let rows = Recipe::new("baselines/embedding").with("symbols", 5);
    let arch = Arch::new(Shapes::new().with("words", words))
        .layer("rows", rows.with("out", 4), &[("x", "in.words")])
        .layer(
            "last",
            Recipe::new("baselines/linear").with("out", 2),
            &[("x", "rows.x")],
        )
        .output("y", "last.x");
    let begin = || any.spawn(&arch, On::Nothing, 0).unwrap();
    let (mut cut, mut masked) = (begin(), begin());
    let error = cut.cut("rows.symbols", &[0, 1]).unwrap_err().to_string();
    assert!(error.contains("rows.symbols"), "{error}");

    let given = |session: &dyn Session| {
        let words = Tensor::from_slice(&[0_i64, 4, 4, 2, 0, 1]).view([2, 3]);
        let batch = Batch::new().with("words", words);
        let seen = session.forward(&batch, &Ask::eval()).unwrap();
        numbers(&seen.outputs["y"])
    };
    let whole = given(&*cut);
    cut.cut("rows.out", &[3, 1]).unwrap();
    let alive = Tensor::from_slice(&[0.0_f32, 1.0, 0.0, 1.0]);
    masked
        .mask(&Tensors::new().with("rows.out", alive))
        .unwrap();
    let (cut, masked) = (given(&*cut), given(&*masked));
    assert_ne!(cut, whole);
    for (cut, masked) in cut.iter().zip(&masked) {
        assert!((cut - masked).abs() < 1e-6, "{cut} {masked}");
    }
}
