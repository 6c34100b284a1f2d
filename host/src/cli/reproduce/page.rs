//! `pleach reproduce --all`: a page of what was reproduced so far.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use pleach::claims::{self, Reproduction, Shown};
use pleach::error::Context;
use pleach::files::write_whole;
use pleach::run::Run;
use plugin_api_data::Error;

use super::{FOLDER, Failure, Reproduce, print, stored};

impl Reproduce {
    /// Writes it: of each experiment the latest complete run.
    pub(super) fn page(&self) -> Result<(), Failure> {
        let mut latest = BTreeMap::new();
        for folder in stored(&self.runs)? {
            let Some(reproduction) = Reproduction::read(&folder)? else {
                continue;
            };
            let is_whole = !reproduction.smoke && reproduction.seeds.is_none();
            if !is_whole || reproduction.verdicts.is_empty() {
                continue;
            }
            let run = Run::look(&folder)?;
            let begun = DateTime::<Utc>::from(run.begun()?);
            let of = (reproduction.plugin.clone(), reproduction.experiment.clone());
            let shown = Shown {
                reproduction,
                environment: run.environment()?,
                day: begun.format("%Y-%m-%d").to_string(),
            };
            match latest.get(&of) {
                Some((known, _)) if *known > begun => {}
                _ => drop(latest.insert(of, (begun, shown))),
            }
        }
        if latest.is_empty() {
            let runs = self.runs.join(FOLDER);
            let error = Error::new(format!(
                "nothing was reproduced yet in `{}`",
                runs.display()
            ));
            return Err(error.help("pleach reproduce PLUGIN").into());
        }
        let shown: Vec<Shown> = latest.into_values().map(|(_, shown)| shown).collect();
        let attempt = || format!("cannot write `{}`", self.out.display());
        write_whole(&self.out, claims::page(&shown).as_bytes())
            .context(attempt)
            .map_err(|error| error.help("`--out FILE` names another file"))?;
        print(&self.out.display().to_string());
        Ok(())
    }
}
