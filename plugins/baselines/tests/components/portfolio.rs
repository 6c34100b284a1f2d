//! Strategies that ask others: who is asked, who is told, and what changes while they search.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::StrategyObj;
use plugin_api::{Json, TrialId, serde_json::json};

use crate::searching::{edges, plain, setting};
use crate::{params, plugin};

fn strategy(name: &str, json: Json) -> StrategyObj {
    pleach_worker::host(); // it makes the strategies within
    plugin().strategy(name, &params(json)).unwrap()
}

/// A random one and a grid, of which the first points are known.
fn two() -> Json {
    json!([
        { "name": "random", "strategy": "baselines/random" },
        { "name": "grid", "strategy": "baselines/grid" },
    ])
}

/// A search that is told of each trial before the next is asked for.
struct Searched {
    strategy: StrategyObj,
    trials: Vec<Proposal>,
}

impl Searched {
    fn begin(name: &str, json: Json) -> Searched {
        let mut strategy = strategy(name, json);
        strategy.begin(&setting(edges(), true, 5)).unwrap();
        Searched {
            strategy,
            trials: vec![],
        }
    }

    /// Asks for one more, tells what it is worth, and says who proposed it.
    fn next(&mut self, worth: impl Fn(&Proposal) -> f64) -> Option<String> {
        let proposal = self.strategy.ask(1, &plain()).unwrap().pop()?;
        let outcome = Outcome::Done(Named::new().with("accuracy", worth(&proposal)));
        let trial = TrialId(self.trials.len() as u64);
        let seen = Observation::of(trial, &proposal, outcome);
        self.strategy.tell(&[seen], &plain()).unwrap();
        let by = proposal.by.clone();
        self.trials.push(proposal);
        by
    }
}

fn by(proposal: &Proposal, name: &str) -> bool {
    proposal.by.as_deref() == Some(name)
}

#[test]
fn a_portfolio_asks_whose_proposals_improve() {
    for winner in ["random", "grid"] {
        let mut search = Searched::begin("portfolio", json!({ "strategies": two() }));
        for trial in 0..100 {
            // Each of the winner's trials is better than all before, each of the other one's worse.
            let rising = f64::from(trial);
            search.next(|p| if by(p, winner) { rising } else { -rising });
        }
        let won = search.trials.iter().filter(|p| by(p, winner)).count();
        assert!(won >= 90, "{winner}: {won}");
    }
}

/// The rule once more, from the whole history.
#[test]
fn a_portfolio_asks_by_area_and_exploration() {
    let (window, exploration, elite) = (7, 0.3, 2);
    let given = json!({
        "strategies": two(), "window": window, "exploration": exploration, "elite": elite,
    });
    let mut search = Searched::begin("portfolio", given);
    let mut history: Vec<(String, f64, bool)> = vec![];
    for trial in 0..60_usize {
        let lately = &history[history.len().saturating_sub(window)..];
        let promise = |name: &str| {
            let own: Vec<bool> = (lately.iter().filter(|(who, ..)| who == name))
                .map(|(.., improved)| *improved)
                .collect();
            let n = own.len() as f64;
            let weighed = own.iter().zip(1..).filter(|(improved, _)| **improved);
            let area = weighed.map(|(_, i)| f64::from(i)).sum::<f64>() / (n * (n + 1.0) / 2.0);
            let little = (2.0 * (lately.len() as f64).log2() / n).sqrt();
            if own.is_empty() {
                f64::INFINITY
            } else {
                area + exploration * little
            }
        };
        let expected = match promise("grid") > promise("random") {
            true => "grid",
            false => "random",
        };
        let worth = ((trial * 37) % 23) as f64;
        let who = search.next(|_| worth).unwrap();
        assert_eq!(who, expected, "trial {trial}");
        let point = &search.trials[trial].point;
        let known = search.trials[..trial].iter().any(|p| p.point == *point);
        let better = history.iter().enumerate().filter(|(i, (_, before, _))| {
            let first = &search.trials[*i].point;
            let again = search.trials[..*i].iter().any(|p| p.point == *first);
            !again && *before >= worth
        });
        history.push((who, worth, !known && better.count() < elite));
    }
}

#[test]
fn all_are_told_of_all_and_each_under_its_own_names() {
    // A child of what the grid found can only come from who was told of it.
    let inner = json!([
        { "name": "grid", "strategy": "baselines/grid" },
        { "name": "inner", "strategy": { "use": "baselines/portfolio", "strategies": [
            { "name": "evolution", "strategy": { "use": "baselines/evolution", "population": 1, "sample": 1 } },
            { "name": "random", "strategy": "baselines/random" },
        ] } },
    ]);
    let mut search = Searched::begin("portfolio", json!({ "strategies": inner }));
    assert_eq!(search.next(|_| 1.0).as_deref(), Some("grid"));
    assert_eq!(search.next(|_| 0.0).as_deref(), Some("inner/evolution"));
    let [grid, child] = &search.trials[..] else {
        panic!("two trials");
    };
    let differs = |name: &&str| grid.point[name] != child.point[name];
    assert_eq!(grid.point.names().filter(differs).count(), 1);

    // The inner portfolio credits its own: it goes on with whom it owes its best.
    for trial in 0..60 {
        let rising = f64::from(trial) + 2.0;
        search.next(|p| if by(p, "inner/random") { rising } else { 0.0 });
    }
    let won = search
        .trials
        .iter()
        .filter(|p| by(p, "inner/random"))
        .count();
    assert!(won > 40, "{won}");
}

#[test]
fn who_has_no_more_is_passed_over() {
    let mut search = Searched::begin(
        "portfolio",
        json!({ "strategies": [
        { "name": "once", "strategy": { "use": "baselines/switch", "turns": [
            { "name": "grid", "strategy": "baselines/grid" },
        ] } },
        { "name": "random", "strategy": "baselines/random" },
    ] }),
    );
    let decisions = vec![Decision::options("op", [0, 1, 2])];
    search.strategy.begin(&setting(decisions, true, 1)).unwrap();
    let proposed = search.strategy.ask(20, &plain()).unwrap();
    let grid = proposed.iter().filter(|p| by(p, "once/grid")).count();
    assert_eq!((proposed.len(), grid), (20, 3));
}

#[test]
fn strategies_join_and_leave() {
    let mut search = Searched::begin("portfolio", json!({ "strategies": two() }));
    for _ in 0..4 {
        search.next(|_| 0.0);
    }
    let evolution = Recipe::new("baselines/evolution")
        .with("population", 1)
        .with("sample", 1);
    let add = [("evolution".to_string(), evolution)];
    let gone = ["grid".to_string()];
    search.strategy.control(&add, &gone, &plain()).unwrap();
    let mut who: Vec<String> = (0..6).filter_map(|_| search.next(|_| 0.0)).collect();
    // It was told of what was seen before it joined: its first proposal is a child of the last trial.
    assert_eq!(who[0], "evolution");
    let (parent, child) = (&search.trials[3].point, &search.trials[4].point);
    let differ = parent.names().filter(|name| parent[*name] != child[*name]);
    assert_eq!(differ.count(), 1);
    who.sort();
    who.dedup();
    assert_eq!(who, ["evolution", "random"]);

    let refused = |add: &[(&str, Recipe)], drop: &[&str], strategy: &mut StrategyObj| {
        let add: Vec<_> = add
            .iter()
            .map(|(n, r)| (n.to_string(), r.clone()))
            .collect();
        let drop: Vec<String> = drop.iter().map(|n| n.to_string()).collect();
        let error = strategy.control(&add, &drop, &plain()).unwrap_err();
        let text = error.to_string();
        text.lines()
            .next()
            .unwrap()
            .replace("`baselines/portfolio`: ", "")
    };
    let strategy = &mut search.strategy;
    let random = || Recipe::new("baselines/random");
    for (add, drop, expected) in [
        (vec![], vec!["grid"], "no strategy is called `grid`"),
        (
            vec![("random", random())],
            vec![],
            "a strategy is called `random` already",
        ),
        (
            vec![("a/b", random())],
            vec![],
            "no strategy can be called `a/b`",
        ),
        (
            vec![("new", random()), ("new", random())],
            vec!["random"],
            "no strategy can be called `new`",
        ),
        (
            vec![],
            vec!["random", "evolution"],
            "no strategy would be left to ask",
        ),
    ] {
        assert_eq!(refused(&add, &drop, strategy), expected);
    }
    // What was refused changed nothing, and one may take the place of another of its name.
    let again = [("random".to_string(), random())];
    strategy
        .control(&again, &["random".to_string()], &plain())
        .unwrap();
}

#[test]
fn who_asks_no_others_cannot_be_changed() {
    let refused = |name: &str, json: Json| {
        let mut strategy = strategy(name, json);
        strategy.begin(&setting(edges(), true, 0)).unwrap();
        let error = strategy.control(&[], &["grid".to_string()], &plain());
        error.unwrap_err().to_string()
    };
    let what = "the strategy asks no others, so nothing can be added to it or dropped";
    assert!(refused("random", json!({})).contains(what));
    // A wrapper hands it on.
    let inner = json!({ "inner": { "use": "baselines/portfolio", "strategies": two() } });
    for name in ["prescreen", "deduplicate"] {
        let mut strategy = strategy(name, inner.clone());
        strategy.begin(&setting(edges(), true, 0)).unwrap();
        strategy
            .control(&[], &["grid".to_string()], &plain())
            .unwrap();
    }
}

#[test]
fn a_switch_takes_turns() {
    let turns = |first: Json| {
        let mut first = first;
        first["name"] = json!("grid");
        first["strategy"] = json!("baselines/grid");
        let then = json!({ "name": "random", "strategy": "baselines/random" });
        json!({ "turns": [first, then] })
    };
    let grids = |first: Json, worth: &dyn Fn(usize) -> f64| {
        let mut search = Searched::begin("switch", turns(first));
        let who: Vec<String> = (0..20).filter_map(|i| search.next(|_| worth(i))).collect();
        let grids = who.iter().take_while(|who| *who == "grid").count();
        assert!(who[grids..].iter().all(|who| who == "random"));
        grids
    };
    assert_eq!(grids(json!({ "trials": 7 }), &|_| 0.0), 7);
    // Of the trials 0 to 4 each is better than the last; four that are not end the turn.
    let rises_until_4 = |i: usize| i.min(4) as f64;
    assert_eq!(grids(json!({ "plateau": 4 }), &rises_until_4), 9);
    assert_eq!(
        grids(json!({ "plateau": 4, "trials": 6 }), &rises_until_4),
        6
    );
    assert_eq!(grids(json!({}), &|_| 0.0), 20);

    // Who has no more hands over too.
    let mut search = Searched::begin("switch", turns(json!({})));
    let decisions = vec![Decision::options("op", [0, 1, 2])];
    search.strategy.begin(&setting(decisions, true, 1)).unwrap();
    let who: Vec<String> = (0..5).filter_map(|_| search.next(|_| 0.0)).collect();
    assert_eq!(who, ["grid", "grid", "grid", "random", "random"]);
}

#[test]
fn no_strategy_is_none_to_ask() {
    for (name, json) in [
        ("portfolio", json!({ "strategies": [] })),
        ("switch", json!({ "turns": [] })),
    ] {
        let error = strategy(name, json).begin(&setting(edges(), true, 0));
        let text = format!("`baselines/{name}`: there is no strategy to ask");
        assert_eq!(error.unwrap_err().to_string(), text);
    }
}
