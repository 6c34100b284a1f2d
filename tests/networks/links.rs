//! Links of a graph: edges leave it for the batch that asks for them, and a decoder of pairs asks itself.

use plugin_api::host::Services as _;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{Dice, host, off, on};

const NODES: i64 = 30;

/// Whether two nodes of a graph of three circles of friends are linked, each circle with gaps.
struct Links {
    graph: Graph,
    /// `[links, 2]`.
    links: Tensor,
}

impl Links {
    fn new(seed: u64) -> Self {
        host();
        let mut dice = Dice::new(seed);
        let mut links = vec![];
        for i in 0..NODES {
            for j in 0..i {
                if i % 3 == j % 3 && dice.roll(5) > 0 {
                    links.extend([i, j]);
                }
            }
        }
        let links = Tensor::from_slice(&links).view([-1, 2]);
        let none = Tensor::from_slice(&[] as &[i64]);
        let graph = Graph::new(NODES, &none, &none, None).unwrap();
        let graph = graph.with(&links).unwrap();
        Links { graph, links }
    }
}

impl Task for Links {
    fn ports(&self) -> Result<Ports> {
        let nodes = || axis("nodes", None);
        Ok(Ports {
            inputs: Shapes::new()
                .with("x", vec![nodes(), axis("features", NODES)])
                .with("graph", vec![nodes()])
                .with("pairs", vec![axis("pairs", None), axis("ends", 2)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("pairs", None)]),
            metric: "auc".into(),
            higher_is_better: true,
        })
    }

    /// So many links, and as many pairs that are none.
    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let n = self.links.size()[0];
        let size = if at.size == 0 { n } else { at.size };
        let seed = stream(at.seed, &format!("{split}{}", at.epoch));
        let order = (*random::uniform(&[n], seed)).argsort(0, false);
        if (at.index + 1) * size > n {
            return Ok(None);
        }
        let linked = self
            .links
            .index_select(0, &order.narrow(0, at.index * size, size));
        // From one circle to the next there is never a link.
        let circle = order.narrow(0, at.index * size, size).remainder(9) * 3;
        let apart = (linked.select(1, 1) + 1 + circle).remainder(NODES);
        let apart = Tensor::stack(&[linked.select(1, 0), apart], 1);
        let y = Tensor::cat(
            &[
                Tensor::ones([size], (Kind::Float, Device::Cpu)),
                Tensor::zeros([size], (Kind::Float, Device::Cpu)),
            ],
            0,
        );
        Ok(Some(
            Batch::new()
                .with("x", Tensor::eye(NODES, (Kind::Float, Device::Cpu)))
                .with("graph", self.graph.clone())
                .with("pairs", Tensor::cat(&[linked, apart], 0))
                .with("y", y),
        ))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = outputs
            .tensor("y")?
            .f_binary_cross_entropy_with_logits::<Tensor>(
                batch.tensor("y")?,
                None,
                None,
                tch::Reduction::Mean,
            )?;
        Ok(Tensors::new().with("links", loss))
    }

    /// How often a link scores above a pair that is none.
    fn metrics(&self, outputs: &Batch, _: &Batch) -> Result<Named<f64>> {
        let y = outputs.tensor("y")?;
        let (linked, apart) = match &y.chunk(2, 0)[..] {
            [linked, apart] => (linked.unsqueeze(1), apart.unsqueeze(0)),
            _ => unreachable!("two halves"),
        };
        let above = linked.gt_tensor(&apart).to_kind(Kind::Double).mean(None);
        Ok(Named::new().with("auc", above.double_value(&[])))
    }
}

fn arch(ports: Shapes) -> Arch {
    Arch::new(ports)
        .layer(
            "encoder",
            Recipe::new("baselines/gcn").with("out", 8),
            &[("x", "in.x"), ("graph", "in.graph")],
        )
        .layer(
            "decoder",
            "wrappers/common-neighbours",
            &[
                ("x", "encoder.x"),
                ("graph", "in.graph"),
                ("pairs", "in.pairs"),
            ],
        )
        .output("y", "decoder.x")
}

#[test]
fn a_decoder_of_pairs_learns_links_that_it_does_not_see() {
    for seed in 0..3 {
        let task = Links::new(seed);
        let inputs = task.ports().unwrap().inputs;
        let mut session = on(task).on_task(arch(inputs), seed).unwrap();
        let adam = json!([{ "use": "baselines/adam", "rate": 0.02 }]);
        let removal = Recipe::new("wrappers/removal").with("transforms", adam);
        let report = host().trainer(&removal).unwrap().fit(&mut session).unwrap();
        let (first, last) = (report.metrics["first"], report.metrics["last"]);
        let auc = session.evaluate("val", &Ask::eval()).unwrap()["auc"];
        eprintln!("{seed}: {first} {last} {auc}");
        assert!(last < 0.5 * first, "{report:?}");
        assert!(auc > 0.95, "{auc}");
    }
}

#[test]
fn a_score_is_what_its_definition_says() {
    let task = Links::new(4);
    let graph = task.graph.clone();
    let ones = Tensor::eye(NODES, (Kind::Double, Device::Cpu));
    let a = graph.matmul(&ones).unwrap();
    let layer = Recipe::new("wrappers/common-neighbours");
    let layer = host().layer(&layer).unwrap();
    let x = random::normal(&[NODES, 4], 1).to_kind(Kind::Double);
    let w = ["common", "pair"].map(|name| {
        let w = random::normal(&[4], stream(2, name)).to_kind(Kind::Double);
        (name, w)
    });
    let w: Tensors = w.into_iter().collect();
    let score = |i: i64, j: i64, complete: bool| -> f64 {
        fn score(a: &Tensor, x: &Tensor, w: &Tensors, (i, j): (i64, i64), complete: bool) -> f64 {
            let mut pooled = x.get(0).zeros_like();
            for u in 0..NODES {
                let near = |end: i64| a.double_value(&[end, u]) != 0.0;
                let weight = match (near(i), near(j)) {
                    (true, true) => 1.0,
                    (true, false) if complete => sigmoid(score(a, x, w, (j, u), false)),
                    (false, true) if complete => sigmoid(score(a, x, w, (i, u), false)),
                    _ => 0.0,
                };
                pooled += x.get(u) * weight;
            }
            let both = x.get(i) * x.get(j);
            (pooled.dot(&w["common"]) + both.dot(&w["pair"])).double_value(&[])
        }
        score(&a, &x, &w, (i, j), complete)
    };
    let pairs = [(0_i64, 3_i64), (1, 2), (5, 8), (7, 7)];
    let flat: Vec<i64> = pairs.iter().flat_map(|(i, j)| [*i, *j]).collect();
    let batch = Batch::new()
        .with("x", &x)
        .with("graph", graph)
        .with("pairs", Tensor::from_slice(&flat).view([4, 2]));
    let given = layer.forward(&w, &batch, &plugin_api::testing::Alone::eval());
    let expected: Vec<f64> = pairs.iter().map(|(i, j)| score(*i, *j, true)).collect();
    assert!(off(&given.unwrap()["x"], &Tensor::from_slice(&expected)) < 1e-9);
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
