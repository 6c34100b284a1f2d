//! New samples from files: they come in as those that were learned from, and what a network says is said in their words.

use std::fs;
use std::path::Path;

use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;
use plugin_api::{Answers, Column, Json};

use crate::files::{Folder, Npy, task};
use crate::own_images::write;
use crate::{numbers, rows, whole};

fn inputs(task: &TaskObj, file: &Path) -> Batch {
    task.inputs(file.to_str().unwrap()).unwrap()
}

fn refused(task: &TaskObj, folder: &Folder, file: &Path, said: &str) {
    let why = task.inputs(file.to_str().unwrap()).err().unwrap();
    let why = folder.hide(&why.to_string());
    assert!(why.contains(said), "{why}");
}

fn answers(task: &TaskObj, file: &Path, y: &[&[f32]]) -> Answers {
    let y = Tensor::from_slice2(y);
    let outputs = Batch::new().with("y", y);
    task.answers(file.to_str().unwrap(), &outputs).unwrap()
}

fn same(found: &Tensor, expected: &Tensor) {
    assert_eq!(numbers(found), numbers(expected));
}

fn texts(of: &[&str]) -> Column {
    Column::Texts(of.iter().map(ToString::to_string).collect())
}

fn reals(answers: &Answers, name: &str) -> Vec<f64> {
    match &answers.columns[name] {
        Column::Reals(reals) => reals.clone(),
        other => panic!("{other:?}"),
    }
}

/// The probabilities of two logits, written out.
fn probabilities(of: [f64; 2]) -> [f64; 2] {
    let sum = of[0].exp() + of[1].exp();
    of.map(|logit| logit.exp() / sum)
}

#[test]
fn a_table_is_treated_as_the_one_that_was_learned_from() {
    let folder = Folder::new();
    let file = folder.put(
        "t.csv",
        "a,kind,price,b,split\n1,dry,10,5,train\n3,wet,30,5,train\n9,dry,20,7,val\n8,wet,20,6,test\n",
    );
    let given = json!({ "target": "price", "kind": "numbers", "categories": ["kind"], "split_column": "split" });
    let task = task("table", &file, given);
    let own = whole(&task, "test");
    // Other columns in another order; what is wanted is missing.
    let new = folder.put("new.csv", "more,b,kind,a\nx,6,wet,8\ny,5,dry,2\n");
    let x = rows(&inputs(&task, &new)["x"]);
    assert_eq!(x[0], rows(&own["x"])[0]);
    // Of 1 and 3 the mean is 2; b is constant over the training rows, and dry comes before wet.
    assert_eq!(x[1], [0.0, 0.0, 1.0, 0.0]);
    // Prices of 10 and 30: mean 20, deviation 10.
    let said = reals(&answers(&task, &new, &[&[0.0], &[1.5]]), "price");
    assert_eq!(said, [20.0, 35.0]);
    let narrow = folder.put("narrow.csv", "kind,price\ndry,1\n");
    refused(
        &task,
        &folder,
        &narrow,
        "`narrow.csv` has no column `a`, `b`",
    );
}

#[test]
fn classes_are_said_by_name_and_by_number() {
    let folder = Folder::new();
    let file = folder.put(
        "t.csv",
        "x,pet,s\n1,dog,train\n2,cat,train\n3,dog,val\n4,cat,test\n5,cat,train\n",
    );
    let given = json!({ "target": "pet", "kind": "classes", "split_column": "s" });
    let named = task("table", &file, given);
    let npz = folder.npz(
        "a.npz",
        &[
            ("x", Npy::f32(&[6, 2], &[0.0; 12])),
            ("y", Npy::i64(&[6], &[0, 1, 0, 1, 0, 1])),
        ],
    );
    let numbered = task("arrays", &npz, json!({ "val": 0.3, "test": 0.3 }));
    let y: [&[f32]; 2] = [&[1.5, -0.5], &[0.0, 3.0]];
    let said = answers(&named, &file, &y);
    let names: Vec<&str> = said.columns.names().collect();
    assert_eq!(names, ["pet", "probability.cat", "probability.dog"]);
    assert_eq!(said.columns["pet"], texts(&["cat", "dog"]));
    let by_number = answers(&numbered, &npz, &y);
    assert_eq!(by_number.columns["y"], Column::Integers(vec![0, 1]));
    let expected = [probabilities([1.5, -0.5]), probabilities([0.0, 3.0])];
    for (said, [first, second]) in [(&said, ["cat", "dog"]), (&by_number, ["0", "1"])] {
        let of = |class: &str| reals(said, &format!("probability.{class}"));
        for (row, expected) in expected.iter().enumerate() {
            let found = [of(first)[row], of(second)[row]];
            assert!(
                (found[0] - expected[0]).abs() < 1e-12 && (found[1] - expected[1]).abs() < 1e-12
            );
        }
    }
}

#[test]
fn arrays_must_be_of_the_same_shape() {
    let folder = Folder::new();
    let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let y = || ("y", Npy::i64(&[6], &[0, 1, 0, 1, 0, 1]));
    let learned = folder.npz("a.npz", &[("x", Npy::f32(&[6, 2], &x)), y()]);
    let task = task("arrays", &learned, json!({ "val": 0.3, "test": 0.3 }));
    let new = folder.npz("new.npz", &[("x", Npy::f32(&[2, 2], &x[..4]))]);
    assert_eq!(numbers(&inputs(&task, &new)["x"]), [0.0, 1.0, 2.0, 3.0]);
    let wide = folder.npz("wide.npz", &[("x", Npy::f32(&[2, 3], &x[..6]))]);
    refused(
        &task,
        &folder,
        &wide,
        "array `x` of `wide.npz` has another shape\n  found     [2, 3]\n  expected  [samples, 2]",
    );
    let other = folder.npz("other.npz", &[y()]);
    refused(&task, &folder, &other, "`other.npz` has no array `x`");
}

#[test]
fn images_come_in_as_those_of_the_folder() {
    let folder = Folder::new();
    let photos = folder.path("photos");
    for (class, green) in [("cat", 10), ("dog", 200)] {
        for i in 0..5_u8 {
            write(
                &photos.join(class).join(format!("{i}.png")),
                [4, 3],
                [40 * i, green, 7],
            );
        }
    }
    let made = |params: Json| crate::task("images", params).unwrap();
    let task = made(json!({ "folder": photos }));
    // Each image of the training split is found again among all of them.
    let all = inputs(&task, &photos);
    let all = all.tensor("x").unwrap();
    assert_eq!(all.size(), [10, 3, 3, 4]);
    let train = whole(&task, "train");
    for image in rows(&train["x"].reshape([-1, 36])) {
        assert!(rows(&all.reshape([-1, 36])).contains(&image));
    }
    let list = folder.put("list.txt", "photos/dog/3.png\n\nphotos/cat/0.png\n");
    same(
        &inputs(&task, &list)["x"],
        &all.index_select(0, &Tensor::from_slice(&[8_i64, 0])),
    );
    let one = photos.join("cat/2.png");
    same(&inputs(&task, &one)["x"], &all.narrow(0, 2, 1));

    let said = answers(&task, &list, &[&[0.0, 1.0], &[2.0, 1.0]]);
    assert_eq!(said.columns["class"], texts(&["dog", "cat"]));
    let Column::Texts(files) = &said.columns["file"] else {
        panic!("files have names")
    };
    assert!(files[0].ends_with("photos/dog/3.png"), "{files:?}");
    // An augmentation leaves them as they are.
    let flip = crate::task(
        "flip",
        json!({ "task": { "use": "baselines/images", "folder": photos }, "rate": 1.0 }),
    )
    .unwrap();
    same(&inputs(&flip, &one)["x"], &all.narrow(0, 2, 1));
    assert_eq!(answers(&flip, &list, &[&[0.0, 1.0], &[2.0, 1.0]]), said);

    write(&folder.path("small.png"), [2, 2], [0, 0, 0]);
    refused(
        &task,
        &folder,
        &folder.path("small.png"),
        "the images have another size than those that were learned from\n  found     2 x 2 pixels\n  expected  4 x 3 pixels",
    );
    let text = folder.put("no.png", "no image");
    refused(&task, &folder, &text, "`no.png` cannot be read as an image");
    fs::create_dir(folder.path("empty")).unwrap();
    refused(&task, &folder, &folder.path("empty"), "names no image");
}

#[test]
fn every_node_of_another_graph_is_asked_for() {
    let folder = Folder::new();
    let x = [1.0, 3.0, 0.0, 2.0, 0.0, 4.0, 4.0, 0.0];
    let edges = || ("edges", Npy::i64(&[3, 2], &[0, 1, 2, 1, 2, 3]));
    let learned = folder.npz(
        "g.npz",
        &[
            ("x", Npy::f32(&[4, 2], &x)),
            edges(),
            ("y", Npy::i64(&[4], &[0, 1, 0, 1])),
            ("train", Npy::i64(&[2], &[0, 1])),
            ("val", Npy::i64(&[1], &[2])),
            ("test", Npy::i64(&[1], &[3])),
        ],
    );
    let task = task("graph-nodes", &learned, json!({ "normalise": true }));
    // The same graph without labels is the same input.
    let bare = folder.npz("bare.npz", &[("x", Npy::f32(&[4, 2], &x)), edges()]);
    let (own, new) = (whole(&task, "test"), inputs(&task, &bare));
    same(&new["x"], &own["x"]);
    let ones = Tensor::ones([4, 1], (Kind::Float, Device::Cpu));
    let neighbours = |batch: &Batch| numbers(&batch.graph("graph").unwrap().matmul(&ones).unwrap());
    assert_eq!(neighbours(&new), neighbours(&own));
    let said = answers(
        &task,
        &bare,
        &[&[0.0, 1.0], &[1.0, 0.0], &[1.0, 0.0], &[0.0, 1.0]],
    );
    assert_eq!(said.columns["node"], Column::Integers(vec![0, 1, 2, 3]));
    assert_eq!(said.columns["y"], Column::Integers(vec![1, 0, 0, 1]));
    let wide = folder.npz("wide.npz", &[("x", Npy::f32(&[4, 1], &x[..4])), edges()]);
    refused(
        &task,
        &folder,
        &wide,
        "nodes of `wide.npz` have another number of features than those that were learned from\n  found     1\n  expected  2",
    );
}
