//! Tasks over graphs of one's own: forms of files, splits, batches of graphs, links that are asked for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;
use plugin_api::testing::Alone;

use crate::files::{Folder, Npy, task};
use crate::{close, numbers, params, plugin, rows, shared_data, whole, whole_numbers};

/// A square with a tail and a node by itself, two features.
fn square(
    features: Vec<(&'static str, Npy)>,
    edges: (&'static str, Npy),
) -> Vec<(&'static str, Npy)> {
    let mut arrays = features;
    arrays.push(edges);
    arrays.push(("y", Npy::i64(&[6], &[0, 1, 0, 1, 0, -1])));
    arrays.push(("train_idx", Npy::i64(&[2], &[1, 0])));
    arrays.push((
        "val_mask",
        Npy::mask(&[false, false, true, false, false, false]),
    ));
    arrays.push(("test", Npy::i64(&[2], &[3, 4])));
    arrays
}

#[test]
fn forms_of_one_graph_are_the_same() {
    let folder = Folder::new();
    let dense = || {
        let x = [1.0, 3.0, 0.0, 2.0, 0.0, 0.0, 4.0, 0.0, -1.0, 1.0, 5.0, 0.0];
        vec![("x", Npy::f32(&[6, 2], &x))]
    };
    let sparse = || {
        vec![
            ("x_indptr", Npy::i64(&[7], &[0, 2, 3, 3, 4, 6, 7])),
            ("x_indices", Npy::i64(&[7], &[0, 1, 1, 0, 0, 1, 0])),
            (
                "x_data",
                Npy::f32(&[7], &[1.0, 3.0, 2.0, 4.0, -1.0, 1.0, 5.0]),
            ),
            ("x_shape", Npy::i64(&[2], &[6, 2])),
        ]
    };
    let once = || ("edges", Npy::i64(&[5, 2], &[0, 1, 2, 1, 2, 3, 0, 3, 4, 3]));
    let both = || {
        let arcs = [0, 1, 1, 0, 1, 2, 2, 1, 2, 3, 3, 2, 3, 0, 0, 3, 3, 4, 4, 3];
        ("edges_directed", Npy::i64(&[10, 2], &arcs))
    };
    let w = random::normal(&[2, 3], 0);
    let mut seen: Option<(Vec<f64>, Vec<f64>)> = None;
    for (case, arrays) in [
        square(dense(), once()),
        square(sparse(), once()),
        square(dense(), both()),
    ]
    .into_iter()
    .enumerate()
    {
        let file = folder.npz("g.npz", &arrays);
        for is_sparse in [false, true] {
            let task = task(
                "graph-nodes",
                &file,
                json!({ "sparse": is_sparse, "normalise": true }),
            );
            let train = whole(&task, "train");
            assert_eq!(whole_numbers(&train["split"]), [0, 1]);
            assert_eq!(whole_numbers(&whole(&task, "val")["split"]), [2]);
            assert_eq!(whole_numbers(&whole(&task, "test")["split"]), [3, 4]);
            let graph = train.graph("graph").unwrap();
            let x = train.product("x", &w).unwrap();
            let around = numbers(&graph.matmul(&x).unwrap());
            let now = (numbers(&x), around);
            let (x, around) = seen.get_or_insert_with(|| now.clone());
            for (found, wanted) in [(&now.0, &*x), (&now.1, &*around)] {
                for (f, w) in found.iter().zip(wanted) {
                    assert!((f - w).abs() < 1e-6, "{case} {is_sparse}: {f} {w}");
                }
            }
        }
    }
    let file = folder.npz("g.npz", &square(dense(), once()));
    let task = |json| task("graph-nodes", &file, json);
    // Row by row over the sum of what is there, signs left aside.
    let expected = [
        0.25, 0.75, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, -0.5, 0.5, 1.0, 0.0,
    ];
    let x = whole(&task(json!({ "normalise": true })), "train")["x"].shallow_clone();
    close(&numbers(&x), &expected);
    let identity = whole(&task(json!({ "features": "identity" })), "train");
    assert_eq!(identity["x"], Tensor::eye(6, (Kind::Float, Device::Cpu)));
    let degrees = whole(&task(json!({ "features": "degrees" })), "train");
    let degree = degrees["x"].argmax(1, false);
    assert_eq!(whole_numbers(&degree), [2, 2, 2, 3, 1, 0]);
}

#[test]
fn the_papers_of_cora_are_a_graph_as_any_other() {
    let folder = Folder::new();
    let file = folder.put("cora.npz", include_bytes!("../../data/cora.npz"));
    let own = task("graph-nodes", &file, json!({ "normalise": true }));
    let planetoid = plugin().task("planetoid", &params(json!({}))).unwrap();
    for split in ["train", "val", "test"] {
        let [own, known] = [&own, &planetoid].map(|task| whole(task, split));
        for name in ["x", "y", "split"] {
            assert_eq!(own[name], known[name], "{name}");
        }
        let edges = [&own, &known].map(|batch| batch.graph("graph").unwrap().sources());
        assert_eq!(*edges[0], *edges[1]);
    }
    // Twenty and thirty of each class, as Shchur et al. 2018 draw them.
    let drawn = task(
        "graph-nodes",
        &file,
        json!({ "split": 1, "per_class": [20, 30] }),
    );
    for (split, of_each) in [("train", 20), ("val", 30)] {
        let batch = whole(&drawn, split);
        let labels = batch["y"].index_select(0, &batch["split"]);
        assert_eq!(
            whole_numbers(&labels.bincount::<Tensor>(None, 0)),
            [of_each; 7]
        );
    }
    assert_eq!(whole(&drawn, "test")["split"].size(), [2708 - 350]);
}

/// Nodes, edges, features and classes as their sources count them; -1 where there are no features.
const PUBLIC: [(&str, [i64; 4]); 21] = [
    ("amazon-cs", [13752, 245861, 767, 10]),
    ("amazon-photo", [7650, 119081, 745, 8]),
    ("coauthor-cs", [18333, 81894, 6805, 15]),
    ("coauthor-phy", [34493, 247962, 8415, 5]),
    ("cora-ml", [2995, 8158, 2879, 7]),
    ("citeseer-full", [4230, 5337, 602, 6]),
    ("dblp", [17716, 52867, 1639, 4]),
    ("polblogs", [1490, 16715, -1, 2]),
    ("actor", [7600, 26659, 932, 5]),
    ("chameleon", [2277, 31371, 2325, 5]),
    ("chameleon-filtered", [890, 8854, 2325, 5]),
    ("squirrel", [5201, 198353, 2089, 5]),
    ("squirrel-filtered", [2223, 46998, 2089, 5]),
    ("cornell", [183, 277, 1703, 5]),
    ("texas", [183, 279, 1703, 5]),
    ("wisconsin", [251, 450, 1703, 5]),
    ("minesweeper", [10000, 39402, 7, 2]),
    ("tolokers", [11758, 519000, 10, 2]),
    ("acm", [3025, 13128, 1870, 3]),
    ("blogcatalog", [5196, 171743, 8189, 6]),
    ("flickr", [7575, 239738, 12047, 9]),
];

#[test]
fn public_graphs_are_those_of_their_sources() {
    if shared_data("graphs_node").is_none() {
        return;
    }
    pleach_worker::host();
    for (name, [nodes, edges, features, classes]) in PUBLIC {
        let mut given = json!({ "data": name, "sparse": true, "fold": 0 });
        if features < 0 {
            given["features"] = "identity".into();
        }
        let task = plugin().task("graph-nodes", &params(given)).unwrap();
        let batch = whole(&task, "train");
        let (x, graph) = (batch.graph("x").unwrap(), batch.graph("graph").unwrap());
        assert_eq!((x.nodes(), graph.nodes()), (nodes, nodes), "{name}");
        assert_eq!(graph.sources().size(), [2 * edges], "{name}");
        let width = if features < 0 { nodes } else { features };
        assert_eq!(x.source_nodes(), width, "{name}");
        let there = batch["y"].bincount::<Tensor>(None, 0);
        assert_eq!(there.size(), [classes], "{name}");
        let sizes = ["train", "val", "test"].map(|split| whole(&task, split)["split"].size()[0]);
        assert!(sizes.iter().all(|n| *n > 0), "{name}: {sizes:?}");
    }
}

#[test]
fn pubmed_can_do_without_words_alone() {
    if shared_data("planetoid").is_none() {
        return;
    }
    pleach_worker::host();
    let pubmed = |features: &str| {
        let given = json!({ "data": "pubmed", "features": features, "sparse": true });
        plugin().task("planetoid", &params(given)).unwrap()
    };
    let error = pubmed("own").ports().unwrap_err().to_string();
    assert!(
        error.contains("found     those of 1060 of 19717 nodes"),
        "{error}"
    );
    let batch = whole(&pubmed("identity"), "test");
    assert_eq!(batch["split"].size(), [1000]);
    let sizes = batch["y"].bincount::<Tensor>(None, 0);
    assert_eq!(whole_numbers(&sizes), [4103, 7739, 7875]);
}

#[test]
fn graphs_of_molecules_are_those_of_their_source() {
    if shared_data("graphs_graph").is_none() {
        return;
    }
    let file = data("graphs_graph/MUTAG.npz");
    let folds: Vec<i64> = (0..10)
        .map(|fold| whole(&task("graphs", &file, json!({ "fold": fold })), "test")["y"].size()[0])
        .collect();
    // Eight of the 188 are in no fold.
    assert_eq!(folds, [18; 10]);
    let graphs = task("graphs", &file, json!({}));
    let batches = ["train", "val", "test"].map(|split| whole(&graphs, split));
    let count = |port: &str| -> i64 {
        let graphs = batches.iter().map(|batch| batch.graph(port).unwrap());
        graphs.map(|graph| graph.sources().size()[0]).sum()
    };
    assert_eq!((count("graph"), count("groups")), (7442, 3371));
    let labels: Vec<i64> = batches
        .iter()
        .flat_map(|b| whole_numbers(&b["y"]))
        .collect();
    let ones = labels.iter().filter(|label| **label == 1).count();
    assert_eq!((labels.len(), ones), (188, 125));
}

/// A file of the shared data.
fn data(name: &str) -> PathBuf {
    let folders = std::env::var_os("PLEACH_DATA").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(name));
    paths.find(|path| path.exists()).expect("the file is there")
}

/// Twelve graphs: paths of 2, 3, .. nodes, whose nodes are tagged by their place, and whose label is whether they are long.
fn paths(folder: &Folder, more: Vec<(&'static str, Npy)>) -> PathBuf {
    let (mut starts, mut tags, mut edges) = (vec![0], vec![], vec![]);
    for nodes in 2..14_i64 {
        let start = starts[starts.len() - 1];
        edges.extend((1..nodes).flat_map(|i| [start + i - 1, start + i]));
        tags.extend(0..nodes);
        starts.push(start + nodes);
    }
    let labels: Vec<i64> = (2..14).map(|nodes| i64::from(nodes > 7)).collect();
    let mut arrays = vec![
        ("graph_ptr", Npy::i64(&[13], &starts)),
        ("graph_label", Npy::i64(&[12], &labels)),
        ("node_tag", Npy::i64(&[tags.len()], &tags)),
        ("edges", Npy::i64(&[edges.len() / 2, 2], &edges)),
    ];
    arrays.extend(more);
    folder.npz("paths.npz", &arrays)
}

#[test]
fn graphs_of_a_batch_are_those_of_the_file() {
    let folder = Folder::new();
    let task = task(
        "graphs",
        &paths(&folder, vec![]),
        json!({ "val": 0.25, "test": 0.25 }),
    );
    assert_eq!(show(&task.ports().unwrap().inputs["x"]), "[nodes, 13]");
    let at = |index| At {
        epoch: 3,
        index,
        size: 4,
        seed: 1,
    };
    let batches: Vec<Batch> = (0..)
        .map_while(|index| task.batch("train", &at(index)).unwrap())
        .chain(["val", "test"].map(|split| whole(&task, split)))
        .collect();
    let mut seen = vec![];
    for batch in &batches {
        let (graph, groups) = (
            batch.graph("graph").unwrap(),
            batch.graph("groups").unwrap(),
        );
        let nodes = Tensor::ones([graph.nodes(), 1], (Kind::Float, Device::Cpu));
        let sizes = numbers(&groups.matmul(&nodes).unwrap());
        let labels = numbers(&batch["y"]);
        assert_eq!(sizes.len(), labels.len());
        // A path of n nodes has 2 (n - 1) directed edges, and its nodes are tagged 0 to n - 1.
        let degrees = graph.matmul(&nodes).unwrap();
        let edges = numbers(&groups.matmul(&degrees).unwrap());
        let places = Tensor::arange(13, (Kind::Float, Device::Cpu)).view([13, 1]);
        let sums = numbers(&groups.matmul(&batch["x"].matmul(&places)).unwrap());
        for (((n, label), edges), sum) in sizes.iter().zip(labels).zip(edges).zip(sums) {
            assert_eq!(label, f64::from(*n > 7.0));
            assert_eq!((edges, sum), (2.0 * (n - 1.0), n * (n - 1.0) / 2.0));
            seen.push(*n as i64);
        }
    }
    assert_eq!(batches.len(), 4, "two of training, and the others");
    seen.sort_unstable();
    assert_eq!(seen, (2..14).collect::<Vec<_>>());
}

#[test]
fn a_fold_of_the_file_is_for_testing() {
    let folder = Folder::new();
    let folds = Npy::i64(&[12], &[0, 1, 2, 0, 1, 2, 0, 1, 2, -1, -1, 0]);
    let file = paths(&folder, vec![("fold10", folds)]);
    let sizes = |split: &str| {
        let task = task("graphs", &file, json!({ "fold": 1, "val": 0.4 }));
        let batch = whole(&task, split);
        let groups = batch.graph("groups").unwrap();
        whole_numbers(&groups.degrees().to_kind(Kind::Int64))
    };
    assert_eq!(sizes("test"), [3, 6, 9]);
    let (train, val) = (sizes("train"), sizes("val"));
    assert_eq!((train.len(), val.len()), (6, 3)); // three of seven in folds
    assert!(train.contains(&11) && train.contains(&12), "{train:?}");
}

/// The links of a ladder of so many rungs.
fn ladder(rungs: i64) -> Vec<i64> {
    let rung = |i| [2 * i, 2 * i + 1];
    let rails = |i| [2 * i, 2 * i + 2, 2 * i + 1, 2 * i + 3];
    let mut edges: Vec<i64> = (0..rungs).flat_map(rung).collect();
    edges.extend((0..rungs - 1).flat_map(rails));
    edges
}

fn pairs(t: &Tensor) -> Vec<[i64; 2]> {
    let ends = whole_numbers(t);
    ends.chunks(2).map(|pair| [pair[0], pair[1]]).collect()
}

#[test]
fn no_network_sees_the_links_it_is_tested_on() {
    let folder = Folder::new();
    let edges = ladder(30);
    let all_edges: BTreeSet<[i64; 2]> = edges.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
    let file = folder.npz("g.npz", &[("edges", Npy::i64(&[88, 2], &edges))]);
    let given = json!({ "features": "identity", "val": 0.1, "test": 0.2 });
    let task = |json| task("graph-links", &file, json);
    let links = task(given.clone());
    let mut asked = BTreeSet::new();
    for (split, count) in [("train", 61), ("val", 9), ("test", 18)] {
        let batch = whole(&links, split);
        let graph = batch.graph("graph").unwrap();
        let ends = [graph.sources(), graph.targets()].map(|ends| whole_numbers(&ends));
        let seen: BTreeSet<[i64; 2]> = ends[0]
            .iter()
            .zip(&ends[1])
            .map(|(a, b)| [*a, *b])
            .collect();
        assert_eq!(seen.len(), 122, "both directions of the training edges");
        let pairs = pairs(&batch["pairs"]);
        let y = numbers(&batch["y"]);
        assert_eq!(y, [vec![1.0; count], vec![0.0; count]].concat());
        let (edges, others) = pairs.split_at(count);
        for pair in edges {
            assert!(all_edges.contains(pair));
            assert_eq!(seen.contains(pair), split == "train");
            assert!(asked.insert(*pair), "in one split alone");
        }
        for [one, other] in others {
            assert!(one < other && *other < 60);
            let known = if split == "train" { &seen } else { &all_edges };
            assert!(!known.contains(&[*one, *other]));
        }
        let once: BTreeSet<&[i64; 2]> = others.iter().collect();
        assert_eq!(once.len(), count);
    }
    assert_eq!(asked, all_edges);
    // Other pairs for each batch of training; one draw for the others, and another one for another seed.
    let of = |links: &TaskObj, split: &str, epoch| {
        let at = At {
            epoch,
            index: 0,
            size: 9,
            seed: 5,
        };
        pairs(&links.batch(split, &at).unwrap().unwrap()["pairs"])[9..].to_vec()
    };
    assert_eq!(of(&links, "train", 0), of(&links, "train", 0));
    assert_ne!(of(&links, "train", 0), of(&links, "train", 1));
    assert_eq!(of(&links, "val", 0), of(&links, "val", 1));
    let mut other = given;
    other["split"] = 1.into();
    assert_ne!(of(&links, "val", 0), of(&task(other), "val", 0));
    // Degrees are those of the training edges.
    let degrees = whole(&task(json!({ "features": "degrees" })), "val");
    let counted = degrees["x"].argmax(1, false).to_kind(Kind::Float);
    let graph = degrees.graph("graph").unwrap();
    assert_eq!(numbers(&counted), numbers(&graph.degrees()));
}

#[test]
fn splits_of_links_come_with_the_file() {
    let folder = Folder::new();
    let file = folder.npz(
        "g.npz",
        &[
            ("nodes", Npy::i64(&[], &[9])),
            ("edges", Npy::i64(&[3, 2], &[0, 1, 1, 2, 2, 3])),
            ("val_edges", Npy::i64(&[1, 2], &[4, 3])),
            ("test_edges", Npy::i64(&[2, 2], &[4, 5, 5, 6])),
        ],
    );
    let links = task("graph-links", &file, json!({ "features": "identity" }));
    let asked = |split| pairs(&whole(&links, split)["pairs"]);
    assert_eq!(asked("train")[..3], [[0, 1], [1, 2], [2, 3]]);
    assert_eq!(asked("val")[..1], [[3, 4]]);
    assert_eq!(asked("test")[..2], [[4, 5], [5, 6]]);
    assert_eq!(whole(&links, "test")["x"].size(), [9, 9]);
}

#[test]
fn areas_and_hits_are_those_of_all_comparisons() {
    let folder = Folder::new();
    let file = folder.npz("g.npz", &[("edges", Npy::i64(&[88, 2], &ladder(30)))]);
    for hits_at in [1, 5, 18, 19] {
        let links = task(
            "graph-links",
            &file,
            json!({ "features": "identity", "test": 0.2, "hits_at": hits_at }),
        );
        let batch = whole(&links, "test");
        // Halves, so that some are equal.
        let logits = (random::normal(&[36, 1], 3).to_kind(Kind::Double) * 2.0).round() / 2.0;
        let (edges, others) = (
            numbers(&logits.narrow(0, 0, 18)),
            numbers(&logits.narrow(0, 18, 18)),
        );
        let (mut wins, mut hits) = (0.0, 0.0);
        for edge in &edges {
            let better = others.iter().filter(|other| *other >= edge).count();
            hits += f64::from(better < hits_at);
            for other in &others {
                wins += match edge.total_cmp(other) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        let metrics = links
            .metrics(&Batch::new().with("y", logits), &batch)
            .unwrap();
        close(
            &[metrics["auc"], metrics["hits"]],
            &[wins / 18.0 / 18.0, hits / 18.0],
        );
    }
}

#[test]
fn pairs_are_products_of_their_ends() {
    let x = random::normal(&[5, 3], 0).to_kind(Kind::Double);
    let ends = [[0, 4], [2, 2], [3, 1]];
    let batch = Batch::new().with("x", x.shallow_clone()).with(
        "pairs",
        Tensor::from_slice(ends.as_flattened()).view([3, 2]),
    );
    let shapes = Shapes::new()
        .with("x", vec![axis("nodes", None), axis("features", 3)])
        .with("pairs", vec![axis("pairs", None), axis("ends", 2)]);
    let rows = rows(&x);
    for (kind, expected_shape) in [("product", "[pairs, 3]"), ("inner", "[pairs, 1]")] {
        let layer = plugin()
            .layer("pairs", &params(json!({ "kind": kind })))
            .unwrap();
        assert_eq!(show(&layer.shapes(&shapes).unwrap()["x"]), expected_shape);
        let y = layer
            .forward(&Tensors::new(), &batch, &Alone::eval())
            .unwrap();
        let expected = ends.iter().flat_map(|[one, other]| {
            let products = (0..3).map(|k| rows[*one as usize][k] * rows[*other as usize][k]);
            let products: Vec<f64> = products.collect();
            match kind {
                "inner" => vec![products.iter().sum()],
                _ => products,
            }
        });
        close(&numbers(&y["x"]), &expected.collect::<Vec<_>>());
    }
}
