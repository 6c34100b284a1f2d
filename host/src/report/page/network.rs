//! An architecture as a drawing: a box for each node, lines from what feeds it, inputs at the top.

use std::collections::BTreeMap;

use askama::Template;
use plugin_api_data::{Arch, Error, Json, Node, NodeKind, Recipe};
use rust_sugiyama::configure::{Config, CrossingMinimization, RankingType};

use super::plot::Figure;
use crate::error::Context;

/// Sizes, in pixels; a letter is about so wide.
const LETTER: f64 = 6.6;
const PADDING: f64 = 12.0;
const LINE: f64 = 17.0;
const GAP: f64 = 34.0;
const MARGIN: f64 = 8.0;
/// A line of text longer than this is cut; the description has all of it.
const LETTERS: usize = 44;

/// A box of the drawing.
struct Drawn {
    /// What it is called in the network.
    name: String,
    /// Lines of text, the first one in bold.
    lines: Vec<String>,
    /// Whether it is an input or an output, and no node.
    is_end: bool,
    /// The boxes that feed it.
    from: Vec<usize>,
}

impl Drawn {
    fn width(&self) -> f64 {
        let letters = self.lines.iter().map(|line| line.chars().count());
        letters.max().unwrap_or_default() as f64 * LETTER + 2.0 * PADDING
    }

    fn height(&self) -> f64 {
        self.lines.len() as f64 * LINE + PADDING
    }
}

/// What the template draws.
#[derive(Template)]
#[template(path = "report/network.html")]
struct Drawing {
    edges: Vec<Edge>,
    boxes: Vec<Placed>,
}

/// A line from the bottom of a box to the top of another one, bent half way.
struct Edge {
    from: (f64, f64),
    to: (f64, f64),
    bend: f64,
}

/// A box where it stands.
struct Placed {
    is_end: bool,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    middle: f64,
    /// Where each line of text stands, and the line.
    lines: Vec<(f64, String)>,
}

/// The network's nodes with their components, names and parameters.
pub(super) fn draw(id: String, title: String, arch: &Arch) -> Result<Option<Figure>, Error> {
    let boxes = boxes(arch);
    let Some(Layout {
        places,
        width,
        height,
    }) = layout(&boxes)
    else {
        return Ok(None);
    };
    let edges = boxes.iter().enumerate().flat_map(|(to, drawn)| {
        let edge = |&from: &usize| edge((&boxes[from], places[from]), (&boxes[to], places[to]));
        drawn.from.iter().map(edge).collect::<Vec<_>>()
    });
    let about: Vec<String> = boxes.iter().map(|drawn| drawn.lines.join(" ")).collect();
    let drawing = Drawing {
        edges: edges.collect(),
        boxes: boxes.iter().zip(&places).map(placed).collect(),
    };
    Ok(Some(Figure {
        id,
        title,
        about: about.join("; "),
        svg: drawing
            .render()
            .context(|| "cannot draw an architecture".into())?,
        width,
        height,
        legend: vec![],
    }))
}

/// Inputs, nodes, outputs and hypernets, in this order.
fn boxes(arch: &Arch) -> Vec<Drawn> {
    let end = |name: String, text: String, from| Drawn {
        name,
        lines: vec![text],
        is_end: true,
        from,
    };
    let mut boxes: Vec<Drawn> = { arch.inputs.names() }
        .map(|port| end(format!("in.{port}"), port.into(), vec![]))
        .collect();
    for node in &arch.nodes {
        let from = feeding(node, &boxes);
        boxes.push(Drawn {
            name: node.name.clone(),
            lines: lines(node),
            is_end: false,
            from,
        });
    }
    for (port, from) in arch.outputs.iter() {
        let from = position(&boxes, &from.0).into_iter().collect();
        boxes.push(end(format!("out.{port}"), port.into(), from));
    }
    // What makes weights stands beside what uses them: a selector may name weights of any node.
    boxes.extend(arch.generated.iter().map(|generated| Drawn {
        name: generated.name.clone(),
        lines: vec![
            generated.hypernet.component.clone(),
            cut(&format!("makes {}", generated.target)),
        ],
        is_end: false,
        from: vec![],
    }));
    boxes
}

/// The boxes that feed a node, each once.
fn feeding(node: &Node, boxes: &[Drawn]) -> Vec<usize> {
    let mut refs: Vec<&str> = node.inputs.values().map(|from| from.0.as_str()).collect();
    if let NodeKind::Mix(mix) = &node.kind {
        let own = mix.options.iter().flat_map(|option| option.inputs.values());
        refs.extend(own.map(|from| from.0.as_str()));
    }
    let mut from: Vec<usize> = { refs.into_iter() }
        .filter_map(|name| position(boxes, name))
        .collect();
    from.sort_unstable();
    from.dedup();
    from
}

/// The box of `node.port`.
fn position(boxes: &[Drawn], name: &str) -> Option<usize> {
    let node = name.rsplit_once('.').map_or(name, |(node, _)| node);
    { boxes.iter() }.position(|drawn| drawn.name == name || !drawn.is_end && drawn.name == node)
}

/// Component, name and parameters of a node.
fn lines(node: &Node) -> Vec<String> {
    let mut lines = match &node.kind {
        NodeKind::Layer(recipe) => vec![recipe.component.clone(), parameters(recipe)],
        NodeKind::Mix(mix) => {
            let options = mix.options.iter().map(|o| o.layer.component.clone());
            let mut lines = vec![format!("one of {}", mix.options.len())];
            lines.extend(options);
            lines
        }
        NodeKind::Network(network) => {
            vec!["network".into(), format!("{} nodes", network.nodes.len())]
        }
    };
    lines.insert(1, node.name.clone());
    lines.retain(|line| !line.is_empty());
    lines.iter().map(|line| cut(line)).collect()
}

/// `out = 64, bias = true`
fn parameters(recipe: &Recipe) -> String {
    let values = recipe.params.iter();
    let values = values.map(|(name, value)| format!("{name} = {}", value_text(value)));
    values.collect::<Vec<_>>().join(", ")
}

fn value_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(map) => match map.get("use").and_then(Json::as_str) {
            Some(component) => component.into(),
            None => value.to_string(),
        },
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(value_text).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn cut(line: &str) -> String {
    match line.chars().count() > LETTERS {
        true => line.chars().take(LETTERS - 1).chain(['…']).collect(),
        false => line.into(),
    }
}

/// Where boxes stand.
struct Layout {
    /// The middle of each.
    places: Vec<(f64, f64)>,
    /// Size of the whole.
    width: f64,
    height: f64,
}

/// Feeders above what they feed; nothing where a box has no place.
fn layout(boxes: &[Drawn]) -> Option<Layout> {
    let vertices: Vec<(u32, (f64, f64))> = { boxes.iter().enumerate() }
        .map(|(i, drawn)| (i as u32, (drawn.width(), drawn.height())))
        .collect();
    let edges: Vec<(u32, u32)> = { boxes.iter().enumerate() }
        .flat_map(|(to, drawn)| drawn.from.iter().map(move |&from| (from as u32, to as u32)))
        .collect();
    let config = Config {
        vertex_spacing: GAP,
        ranking_type: RankingType::Up,
        c_minimization: CrossingMinimization::Median,
        ..Config::default()
    };
    let mut places: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    let mut right = 0.0;
    // Parts that nothing connects stand side by side.
    for (part, _, _) in rust_sugiyama::from_vertices_and_edges(&vertices, &edges, &config) {
        let left = part.iter().map(|(i, (x, _))| x - boxes[*i].width() / 2.0);
        let left = left.fold(f64::INFINITY, f64::min);
        let top = part.iter().map(|(i, (_, y))| y - boxes[*i].height() / 2.0);
        let top = top.fold(f64::INFINITY, f64::min);
        let shift = right - left;
        for (i, (x, y)) in part {
            places.insert(i, (x + shift + MARGIN, y - top + MARGIN));
        }
        let ends = places.iter().map(|(i, (x, _))| x + boxes[*i].width() / 2.0);
        right = ends.fold(0.0, f64::max) + GAP;
    }
    if places.len() != boxes.len() {
        return None;
    }
    let ends = places.iter().map(|(i, (x, y))| {
        let drawn = &boxes[*i];
        (x + drawn.width() / 2.0, y + drawn.height() / 2.0)
    });
    let (width, height) = ends.fold((0.0_f64, 0.0_f64), |(w, h), (x, y)| (w.max(x), h.max(y)));
    Some(Layout {
        places: places.into_values().collect(),
        width: width + MARGIN,
        height: height + MARGIN,
    })
}

fn edge((above, from): (&Drawn, (f64, f64)), (below, to): (&Drawn, (f64, f64))) -> Edge {
    let (from, to) = (
        (from.0, from.1 + above.height() / 2.0),
        (to.0, to.1 - below.height() / 2.0),
    );
    Edge {
        from,
        to,
        bend: (to.1 - from.1) / 2.0,
    }
}

fn placed((drawn, &(x, y)): (&Drawn, &(f64, f64))) -> Placed {
    let (width, height) = (drawn.width(), drawn.height());
    let top = y - height / 2.0;
    let line = |(i, line): (usize, &String)| {
        let baseline = top + PADDING / 2.0 + LINE * (i as f64 + 0.72);
        (baseline, line.clone())
    };
    Placed {
        is_end: drawn.is_end,
        left: x - width / 2.0,
        top,
        width,
        height,
        middle: x,
        lines: drawn.lines.iter().enumerate().map(line).collect(),
    }
}
