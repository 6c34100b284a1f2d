//! Tasks over data of one's own: what is read is what stands in the files, and splits are what they say.

use std::collections::BTreeSet;
use std::io::Write;

use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;

use crate::files::{Folder, Npy, task};
use crate::{close, numbers, rows, whole, whole_numbers};

/// Six rows; line 3 is empty, and a cell of line 4 holds a line break.
const PETS: &str = "\u{feff}name,weight,kind,legs,split
Rex,10,dog,4,train

\"Tom,
the second\",4,cat,4,train
Ada,1, fish ,0,train
Bob,8,dog,4,val
Eve,2,cat,3,test
Kai,3,fish,0,test
";

#[test]
fn a_table_is_read_as_it_stands() {
    let folder = Folder::new();
    let plain = folder.put("pets.csv", PETS);
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(PETS.as_bytes()).unwrap();
    let gzipped = folder.put("pets.csv.gz", gzip.finish().unwrap());
    let semicolons = folder.put(
        "pets.txt",
        "name;weight;kind;legs;split\na;10;dog;4;train\nb;4;cat;4;train\nc;1;fish;0;train\nd;8;dog;4;val\ne;2;cat;3;test\nf;3;fish;0;test\n",
    );
    let names = folder.put("splits.txt", "train\ntrain\ntrain\nval\ntest\ntest\n");
    let column = json!({ "split_column": "split", "leave_out": ["name"] });
    let file = json!({ "split_file": names.to_str().unwrap(), "leave_out": ["name", "split"] });
    for (path, delimiter, mut given) in [
        (&plain, ",", column.clone()),
        (&gzipped, ",", column.clone()),
        (&semicolons, ";", column),
        (&plain, ",", file),
    ] {
        given["target"] = "weight".into();
        given["kind"] = "numbers".into();
        given["categories"] = json!(["kind"]);
        given["delimiter"] = delimiter.into();
        let of = |standardise: bool| {
            given["standardise"] = standardise.into();
            task("table", path, given.clone())
        };
        let [raw, scaled] = [false, true].map(of);
        // Legs, then cat, dog and fish.
        let train = whole(&raw, "train");
        assert_eq!(
            rows(&train["x"]),
            [
                [4.0, 0.0, 1.0, 0.0],
                [4.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 0.0, 1.0]
            ]
        );
        assert_eq!(rows(&train["y"]), [[10.0], [4.0], [1.0]]);
        assert_eq!(rows(&whole(&raw, "val")["y"]), [[8.0]]);
        assert_eq!(rows(&whole(&raw, "test")["y"]), [[2.0], [3.0]]);
        // Of 4, 4, 0: mean 8/3, variance 32/9.
        let [mean, deviation] = [8.0 / 3.0, 32_f64.sqrt() / 3.0];
        let x = whole(&scaled, "test");
        let legs = rows(&x["x"]).into_iter().map(|row| row[0]);
        let wanted = [3.0, 0.0].map(|legs| (legs - mean) / deviation);
        for (found, wanted) in legs.zip(wanted) {
            assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        }
        assert_eq!(rows(&x["y"]), [[2.0], [3.0]], "targets stay in their units");
    }
}

#[test]
fn classes_are_numbered_by_name_or_by_value() {
    let folder = Folder::new();
    let check = |cells: [&str; 6], expected: [i64; 6]| {
        let lines: Vec<String> = (cells.iter().enumerate())
            .map(|(i, cell)| format!("{i},{cell},{}\n", ["train", "val", "test"][i % 3]))
            .collect();
        let file = folder.put("t.csv", format!("x,y,s\n{}", lines.concat()));
        let given =
            json!({ "target": "y", "kind": "classes", "split_column": "s", "standardise": false });
        let task = task("table", &file, given);
        for (place, split) in ["train", "val", "test"].into_iter().enumerate() {
            let batch = whole(&task, split);
            assert_eq!(numbers(&batch["x"]), [place as f64, place as f64 + 3.0]);
            assert_eq!(
                whole_numbers(&batch["y"]),
                [expected[place], expected[place + 3]]
            );
        }
        let ports = task.ports().unwrap();
        assert_eq!(show(&ports.inputs["x"]), "[batch, 1]");
        assert_eq!(show(&ports.outputs["y"]), "[batch, 3]");
    };
    check(["b", "a", "c", "c", "a", "b"], [1, 0, 2, 2, 0, 1]);
    // As text 10 would be before 9.
    check(["9", "10", "-1", "9", "10", "-1"], [1, 2, 0, 1, 2, 0]);
}

#[test]
fn drawn_splits_are_disjoint_balanced_and_decided_by_their_seed() {
    let folder = Folder::new();
    // 40, 30 and 20 samples of three classes; x is the number of the sample.
    let labels: Vec<i64> = (0..90)
        .map(|i| [0, 0, 0, 0, 1, 1, 1, 2, 2][i % 9])
        .collect();
    let x: Vec<f32> = (0..90).map(|i| i as f32).collect();
    let file = folder.npz(
        "a.npz",
        &[("x", Npy::f32(&[90], &x)), ("y", Npy::i64(&[90], &labels))],
    );
    let splits = |seed: u64| {
        let task = task(
            "arrays",
            &file,
            json!({ "split": seed, "val": 0.1, "test": 0.3 }),
        );
        ["train", "val", "test"].map(|split| {
            let batch = whole(&task, split);
            let of_class = whole_numbers(&batch["y"].bincount::<Tensor>(None, 3));
            (whole_numbers(&batch["x"].to_kind(Kind::Int64)), of_class)
        })
    };
    for seed in 0..5 {
        let [train, val, test] = splits(seed);
        assert_eq!((&train.1, &val.1), (&vec![24, 18, 12], &vec![4, 3, 2]));
        assert_eq!(test.1, [12, 9, 6]);
        let together: BTreeSet<i64> = [train.0, val.0, test.0].concat().into_iter().collect();
        assert_eq!(together, (0..90).collect());
        assert_eq!(splits(seed), splits(seed));
        assert_ne!(splits(seed), splits(seed + 1));
    }
}

#[test]
fn an_epoch_shows_each_sample_once_in_an_order_of_its_own() {
    let folder = Folder::new();
    let x: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let y: Vec<i64> = (0..20).map(|i| i % 2).collect();
    let file = folder.npz(
        "a.npz",
        &[("x", Npy::f32(&[20], &x)), ("y", Npy::i64(&[20], &y))],
    );
    let task = task("arrays", &file, json!({}));
    let epoch = |epoch, seed| {
        let at = |index| At {
            epoch,
            index,
            size: 4,
            seed,
        };
        let batches = (0..).map_while(|index| task.batch("train", &at(index)).unwrap());
        let batches: Vec<Vec<f64>> = batches.map(|batch| numbers(&batch["x"])).collect();
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 4, 4, 2]);
        batches.concat()
    };
    let (first, next, other) = (epoch(0, 1), epoch(1, 1), epoch(0, 2));
    assert_eq!(epoch(0, 1), first);
    assert!(first != next && first != other);
    let mut sorted = first;
    sorted.sort_unstable_by(f64::total_cmp);
    assert_eq!(sorted, numbers(&whole(&task, "train")["x"]));
}

#[test]
fn arrays_of_any_type_and_order_are_the_same() {
    let folder = Folder::new();
    let ints: Vec<i64> = (0..24).collect();
    let small: Vec<u8> = (0..24).collect();
    let floats: Vec<f64> = (0..24).map(f64::from).collect();
    // [4, 3, 2], with the first axis fastest.
    let turned: Vec<f32> = (0..24)
        .map(|i| (i % 4 * 6 + i / 4 % 3 * 2 + i / 12) as f32)
        .collect();
    let mask = |of: &[usize]| Npy::mask(&[0, 1, 2, 3].map(|i| of.contains(&i)));
    let shape = &[4, 3, 2];
    for (case, x) in [
        Npy::i64(shape, &ints),
        Npy::raw("|u1", shape, small),
        Npy::f64(shape, &floats),
        Npy::f32(shape, &turned).fortran(),
    ]
    .into_iter()
    .enumerate()
    {
        let masks = case % 2 == 0;
        let split = |of: &[usize]| match masks {
            true => mask(of),
            false => Npy::i64(
                &[of.len()],
                &of.iter().map(|i| *i as i64).collect::<Vec<_>>(),
            ),
        };
        let file = folder.npz(
            "a.npz",
            &[
                ("x", x),
                ("y", Npy::i64(&[4], &[0, 1, 1, 0])),
                ("train", split(&[0, 3])),
                ("val", split(&[1])),
                ("test", split(&[2])),
            ],
        );
        let task = task("arrays", &file, json!({}));
        assert_eq!(
            show(&task.ports().unwrap().inputs["x"]),
            "[batch, 3, 2]",
            "{case}"
        );
        let train = whole(&task, "train");
        assert_eq!(train["x"].kind(), Kind::Float);
        let expected: Vec<f64> = (0..6).chain(18..24).map(f64::from).collect();
        assert_eq!(numbers(&train["x"]), expected, "{case}");
        assert_eq!(whole_numbers(&whole(&task, "val")["y"]), [1]);
        assert_eq!(numbers(&whole(&task, "test")["x"])[0], 12.0);
    }
}

#[test]
fn regression_is_measured_in_the_units_of_the_data() {
    let folder = Folder::new();
    let file = folder.put(
        "t.csv",
        "x,y,s\n0,10,train\n1,30,train\n2,20,val\n3,11,test\n4,13,test\n5,21,test\n",
    );
    let given = json!({ "target": "y", "kind": "numbers", "split_column": "s" });
    let standardised = task("table", &file, given.clone());
    let mut as_they_are = given;
    as_they_are["standardise"] = false.into();
    let plain = task("table", &file, as_they_are);
    let batch = whole(&plain, "test");
    let said = [12.0, 12.0, 24.0];
    let outputs = |said: [f64; 3]| Batch::new().with("y", Tensor::from_slice(&said).view([3, 1]));
    // Errors 1, -1, 3; y varies by 16 + 4 + 36 around 15.
    let expected = [(11.0_f64 / 3.0).sqrt(), 5.0 / 3.0, 1.0 - 11.0 / 56.0];
    let check = |task: &TaskObj, outputs: &Batch, loss: f64| {
        let metrics = task.metrics(outputs, &batch).unwrap();
        close(&["rmse", "mae", "r2"].map(|name| metrics[name]), &expected);
        close(&[metrics["loss"]], &[loss]);
        let terms = task.loss(outputs, &batch).unwrap();
        close(&[terms["squared-error"].double_value(&[])], &[loss]);
        let ports = task.ports().unwrap();
        assert_eq!((&*ports.metric, ports.higher_is_better), ("rmse", false));
    };
    check(&plain, &outputs(said), 11.0 / 3.0);
    // The training rows have mean 20 and standard deviation 10.
    check(
        &standardised,
        &outputs(said.map(|y| (y - 20.0) / 10.0)),
        11.0 / 300.0,
    );
    // Where nothing varies, only a perfect answer determines anything.
    let flat = Batch::new().with("y", Tensor::from_slice(&[2.0, 2.0]).view([2, 1]));
    for (said, r2) in [([2.0, 2.0], 1.0), ([2.0, 3.0], 0.0)] {
        let outputs = Batch::new().with("y", Tensor::from_slice(&said).view([2, 1]));
        close(&[plain.metrics(&outputs, &flat).unwrap()["r2"]], &[r2]);
    }
}
