//! Data of one's own that cannot be used: the error names the file and the place in it, and says what to do.

use expect_test::{Expect, expect};
use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::files::{Folder, Npy, npz, task};

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
        json!({ "split_column": "x", "split_file": "s.txt" }),
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
fn paths_that_lead_nowhere() {
    let folder = Folder::new();
    let given = || json!({ "target": "y", "kind": "classes" });
    let gone = |path: &std::path::Path| refused_at(&folder, "table", path, given());
    expect![[r#"
        `baselines/table`: file `gone.csv` cannot be read
          found     No such file or directory (os error 2)
    "#]]
    .assert_eq(&gone(&folder.path("gone.csv")));
    expect![[r#"
        `baselines/table`: file `data/gone.csv` cannot be read
          found     No such file or directory (os error 2)
          help: paths begin where pleach is run; an absolute one is the same from everywhere
    "#]]
    .assert_eq(&gone("data/gone.csv".as_ref()));
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
