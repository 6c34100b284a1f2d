//! All that the journal holds of a stage, work by work.

use plugin_api_data::{Error, Proposal};
use rusqlite::Row;

use super::failing::Attempt;
use super::{Journal, Timing, ended};
use crate::error::Context;
use crate::protocol::Done;

/// A trial of a search, or a seed of another stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which one, counted from 0.
    pub number: u64,
    /// The seed of the work.
    pub seed: u64,
    /// What the strategy proposed; other stages have none.
    pub proposal: Option<Proposal>,
    /// How it ended, where it has.
    pub result: Option<Result<Done, Error>>,
    /// What it took, where it has ended.
    pub timing: Option<Timing>,
    /// When it ended, in UTC: `2026-11-28T20:29:02Z`.
    pub finished: Option<String>,
}

impl Journal {
    /// The works of a stage in the order of their numbers, those that have not ended among them.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn entries(&self, stage: usize) -> Result<Vec<Entry>, Error> {
        let sql = "SELECT number, seed, proposal, outcome, result, attempts, seconds, finished
            FROM trial LEFT JOIN timing USING (stage, number) WHERE stage = ? ORDER BY number";
        let mut statement = self.db.prepare(sql).attempting("read", &self.file)?;
        let rows = statement
            .query_map([stage], read)
            .attempting("read", &self.file)?;
        rows.map(|row| row.attempting("read", &self.file)?.parse())
            .collect()
    }
}

/// A row as the database has it.
struct Written {
    number: u64,
    seed: u64,
    proposal: Option<String>,
    /// Outcome and result.
    ended: Option<(String, String)>,
    timing: Option<Timing>,
    finished: Option<String>,
}

fn read(row: &Row) -> rusqlite::Result<Written> {
    let outcome: Option<String> = row.get("outcome")?;
    let attempts: Option<u32> = row.get("attempts")?;
    Ok(Written {
        number: row.get("number")?,
        seed: row.get("seed")?,
        proposal: row.get("proposal")?,
        ended: outcome.zip(row.get("result")?),
        timing: attempts
            .zip(row.get("seconds")?)
            .map(|(attempts, seconds)| Timing { attempts, seconds }),
        finished: row.get("finished")?,
    })
}

impl Written {
    fn parse(self) -> Result<Entry, Error> {
        let attempt = || format!("cannot read trial {} in the journal", self.number);
        let proposal = self.proposal.as_deref().map(serde_json::from_str);
        let result = self
            .ended
            .as_ref()
            .map(|(outcome, text)| ended(outcome, text));
        Ok(Entry {
            number: self.number,
            seed: self.seed,
            proposal: proposal.transpose().context(attempt)?,
            result: result.transpose().context(attempt)?,
            timing: self.timing,
            finished: self.finished,
        })
    }
}
