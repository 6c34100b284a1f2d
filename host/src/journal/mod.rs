//! The journal of a run: what is written there is done, the rest is redone.
//!
//! The table `trial` holds what follows from experiment and seed alone; what a clock or a process said stands in
//! `timing`. So two runs of one experiment have equal tables `trial`, however often one of them was killed.
//!
//! `change` holds what a person wanted of a search while it ran, and before which trial that came to be: it alone is written
//! by another process than the one that holds the run, and it alone does not follow from the experiment.

mod entries;
mod exact;
mod failing;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use plugin_api_data::{Error, Proposal};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Params, TransactionBehavior, ffi, params,
};
use rustix::fs::{Access, access};

use crate::error::Context;
use crate::protocol::{Change, Done};

use failing::{Attempt, attempt};

pub use entries::Entry;

/// The layout of the tables below; it grows by one with each change.
const VERSION: i64 = 2;

const TABLES: &str = "
    CREATE TABLE trial (
        stage INTEGER NOT NULL,
        number INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        proposal TEXT,
        outcome TEXT CHECK (outcome IN ('done', 'failed')),
        result TEXT,
        PRIMARY KEY (stage, number)
    ) STRICT;
    CREATE TABLE timing (
        stage INTEGER NOT NULL,
        number INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        seconds REAL NOT NULL,
        finished TEXT NOT NULL,
        PRIMARY KEY (stage, number)
    ) STRICT;
";

/// What came with version 2.
const CHANGES: &str = "
    CREATE TABLE change (
        id INTEGER PRIMARY KEY,
        stage INTEGER NOT NULL,
        change TEXT NOT NULL,
        number INTEGER,
        refused TEXT
    ) STRICT;
";

/// An open journal. But for what is wanted of searches nobody else writes it while its run is locked.
#[derive(Debug)]
pub struct Journal {
    db: Connection,
    file: PathBuf,
}

/// A piece of work: a trial of a search, or a seed of another stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Which stage, counted from 0.
    pub stage: usize,
    /// Which trial, or which seed, counted from 0.
    pub number: u64,
    /// The seed of the work.
    pub seed: u64,
}

/// Results of a stage, by trial or by seed.
pub type Results = BTreeMap<u64, Result<Done, Error>>;

/// What depends on the day: how often work was begun, and how long it took the last time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// How often it was begun.
    pub attempts: u32,
    /// Wall-clock time of the last attempt.
    pub seconds: f64,
}

impl Timing {
    /// Of what ended without being begun.
    pub const NONE: Timing = Timing {
        attempts: 0,
        seconds: 0.0,
    };
}

impl Journal {
    /// Opens a journal, and makes it where there is none.
    ///
    /// # Errors
    /// Where it cannot be read, or was written by a newer pleach.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut db = Connection::open(path).attempting("open", path)?;
        check_whole(&db, path).attempting("open", path)?;
        db.pragma_update(None, "journal_mode", "WAL")
            .attempting("open", path)?;
        let change = db.transaction().attempting("open", path)?;
        let version: i64 = change
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .attempting("open", path)?;
        let missing = match version {
            0 => [TABLES, CHANGES].concat(),
            1 => CHANGES.into(),
            VERSION => String::new(),
            _ => {
                return Err(Error::new(format!(
                    "the journal `{}` was written by another pleach",
                    path.display()
                ))
                .found(format!("version {version}"))
                .expected(format!("version {VERSION}"))
                .help(
                    "go on with the pleach that began the run; its `environment.json` names it",
                ));
            }
        };
        if !missing.is_empty() {
            change
                .execute_batch(&missing)
                .and_then(|()| change.pragma_update(None, "user_version", VERSION))
                .attempting("set up", path)?;
        }
        change.commit().attempting("open", path)?;
        Ok(Journal {
            db,
            file: path.into(),
        })
    }

    /// Opens a journal to read in it, also where nothing can be written.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub fn look(path: &Path) -> Result<Self, Error> {
        if !path.is_file() {
            let error = Error::new(format!("there is no journal `{}`", path.display()));
            return Err(error.help("`pleach resume` does all again, to the same results"));
        }
        let folder = path.parent().unwrap_or(path);
        if [path, folder]
            .iter()
            .all(|path| access(*path, Access::WRITE_OK).is_ok())
        {
            return Journal::open(path);
        }
        if length(&log(path)) > 0 {
            let error = Error::new(attempt("read", path)).found(
                "its last results stand in the file `-wal` beside it, and nothing can be written there",
            );
            return Err(error.help("copy the run into a folder that can be written"));
        }
        let whole = utf8_percent_encode(&path.to_string_lossy(), NON_ALPHANUMERIC).to_string();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(format!("file:{whole}?immutable=1"), flags)
            .attempting("open", path)?;
        check_whole(&db, path).attempting("open", path)?;
        Ok(Journal {
            db,
            file: path.into(),
        })
    }

    /// Writes proposals down before anything is done with them, from `first` on. Where the journal knows a trial
    /// already, the proposal must be the same.
    ///
    /// # Errors
    /// Where it is not, or is no plain data, or cannot be written.
    pub fn propose(&mut self, first: Key, proposals: &[Proposal]) -> Result<(), Error> {
        let what = "write proposals into";
        // Immediate: one that begins by reading would fail, and not wait, where `pleach mix` writes in between.
        let change = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .attempting(what, &self.file)?;
        for (number, proposal) in (first.number..).zip(proposals) {
            let text = serde_json::to_string(proposal).context(|| attempt(what, &self.file))?;
            if serde_json::from_str::<Proposal>(&text).ok().as_ref() != Some(proposal) {
                return Err(Error::new(format!(
                    "the strategy proposed a number that is not finite, for trial t{number}"
                ))
                .found(&text));
            }
            let sql = "SELECT proposal FROM trial WHERE stage = ? AND number = ?";
            let known: Option<String> = change
                .prepare_cached(sql)
                .and_then(|mut known| {
                    let row = params![first.stage, number];
                    known.query_row(row, |row| row.get(0)).optional()
                })
                .attempting(what, &self.file)?;
            match known {
                None => {
                    let row = params![first.stage, number, first.seed, text];
                    let sql =
                        "INSERT INTO trial (stage, number, seed, proposal) VALUES (?, ?, ?, ?)";
                    write(&change, sql, row).attempting(what, &self.file)?;
                }
                Some(known) if known == text => {}
                Some(known) => {
                    return Err(Error::new(format!("the strategy is not deterministic: asked again, it proposes another point for trial t{number}"))
                        .found(text)
                        .expected(known)
                        .help("a strategy may depend on its seed and on what it was told, and on nothing else"));
                }
            }
        }
        change.commit().attempting(what, &self.file)
    }

    /// Writes down how works ended, all at once.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn record<'r>(
        &mut self,
        results: impl IntoIterator<Item = (Key, &'r Result<Done, Error>, Timing)>,
    ) -> Result<(), Error> {
        let what = "write results into";
        let change = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .attempting(what, &self.file)?;
        for (key, result, timing) in results {
            let (outcome, text) = match result {
                Ok(done) => ("done", exact::to_json(done)),
                Err(error) => ("failed", serde_json::to_string(error)),
            };
            let text = text.context(|| attempt(what, &self.file))?;
            let row = params![key.stage, key.number, key.seed, outcome, text];
            let sql =
                "INSERT INTO trial (stage, number, seed, outcome, result) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET outcome = excluded.outcome, result = excluded.result";
            write(&change, sql, row).attempting(what, &self.file)?;
            let row = params![key.stage, key.number, timing.attempts, timing.seconds];
            let sql = "INSERT OR REPLACE INTO timing VALUES (?, ?, ?, ?, strftime('%FT%TZ'))";
            write(&change, sql, row).attempting(what, &self.file)?;
        }
        change.commit().attempting(what, &self.file)
    }

    /// The results of a stage so far.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn results(&self, stage: usize) -> Result<Results, Error> {
        let sql = "SELECT number, outcome, result FROM trial WHERE stage = ? AND outcome IS NOT NULL ORDER BY number";
        let mut statement = self.db.prepare(sql).attempting("read", &self.file)?;
        let rows = statement
            .query_map([stage], |row| {
                Ok((
                    row.get(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                ))
            })
            .attempting("read", &self.file)?;
        rows.map(|row| {
            let (number, outcome, text) = row.attempting("read", &self.file)?;
            Ok((
                number,
                ended(&outcome, &text).context(|| attempt("read", &self.file))?,
            ))
        })
        .collect()
    }
}

/// How work ended, of what stands in the columns `outcome` and `result`.
fn ended(outcome: &str, result: &str) -> serde_json::Result<Result<Done, Error>> {
    match outcome {
        "done" => exact::from_json(result).map(Ok),
        _ => serde_json::from_str(result).map(Err),
    }
}

/// Refuses a file whose last page is not whole, unless its log has that page: SQLite does not miss a page's last byte,
/// and takes more for a broken disk.
fn check_whole(db: &Connection, path: &Path) -> rusqlite::Result<()> {
    let page: u64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    if length(path).is_multiple_of(page) || length(&log(path)) > 0 {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_CORRUPT),
        Some("its end is missing".into()),
    ))
}

/// The file in which stands what was written last.
fn log(path: &Path) -> PathBuf {
    path.with_extension("sqlite-wal")
}

/// Bytes of a file; none where it is not there.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Runs a statement that is prepared once.
fn write(db: &Connection, sql: &str, row: impl Params) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute(row).map(|_| ())
}

/// What a person wants of a search while it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Its number in the journal.
    pub id: i64,
    /// What is wanted.
    pub change: Change,
    /// What came of it; nothing yet where the search has not taken it up.
    pub outcome: Option<Result<u64, Error>>,
}

impl Journal {
    /// Writes down what is wanted of the search of this stage; the study takes it up before it asks for its next point.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn want(&mut self, stage: usize, change: &Change) -> Result<i64, Error> {
        let what = "write what is wanted into";
        let text = serde_json::to_string(change).context(|| attempt(what, &self.file))?;
        self.db
            .execute(
                "INSERT INTO change (stage, change) VALUES (?, ?)",
                params![stage, text],
            )
            .attempting(what, &self.file)?;
        Ok(self.db.last_insert_rowid())
    }

    /// All that was wanted of the search of a stage, in order; an outcome is the trial before which the search changed, or
    /// why it did not.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn wanted(&self, stage: usize) -> Result<Vec<Wanted>, Error> {
        let sql = "SELECT id, change, number, refused FROM change WHERE stage = ? ORDER BY id";
        let mut statement = self.db.prepare_cached(sql).attempting("read", &self.file)?;
        let rows = statement
            .query_map([stage], |row| {
                Ok((
                    row.get(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, Option<u64>>(2)?,
                    row.get::<_, Option<String>>(3)?,
                ))
            })
            .attempting("read", &self.file)?;
        rows.map(|row| {
            let (id, change, number, refused) = row.attempting("read", &self.file)?;
            let outcome = match (number, refused) {
                (_, Some(why)) => Some(Err(
                    serde_json::from_str(&why).context(|| attempt("read", &self.file))?
                )),
                (number, None) => number.map(Ok),
            };
            Ok(Wanted {
                id,
                change: serde_json::from_str(&change).context(|| attempt("read", &self.file))?,
                outcome,
            })
        })
        .collect()
    }

    /// Writes down what came of what was wanted.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn settle(&mut self, id: i64, outcome: &Result<u64, Error>) -> Result<(), Error> {
        let what = "write what came of a change into";
        let (number, refused) = match outcome {
            Ok(number) => (Some(*number), None),
            Err(why) => (
                None,
                Some(serde_json::to_string(why).context(|| attempt(what, &self.file))?),
            ),
        };
        self.db
            .execute(
                "UPDATE change SET number = ?, refused = ? WHERE id = ?",
                params![number, refused, id],
            )
            .attempting(what, &self.file)?;
        Ok(())
    }

    /// How many works have ended, of all stages.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn ended(&self) -> Result<u64, Error> {
        let sql = "SELECT count(outcome) FROM trial";
        self.db
            .query_row(sql, [], |row| row.get(0))
            .attempting("read", &self.file)
    }

    /// How many trials of a stage were proposed.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn proposed(&self, stage: usize) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM trial WHERE stage = ? AND proposal IS NOT NULL";
        self.db
            .query_row(sql, [stage], |row| row.get(0))
            .attempting("read", &self.file)
    }
}

#[cfg(test)]
mod tests {
    use plugin_api_data::{Arch, Decided, Named, Point, Report};

    use super::*;

    const KEY: Key = Key {
        stage: 0,
        number: 0,
        seed: 3,
    };
    const TIMING: Timing = Timing {
        attempts: 1,
        seconds: 0.5,
    };

    fn scratch() -> (tempfile::TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("journal.sqlite")).unwrap();
        (folder, journal)
    }

    fn proposal(x: f64) -> Proposal {
        Point::from_iter([("x", Decided::Real(x))]).into()
    }

    #[test]
    fn floats_survive_exactly() {
        let (_folder, mut journal) = scratch();
        let values = [
            0.1 + 0.2,
            1e-310,
            -0.0,
            f64::MAX,
            1.0 / 3.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let metrics: Named<f64> = values
            .iter()
            .enumerate()
            .map(|(i, x)| (format!("m{i}"), *x))
            .collect();
        let report = Report {
            metrics: metrics.clone(),
            ..Report::default()
        }
        .table("t", &["a"], values.iter().map(|x| vec![*x]).collect());
        let done = Done {
            arch: Arch::new(Named::new()),
            metrics,
            reports: vec![report],
            answers: None,
        };
        journal.record([(KEY, &Ok(done), TIMING)]).unwrap();
        let (_, read) = journal.results(0).unwrap().pop_first().unwrap();
        let read = read.unwrap();
        let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(
            bits(read.metrics.values().copied().collect()),
            bits(values.to_vec())
        );
        assert_eq!(
            bits(read.reports[0].metrics.values().copied().collect()),
            bits(values.to_vec())
        );
        assert_eq!(
            bits(read.reports[0].tables["t"].rows.concat()),
            bits(values.to_vec())
        );
    }

    /// A table without names is written as it was before there were any.
    #[test]
    fn rows_keep_their_names_and_need_none() {
        let (_folder, mut journal) = scratch();
        let plain = Report::default().table("t", &["a"], vec![vec![1.0], vec![2.0]]);
        let labelled =
            Report::default().labelled("t", &["a"], [("x", vec![1.0]), ("y", vec![2.0])]);
        assert_eq!(labelled.tables["t"].labels, ["x", "y"]);
        let done = |report: &Report| Done {
            arch: Arch::new(Named::new()),
            metrics: Named::new(),
            reports: vec![report.clone()],
            answers: None,
        };
        let text = exact::to_json(&done(&plain)).unwrap();
        assert!(!text.contains("labels"), "{text}");
        for (number, report) in [plain, labelled].into_iter().enumerate() {
            let number = number as u64;
            let key = Key { number, ..KEY };
            journal.record([(key, &Ok(done(&report)), TIMING)]).unwrap();
            let read = journal.results(0).unwrap()[&number].clone().unwrap();
            assert_eq!(read.reports, [report]);
        }
    }

    #[test]
    fn a_failure_is_kept_with_its_cause() {
        let (_folder, mut journal) = scratch();
        let error = Error::new("out of memory")
            .caused_by(Error::new("9 GiB asked"))
            .within("alpha", "layer");
        let failed = Err(error.clone());
        journal.record([(KEY, &failed, TIMING)]).unwrap();
        assert_eq!(journal.results(0).unwrap(), [(0, Err(error))].into());
        assert_eq!(journal.results(1).unwrap(), [].into());
    }

    #[test]
    fn another_proposal_is_refused() {
        let (_folder, mut journal) = scratch();
        journal
            .propose(KEY, &[proposal(0.1), proposal(0.2)])
            .unwrap();
        journal
            .propose(KEY, &[proposal(0.1), proposal(0.2), proposal(0.3)])
            .unwrap();
        let error = journal
            .propose(Key { number: 1, ..KEY }, &[proposal(0.5)])
            .unwrap_err();
        assert!(
            error.what.starts_with("the strategy is not deterministic"),
            "{error}"
        );
        let error = journal
            .propose(Key { number: 3, ..KEY }, &[proposal(f64::NAN)])
            .unwrap_err();
        assert!(error.what.contains("not finite"), "{error}");
    }

    #[test]
    fn an_older_journal_is_brought_up_to_date() {
        let (folder, mut journal) = scratch();
        journal.propose(KEY, &[proposal(0.1)]).unwrap();
        let older = "DROP TABLE change; PRAGMA user_version = 1";
        journal.db.execute_batch(older).unwrap();
        drop(journal);
        let mut journal = Journal::open(&folder.path().join("journal.sqlite")).unwrap();
        assert_eq!(journal.proposed(0).unwrap(), 1);
        let change = Change {
            drop: vec!["a".into()],
            ..Change::default()
        };
        let id = journal.want(0, &change).unwrap();
        let wanted = |outcome| Wanted {
            id,
            change: change.clone(),
            outcome,
        };
        assert_eq!(journal.wanted(0).unwrap(), [wanted(None)]);
        journal.settle(id, &Ok(1)).unwrap();
        assert_eq!(journal.wanted(0).unwrap(), [wanted(Some(Ok(1)))]);
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let (folder, journal) = scratch();
        journal
            .db
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        drop(journal);
        let error = Journal::open(&folder.path().join("journal.sqlite")).unwrap_err();
        assert_eq!(error.found.as_deref(), Some("version 3"));
    }
}
