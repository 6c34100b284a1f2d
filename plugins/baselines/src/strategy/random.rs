//! Random search: points drawn uniformly and independently.
//!
//! Source: Bergstra & Bengio 2012, JMLR 13.

use plugin_api::prelude::*;

/// Random search: points drawn uniformly and independently (Bergstra & Bengio 2012).
#[component(strategy = "random")]
struct Random {
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// How often it was asked.
    #[serde(skip)]
    asked: u64,
}

impl Strategy for Random {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.setting = Some(setting.clone());
        self.asked = 0;
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
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
