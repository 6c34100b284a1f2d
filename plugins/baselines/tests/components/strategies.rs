//! Search without a host.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::StrategyObj;
use plugin_api::testing::Scripted;
use plugin_api::{Json, Setting, serde_json::json};

use crate::searching::{done, edges, failed, mixed, plain, setting};
use crate::{params, plugin};

/// A host that notes the seeds that it is asked to sample with.
fn noting(seeds: &Rc<RefCell<Vec<u64>>>) -> Scripted {
    let seeds = Rc::clone(seeds);
    Scripted::default().sampling(move |decisions, n, seed| {
        seeds.borrow_mut().push(seed);
        let point = || {
            decisions
                .iter()
                .map(|decision| (decision.name.as_str(), Decided::Option(0)))
                .collect()
        };
        Ok((0..n).map(|_| point()).collect())
    })
}

#[test]
fn random_search_draws_anew_at_each_ask_and_the_same_when_replayed() {
    let mut random = plugin().strategy("random", &params(json!({}))).unwrap();
    let mut study = |seed| {
        let seeds = Rc::default();
        let host = noting(&seeds);
        random
            .begin(&Setting {
                decisions: vec![Decision::options("width", [1, 2])],
                goals: vec![],
                seed,
            })
            .unwrap();
        for n in [3, 1, 2] {
            let proposals = random.ask(n, &host).unwrap();
            assert_eq!(proposals.len() as i64, n);
            assert!(
                proposals
                    .iter()
                    .all(|proposal| proposal.point.contains("width") && proposal.from.is_none())
            );
        }
        seeds.take()
    };
    let (first, again, other) = (study(1), study(1), study(2));
    assert_eq!(first, again);
    let distinct: BTreeSet<u64> = first.into_iter().chain(other).collect();
    assert_eq!(distinct.len(), 6);
}

#[test]
fn asking_before_the_search_began_is_refused() {
    let mut random = plugin().strategy("random", &params(json!({}))).unwrap();
    assert_eq!(
        random.ask(1, &Scripted::default()).unwrap_err().to_string(),
        "`baselines/random`: asked before the search began"
    );
}

/// A host that samples points that are numbered, and scores them by a list.
fn scoring(scores: &[Option<f64>]) -> Scripted {
    let scores = scores.to_vec();
    let number = |i| Point::new().with("number", Decided::Integer(i));
    Scripted::default()
        .sampling(move |_, n, _| Ok((0..n).map(number).collect()))
        .scoring(move |scorer, points| {
            assert_eq!(*scorer, Recipe::new("baselines/grad-norm").with("size", 7));
            assert_eq!(points.len(), scores.len());
            Ok(scores.clone())
        })
}

#[test]
fn prescreening_proposes_the_best_of_many() {
    pleach_worker::host();
    let check = |n, of: i64, scores: &[Option<f64>], best: &[i64]| {
        let given = params(
            json!({ "inner": "baselines/random", "scorers": [{ "use": "baselines/grad-norm", "size": 7 }], "of": of }),
        );
        let mut prescreen = plugin().strategy("prescreen", &given).unwrap();
        prescreen
            .begin(&Setting {
                decisions: vec![],
                goals: vec![],
                seed: 1,
            })
            .unwrap();
        let proposals = prescreen.ask(n, &scoring(scores)).unwrap();
        let numbers = proposals
            .iter()
            .map(|proposal| proposal.point["number"].clone());
        assert_eq!(
            numbers.collect::<Vec<_>>(),
            best.iter()
                .map(|i| Decided::Integer(*i))
                .collect::<Vec<_>>()
        );
    };
    check(1, 3, &[Some(1.0), Some(3.0), Some(2.0)], &[1]);
    check(
        2,
        2,
        &[Some(1.0), Some(3.0), Some(-2.0), Some(2.0)],
        &[1, 3],
    );
    // Of equals the earlier; what has no score comes last, behind the worst.
    check(
        3,
        2,
        &[
            None,
            Some(5.0),
            Some(f64::NEG_INFINITY),
            Some(5.0),
            None,
            Some(f64::NAN),
        ],
        &[1, 3, 2],
    );
    check(2, 1, &[None, None], &[0, 1]);
}

#[test]
fn several_scorers_vote_by_rank() {
    pleach_worker::host();
    let given = json!({ "scorers": ["baselines/grad-norm", "baselines/params"], "of": 4 });
    let mut prescreen = plugin().strategy("prescreen", &params(given)).unwrap();
    prescreen.begin(&setting(vec![], true, 1)).unwrap();
    let number = |i| Point::new().with("number", Decided::Integer(i));
    let host = Scripted::default()
        .sampling(move |_, n, _| Ok((0..n).map(number).collect()))
        .scoring(|scorer, _| {
            Ok(match scorer.component.as_str() {
                // Ranks 0, 3, 1.5, 1.5; a large lead is one rank.
                "baselines/grad-norm" => vec![Some(1e9), Some(1.0), Some(2.0), Some(2.0)],
                // Ranks 3, 1, 0, 2.
                _ => vec![None, Some(0.2), Some(0.3), Some(0.1)],
            })
        });
    // Sums 3, 4, 1.5, 3.5.
    let mut best = prescreen.ask(1, &host).unwrap();
    assert_eq!(best.pop().unwrap().point, number(2));
    let given = json!({ "scorers": ["baselines/grad-norm", "baselines/params"], "of": 1 });
    let mut all = plugin().strategy("prescreen", &params(given)).unwrap();
    all.begin(&setting(vec![], true, 1)).unwrap();
    let order = all.ask(4, &host).unwrap().into_iter().map(|p| p.point);
    assert_eq!(order.collect::<Vec<_>>(), [2, 0, 3, 1].map(number));
}

fn strategy(name: &str, json: Json) -> StrategyObj {
    pleach_worker::host(); // it makes the strategy within
    plugin().strategy(name, &params(json)).unwrap()
}

/// Every strategy that follows what it sees, and what it is made of.
fn searchers() -> Vec<(&'static str, Json)> {
    vec![
        ("grid", json!({})),
        (
            "evolution",
            json!({ "population": 5, "sample": 3, "crossover": 0.5 }),
        ),
        ("local-search", json!({})),
        (
            "deduplicate",
            json!({ "inner": { "use": "baselines/evolution", "population": 4, "sample": 2 } }),
        ),
        (
            "portfolio",
            json!({ "strategies": [
                { "name": "evolution", "strategy": { "use": "baselines/evolution", "population": 4 } },
                { "name": "local-search", "strategy": "baselines/local-search" },
            ] }),
        ),
        (
            "switch",
            json!({ "turns": [
                { "name": "local-search", "strategy": "baselines/local-search", "trials": 9 },
                { "name": "evolution", "strategy": { "use": "baselines/evolution", "population": 4 } },
            ] }),
        ),
    ]
}

/// How much of it each decision has right: the more, the better.
fn right(point: &Point) -> f64 {
    let right = |(i, decided): (usize, &Decided)| match decided {
        Decided::Option(option) => f64::from(*option == (2 * i + 1) % 5),
        _ => 0.0,
    };
    point.values().enumerate().map(right).sum()
}

/// Asks for so many at once, again and again, and tells what came of each; every fifth trial fails.
fn searched(strategy: &mut StrategyObj, setting: &Setting, at_once: &[i64]) -> Vec<Point> {
    let host = plain();
    strategy.begin(setting).unwrap();
    let mut all: Vec<Point> = vec![];
    for n in at_once {
        let proposals = strategy.ask(*n, &host).unwrap();
        let first = all.len();
        all.extend(proposals.into_iter().map(|p| p.point));
        let seen = all.iter().enumerate().skip(first);
        let seen: Vec<Observation> = seen
            .map(|(trial, point)| match trial % 5 {
                4 => failed(trial, point),
                _ => done(trial, point, right(point)),
            })
            .collect();
        strategy.tell(&seen, &host).unwrap();
    }
    all
}

#[test]
fn the_same_history_gives_the_same_points_and_another_seed_gives_others() {
    let asks = [3, 1, 1, 4, 1, 7, 2, 9, 1, 1, 1, 1];
    for (name, json) in searchers() {
        for decisions in [edges(), mixed()] {
            let setting = |seed| setting(decisions.clone(), true, seed);
            let mut first = strategy(name, json.clone());
            let points = searched(&mut first, &setting(1), &asks);
            assert!(!points.is_empty());
            // The same object again, and another one.
            assert_eq!(searched(&mut first, &setting(1), &asks), points, "{name}");
            let mut other = strategy(name, json.clone());
            assert_eq!(searched(&mut other, &setting(1), &asks), points, "{name}");
            let differs = searched(&mut other, &setting(2), &asks) != points;
            assert_eq!(differs, name != "grid", "{name}");
        }
    }
}

#[test]
fn the_order_of_what_is_told_and_strange_values_do_no_harm() {
    let host = plain();
    for (name, json) in searchers() {
        let mut strategy = strategy(name, json);
        strategy.begin(&setting(mixed(), true, 3)).unwrap();
        let mut asked: Vec<Point> = vec![];
        for round in 0..6 {
            let proposals = strategy.ask(6, &host).unwrap();
            let first = asked.len();
            asked.extend(proposals.into_iter().map(|p| p.point));
            let worth = [1.0, f64::NAN, f64::INFINITY, -1.0, f64::NEG_INFINITY, 1.0];
            let seen = (first..asked.len()).rev();
            let seen: Vec<Observation> = seen
                .map(|trial| done(trial, &asked[trial], worth[(trial + round) % 6]))
                .collect();
            strategy.tell(&seen, &host).unwrap();
            // What was told is told again, and of nothing.
            strategy.tell(&seen, &host).unwrap();
            strategy.tell(&[], &host).unwrap();
        }
        assert!(strategy.ask(0, &host).unwrap().is_empty());
    }
}

#[test]
fn searches_of_several_goals_are_refused_where_one_is_followed() {
    for name in ["evolution", "local-search"] {
        let mut two = setting(edges(), true, 0);
        two.goals.push(plugin_api::Goal {
            metric: "seconds".into(),
            higher_is_better: false,
        });
        let refused = strategy(name, json!({})).begin(&two).unwrap_err();
        let what = "the strategy is for searches with one goal";
        assert_eq!(
            refused.to_string(),
            format!("`baselines/{name}`: {what}\n  found     accuracy, seconds")
        );
    }
}

/// All that `mixed` can be, by loops.
fn all_mixed() -> Vec<Point> {
    let mut all = vec![];
    for kind in 0..3 {
        for depth in -1..=3 {
            let units = match kind {
                1 => vec![None],
                _ => [vec![], vec![0], vec![1], vec![0, 1]].map(Some).to_vec(),
            };
            for units in units {
                let heads = if kind == 0 {
                    vec![None]
                } else {
                    vec![Some(0), Some(1)]
                };
                for heads in heads {
                    for width in 0..2 {
                        let mut point = Point::new()
                            .with("kind", Decided::Option(kind))
                            .with("depth", Decided::Integer(depth));
                        if let Some(units) = units.clone() {
                            point.put("units", Decided::Subset(units));
                        }
                        if let Some(heads) = heads {
                            point.put("heads", Decided::Option(heads));
                        }
                        all.push(point.with("width", Decided::Option(width)));
                    }
                }
            }
        }
    }
    all
}

#[test]
fn a_grid_goes_through_every_point_once_and_ends() {
    let host = plain();
    for at_once in [1, 7, 1000] {
        let mut grid = strategy("grid", json!({}));
        grid.begin(&setting(mixed(), true, 0)).unwrap();
        let mut all = vec![];
        loop {
            let proposals = grid.ask(at_once, &host).unwrap();
            if proposals.is_empty() {
                break;
            }
            all.extend(proposals.into_iter().map(|p| p.point));
        }
        assert_eq!(all, all_mixed());
    }
}

#[test]
fn a_grid_needs_to_know_how_fine_real_numbers_are() {
    let decisions = vec![
        Decision::new("rate", Domain::Real(0.0, 0.5)),
        Decision::options("op", ["a", "b"]),
    ];
    let setting = setting(decisions, true, 0);
    assert_eq!(
        strategy("grid", json!({}))
            .begin(&setting)
            .unwrap_err()
            .to_string(),
        "`baselines/grid`: a grid cannot try every value of `rate`\n  found     a real number\n  help: set `steps` to the number of values that are tried of each real number"
    );
    for (steps, expected) in [
        (1, &[0.0][..]),
        (2, &[0.0, 0.5]),
        (5, &[0.0, 0.125, 0.25, 0.375, 0.5]),
    ] {
        let mut grid = strategy("grid", json!({ "steps": steps }));
        grid.begin(&setting).unwrap();
        let proposed = grid.ask(100, &plain()).unwrap();
        let rates = proposed.iter().map(|p| match &p.point["rate"] {
            Decided::Real(x) => *x,
            other => panic!("{other:?}"),
        });
        let twice = expected.iter().flat_map(|x| [*x, *x]);
        assert_eq!(rates.collect::<Vec<_>>(), twice.collect::<Vec<_>>());
    }
}

/// Decisions in which two points differ, those included that one of them alone has.
fn differing(a: &Point, b: &Point) -> usize {
    let names: BTreeSet<&str> = a.names().chain(b.names()).collect();
    names
        .into_iter()
        .filter(|name| a.get(name) != b.get(name))
        .count()
}

/// With a draw that is sure to find the best, each child is one step from the best of those who live: a queue of the last
/// that succeeded.
#[test]
fn evolution_mutates_the_best_of_those_who_live() {
    const POPULATION: usize = 6;
    let host = plain();
    for higher in [true, false] {
        let json = json!({ "population": POPULATION, "sample": 300 });
        let mut evolution = strategy("evolution", json);
        evolution.begin(&setting(edges(), higher, 5)).unwrap();
        let mut alive: VecDeque<(Point, f64)> = VecDeque::new();
        let (mut children, mut old_died) = (0, false);
        for trial in 0..60 {
            let [proposal] = evolution.ask(1, &host).unwrap().try_into().unwrap();
            if alive.len() == POPULATION {
                let best = alive
                    .iter()
                    .map(|(_, worth)| *worth)
                    .fold(f64::MIN, f64::max);
                let mut parents = alive.iter().filter(|(_, worth)| *worth == best);
                assert!(parents.any(|(parent, _)| differing(parent, &proposal.point) == 1));
                children += 1;
            }
            if trial % 4 == 3 {
                evolution
                    .tell(&[failed(trial, &proposal.point)], &host)
                    .unwrap();
                continue;
            }
            let worth = right(&proposal.point);
            let told = if higher { worth } else { -worth };
            evolution
                .tell(&[done(trial, &proposal.point, told)], &host)
                .unwrap();
            alive.push_back((proposal.point, worth));
            if alive.len() > POPULATION {
                let (_, worth) = alive.pop_front().unwrap();
                old_died |= alive.iter().all(|(_, other)| *other <= worth);
            }
        }
        assert!(children > 40 && old_died);
    }
}

#[test]
fn evolution_crosses_as_often_as_it_is_told() {
    let host = plain();
    let share = |crossover: f64| {
        let mut evolution = strategy(
            "evolution",
            json!({ "population": 2, "sample": 1, "crossover": crossover }),
        );
        evolution.begin(&setting(edges(), true, 5)).unwrap();
        let parents = [0, 4].map(|i| -> Point {
            (0..6)
                .map(|edge| (format!("op{edge}"), Decided::Option(i)))
                .collect()
        });
        let seen = [0, 1].map(|i| done(i, &parents[i], 1.0));
        evolution.tell(&seen, &host).unwrap();
        let children = evolution.ask(200, &host).unwrap();
        let crossed = children
            .iter()
            .filter(|child| parents.iter().all(|p| differing(p, &child.point) > 1));
        crossed.count()
    };
    // A child of both has more than a step from each, but for pairs of one parent (a half) and lucky coins.
    assert_eq!(share(0.0), 0);
    let (half, whole) = (share(0.5), share(1.0));
    assert!((60..=100).contains(&whole), "{whole}");
    assert!((25..=55).contains(&half), "{half}");
}

/// The best of so many trials.
fn best_of(name: &str, json: Json, seed: u64, trials: usize) -> f64 {
    let host = plain();
    let mut strategy = strategy(name, json);
    strategy.begin(&setting(edges(), true, seed)).unwrap();
    let mut best = f64::MIN;
    for trial in 0..trials {
        let Some(proposal) = strategy.ask(1, &host).unwrap().pop() else {
            break;
        };
        let worth = right(&proposal.point);
        best = best.max(worth);
        strategy
            .tell(&[done(trial, &proposal.point, worth)], &host)
            .unwrap();
    }
    best
}

/// Six decisions count each for itself, so whoever climbs finds all six; chance finds them once in 15,625.
#[test]
fn who_learns_beats_chance_where_each_decision_counts_for_itself() {
    let mean = |name, json: Json| {
        let best = (0..20).map(|seed| best_of(name, json.clone(), seed, 150));
        best.sum::<f64>() / 20.0
    };
    let random = mean("random", json!({}));
    let evolution = json!({ "population": 20, "sample": 5 });
    for (name, json) in [("evolution", evolution), ("local-search", json!({}))] {
        let learned = mean(name, json);
        assert!(
            learned > random + 1.0,
            "{name}: {learned}, random: {random}"
        );
    }
}

/// Points that differ from this one in one decision.
fn neighbours(decisions: &[Decision], point: &Point) -> Vec<Point> {
    let all = all_mixed();
    let of = |decision: &Decision| {
        let name = decision.name.clone();
        let near = |other: &&Point| match (point.get(&name), other.get(&name)) {
            (Some(Decided::Integer(a)), Some(Decided::Integer(b))) => (a - b).abs() == 1,
            (Some(Decided::Subset(a)), Some(Decided::Subset(b))) => {
                let [a, b] = [a, b].map(|of| of.iter().collect::<HashSet<_>>());
                a.symmetric_difference(&b).count() == 1
            }
            (Some(a), Some(b)) => a != b,
            _ => false,
        };
        // All else stays, and what comes in has its first value.
        let rest = |other: &&Point| {
            decisions.iter().filter(|d| d.name != name).all(|d| {
                match (point.get(&d.name), other.get(&d.name)) {
                    (None, Some(new)) => {
                        matches!(new, Decided::Option(0)) || *new == Decided::Subset(vec![])
                    }
                    (a, b) => b.is_none() || a == b,
                }
            })
        };
        let there: Vec<Point> = all.iter().filter(near).filter(rest).cloned().collect();
        there
    };
    decisions.iter().flat_map(of).collect()
}

/// Against a plain climb: all neighbours of a point, then those of the best of them, until none is better.
#[test]
fn local_search_goes_to_the_best_neighbour_until_none_is_better() {
    let (host, decisions) = (plain(), mixed());
    let worth = |point: &Point| {
        let number = stream(1, &format!("{point:?}")) % 1000;
        (number != 0).then_some(number as f64)
    };
    for at_once in [1, 4] {
        let mut search = strategy("local-search", json!({}));
        search.begin(&setting(decisions.clone(), true, 2)).unwrap();
        let mut proposed: Vec<Point> = vec![];
        loop {
            let proposals = search.ask(at_once, &host).unwrap();
            if proposals.is_empty() {
                break;
            }
            for proposal in proposals {
                let (trial, point) = (proposed.len(), proposal.point);
                let seen = match worth(&point) {
                    Some(worth) => done(trial, &point, worth),
                    None => failed(trial, &point),
                };
                search.tell(&[seen], &host).unwrap();
                proposed.push(point);
            }
        }
        // Every point, once.
        assert_eq!(proposed.len(), 140);
        let key = |point: &Point| format!("{point:?}");
        assert_eq!(proposed.iter().map(key).collect::<HashSet<_>>().len(), 140);

        let mut tried: HashMap<String, Option<f64>> = HashMap::new();
        let mut rest = proposed.iter();
        let (mut starts, mut moves) = (0, 0);
        while let Some(start) = rest.next() {
            starts += 1;
            tried.insert(key(start), worth(start));
            let mut at = (start.clone(), worth(start));
            while at.1.is_some() {
                let around = neighbours(&decisions, &at.0);
                let untried = around.iter().filter(|n| !tried.contains_key(&key(n)));
                let untried: BTreeSet<String> = untried.map(key).collect();
                let next: Vec<&Point> = rest.by_ref().take(untried.len()).collect();
                assert_eq!(
                    next.iter().map(|p| key(p)).collect::<BTreeSet<_>>(),
                    untried
                );
                for point in next {
                    tried.insert(key(point), worth(point));
                }
                let best = around.iter().filter_map(|n| Some((n, worth(n)?)));
                let best = best.max_by(|(_, a), (_, b)| a.total_cmp(b));
                match best {
                    Some((point, worth)) if Some(worth) > at.1 => at = (point.clone(), Some(worth)),
                    _ => break,
                }
                moves += 1;
            }
        }
        assert!(starts > 3 && moves > 5, "{starts} starts, {moves} moves");
    }
}

#[test]
fn local_search_moves_real_numbers_by_its_step() {
    let host = plain();
    let decisions = vec![Decision::new("rate", Domain::Real(0.0, 2.0))];
    let mut search = strategy("local-search", json!({ "step": 0.25 }));
    search.begin(&setting(decisions, false, 1)).unwrap();
    let rate = |point: &Point| match point["rate"] {
        Decided::Real(x) => x,
        _ => panic!("a real number"),
    };
    let start = search.ask(5, &host).unwrap();
    // It waits for what comes of the start.
    assert_eq!(start.len(), 1);
    assert!(search.ask(5, &host).unwrap().is_empty());
    let x = rate(&start[0].point);
    search.tell(&[done(0, &start[0].point, x)], &host).unwrap();
    let near = search.ask(5, &host).unwrap();
    let expected: Vec<f64> = [(x - 0.5).max(0.0), (x + 0.5).min(2.0)].to_vec();
    assert_eq!(
        near.iter().map(|p| rate(&p.point)).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn deduplicated_strategies_propose_every_point_once_and_end() {
    let host = plain();
    for (inner, at_once) in [
        (json!("baselines/random"), 1),
        (json!("baselines/random"), 40),
        (
            json!({ "use": "baselines/evolution", "population": 5, "sample": 2 }),
            1,
        ),
        (
            json!({ "use": "baselines/evolution", "population": 5, "sample": 2 }),
            3,
        ),
        (json!("baselines/local-search"), 2),
        (json!("baselines/grid"), 7),
    ] {
        let mut once = strategy("deduplicate", json!({ "inner": inner, "tries": 3 }));
        once.begin(&setting(mixed(), true, 4)).unwrap();
        let mut proposed: Vec<Point> = vec![];
        loop {
            let proposals = once.ask(at_once, &host).unwrap();
            if proposals.is_empty() {
                break;
            }
            for proposal in proposals {
                let trial = proposed.len();
                let seen = done(trial, &proposal.point, right(&proposal.point));
                once.tell(&[seen], &host).unwrap();
                proposed.push(proposal.point);
            }
        }
        let mut found: Vec<String> = proposed.iter().map(|p| format!("{p:?}")).collect();
        let mut expected: Vec<String> = all_mixed().iter().map(|p| format!("{p:?}")).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{inner} {at_once}");
    }
}

#[test]
fn what_is_new_comes_as_the_inner_strategy_proposes_it() {
    let host = plain();
    let setting = setting(edges(), true, 9);
    let mut once = strategy("deduplicate", json!({ "inner": "baselines/random" }));
    let mut random = strategy("random", json!({}));
    once.begin(&setting).unwrap();
    random.begin(&setting).unwrap();
    let mut seen = HashSet::new();
    let plainly = random.ask(50, &host).unwrap().into_iter();
    let plainly: Vec<Proposal> = plainly
        .filter(|p| seen.insert(format!("{:?}", p.point)))
        .collect();
    let proposed = once.ask(50, &host).unwrap();
    assert_eq!(proposed[..plainly.len()], plainly);
}

#[test]
fn bad_parameters_of_strategies_are_refused() {
    for (name, json, expected) in [
        (
            "evolution",
            json!({ "population": 0 }),
            "parameter `population` is out of range\n  found     0\n  expected  1 <= population <= 1000000",
        ),
        (
            "evolution",
            json!({ "sample": 0 }),
            "parameter `sample` is out of range\n  found     0\n  expected  1 <= sample <= 1000000",
        ),
        (
            "evolution",
            json!({ "crossover": 1.5 }),
            "parameter `crossover` is out of range\n  found     1.5\n  expected  0 <= crossover <= 1",
        ),
        (
            "local-search",
            json!({ "step": 0 }),
            "parameter `step` is out of range\n  found     0\n  expected  0 < step <= 1",
        ),
        (
            "grid",
            json!({ "steps": 0 }),
            "parameter `steps` is out of range\n  found     0\n  expected  1 <= steps <= 1000000",
        ),
        (
            "deduplicate",
            json!({ "tries": 0 }),
            "parameter `tries` is out of range\n  found     0\n  expected  1 <= tries <= 1000000",
        ),
    ] {
        pleach_worker::host();
        let refused = plugin().strategy(name, &params(json)).err().unwrap();
        assert_eq!(
            refused.to_string(),
            format!("`baselines/{name}`: {expected}")
        );
    }
}
