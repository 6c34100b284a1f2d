//! Random search, which misbehaves when it is asked.

use plugin_api::prelude::*;

use crate::how::How;

/// Random search, which misbehaves when it is asked for the `at`-th time.
#[component(strategy = "faulty-strategy")]
struct Faulty {
    /// How it misbehaves.
    #[param(default = "none")]
    how: How,
    /// At which ask, counted from 0.
    #[param(default = 0)]
    at: u64,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// How often it was asked.
    #[serde(skip)]
    asked: u64,
}

impl Strategy for Faulty {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.setting = Some(setting.clone());
        self.asked = 0;
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        if self.asked == self.at {
            self.how.misbehave()?;
        }
        let setting = self
            .setting
            .as_ref()
            .context("asked before the search began")?;
        let points = host.sample(
            &setting.decisions,
            n,
            stream(setting.seed, &self.asked.to_string()),
        )?;
        self.asked += 1;
        Ok(points.into_iter().map(Proposal::from).collect())
    }

    fn tell(&mut self, _: &[Observation], _: &dyn Host) -> Result<()> {
        Ok(())
    }
}
