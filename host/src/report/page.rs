//! A report as one page of HTML. The templates escape whatever they are given; only drawings of our own and the style sheet go
//! in as they are.

mod network;
mod plot;
mod text;

use askama::Template;
use plugin_api_data::{Error, Table};
use serde::Serialize;

use super::data::{Report, Reported, Search, Stage, Trial};
use crate::claims::Verdict;
use crate::error::Context;
use crate::spread::{Difference, Spread};
use crate::summary::Compared;
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
    claims: &'a [Verdict],
    facts: Vec<(&'static str, String)>,
    results: Vec<Outcome>,
    seeds: Vec<Figure>,
    arms: Vec<Arm>,
    searches: Vec<Searched<'a>>,
    curves: Vec<Shown>,
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
    /// Strategy, proposals, failures, improvements, best.
    credit: Vec<[String; 5]>,
    /// The columns that a trial has something in.
    columns: Vec<(&'static str, &'static str)>,
    rows: Vec<Row>,
    /// All rows, as JSON that can stand in a script.
    data: String,
}

/// A row of the table of trials: what is shown, and by what it is sorted where that is a number.
#[derive(Clone, Serialize)]
struct Row {
    cells: Vec<String>,
    keys: Vec<Option<f64>>,
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

/// What a stage reported: learning curves and whatever else.
struct Shown {
    stage: String,
    figures: Vec<Figure>,
    tables: Vec<Named>,
}

/// What an analysis measured.
struct Analysed {
    metrics: Vec<(String, String, String)>,
    shown: Shown,
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
        claims: { report.reproduction.as_ref() }.map_or(&[], |of| &of.verdicts),
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
    let of_stage = report.summary.outcome().map(|row| match row.seeds {
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
    let of = |arms: &Compared| {
        let row = |of: &Difference| Arm {
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
    report.summary.comparisons.iter().flat_map(of).collect()
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
        let (columns, rows) = used(search.trials.iter().map(row).collect());
        let data = serde_json::to_string(&rows).context(|| "cannot write trials".into())?;
        let credit = search.credit.iter().map(|credit| {
            let best = credit.best_so_far.last();
            [
                credit.by.clone(),
                credit.proposed.to_string(),
                credit.failed.to_string(),
                credit.improved.to_string(),
                best.map_or_else(
                    || "–".into(),
                    |(trial, value)| format!("{} (t{trial})", number(*value)),
                ),
            ]
        });
        Ok(Searched {
            best: search
                .best_so_far
                .last()
                .map(|(n, value)| (*n, number(*value))),
            figure: so_far(stage, search, report, id()),
            credit: credit.collect(),
            columns,
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
            band: vec![],
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
        .map(|(name, value)| match (value.as_f64(), value.as_str()) {
            (Some(x), _) => format!("{name} {}", number(x)),
            (None, Some(text)) => format!("{name} {text}"),
            (None, None) => format!("{name} {value}"),
        });
    // Whose they are stands below, among the contributions.
    let layers = trial.layers.iter();
    let layers = layers.map(|layer| layer.split_once('/').map_or(&**layer, |(_, name)| name));
    Row {
        cells: vec![
            format!("t{}", trial.number),
            trial.by.clone(),
            or_nothing(trial.from.map(|from| format!("t{from}"))),
            or_nothing(trial.value.map(number)),
            layers.collect::<Vec<_>>().join(", "),
            point.collect::<Vec<_>>().join(", "),
            or_nothing(trial.seconds.map(duration)),
            or_nothing(trial.failure.clone()),
        ],
        keys: vec![
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

/// The columns in which any row has something, and what they have in them.
fn used(rows: Vec<Row>) -> (Vec<(&'static str, &'static str)>, Vec<Row>) {
    let is_used = |column: usize| rows.iter().any(|row| !row.cells[column].is_empty());
    let kept: Vec<usize> = (0..COLUMNS.len())
        .filter(|&column| is_used(column))
        .collect();
    let columns = kept.iter().map(|&column| COLUMNS[column]).collect();
    let rows = rows.iter().map(|row| Row {
        cells: kept
            .iter()
            .map(|&column| row.cells[column].clone())
            .collect(),
        keys: kept.iter().map(|&column| row.keys[column]).collect(),
    });
    (columns, rows.collect())
}

/// What the stages but analyses reported.
fn curves(report: &Report, id: &mut impl FnMut() -> String) -> Vec<Shown> {
    let stages = report.stages.iter().filter(|stage| stage.verb != "analyse");
    let shown = stages.map(|stage| Shown::of(stage, id));
    { shown }
        .filter(|of| !of.figures.is_empty() || !of.tables.is_empty())
        .collect()
}

impl Shown {
    /// The tables that a stage reported: as curves where their rows are numbers one behind the other, in colours where rows
    /// and columns have the same names, else as they are.
    fn of(stage: &Stage, id: &mut impl FnMut() -> String) -> Self {
        let mut shown = Shown {
            stage: stage.name.clone(),
            figures: vec![],
            tables: vec![],
        };
        for reported in &stage.tables {
            let (over, table) = mean_table(reported);
            let title = format!("{}{over}", reported.name);
            let names = &table.labels;
            if names.is_empty() && table.columns.len() > 1 {
                shown.figures.extend(drawn(stage, reported, id));
            } else if names.len() > 1 && *names == table.columns {
                let figure = plot::heat(id(), title, names, &table.rows);
                shown.figures.extend(figure);
            } else {
                shown.tables.push(named(title, &table));
            }
        }
        shown
    }
}

/// The mean of a table over the seeds, and how many these are; where it has another shape for each of them, the first.
fn mean_table(reported: &Reported) -> (String, Table) {
    let Some(((seed, first), others)) = reported.seeds.split_first() else {
        return (String::new(), Table::default());
    };
    let mut mean = first.clone();
    let is_alike = |table: &Table| {
        let lengths = |table: &Table| table.rows.iter().map(Vec::len).collect::<Vec<_>>();
        (&table.labels, &table.columns, lengths(table))
            == (&first.labels, &first.columns, lengths(first))
    };
    if !others.iter().all(|(_, table)| is_alike(table)) {
        return (format!(", seed {seed}"), mean);
    }
    if others.is_empty() {
        return (String::new(), mean);
    }
    let n = reported.seeds.len() as f64;
    for (at, row) in mean.rows.iter_mut().enumerate() {
        for (column, x) in row.iter_mut().enumerate() {
            let of_seeds = reported.seeds.iter();
            *x = of_seeds
                .map(|(_, table)| table.rows[at][column])
                .sum::<f64>()
                / n;
        }
    }
    (format!(", mean of {n} seeds"), mean)
}

/// A plot for each column but the first, over the first; a line for each seed, or, where there are more than colours, their
/// mean.
fn drawn(stage: &Stage, reported: &Reported, id: &mut impl FnMut() -> String) -> Vec<Figure> {
    let Some((_, first)) = reported.seeds.first() else {
        return vec![];
    };
    let x = &*first.columns[0];
    let columns = (1..first.columns.len()).map(|column| {
        let each = reported.seeds.iter().enumerate();
        let each = each.map(|(i, (seed, table))| Line {
            name: format!("seed {seed}"),
            points: points(table, column),
            band: vec![],
            colour: i,
            steps: false,
        });
        let each: Vec<Line> = each.collect();
        let mean = (each.len() > plot::COLOURS).then(|| averaged(&each));
        let lines = mean.flatten().map_or(each, |mean| vec![mean]);
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

/// The mean of lines, in the band of its interval; nothing where they have points at different places.
fn averaged(lines: &[Line]) -> Option<Line> {
    let places = |line: &Line| line.points.iter().map(|(x, _)| *x).collect::<Vec<f64>>();
    let (first, others) = lines.split_first()?;
    if others.iter().any(|other| places(other) != places(first)) {
        return None;
    }
    let spreads = first.points.iter().enumerate().map(|(at, (x, _))| {
        let spread = Spread::over(lines.iter().map(|line| line.points[at].1))?;
        Some(((*x, spread.mean), spread.interval?))
    });
    let finite = spreads
        .flatten()
        .filter(|((x, _), (low, high))| x.is_finite() && low.is_finite() && high.is_finite());
    let (points, band) = finite.unzip();
    Some(Line {
        name: format!("mean of {} seeds, with its 95 % interval", lines.len()),
        points,
        band,
        colour: 0,
        steps: false,
    })
}

fn points(table: &Table, column: usize) -> Vec<(f64, f64)> {
    let rows = table.rows.iter();
    rows.filter_map(|row| Some((*row.first()?, *row.get(column)?)))
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
    let measured = report.summary.analyses.iter().filter_map(|measured| {
        let stage = report
            .stages
            .iter()
            .find(|stage| stage.name == measured.stage)?;
        let metrics = measured.metrics.iter();
        Some(Analysed {
            metrics: metrics
                .map(|(name, x)| (name.into(), mean(&Some(*x)), interval(&Some(*x))))
                .collect(),
            shown: Shown::of(stage, id),
        })
    });
    measured.collect()
}

fn named(title: String, table: &Table) -> Named {
    let rows = table.rows.iter().enumerate();
    let rows = rows.map(|(at, row)| {
        // Rows without names are known by their number.
        let label = table.labels.get(at).cloned();
        let label = label.unwrap_or_else(|| at.to_string());
        (label, row.iter().map(|x| number(*x)).collect())
    });
    Named {
        title,
        columns: table.columns.clone(),
        rows: rows.collect(),
    }
}
