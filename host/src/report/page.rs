//! A report as one page of HTML. The templates escape whatever they are given; only drawings of our own and the style sheet go
//! in as they are.

mod network;
mod plot;
mod text;

use askama::Template;
use plugin_api_data::{Error, Table};
use serde::Serialize;

use super::data::{Report, Reported, Search, Stage, Trial};
use crate::error::Context;
use plot::{Axes, Figure, Group, Line};
use text::{duration, interval, mean, number};

/// So many trials stand in the page itself, for who has no script; the others are data until they are shown.
const ROWS: usize = 200;

/// So many trials are named behind a reason for which they failed.
const FEW: usize = 12;

#[derive(Template)]
#[template(path = "report/page.html")]
struct Page<'a> {
    report: &'a Report,
    style: &'static str,
    script: &'static str,
    best: Option<Best>,
    facts: Vec<(&'static str, String)>,
    results: Vec<Outcome>,
    seeds: Vec<Figure>,
    arms: Vec<Arm>,
    searches: Vec<Searched<'a>>,
    curves: Vec<Curves>,
    networks: Vec<Figure>,
    analyses: Vec<Analysed>,
    lines: Vec<(usize, &'a str)>,
}

/// What stands at the top.
struct Best {
    value: String,
    of: String,
}

/// A row of the table of results.
struct Outcome {
    stage: String,
    n: usize,
    /// Mean and interval of each column.
    cells: Vec<(String, String)>,
}

/// A row of a table of paired differences.
struct Arm {
    metric: String,
    stage: String,
    reference: String,
    n: String,
    mean: String,
    interval: String,
}

/// A search.
struct Searched<'a> {
    stage: &'a Stage,
    search: &'a Search,
    best: Option<(u64, String)>,
    figure: Option<Figure>,
    /// Strategy, proposals, failures, improvements, best, best trial.
    credit: Vec<[String; 6]>,
    rows: Vec<Row>,
    /// All rows, as JSON that can stand in a script.
    data: String,
}

/// A row of the table of trials: what is shown, and by what it is sorted where that is a number.
#[derive(Clone, Serialize)]
struct Row {
    cells: [String; COLUMNS.len()],
    keys: [Option<f64>; COLUMNS.len()],
}

/// The columns of the table of trials, and how the style sheet calls what is in them: numbers, names or prose.
const COLUMNS: [(&str, &str); 8] = [
    ("trial", "number"),
    ("by", "name"),
    ("from", "number"),
    ("value", "number"),
    ("layers", "prose"),
    ("point", "prose"),
    ("time", "number"),
    ("failure", "prose"),
];

/// The learning curves of a stage.
struct Curves {
    stage: String,
    figures: Vec<Figure>,
}

/// What an analysis measured.
struct Analysed {
    stage: String,
    metrics: Vec<(String, String, String)>,
    figures: Vec<Figure>,
    tables: Vec<Named>,
}

/// A table whose rows have names.
struct Named {
    title: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

/// The page.
///
/// # Errors
/// Where a template cannot be filled.
pub fn page(report: &Report) -> Result<String, Error> {
    let mut ids = 0;
    let mut id = || {
        ids += 1;
        format!("figure-{ids}")
    };
    let seeds = seeds(report, &mut id);
    let searches = searches(report, &mut id)?;
    let curves = curves(report, &mut id);
    let networks = networks(report, &mut id)?;
    let analyses = analyses(report, &mut id);
    let page = Page {
        report,
        style: include_str!("../../templates/report/style.css"),
        script: include_str!("../../templates/report/script.js"),
        best: best(report),
        facts: facts(report),
        results: results(report),
        seeds,
        arms: arms(report),
        searches,
        curves,
        networks,
        analyses,
        lines: (1..).zip(report.experiment.lines()).collect(),
    };
    page.render().context(|| "cannot write the report".into())
}

/// What the summary calls the best, and of which stage or search it is.
fn best(report: &Report) -> Option<Best> {
    let value = number(report.summary.best?);
    let stages = report.summary.stages.iter().rev();
    let of_stage = { stages }
        .find(|row| row.val.is_some())
        .map(|row| match row.seeds {
            1 => format!("of {}", row.stage),
            seeds => format!("mean of {seeds} seeds of {}", row.stage),
        });
    let of_search = || {
        report
            .summary
            .searches
            .last()
            .map(|of| format!("t{} of {}", of.best, of.stage))
    };
    Some(Best {
        value,
        of: of_stage.or_else(of_search)?,
    })
}

/// What stands below the title.
fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let last = report.seed + report.seeds.saturating_sub(1);
    let seeds = match report.seeds {
        0 | 1 => report.seed.to_string(),
        _ => format!("{} to {last}", report.seed),
    };
    let mut facts = vec![
        ("task", report.task.component.clone()),
        ("begun", report.begun.clone()),
        ("work", duration(report.seconds)),
        ("seeds", seeds),
        ("device", report.environment.device.clone()),
    ];
    if let Some(last) = &report.last {
        facts.insert(2, ("last result", last.clone()));
    }
    facts
}

fn results(report: &Report) -> Vec<Outcome> {
    let rows = report.summary.stages.iter().map(|row| Outcome {
        stage: row.stage.clone(),
        n: row.seeds,
        cells: [&row.val, &row.test, &row.parameters, &row.alive]
            .map(|spread| (mean(spread), interval(spread)))
            .to_vec(),
    });
    rows.collect()
}

/// The seeds of each stage on each split; one seed says no more than the table.
fn seeds(report: &Report, id: &mut impl FnMut() -> String) -> Vec<Figure> {
    let on = |split: &str| {
        let metric = format!("{split}.{}", report.goal.metric);
        let rows = report.summary.stages.iter();
        let groups = rows.filter_map(|row| {
            let stage = report.stages.iter().find(|stage| stage.name == row.stage)?;
            let spread = if split == "val" { row.val } else { row.test };
            Some(Group {
                name: row.stage.clone(),
                values: stage.values(&metric).into_iter().map(|(_, x)| x).collect(),
                interval: spread?.interval,
            })
        });
        (metric.clone(), groups.collect::<Vec<Group>>())
    };
    let splits = [on("val"), on("test")].into_iter();
    let several = splits.filter(|(_, groups)| groups.iter().any(|g| g.values.len() > 1));
    several
        .filter_map(|(metric, groups)| {
            let axes = Axes {
                id: id(),
                title: format!("{metric} by stage"),
                x: &metric,
                y: "",
            };
            plot::strip(axes, &groups)
        })
        .collect()
}

fn arms(report: &Report) -> Vec<Arm> {
    let of = |arms: &super::Arms| {
        let row = |of: &super::Difference| Arm {
            metric: arms.metric.clone(),
            stage: of.stage.clone(),
            reference: arms.reference.clone(),
            n: of.difference.map_or(0, |spread| spread.n).to_string(),
            mean: of
                .difference
                .map_or_else(|| "–".into(), |spread| signed(spread.mean)),
            interval: match of.difference.and_then(|spread| spread.interval) {
                Some((low, high)) => format!("{} to {}", signed(low), signed(high)),
                None => "–".into(),
            },
        };
        arms.differences.iter().map(row).collect::<Vec<_>>()
    };
    report.arms.iter().flat_map(of).collect()
}

/// A difference says which way it goes.
fn signed(x: f64) -> String {
    let text = number(x);
    if x > 0.0 { format!("+{text}") } else { text }
}

fn searches<'a>(
    report: &'a Report,
    id: &mut impl FnMut() -> String,
) -> Result<Vec<Searched<'a>>, Error> {
    let stages = report.stages.iter();
    let searches = stages.filter_map(|stage| Some((stage, stage.search.as_ref()?)));
    let searched = searches.map(|(stage, search)| {
        let rows: Vec<Row> = search.trials.iter().map(row).collect();
        let data = serde_json::to_string(&rows).context(|| "cannot write trials".into())?;
        let credit = search.credit.iter().map(|credit| {
            let best = credit.best_so_far.last();
            [
                credit.by.clone(),
                credit.proposed.to_string(),
                credit.failed.to_string(),
                credit.improved.to_string(),
                best.map_or_else(|| "–".into(), |(_, value)| number(*value)),
                best.map_or_else(String::new, |(number, _)| format!("t{number}")),
            ]
        });
        Ok(Searched {
            best: search
                .best_so_far
                .last()
                .map(|(n, value)| (*n, number(*value))),
            figure: so_far(stage, search, report, id()),
            credit: credit.collect(),
            rows: rows.into_iter().take(ROWS).collect(),
            // A script ends at the first `</script`, whatever stands around it.
            data: data.replace('<', "\\u003c"),
            stage,
            search,
        })
    });
    searched.collect()
}

/// The best so far, of the search and of each strategy that proposed.
fn so_far(stage: &Stage, search: &Search, report: &Report, id: String) -> Option<Figure> {
    let last = search.trials.last()?.number as f64;
    let line = |(name, steps, colour): (&str, &[(u64, f64)], usize)| {
        let points = steps.iter().map(|(n, value)| (*n as f64, *value));
        // It stays until the last trial.
        let end = steps.last().map(|(_, value)| (last, *value));
        Line {
            name: name.into(),
            points: points.chain(end).collect(),
            colour,
            steps: true,
        }
    };
    let all = ("best of all", &search.best_so_far[..], 0);
    let each = search.credit.iter().zip(1..);
    let each = each.map(|(credit, colour)| (&*credit.by, &credit.best_so_far[..], colour));
    // One strategy alone has proposed all of it.
    let each = each.filter(|_| search.credit.len() > 1);
    // What is of all lies on top.
    let lines: Vec<Line> = each.chain([all]).map(line).collect();
    let y = format!("val.{}", report.goal.metric);
    let axes = Axes {
        id,
        title: format!("{}: best so far", stage.name),
        x: "trial",
        y: &y,
    };
    plot::lines(axes, &lines)
}

fn row(trial: &Trial) -> Row {
    let or_nothing = |text: Option<String>| text.unwrap_or_default();
    let point = trial
        .point
        .iter()
        .map(|(name, value)| match value.as_f64() {
            Some(x) => format!("{name} {}", number(x)),
            None => format!("{name} {value}"),
        });
    // Whose they are stands below, among the contributions.
    let layers = trial.layers.iter();
    let layers = layers.map(|layer| layer.split_once('/').map_or(&**layer, |(_, name)| name));
    Row {
        cells: [
            format!("t{}", trial.number),
            trial.by.clone(),
            or_nothing(trial.from.map(|from| format!("t{from}"))),
            or_nothing(trial.value.map(number)),
            layers.collect::<Vec<_>>().join(", "),
            point.collect::<Vec<_>>().join(", "),
            or_nothing(trial.seconds.map(duration)),
            or_nothing(trial.failure.clone()),
        ],
        keys: [
            Some(trial.number as f64),
            None,
            trial.from.map(|from| from as f64),
            trial.value,
            None,
            None,
            trial.seconds,
            None,
        ],
    }
}

/// The tables of stages whose rows have no names, as curves. What analyses report stands with them.
fn curves(report: &Report, id: &mut impl FnMut() -> String) -> Vec<Curves> {
    let stages = report.stages.iter().filter(|stage| stage.verb != "analyse");
    let curves = stages.map(|stage| {
        let tables = stage.tables.iter().filter(|table| !is_labelled(table));
        let figures = tables.flat_map(|table| drawn(stage, table, id));
        Curves {
            stage: stage.name.clone(),
            figures: figures.collect(),
        }
    });
    curves.filter(|of| !of.figures.is_empty()).collect()
}

fn is_labelled(table: &Reported) -> bool {
    table
        .seeds
        .iter()
        .any(|(_, table)| !table.labels.is_empty())
}

/// A plot for each column but the first, over the first; a line for each seed.
fn drawn(stage: &Stage, reported: &Reported, id: &mut impl FnMut() -> String) -> Vec<Figure> {
    let Some((_, first)) = reported.seeds.first() else {
        return vec![];
    };
    // A single column is over the numbers of its rows.
    let (x, over) = match first.columns.len() {
        0 | 1 => ("row", None),
        _ => (&*first.columns[0], Some(0)),
    };
    let columns = (usize::from(over.is_some())..first.columns.len()).map(|column| {
        let lines = { reported.seeds.iter().enumerate() }
            .map(|(i, (seed, table))| Line {
                name: format!("seed {seed}"),
                points: points(table, over, column),
                colour: i,
                steps: false,
            })
            .collect::<Vec<_>>();
        let y = &*first.columns[column];
        let title = match reported.name.as_str() {
            "curve" => format!("{}: {y}", stage.name),
            table => format!("{}: {table}, {y}", stage.name),
        };
        plot::lines(
            Axes {
                id: id(),
                title,
                x,
                y,
            },
            &lines,
        )
    });
    columns.flatten().collect()
}

fn points(table: &Table, over: Option<usize>, column: usize) -> Vec<(f64, f64)> {
    let rows = table.rows.iter().enumerate();
    rows.filter_map(|(number, row)| {
        let x = match over {
            Some(over) => *row.get(over)?,
            None => number as f64,
        };
        Some((x, *row.get(column)?))
    })
    .collect()
}

fn networks(report: &Report, id: &mut impl FnMut() -> String) -> Result<Vec<Figure>, Error> {
    let figures = report.networks.iter().map(|network| {
        let title = network.stages.join(", ");
        network::draw(id(), title, &network.arch)
    });
    Ok(figures
        .collect::<Result<Vec<_>, Error>>()?
        .into_iter()
        .flatten()
        .collect())
}

fn analyses(report: &Report, id: &mut impl FnMut() -> String) -> Vec<Analysed> {
    let measured = report.summary.analyses.iter().map(|measured| {
        let stage = report
            .stages
            .iter()
            .find(|stage| stage.name == measured.stage);
        let mut analysed = Analysed {
            stage: measured.stage.clone(),
            metrics: { measured.metrics.iter() }
                .map(|(name, x)| (name.into(), mean(&Some(*x)), interval(&Some(*x))))
                .collect(),
            figures: vec![],
            tables: vec![],
        };
        for reported in stage.iter().flat_map(|stage| &stage.tables) {
            if !is_labelled(reported) {
                let stage = stage.expect("its tables are here");
                analysed.figures.extend(drawn(stage, reported, id));
                continue;
            }
            for (seed, table) in &reported.seeds {
                let title = match reported.seeds.len() {
                    1 => reported.name.clone(),
                    _ => format!("{}, seed {seed}", reported.name),
                };
                match table.labels == table.columns && table.labels.len() > 1 {
                    true => {
                        let figure = plot::heat(id(), title, &table.labels, &table.rows);
                        analysed.figures.extend(figure);
                    }
                    false => analysed.tables.push(named(title, table)),
                }
            }
        }
        analysed
    });
    measured.collect()
}

fn named(title: String, table: &Table) -> Named {
    let rows = table.labels.iter().zip(&table.rows);
    Named {
        title,
        columns: table.columns.clone(),
        rows: rows
            .map(|(label, row)| (label.clone(), row.iter().map(|x| number(*x)).collect()))
            .collect(),
    }
}
