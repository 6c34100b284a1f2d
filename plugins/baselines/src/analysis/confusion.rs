//! Which classes networks take for which, on a split.
//!
//! Of each subject the report has two tables. `SUBJECT` counts samples: a row for each class, a column for each class that
//! the network gives. `SUBJECT.classes` has a row for each class:
//!
//! ```text
//! precision = right / given        right: samples of the class that the network gives it
//! recall    = right / samples      given: all that it gives the class;  samples: all that are of the class
//! f1        = 2 right / (given + samples)
//! ```
//!
//! where a share of nothing is 0, as in scikit-learn. Metrics are `SUBJECT.accuracy`, and `SUBJECT.precision`,
//! `SUBJECT.recall` and `SUBJECT.f1`, the means over classes (macro). Classes are named by their numbers; samples are those
//! that the task counts. Source: van Rijsbergen 1979 for F1.

use plugin_api::prelude::*;

/// Which classes networks take for which, with precision, recall and F1 of each.
#[component(analysis = "confusion")]
struct Confusion {
    /// Samples of which split.
    #[param(default = "test")]
    split: String,
}

/// Columns of what is said of each class.
const OF_CLASS: [&str; 4] = ["precision", "recall", "f1", "samples"];

impl Analysis for Confusion {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let mut report = Report::default();
        for subject in bench.subjects()? {
            let counts = self.counts(&*bench.subject(&subject)?)?;
            report = described(report, &subject, &counts);
        }
        Ok(report)
    }
}

impl Confusion {
    /// How many samples of each class were given each class: `counts[class][given]`.
    fn counts(&self, session: &dyn Session) -> Result<Vec<Vec<f64>>> {
        let ports = session.ports()?;
        let (port, classes) = classes(&ports.outputs)?;
        let batch = session
            .batch(&self.split, &At::ALL)?
            .ok_or_else(|| Error::new(format!("split `{}` is empty", self.split)))?;
        let labels = labels(&batch, port)?;
        let seen = tch::no_grad(|| session.forward(&batch, &Ask::eval()))?;
        let given = batch.counted(seen.outputs.tensor(port)?)?;
        let given = given.f_argmax(-1, false)?;
        check(port, &labels, &given, classes)?;
        // On the CPU, where sums of ones are exact in any order.
        let place = labels.f_mul_scalar(classes)?.f_add(&given)?;
        let place = place.f_flatten(0, -1)?.f_to_device(Device::Cpu)?;
        let counts = place.f_bincount::<Tensor>(None, classes * classes)?;
        let counts: Vec<f64> = Vec::try_from(counts.f_to_kind(Kind::Double)?)?;
        Ok(counts
            .chunks(classes as usize)
            .map(<[f64]>::to_vec)
            .collect())
    }
}

/// The output that gives logits of classes, and how many there are.
fn classes(outputs: &Shapes) -> Result<(&str, i64)> {
    let mut named = outputs.iter();
    let (Some((port, shape)), None) = (named.next(), named.next()) else {
        let there: Vec<&str> = outputs.names().collect();
        return Err(Error::new("the task does not want classes alone")
            .found(format!("outputs {}", there.join(", ")))
            .expected("one output, logits [samples, classes]")
            .into());
    };
    match shape.last().and_then(|last| last.size) {
        Some(classes @ 2..) => Ok((port, classes)),
        _ => Err(without_classes(port)
            .found(show(shape))
            .expected("logits [samples, classes], of two classes or more")
            .into()),
    }
}

/// The labels that count.
fn labels(batch: &Batch, port: &str) -> Result<Tensor> {
    let found = match batch.tensor(port) {
        Ok(labels) if labels.kind() == Kind::Int64 => return batch.counted(labels),
        Ok(numbers) => format!("{:?} {:?}", numbers.kind(), numbers.size()),
        Err(_) => "no such tensor in its batches".into(),
    };
    Err(without_classes(port)
        .found(found)
        .expected("labels, Int64")
        .into())
}

/// Holds labels to what the network gives: one of its classes for each sample.
fn check(port: &str, labels: &Tensor, given: &Tensor, classes: i64) -> Result<()> {
    let (size, wanted) = (labels.size(), given.size());
    let refused = |found: String| {
        without_classes(port).found(found).expected(format!(
            "a class from 0, below {classes}, for each of {wanted:?}"
        ))
    };
    if size != wanted {
        return Err(refused(format!("labels {size:?}")).into());
    }
    if labels.numel() == 0 {
        return Ok(());
    }
    let (least, largest) = labels.f_aminmax(None, false)?;
    let (least, largest) = (i64::try_from(&least)?, i64::try_from(&largest)?);
    match 0 <= least && largest < classes {
        true => Ok(()),
        false => Err(refused(format!("labels {size:?}, from {least} to {largest}")).into()),
    }
}

fn without_classes(port: &str) -> Error {
    Error::new(format!("the task does not say which class `{port}` is"))
        .help("look at subjects whose task is a classification")
}

/// The report with what these counts say of a subject.
fn described(report: Report, subject: &str, counts: &[Vec<f64>]) -> Report {
    let names: Vec<String> = (0..counts.len()).map(|class| class.to_string()).collect();
    let of_class: Vec<Vec<f64>> = (0..counts.len()).map(|k| of_class(counts, k)).collect();
    let all: f64 = counts.iter().flatten().sum();
    let right: f64 = (0..counts.len()).map(|k| counts[k][k]).sum();
    let mut report = report.metric(&format!("{subject}.accuracy"), share(right, all));
    for (column, name) in OF_CLASS.iter().enumerate().take(3) {
        let mean = of_class.iter().map(|row| row[column]).sum::<f64>() / counts.len() as f64;
        report = report.metric(&format!("{subject}.{name}"), mean);
    }
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let named = |rows: Vec<Vec<f64>>| names.clone().into_iter().zip(rows);
    report
        .labelled(subject, &columns, named(counts.to_vec()))
        .labelled(&format!("{subject}.classes"), &OF_CLASS, named(of_class))
}

/// Precision, recall, F1 and the number of samples of a class.
fn of_class(counts: &[Vec<f64>], class: usize) -> Vec<f64> {
    let right = counts[class][class];
    let samples: f64 = counts[class].iter().sum();
    let given: f64 = counts.iter().map(|row| row[class]).sum();
    vec![
        share(right, given),
        share(right, samples),
        share(2.0 * right, given + samples),
        samples,
    ]
}

/// A part of all; 0 where there is nothing.
fn share(part: f64, all: f64) -> f64 {
    match all > 0.0 {
        true => part / all,
        false => 0.0,
    }
}
