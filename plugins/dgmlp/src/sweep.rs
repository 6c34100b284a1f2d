//! What depth does: accuracy over the depth of propagation and of transformation, family by family.
//!
//! Subjects that are arms of one stage, `FAMILY.ARM`, are a family. Of each, the report has the table `FAMILY` (`depth`,
//! the main metric on `val` and on `test`), in the order of depth, and of all the table `networks` with `propagation` (hops in
//! all), `transformation` (how many), both metrics, and `gradient`, the norm of the loss's gradient at the weights of the
//! first transformation, as they were initialised anew: where a network degrades it vanishes, or explodes where ways past
//! layers add up (Zhang et al. 2021, section 3.3).
//! Metrics: `SUBJECT.gradient`.
//!
//! `depth` is that of the transformations where the family differs in it, else that of the propagation. Depths are read from
//! the layers of this plugin; in a network without any, each matrix is a transformation.

use plugin_api::NodeKind;
use plugin_api::prelude::*;

/// Accuracy over the depths of propagation and transformation, and how gradients fare (Zhang et al. 2021).
#[component(analysis = "sweep")]
struct Sweep {}

/// A network of the study.
struct Member {
    name: String,
    propagation: i64,
    transformation: i64,
    val: f64,
    test: f64,
    gradient: f64,
}

impl Analysis for Sweep {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let mut members = vec![];
        for name in bench.subjects()? {
            members.push(Member::of(&name, &*bench.subject(&name)?)?);
        }
        let columns = ["propagation", "transformation", "val", "test", "gradient"];
        let rows = members.iter().map(|m| {
            let row = vec![
                m.propagation as f64,
                m.transformation as f64,
                m.val,
                m.test,
                m.gradient,
            ];
            (m.name.as_str(), row)
        });
        let mut report = Report::default().labelled("networks", &columns, rows);
        for m in &members {
            report = report.metric(&format!("{}.gradient", m.name), m.gradient);
        }
        for family in members.chunk_by(|a, b| a.family() == b.family()) {
            let differs = family
                .iter()
                .any(|m| m.transformation != family[0].transformation);
            let depth = |m: &Member| {
                if differs {
                    m.transformation
                } else {
                    m.propagation
                }
            };
            let mut rows: Vec<Vec<f64>> = { family.iter() }
                .map(|m| vec![depth(m) as f64, m.val, m.test])
                .collect();
            rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
            report = report.table(family[0].family(), &["depth", "val", "test"], rows);
        }
        Ok(report)
    }
}

impl Member {
    fn of(name: &str, session: &dyn Session) -> Result<Self> {
        let metric = session.ports()?.metric;
        let on = |split: &str| -> Result<f64> {
            let metrics = session.evaluate(split, &Ask::eval())?;
            let value = metrics.get(&metric).copied();
            value.with_context(|| format!("the task gives no metric `{metric}`"))
        };
        let (propagation, transformation) = depths(session)?;
        Ok(Member {
            name: name.into(),
            propagation,
            transformation,
            val: on("val")?,
            test: on("test")?,
            gradient: gradient(session)?,
        })
    }

    fn family(&self) -> &str {
        self.name
            .split_once('.')
            .map_or(&self.name, |(family, _)| family)
    }
}

/// Hops and transformations of the layers of this plugin, added up; without any, matrices count as transformations.
fn depths(session: &dyn Session) -> Result<(i64, i64)> {
    let (mut propagation, mut transformation) = (0, 0);
    for node in &session.arch()?.nodes {
        let NodeKind::Layer(recipe) = &node.kind else {
            continue;
        };
        let number = |name: &str, default: i64| {
            let value = recipe.params.get(name).and_then(plugin_api::Json::as_i64);
            value.unwrap_or(default)
        };
        match recipe.component.as_str() {
            "dgmlp/propagation" => propagation += number("hops", 20),
            "dgmlp/transformation" => {
                transformation += number("depth", 1);
                propagation += number("depth", 1) * number("hops", 0);
            }
            _ => {}
        }
    }
    if transformation == 0 {
        transformation = session.specs("#prunable")?.len() as i64;
    }
    Ok((propagation, transformation))
}

/// The norm of the loss's gradient at the first matrix, of the same architecture as it begins.
fn gradient(session: &dyn Session) -> Result<f64> {
    let fresh = session.spawn(&session.arch()?, On::SameTask, session.seed("sweep"))?;
    let batch = fresh
        .batch("train", &At::ALL)?
        .context("the task has no training batch")?;
    let first = fresh
        .specs("#prunable")?
        .first()
        .map(|spec| spec.name.clone());
    let weights = fresh.weights(&first.context("the network has no matrix")?)?;
    let loss = fresh.loss(&fresh.forward(&batch, &Ask::train().dry())?, &batch)?;
    let gradients = gradients_of(&loss, &weights, false)?;
    let gradient = gradients
        .values()
        .next()
        .context("one weight has one gradient")?;
    Ok(gradient.f_norm()?.f_double_value(&[])?)
}
