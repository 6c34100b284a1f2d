//! Plots as SVG, in the colours that the page has: its style sheet says what `--c0` and `--grid` are, in light and in dark.

use std::fmt::Write;
use std::sync::Arc;

use kuva::plot::{ColorMap, Heatmap, LinePlot, StripPlot};
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;
use kuva::render::theme::Theme;

use super::text::number;

/// How many colours the style sheet has.
pub(super) const COLOURS: usize = 7;

/// Size of a plot; small, so that it can be read on a phone without being shrunk.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 280.0;
/// Sizes of letters, in the same units.
const LABEL: u32 = 13;
const TICK: u32 = 12;

/// Values of so unlike sizes are shown on a logarithmic axis.
const RATIO: f64 = 50.0;

/// A drawing, and what it shows.
pub(super) struct Figure {
    /// Unique in the page.
    pub id: String,
    /// What it is, in some words.
    pub title: String,
    /// What it shows, for those who do not see it.
    pub about: String,
    /// The drawing; nothing of it comes from others but escaped.
    pub svg: String,
    /// Its width, in pixels.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// The colours, by number, and what they stand for.
    pub legend: Vec<(usize, String)>,
}

/// A line of a plot.
pub(super) struct Line {
    /// What it stands for.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// From where to where each of its points may be; of none, or of all, which are finite then.
    pub band: Vec<(f64, f64)>,
    /// Number of its colour.
    pub colour: usize,
    /// Whether it stays at each value until the next.
    pub steps: bool,
}

/// What the axes of a plot are.
pub(super) struct Axes<'a> {
    pub id: String,
    pub title: String,
    pub x: &'a str,
    pub y: &'a str,
}

/// Lines in one plot. Nothing where no line has two points to connect, or one to show.
pub(super) fn lines(axes: Axes, lines: &[Line]) -> Option<Figure> {
    let finite = |line: &Line| -> Vec<(f64, f64)> {
        let points = line.points.iter().copied();
        points
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    };
    let drawn: Vec<(&Line, Vec<(f64, f64)>)> = lines
        .iter()
        .map(|line| (line, finite(line)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let reached = drawn.iter().flat_map(|(line, points)| {
        let ends = line.band.iter().flat_map(|(low, high)| [*low, *high]);
        points.iter().map(|(_, y)| *y).chain(ends)
    });
    let (low, high) = extent(reached)?;
    let is_wide = low > 0.0 && high / low > RATIO;
    let plots: Vec<Plot> = { drawn.iter() }
        .map(|(line, points)| {
            let plot = LinePlot::new()
                .with_data(points.clone())
                .with_color(colour(line.colour))
                .with_stroke_width(1.75);
            let (low, high): (Vec<f64>, Vec<f64>) = line.band.iter().copied().unzip();
            Plot::Line(match line {
                Line { steps: true, .. } => plot.with_step(),
                Line { band, .. } if !band.is_empty() => plot.with_band(low, high),
                _ => plot,
            })
        })
        .collect();
    let mut layout = layout(&plots, WIDTH, HEIGHT)
        .with_x_label(axes.x)
        .with_y_label(axes.y);
    if is_wide {
        layout = layout.with_log_y();
    }
    let mut about = format!("{} over {}", axes.y, axes.x);
    if is_wide {
        about += ", on a logarithmic axis";
    }
    for (line, points) in drawn.iter().take(COLOURS) {
        let (first, last) = (points[0].1, points[points.len() - 1].1);
        let name = &line.name;
        let _ = write!(
            about,
            "; {name}: from {} to {}",
            number(first),
            number(last)
        );
    }
    let mut legend: Vec<(usize, String)> = vec![];
    for (line, _) in &drawn {
        if !legend.iter().any(|(_, name)| *name == line.name) {
            legend.push((line.colour % COLOURS, line.name.clone()));
        }
    }
    Some(Figure {
        id: axes.id,
        title: axes.title,
        about,
        svg: render(plots, layout),
        width: WIDTH,
        height: HEIGHT,
        legend,
    })
}

/// A group of values in a strip.
pub(super) struct Group {
    pub name: String,
    pub values: Vec<f64>,
    pub interval: Option<(f64, f64)>,
}

/// Values of groups, a row each, with the intervals of their means.
pub(super) fn strip(axes: Axes, groups: &[Group]) -> Option<Figure> {
    let all = groups.iter().flat_map(|group| &group.values);
    extent(all.copied())?;
    let height = 70.0 + 26.0 * groups.len() as f64;
    let mut strip = StripPlot::new()
        .with_horizontal(true)
        .with_color(colour(0))
        .with_point_size(3.5)
        .with_marker_opacity(0.75)
        .with_center();
    // The last group is the lowest row.
    for group in groups.iter().rev() {
        let finite = group.values.iter().copied().filter(|x| x.is_finite());
        strip = strip.with_group(group.name.clone(), finite.collect::<Vec<f64>>());
    }
    let rows = groups.iter().rev().zip(1..);
    let intervals = rows.filter_map(|(group, row)| {
        let (low, high) = group.interval?;
        let at = f64::from(row) - 0.25;
        let bar = LinePlot::new().with_data([(low, at), (high, at)]);
        Some(Plot::Line(bar.with_color(colour(1)).with_stroke_width(2.5)))
    });
    let plots: Vec<Plot> = [Plot::Strip(strip)].into_iter().chain(intervals).collect();
    let layout = layout(&plots, WIDTH, height).with_x_label(axes.x);
    let mut about = format!("{} of each seed", axes.x);
    for group in groups {
        let values: Vec<String> = group.values.iter().map(|x| number(*x)).collect();
        let _ = write!(about, "; {}: {}", group.name, values.join(", "));
    }
    Some(Figure {
        id: axes.id,
        title: axes.title,
        about,
        svg: render(plots, layout),
        width: WIDTH,
        height,
        legend: vec![
            (0, "a seed".into()),
            (1, "95 % interval of the mean".into()),
        ],
    })
}

/// A square of numbers, in colours.
pub(super) fn heat(
    id: String,
    title: String,
    names: &[String],
    rows: &[Vec<f64>],
) -> Option<Figure> {
    let (low, high) = extent(rows.iter().flatten().copied())?;
    let side = 150.0 + 34.0 * names.len().min(20) as f64;
    // The first row at the top.
    let heat = Heatmap::new()
        .with_data(rows.iter().rev().cloned())
        .with_color_map(ColorMap::Custom(Arc::new(shade)));
    let heat = if names.len() <= 8 {
        heat.with_values()
    } else {
        heat
    };
    let plots = vec![Plot::Heatmap(heat)];
    let layout = layout(&plots, side + 60.0, side)
        .with_x_categories(names.to_vec())
        .with_y_categories(names.iter().rev().cloned().collect());
    Some(Figure {
        id,
        about: format!(
            "{title}: {0} by {0} numbers from {1} to {2}",
            names.len(),
            number(low),
            number(high)
        ),
        title,
        svg: render(plots, layout),
        width: side + 60.0,
        height: side,
        legend: vec![],
    })
}

/// From the page's own ground to its first colour, so that it suits light and dark.
fn shade(part: f64) -> String {
    format!(
        "color-mix(in srgb, var(--c0) {:.0}%, var(--ground))",
        10.0 + 65.0 * part.clamp(0.0, 1.0)
    )
}

/// The least and the greatest, where there is a number.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|x| x.is_finite());
    finite.fold(None, |extent, x| match extent {
        None => Some((x, x)),
        Some((low, high)) => Some((x.min(low), x.max(high))),
    })
}

fn colour(number: usize) -> String {
    format!("var(--c{})", number % COLOURS)
}

fn layout(plots: &[Plot], width: f64, height: f64) -> Layout {
    let theme = Theme {
        background: "none".into(),
        axis_color: "currentColor".into(),
        grid_color: "var(--grid)".into(),
        tick_color: "currentColor".into(),
        text_color: "currentColor".into(),
        font_family: Some("inherit".into()),
        ..Theme::default()
    };
    Layout::auto_from_plots(plots)
        .with_width(width)
        .with_height(height)
        .with_theme(theme)
        .with_label_size(LABEL)
        .with_tick_size(TICK)
        .with_body_size(TICK)
        .with_ticks(5)
        .with_tick_format(TickFormat::Auto)
}

fn render(plots: Vec<Plot>, layout: Layout) -> String {
    kuva::render_to_svg(plots, layout)
}
