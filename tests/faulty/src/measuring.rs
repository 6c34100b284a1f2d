//! Two trials of which one measures time, and the other is at work meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use plugin_api::prelude::*;

/// The trial that comes first counts 700 milliseconds; the other one measures for three seconds how long a pass takes, and
/// reports how far the first one came before, during and after that.
#[component(trainer = "measuring")]
struct Measuring {
    /// The file into which the first one counts, a byte each time.
    #[param(example = "count")]
    count: String,
}

impl Measuring {
    fn counted(&self) -> f64 {
        fs::metadata(&self.count).map_or(0, |file| file.len()) as f64
    }

    /// Waits until the first one has come this far.
    fn wait(&self, until: f64) -> Result<()> {
        let began = Instant::now();
        while self.counted() < until {
            ensure!(
                began.elapsed() < Duration::from_secs(10),
                "the other trial does not get on"
            );
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Trainer for Measuring {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        if let Ok(mut count) = File::create_new(&self.count) {
            for _ in 0..700 {
                count.write_all(b".")?;
                sleep(Duration::from_millis(1));
            }
            return Ok(Report::default());
        }
        self.wait(20.0)?;
        let batch = session.next("train", 0)?;
        let before = self.counted();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            session.latency(&batch, 100)?;
        }
        let during = self.counted() - before;
        self.wait(before + during + 20.0)?;
        Ok(Report::default()
            .metric("during", during)
            .metric("milliseconds", 1000.0 * began.elapsed().as_secs_f64()))
    }
}
