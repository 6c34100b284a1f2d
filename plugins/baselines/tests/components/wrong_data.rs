//! Data of one's own that cannot be used: the error names the file and the place in it, and says what to do.

use expect_test::{Expect, expect};
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::files::{Folder, Npy, npz, task};
use crate::{params, plugin};

/// What the task says, without the folder of the test.
fn refused(task_name: &str, file: &str, content: &[u8], given: Json) -> String {
    let folder = Folder::new();
    let path = folder.put(file, content);
    refused_at(&folder, task_name, &path, given)
}

fn refused_at(folder: &Folder, task_name: &str, path: &std::path::Path, given: Json) -> String {
    let task = task(task_name, path, given);
    let error = match task.ports() {
        Ok(_) => panic!("the file is taken"),
        Err(e) => e.to_string(),
    };
    // All errors of a task are those of its first batch, too.
    assert_eq!(
        task.batch("train", &At::ALL)
            .err()
            .expect("refused")
            .to_string(),
        error
    );
    folder.hide(&error) + "\n"
}

fn table(content: &str, given: Json, expected: Expect) {
    let mut all = json!({ "target": "y", "kind": "classes" });
    for (name, value) in given.as_object().unwrap() {
        all[name] = value.clone();
    }
    expected.assert_eq(&refused("table", "t.csv", content.as_bytes(), all));
}

fn arrays(given: &[(&str, Npy)], expected: Expect) {
    expected.assert_eq(&refused("arrays", "a.npz", &npz(given), json!({})));
}

#[test]
fn tables() {
    table(
        "",
        json!({}),
        expect![[r#"
        `baselines/table`: `t.csv` has no rows
          expected  the names of the columns, and a row for each sample
    "#]],
    );
    table(
        "x,y\n",
        json!({}),
        expect![[r#"
        `baselines/table`: `t.csv` has no rows
          expected  the names of the columns, and a row for each sample
    "#]],
    );
    table(
        "x,x,y\n1,2,a\n",
        json!({}),
        expect![[r#"
        `baselines/table`: `t.csv`, line 1: two columns have the name `x`
          expected  a name of its own for each
    "#]],
    );
    table(
        "x,y\n1,a\n",
        json!({ "target": "z", "leave_out": ["id", "x"], "categories": ["colour"] }),
        expect![[r#"
            `baselines/table`: `t.csv` has no column `z`, `colour`, `id`
              found     x, y
              expected  names as they stand in the first line
        "#]],
    );
    table(
        "x,y\n1,a\n\n2,b\n3,a,4\n",
        json!({}),
        expect![[r#"
        `baselines/table`: `t.csv`, line 5: the row has another length
          found     3 cells
          expected  2, as in the first line
          help: quote cells that hold the delimiter, or set `delimiter`
    "#]],
    );
    table(
        "x,y\n1,a\n\n\n\"2\",b\nred,a\n1,b\n",
        json!({}),
        expect![[r#"
            `baselines/table`: `t.csv`, line 6, column `x`: this is no number
              found     `red`
              expected  a number
              help: if the column names categories, list it in `categories`; else leave it out, by `leave_out`
        "#]],
    );
    table(
        "x,y\r\n1,a\r\n\r\n,b\r\n3,a\r\n4,b\r\n",
        json!({}),
        expect![[r#"
            `baselines/table`: `t.csv`, line 4, column `x`: the cell is empty
              found     ``
              expected  a number
              help: fill it in, or leave the row out, or the column, by `leave_out`
        "#]],
    );
    table(
        "x,y\n1,a\nNaN,b\n3,a\n4,b\n",
        json!({}),
        expect![[r#"
            `baselines/table`: `t.csv`, line 3, column `x`: this is no finite number
              found     `NaN`
              expected  a number
              help: fill one in, or leave the row out
        "#]],
    );
    table(
        "x,y\n1,a\n2,b\n1e39,a\n4,b\n",
        json!({}),
        expect![[r#"
            `baselines/table`: `t.csv`, line 4, column `x`: this is no finite number
              found     `1e39`
              expected  a number
              help: fill one in, or leave the row out
        "#]],
    );
    table(
        "x,y\n1,a\n2,\n3,a\n4,b\n",
        json!({}),
        expect![[r#"
        `baselines/table`: `t.csv`, line 3, column `y`: the class is missing
          found     ``
          expected  a name
          help: fill it in, or leave the row out
    "#]],
    );
    table(
        "x,y\n1,a\n2,a\n3,a\n",
        json!({}),
        expect![[r#"
            `baselines/table`: `t.csv`, column `y` holds no classes
              found     values: 1, rows: 3
              expected  two classes or more, and on the average two rows of each
        "#]],
    );
    table(
        "x,y\n1,2.5\n2,3.5\n3,4.5\n",
        json!({}),
        expect![[r#"
            `baselines/table`: `t.csv`, column `y` holds no classes
              found     values: 3, rows: 3
              expected  two classes or more, and on the average two rows of each
              help: if these are numbers: kind = "numbers"
        "#]],
    );
    table(
        "x,y\n1,2\n2,3\n3,three\n",
        json!({ "kind": "numbers" }),
        expect![[r#"
            `baselines/table`: `t.csv`, line 4, column `y`: this is no number
              found     `three`
              expected  a number
              help: if the column names classes: kind = "classes"
        "#]],
    );
    table(
        "y\na\nb\na\nb\n",
        json!({}),
        expect![[r#"
        `baselines/table`: `t.csv` has no column to learn from
          found     y
          expected  one that is neither the target nor left out
    "#]],
    );
    table(
        "x,c,y\n1,red,a\n2,,b\n3,red,a\n4,blue,b\n",
        json!({ "categories": ["c"] }),
        expect![[r#"
            `baselines/table`: `t.csv`, line 3, column `c`: the category is missing
              found     ``
              expected  a name
              help: fill it in, or leave the row out
        "#]],
    );
    table(
        "x,y,s\n1,a,train\n2,b,valid\n3,a,val\n4,b,test\n",
        json!({ "split_column": "s" }),
        expect![[r#"
            `baselines/table`: `t.csv`, line 3, column `s`: this is no split
              found     `valid`
              expected  train, val or test
        "#]],
    );
    table(
        "x,y,s\n1,a,train\n2,b,train\n3,a,val\n4,b,val\n",
        json!({ "split_column": "s" }),
        expect![[r#"
            `baselines/table`: split `test` of `t.csv` is empty
              expected  one sample or more
        "#]],
    );
    table(
        "x,y\n1,a\n2,b\n3,a\n4,b\n",
        json!({ "val": 0.01 }),
        expect![[r#"
            `baselines/table`: a split would be empty
              found     4 samples: 3 for training, 0 for validation, 1 for testing
              expected  one sample or more in each
              help: set the shares `val` and `test`, or bring more samples
        "#]],
    );
    table(
        "x,y\n1,a\n2,b\n3,a\n4,b\n",
        json!({ "delimiter": "tab" }),
        expect![[r#"
            `baselines/table`: parameter `delimiter` is no ASCII character
              found     `tab`
              expected  one, such as `,` or `;`
        "#]],
    );
    table(
        "x,y\n1,a\n2,b\n3,a\n4,b\n",
        json!({ "split_column": "x", "split_file": concat!(env!("CARGO_MANIFEST_DIR"), "/README.md") }),
        expect![[r#"
            `baselines/table`: parameters `split_column` and `split_file` both give the splits
              expected  one of them
        "#]],
    );
    let latin = b"x,y\n1,caf\xe9\n2,b\n";
    let given = || json!({ "target": "y", "kind": "classes" });
    expect![[r#"
        `baselines/table`: `t.csv`, line 2: this is no UTF-8
          found     invalid utf-8: invalid UTF-8 in field 1 near byte index 3
          help: save the table as UTF-8
    "#]]
    .assert_eq(&refused("table", "t.csv", latin, given()));
    expect![[r#"
        `baselines/table`: `t.csv.gz` is no gzip file, or not all of one
          found     unexpected end of file
          help: compress it anew, or give the CSV as it is
    "#]]
    .assert_eq(&refused(
        "table",
        "t.csv.gz",
        b"\x1f\x8b\x08\x00half",
        given(),
    ));

    let folder = Folder::new();
    let csv = folder.put("t.csv", "x,y\n1,a\n2,b\n3,a\n4,b\n");
    let with = |content: &str| {
        let mut given = given();
        let names = folder.put("s.txt", content);
        given["split_file"] = names.to_str().unwrap().into();
        refused_at(&folder, "table", &csv, given)
    };
    expect![[r#"
        `baselines/table`: `s.txt`, line 2: this is no split
          found     `trian`
          expected  train, val or test
    "#]]
    .assert_eq(&with("train\ntrian\nval\ntest\n"));
    expect![[r#"
        `baselines/table`: `s.txt` has a split for another number of rows
          found     3
          expected  4, a line for each row of `t.csv`
    "#]]
    .assert_eq(&with("train\nval\ntest\n"));
}

#[test]
fn parameters_that_name_nothing() {
    let refused = |task: &str, given: Json| {
        let made = plugin().task(task, &params(given));
        let here = std::env::current_dir().unwrap();
        let error = made.err().expect("refused").to_string();
        error.replace(&here.display().to_string(), "/here") + "\n"
    };
    let given = json!({ "file": "gone.csv", "target": "y", "kind": "classes" });
    expect![[r#"
        `baselines/table`: parameter `file`: there is no file `gone.csv` in `/here`, where pleach runs
    "#]].assert_eq(&refused("table", given));
    expect![[r#"
        `baselines/graphs`: parameter `file`: there is no file `/gone/own.npz`
    "#]]
    .assert_eq(&refused("graphs", json!({ "file": "/gone/own.npz" })));
    let given =
        json!({ "file": concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"), "kind": "class" });
    expect![[r#"
        `baselines/arrays`: parameter `kind`: unknown variant `class`, expected `classes` or `numbers`
    "#]].assert_eq(&refused("arrays", given));
    let given = json!({ "data": { "file": "gone.npz" } });
    expect![[r#"
        `baselines/graph-nodes`: parameter `data.file`: there is no file `gone.npz` in `/here`, where pleach runs
    "#]].assert_eq(&refused("graph-nodes", given));
    expect![[r#"
        `baselines/graph-nodes`: parameter `data`: unknown variant `coauthor`, expected one of `file`, `amazon-cs`, `amazon-photo`, `coauthor-cs`, `coauthor-phy`, `cora-ml`, `citeseer-full`, `dblp`, `polblogs`, `actor`, `chameleon`, `chameleon-filtered`, `squirrel`, `squirrel-filtered`, `cornell`, `texas`, `wisconsin`, `minesweeper`, `tolokers`, `acm`, `blogcatalog`, `flickr`
    "#]].assert_eq(&refused("graph-nodes", json!({ "data": "coauthor" })));
}

#[test]
fn arrays_of_samples() {
    let x = || ("x", Npy::f32(&[4, 2], &[0.0; 8]));
    let y = || ("y", Npy::i64(&[4], &[0, 1, 0, 1]));
    let split = |name, samples: &[i64]| (name, Npy::i64(&[samples.len()], samples));
    arrays(
        &[x()],
        expect![[r#"
        `baselines/arrays`: `a.npz` has no array `y`
          found     x
    "#]],
    );
    arrays(
        &[x(), ("y", Npy::i64(&[3], &[0, 1, 0]))],
        expect![[r#"
        `baselines/arrays`: `x` and `y` of `a.npz` do not go together
          found     4 and 3 samples
          expected  as many of both, one or more
    "#]],
    );
    arrays(
        &[x(), ("y", Npy::i64(&[4], &[1, 2, 1, 2]))],
        expect![[r#"
        `baselines/arrays`: array `y` of `a.npz` holds labels that do not begin with 0
          found     labels up to 2, none is 0
          expected  a sample of each class, numbered from 0
          help: subtract the smallest label: `y - y.min()`
    "#]],
    );
    arrays(
        &[x(), ("y", Npy::i64(&[4], &[0, 3, 0, 1]))],
        expect![[r#"
        `baselines/arrays`: array `y` of `a.npz` holds classes with gaps between their numbers
          found     labels up to 3, none is 2
          expected  a sample of each class, numbered from 0
          help: number them anew: `_, y = numpy.unique(y, return_inverse=True)`
    "#]],
    );
    arrays(
        &[x(), ("y", Npy::i64(&[4], &[0, 1, -1, 1]))],
        expect![[r#"
        `baselines/arrays`: array `y` of `a.npz` holds a negative label at [2]
          found     -1
          expected  whole numbers from 0
    "#]],
    );
    arrays(
        &[x(), ("y", Npy::i64(&[4], &[0; 4]))],
        expect![[r#"
        `baselines/arrays`: array `y` of `a.npz` holds nothing to tell apart
          found     one class
          expected  two classes or more
    "#]],
    );
    arrays(
        &[x(), ("y", Npy::i64(&[4, 1], &[0, 1, 0, 1]))],
        expect![[r#"
        `baselines/arrays`: array `y` of `a.npz` has another shape
          found     [4, 1]
          expected  [samples]
    "#]],
    );
    arrays(
        &[x(), ("y", Npy::raw("|O", &[4], vec![0; 40]))],
        expect![[r#"
            `baselines/arrays`: array `y` of `a.npz` holds pickled objects
              found     '|O'
              expected  numbers
              help: save plain numbers: `x.astype(float)`
        "#]],
    );
    arrays(
        &[x(), ("y", Npy::raw("<U1", &[4], vec![0; 16]))],
        expect![[r#"
            `baselines/arrays`: array `y` of `a.npz` holds text
              found     '<U1'
              expected  numbers
              help: save numbers for it: `names, y = numpy.unique(y, return_inverse=True)`
        "#]],
    );
    arrays(
        &[("x", Npy::raw(">f4", &[4, 2], vec![0; 32])), y()],
        expect![[r#"
            `baselines/arrays`: array `x` of `a.npz` holds numbers of a rare type
              found     '>f4'
              expected  numbers
              help: save it as `x.astype("int64")` or `x.astype("float32")`
        "#]],
    );
    arrays(
        &[("x", Npy::raw("<f4", &[4, 2], vec![0; 30])), y()],
        expect![[r#"
            `baselines/arrays`: array `x` of `a.npz` cannot be read
              found     30 bytes for [4, 2]
              help: write the file anew, by `numpy.savez_compressed`
        "#]],
    );
    let holes = [0.0, 1.0, 2.0, 3.0, 4.0, f32::NAN, 6.0, 7.0];
    arrays(
        &[("x", Npy::f32(&[4, 2], &holes)), y()],
        expect![[r#"
            `baselines/arrays`: array `x` of `a.npz` holds no finite float32 at [2, 1]
              found     NaN
              expected  finite numbers
              help: leave such samples out, or fill numbers in
        "#]],
    );
    let large = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, -1e300, 7.0];
    arrays(
        &[("x", Npy::f64(&[4, 2], &large)), y()],
        expect![[r#"
            `baselines/arrays`: array `x` of `a.npz` holds no finite float32 at [3, 0]
              found     -1e300
              expected  finite numbers
              help: leave such samples out, or fill numbers in
        "#]],
    );
    arrays(
        &[x(), y(), split("train", &[0, 1])],
        expect![[r#"
        `baselines/arrays`: `a.npz` has no split `val`
          found     train
          expected  all of train, val and test, or none
          help: add it, or set the seed `split` to draw all of them
    "#]],
    );
    let with = |train: &[i64], val: &[i64], test: &[i64], expected| {
        let splits = [
            split("train", train),
            split("val", val),
            split("test", test),
        ];
        let given: Vec<(&str, Npy)> = [x(), y()].into_iter().chain(splits).collect();
        arrays(&given, expected);
    };
    with(
        &[0, 1],
        &[2],
        &[1, 3],
        expect![[r#"
        `baselines/arrays`: sample 1 is in two splits of `a.npz`, `train` and `test`
          expected  splits that have no sample in common
    "#]],
    );
    with(
        &[0, 0],
        &[2],
        &[3],
        expect![[r#"
        `baselines/arrays`: sample 0 is twice in split `train` of `a.npz`
          expected  splits that have no sample in common
    "#]],
    );
    with(
        &[0, 1],
        &[2],
        &[4],
        expect![[r#"
        `baselines/arrays`: split `test` of `a.npz` has a sample that is not there
          found     4
          expected  numbers from 0 to 3
    "#]],
    );
    with(
        &[0, 1],
        &[-1],
        &[3],
        expect![[r#"
        `baselines/arrays`: split `val` of `a.npz` has a sample that is not there
          found     -1
          expected  numbers from 0 to 3
    "#]],
    );
    with(
        &[0, 1, 2],
        &[],
        &[3],
        expect![[r#"
        `baselines/arrays`: split `val` of `a.npz` is empty
          expected  one sample or more
    "#]],
    );
    let mask = |name| (name, Npy::mask(&[true, false, false]));
    arrays(
        &[x(), y(), mask("train"), mask("val"), mask("test")],
        expect![[r#"
            `baselines/arrays`: array `train` of `a.npz` is no mask of the samples
              found     3 truth values
              expected  4
        "#]],
    );
    let floats = |name| (name, Npy::f64(&[1], &[0.0]));
    arrays(
        &[x(), y(), floats("train"), floats("val"), floats("test")],
        expect![[r#"
            `baselines/arrays`: array `train` of `a.npz` holds floats
              found     float64
              expected  whole numbers
              help: save it as `.astype("int64")`
        "#]],
    );

    let labels = [x(), ("y", Npy::f64(&[4], &[0.0, 1.0, 0.0, 1.0]))];
    let given = json!({ "kind": "classes" });
    expect![[r#"
        `baselines/arrays`: array `y` of `a.npz` holds floats where labels are wanted
          expected  whole numbers from 0
          help: save it as `y.astype("int64")`, or set kind = "numbers"
    "#]]
    .assert_eq(&refused("arrays", "a.npz", &npz(&labels), given));
    let whole = npz(&[x(), y()]);
    expect![[r#"
        `baselines/arrays`: `a.npz` is no npz file, or not all of one
          found     invalid Zip archive: Could not find central directory end
          help: write it anew, by `numpy.savez_compressed`
    "#]]
    .assert_eq(&refused(
        "arrays",
        "a.npz",
        &whole[..whole.len() / 2],
        json!({}),
    ));
    expect![[r#"
        `baselines/arrays`: `a.npz` is no npz file, or not all of one
          found     invalid Zip archive: Invalid zip header
          help: write it anew, by `numpy.savez_compressed`
    "#]]
    .assert_eq(&refused("arrays", "a.npz", b"\x93NUMPY\x01\x00", json!({})));
    // One bit of `x` is another than its checksum says.
    let mut flipped = whole;
    let header = flipped
        .windows(6)
        .position(|bytes| bytes == b"<f4', ")
        .unwrap();
    flipped[header + 115] ^= 1;
    expect![[r#"
        `baselines/arrays`: array `x` of `a.npz` cannot be read
          found     Invalid checksum
          help: write the file anew, by `numpy.savez_compressed`
    "#]]
    .assert_eq(&refused("arrays", "a.npz", &flipped, json!({})));
}

fn graph(name: &str, given: &[(&str, Npy)], json: Json, expected: Expect) {
    expected.assert_eq(&refused(name, "g.npz", &npz(given), json));
}

#[test]
fn graphs_of_nodes() {
    let x = || ("x", Npy::f32(&[6, 1], &[0.0; 6]));
    let y = || ("y", Npy::i64(&[6], &[0, 1, 0, 1, 0, 1]));
    let edges = |name, ends: &[i64]| (name, Npy::i64(&[ends.len() / 2, 2], ends));
    let check = |given: &[(&str, Npy)], expected| graph("graph-nodes", given, json!({}), expected);
    check(
        &[x(), y()],
        expect![[r#"
        `baselines/graph-nodes`: `g.npz` has no array `edges`
          found     x, y
    "#]],
    );
    check(
        &[x(), y(), edges("edges", &[0, 1, 1, 6])],
        expect![[r#"
        `baselines/graph-nodes`: array `edges` of `g.npz` holds an edge beyond the nodes at [1]
          found     1, 6
          expected  nodes from 0 to 5
    "#]],
    );
    check(
        &[x(), y(), edges("edges", &[0, 1, -1, 2])],
        expect![[r#"
        `baselines/graph-nodes`: array `edges` of `g.npz` holds an edge beyond the nodes at [1]
          found     -1, 2
          expected  nodes from 0 to 5
    "#]],
    );
    check(
        &[x(), y(), edges("edges", &[0, 1, 3, 3])],
        expect![[r#"
        `baselines/graph-nodes`: array `edges` of `g.npz` holds an edge from a node to itself at [1]
          found     3, 3
          expected  edges between two nodes
          help: leave such edges out; layers that need them add them
    "#]],
    );
    check(
        &[x(), y(), edges("edges", &[0, 1, 1, 2, 1, 0])],
        expect![[r#"
            `baselines/graph-nodes`: array `edges` of `g.npz` holds an edge that is there before, at [0], once more at [2]
              found     1, 0
              expected  each edge once, in either order
              help: call the array `edges_directed` if it holds both directions of all edges
        "#]],
    );
    check(
        &[x(), y(), edges("edges_directed", &[0, 1, 1, 0, 1, 2])],
        expect![[r#"
            `baselines/graph-nodes`: array `edges_directed` of `g.npz` holds an edge in one direction alone at [2]
              found     1, 2
              expected  both directions of each edge
              help: call the array `edges` if it holds each edge once
        "#]],
    );
    check(
        &[x(), y(), edges("edges_directed", &[0, 1, 1, 0, 0, 1])],
        expect![[r#"
            `baselines/graph-nodes`: array `edges_directed` of `g.npz` holds an edge that is there before, at [0], once more at [2]
              found     0, 1
              expected  each direction once
        "#]],
    );
    check(
        &[x(), y(), ("edges", Npy::i64(&[2, 3], &[0, 1, 2, 1, 2, 3]))],
        expect![[r#"
            `baselines/graph-nodes`: array `edges` of `g.npz` has another shape
              found     [2, 3]
              expected  [edges, 2]
              help: transpose it: `edges.T`
        "#]],
    );
    check(
        &[x(), y(), ("edges", Npy::f64(&[1, 2], &[0.0, 1.0]))],
        expect![[r#"
            `baselines/graph-nodes`: array `edges` of `g.npz` holds floats
              found     float64
              expected  whole numbers
              help: save it as `.astype("int64")`
        "#]],
    );
    check(
        &[
            x(),
            y(),
            edges("edges", &[0, 1]),
            edges("edges_directed", &[0, 1, 1, 0]),
        ],
        expect![[r#"
            `baselines/graph-nodes`: `g.npz` has `edges` and `edges_directed`
              expected  one of them
        "#]],
    );
    check(
        &[x(), edges("edges", &[0, 1])],
        expect![[r#"
        `baselines/graph-nodes`: `g.npz` has no array `y`
          found     edges, x
    "#]],
    );
    check(
        &[y(), edges("edges", &[0, 1])],
        expect![[r#"
        `baselines/graph-nodes`: `g.npz` has no features of nodes
          expected  `x`, or `x_indptr` and what belongs to it, or `node_tag`
          help: set features = "identity" or "degrees" to do without
    "#]],
    );
    check(
        &[
            ("x", Npy::f32(&[5, 1], &[0.0; 5])),
            y(),
            edges("edges", &[0, 1]),
        ],
        expect![[r#"
            `baselines/graph-nodes`: array `x` of `g.npz` has another shape
              found     [5, 1]
              expected  [6, features]
        "#]],
    );
    check(
        &[
            x(),
            ("y", Npy::i64(&[6], &[0, 1, 0, 1, -2, 1])),
            edges("edges", &[0, 1]),
        ],
        expect![[r#"
            `baselines/graph-nodes`: array `y` of `g.npz` holds a negative label at [4]
              found     -2
              expected  whole numbers from 0
        "#]],
    );
    let one = |name, node| (name, Npy::i64(&[1], &[node]));
    check(
        &[
            x(),
            ("y", Npy::i64(&[6], &[0, 1, 0, 1, -1, 1])),
            edges("edges", &[0, 1]),
            one("train_idx", 0),
            one("val_idx", 4),
            one("test_idx", 1),
        ],
        expect![[r#"
            `baselines/graph-nodes`: split `val` of `g.npz` has a node without a label
              found     4
              expected  nodes with labels alone
        "#]],
    );
    let known = ("has_x", Npy::mask(&[true, true, false, false, true, true]));
    check(
        &[x(), y(), edges("edges", &[0, 1]), known],
        expect![[r#"
            `baselines/graph-nodes`: `g.npz` lacks features of some nodes
              found     those of 4 of 6 nodes
              help: for what looks at the graph alone: features = "identity" or "degrees"; else make a file with all of them for `baselines/graph-nodes`, as the README of `baselines` shows
        "#]],
    );

    let sparse = |starts: &[i64], columns: &[i64], shape: [i64; 2], expected| {
        let given = [
            y(),
            edges("edges", &[0, 1]),
            ("x_indptr", Npy::i64(&[starts.len()], starts)),
            ("x_indices", Npy::i64(&[columns.len()], columns)),
            ("x_shape", Npy::i64(&[2], &shape)),
        ];
        check(&given, expected);
    };
    sparse(
        &[0, 1, 1, 2, 2, 2, 2],
        &[0, 2],
        [6, 2],
        expect![[r#"
            `baselines/graph-nodes`: array `x_indices` of `g.npz` gives row 2 a feature that is not there
              found     2
              expected  numbers from 0 to 1
        "#]],
    );
    sparse(
        &[0, 2, 2, 2, 2, 2, 2],
        &[1, 0],
        [6, 2],
        expect![[r#"
            `baselines/graph-nodes`: array `x_indices` of `g.npz` gives row 0 features out of order, or twice
              expected  ascending numbers in each row
              help: call `x.sum_duplicates()` of the SciPy matrix before it is saved
        "#]],
    );
    sparse(
        &[0, 1, 1, 2, 2, 2, 3],
        &[0, 1],
        [6, 2],
        expect![[r#"
        `baselines/graph-nodes`: array `x_indptr` of `g.npz` does not say where rows begin
          found     0 to 3
          expected  ascending numbers from 0 to 2
    "#]],
    );
    sparse(
        &[0, 1, 1, 2, 2, 2],
        &[0, 1],
        [6, 2],
        expect![[r#"
        `baselines/graph-nodes`: array `x_indptr` of `g.npz` has another shape
          found     [6]
          expected  [7]
    "#]],
    );
    sparse(
        &[0, 1, 1, 2, 2, 2, 2],
        &[0, 1],
        [5, 2],
        expect![[r#"
        `baselines/graph-nodes`: array `y` of `g.npz` is not about the nodes
          found     6 rows
          expected  5, one for each node
    "#]],
    );

    let masks = |name| (name, Npy::raw("|u1", &[2, 6], vec![0; 12]));
    let given = [
        x(),
        y(),
        edges("edges", &[0, 1]),
        masks("train_masks"),
        masks("val_masks"),
        masks("test_masks"),
    ];
    graph(
        "graph-nodes",
        &given,
        json!({ "fold": 2 }),
        expect![[r#"
        `baselines/graph-nodes`: array `train_masks` of `g.npz` has no such split
          found     fold = 2
          expected  0 to 1
    "#]],
    );
    let given = [x(), y(), edges("edges", &[0, 1])];
    graph(
        "graph-nodes",
        &given,
        json!({ "per_class": [2, 1] }),
        expect![[r#"
            `baselines/graph-nodes`: class 0 is too small to be split
              found     3 samples
              expected  more than 3: 2 for training, 1 for validation
        "#]],
    );
}

#[test]
fn links_of_graphs() {
    let edges = |name, ends: &[i64]| (name, Npy::i64(&[ends.len() / 2, 2], ends));
    let check = |given: &[(&str, Npy)], expected| {
        graph(
            "graph-links",
            given,
            json!({ "features": "identity" }),
            expected,
        );
    };
    check(
        &[edges("edges", &[0, 1, 1, 2])],
        expect![[r#"
        `baselines/graph-links`: a split would be empty
          found     2 samples: 2 for training, 0 for validation, 0 for testing
          expected  one sample or more in each
          help: set the shares `val` and `test`, or bring more samples
    "#]],
    );
    let complete: Vec<i64> = (0..7)
        .flat_map(|i| (0..i).flat_map(move |j| [i, j]))
        .collect();
    check(
        &[edges("edges", &complete)],
        expect![[r#"
        `baselines/graph-links`: `g.npz` joins too many pairs of nodes
          found     21 edges, 0 pairs that are none
          expected  as many pairs that are none, or more
    "#]],
    );
    let path = || edges("edges", &[0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    check(
        &[
            path(),
            edges("val_edges", &[5, 4]),
            edges("test_edges", &[0, 5]),
        ],
        expect![[r#"
            `baselines/graph-links`: an edge of `g.npz` is in two splits
              found     4, 5
              expected  `edges`, `val_edges` and `test_edges` without edges in common
        "#]],
    );
    check(
        &[path(), edges("val_edges", &[0, 3])],
        expect![[r#"
        `baselines/graph-links`: `g.npz` has no array `test_edges`
          found     edges, val_edges
    "#]],
    );
    check(
        &[
            path(),
            edges("val_edges", &[0, 3]),
            edges("test_edges", &[0, 6]),
        ],
        expect![[r#"
            `baselines/graph-links`: array `test_edges` of `g.npz` holds an edge beyond the nodes at [0]
              found     0, 6
              expected  nodes from 0 to 5
        "#]],
    );
    let long: Vec<i64> = (0..11).flat_map(|i| [i, i + 1]).collect();
    graph(
        "graph-links",
        &[edges("edges", &long)],
        json!({}),
        expect![[r#"
            `baselines/graph-links`: `g.npz` has no features of nodes
              expected  `x`, or `x_indptr` and what belongs to it, or `node_tag`
              help: set features = "identity" or "degrees" to do without
        "#]],
    );
}

#[test]
fn many_graphs() {
    let given = |starts: &[i64], labels: &[i64], ends: &[i64]| {
        vec![
            ("graph_ptr", Npy::i64(&[starts.len()], starts)),
            ("graph_label", Npy::i64(&[labels.len()], labels)),
            ("node_tag", Npy::i64(&[8], &[0, 1, 0, 1, 0, 1, 0, 1])),
            ("edges", Npy::i64(&[ends.len() / 2, 2], ends)),
        ]
    };
    let thirds = json!({ "val": 0.3, "test": 0.3 });
    let check =
        |given: Vec<(&str, Npy)>, expected| graph("graphs", &given, thirds.clone(), expected);
    let labels = [0, 1, 0, 1];
    check(
        given(&[0, 2, 4, 6, 8], &labels, &[0, 1, 1, 2]),
        expect![[r#"
        `baselines/graphs`: `g.npz` has an edge between two graphs
          found     1, 2
          expected  nodes 0 to 1 of graph 0
    "#]],
    );
    check(
        given(&[0, 2, 2, 6, 8], &labels, &[0, 1]),
        expect![[r#"
        `baselines/graphs`: array `graph_ptr` of `g.npz` leaves graph 1 without nodes
          found     2 to 2
          expected  ascending numbers
    "#]],
    );
    check(
        given(&[1, 2, 4, 6, 8], &labels, &[0, 1]),
        expect![[r#"
        `baselines/graphs`: array `graph_ptr` of `g.npz` does not begin with the first node
          found     1
          expected  0, and where each graph ends
    "#]],
    );
    check(
        given(&[0, 2, 4, 8], &labels, &[0, 1]),
        expect![[r#"
        `baselines/graphs`: array `graph_label` of `g.npz` is not about the graphs
          found     [4]
          expected  3 rows, one for each graph of `graph_ptr`
    "#]],
    );
    check(
        given(&[0, 2, 4, 6, 9], &labels, &[0, 1]),
        expect![[r#"
        `baselines/graphs`: array `node_tag` of `g.npz` has another shape
          found     [8]
          expected  [9]
    "#]],
    );
    let mut negative = given(&[0, 2, 4, 6, 8], &labels, &[0, 1]);
    negative[2].1 = Npy::i64(&[8], &[0, 1, -1, 0, 0, 1, 0, 1]);
    check(
        negative,
        expect![[r#"
        `baselines/graphs`: array `node_tag` of `g.npz` holds a negative number at [2]
          found     -1
          expected  whole numbers from 0
    "#]],
    );
    let mut folds = given(&[0, 2, 4, 6, 8], &labels, &[0, 1]);
    folds.push(("fold10", Npy::i64(&[4], &[0, 1, 0, 1])));
    graph(
        "graphs",
        &folds,
        json!({ "fold": 2 }),
        expect![[r#"
        `baselines/graphs`: array `fold10` of `g.npz` has no such fold
          found     fold = 2
          expected  0 to 1
    "#]],
    );
    folds.pop();
    graph(
        "graphs",
        &folds,
        json!({ "fold": 0 }),
        expect![[r#"
        `baselines/graphs`: `g.npz` has no array `fold10`
          found     edges, graph_label, graph_ptr, node_tag
    "#]],
    );
}
