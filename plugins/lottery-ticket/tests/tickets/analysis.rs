//! What the analyses say of tickets, against the same counted by hand.

use std::rc::Rc;

use pleach_worker::{NetSession, SubjectBench};
use plugin_api::boundary::Owner;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};

use crate::{Noise, count, find, fit, small};

/// These networks on a bench of this seed.
fn bench(seed: u64, subjects: &[(&str, &NetSession, Vec<Report>)]) -> SubjectBench {
    let noise = Noise {
        features: 10,
        classes: 4,
        rows: 20,
    };
    let task = TaskObj::new(Box::new(noise), Owner::UNNAMED);
    let mut bench = SubjectBench::new(Rc::new(task), seed, Device::Cpu);
    for (name, session, reports) in subjects {
        let snapshot = session.snapshot("all,masks").unwrap();
        bench.put(name, session.arch().unwrap(), snapshot, reports.clone());
    }
    bench
}

fn measure(bench: &SubjectBench, json: Json) -> Result<Report> {
    bench.measure(&Recipe {
        component: "lottery-ticket/controls".into(),
        params: json.as_object().expect("parameters").clone(),
    })
}

/// What a trainer says of its best evaluation.
fn trained(best: f64, at: f64) -> Vec<Report> {
    let last = Report::default();
    vec![last.metric("best", best).metric("best-at", at)]
}

#[test]
fn it_says_what_one_counts_by_hand() {
    let found = || {
        let mut session = small(3);
        find(&mut session, json!({ "rounds": 2, "rate": 0.5 })).unwrap();
        session
    };
    let (ticket, mut other, mut chance) = (found(), found(), found());
    fit(&mut other, "lottery-ticket/reinitialised", json!({})).unwrap();
    fit(&mut chance, "lottery-ticket/shuffled", json!({})).unwrap();
    let mut fewer = found();
    let mut mask = fewer.masks().unwrap().remove("first.weight").unwrap();
    let first = mask.view(-1).nonzero().int64_value(&[0, 0]);
    let _ = mask.view(-1).narrow(0, first, 1).zero_();
    mask = mask.shallow_clone().into();
    fewer
        .mask(&Tensors::new().with("first.weight", mask))
        .unwrap();
    let dense = small(3);
    let bench = bench(
        3,
        &[
            ("ticket", &ticket, vec![]),
            ("other", &other, vec![]),
            ("chance", &chance, trained(0.25, 7.0)),
            ("fewer", &fewer, vec![]),
            ("dense", &dense, vec![]),
        ],
    );
    let report = measure(&bench, json!({ "rounds": 2, "rate": 0.5 })).unwrap();

    // 80, 48 and 24 weights, of which a quarter is alive.
    let [all, alive] = [80.0 + 48.0 + 24.0, 20.0 + 12.0 + 6.0];
    let (of_ticket, of_chance) = (ticket.masks().unwrap(), chance.masks().unwrap());
    let both = of_ticket.iter();
    let both: f64 = both
        .map(|(path, mask)| count(&mask.f_mul(&of_chance[path]).unwrap()))
        .sum();
    let check = |subject: &str, expected: [f64; 6]| {
        let metrics = [
            "alive",
            "fraction",
            "overlap",
            "initial",
            "unequal",
            "deviation",
        ];
        let found = metrics.map(|metric| report.metrics[&format!("{subject}.{metric}")]);
        assert_eq!(found, expected, "{subject}");
    };
    let fraction = alive / all;
    check("ticket", [alive, fraction, 1.0, 1.0, 0.0, 0.0]);
    check("other", [alive, fraction, 1.0, 0.0, 0.0, 0.0]);
    check("chance", [alive, fraction, both / alive, 1.0, 0.0, 0.0]);
    check(
        "fewer",
        [alive - 1.0, (alive - 1.0) / all, 1.0, 1.0, 1.0, 1.0],
    );
    check("dense", [all, 1.0, alive / all, 1.0, 60.0, 60.0]);
    assert_eq!(report.metrics["chance.best"], 0.25);
    assert_eq!(report.metrics["chance.best-at"], 7.0);
    assert!(!report.metrics.contains("ticket.best"));

    let table = &report.tables["other"];
    assert_eq!(
        table.columns,
        ["weights", "alive", "shared", "initial", "formula"]
    );
    assert_eq!(
        table.labels,
        ["first.weight", "second.weight", "third.weight"]
    );
    assert_eq!(table.rows[0], [80.0, 20.0, 20.0, 0.0, 20.0]);
}

#[test]
fn without_rounds_there_is_no_formula() {
    let ticket = small(0);
    let bench = bench(0, &[("ticket", &ticket, vec![])]);
    let report = measure(&bench, json!({})).unwrap();
    assert!(!report.metrics.contains("ticket.deviation"));
    assert_eq!(
        report.tables["ticket"].columns,
        ["weights", "alive", "shared", "initial"]
    );
}

#[test]
fn subjects_are_of_one_architecture() {
    let (ticket, larger) = (small(0), crate::perceptron([10, 9, 6, 4], 0));
    let bench = bench(
        0,
        &[("ticket", &ticket, vec![]), ("larger", &larger, vec![])],
    );
    let error = measure(&bench, json!({})).unwrap_err().to_string();
    assert_eq!(
        error,
        "`lottery-ticket/controls`: `larger` has another architecture than `ticket`"
    );
}

#[test]
fn a_curve_has_a_point_for_each_sparsity() {
    let dense = small(3);
    let after = |rounds: i64| {
        let mut session = small(3);
        let rounds = json!({ "rounds": rounds, "rate": 0.5 });
        find(&mut session, rounds).unwrap();
        session
    };
    let (half, quarter) = (after(1), after(2));
    let bench = bench(
        3,
        &[
            ("dense", &dense, trained(0.5, 9.0)),
            ("half.ticket", &half, trained(0.25, 7.0)),
            ("half.random", &half, vec![]),
            ("quarter.ticket", &quarter, trained(0.75, 8.0)),
        ],
    );
    let curve = Recipe::new("lottery-ticket/curve");
    let report = bench.measure(&curve).unwrap();
    assert_eq!(
        report.tables.names().collect::<Vec<_>>(),
        ["ticket", "random"]
    );
    let ticket = &report.tables["ticket"];
    // The task has no split `test`.
    assert_eq!(
        ticket.columns,
        ["log10 fraction", "val.loss", "best", "best-at"]
    );
    let loss = |session: &NetSession| session.evaluate("val", &Ask::eval()).unwrap()["loss"];
    let expected = [
        [0.25_f64.log10(), loss(&quarter), 0.75, 8.0],
        [0.5_f64.log10(), loss(&half), 0.25, 7.0],
        [0.0, loss(&dense), 0.5, 9.0],
    ];
    assert_eq!(ticket.rows, expected);
    let random = &report.tables["random"];
    assert_eq!(random.columns, ["log10 fraction", "val.loss"]);
    assert_eq!(random.rows.len(), 2);
}

#[test]
fn without_arms_there_is_one_curve() {
    let ticket = small(0);
    let bench = bench(0, &[("ticket", &ticket, vec![])]);
    let report = bench.measure(&Recipe::new("lottery-ticket/curve")).unwrap();
    assert_eq!(report.tables.names().collect::<Vec<_>>(), ["networks"]);
    assert_eq!(report.tables["networks"].rows.len(), 1);
}
