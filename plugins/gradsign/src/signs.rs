//! Where the samples agree: the score of `gradsign/gradsign`, weight by weight.
//!
//! Of each subject the report has the table `SUBJECT`, a row for each tensor that counts, named by its path: `score`, the sum
//! of `|sum over samples of sign|` over its numbers, `parameters`, how many these are, and `per-parameter`, the one divided
//! by the other. Of all together it has the metrics `SUBJECT.score`, `SUBJECT.parameters` and `SUBJECT.per-parameter`, and
//! `SUBJECT.zeros`, for how many numbers the signs cancel out. What ranks networks is the sum; divided by the number of
//! parameters it says nothing of their accuracy.

use plugin_api::prelude::*;

use crate::look::Look;

/// How far single samples agree on the signs of gradients, weight by weight (Zhang and Jia 2022).
#[component(analysis = "signs")]
struct Signs {
    /// Samples that are looked at, each by itself; 0 for the whole split.
    #[param(default = 128, range = "0 <= x <= 10000000")]
    samples: i64,
    /// The split that they come from.
    #[param(default = "train")]
    split: String,
    /// The weights that count: `#prunable` are the matrices and kernels of layers, without biases, norms and embeddings.
    #[param(default = "#prunable")]
    select: String,
    /// Whether passes run as in training, where norms over the batch see one sample alone; else as in evaluation.
    #[param(default = true)]
    training: bool,
}

impl Analysis for Signs {
    fn measure(&self, bench: &dyn Bench, _: &dyn Host) -> Result<Report> {
        let look = Look {
            samples: self.samples,
            split: &self.split,
            select: &self.select,
            training: self.training,
        };
        let mut report = Report::default();
        for subject in bench.subjects()? {
            let agreed = look.at(&*bench.subject(&subject)?)?;
            let (mut score, mut parameters, mut zeros) = (0.0, 0.0, 0.0);
            let mut rows = vec![];
            for (path, sums) in agreed.by_weight()? {
                let of_weight = f64::try_from(&sums.f_abs()?.f_sum(Kind::Double)?)?;
                let numbers = sums.numel() as f64;
                score += of_weight;
                parameters += numbers;
                zeros += f64::try_from(&sums.f_eq(0.0)?.f_sum(Kind::Double)?)?;
                rows.push((path, vec![of_weight, numbers, of_weight / numbers]));
            }
            report = report
                .metric(&format!("{subject}.score"), score)
                .metric(&format!("{subject}.parameters"), parameters)
                .metric(&format!("{subject}.per-parameter"), score / parameters)
                .metric(&format!("{subject}.zeros"), zeros)
                .labelled(&subject, &["score", "parameters", "per-parameter"], rows);
        }
        Ok(report)
    }
}
