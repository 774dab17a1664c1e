//! The four auditors: what they hear of a mutant, and whether that is as it must be.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use secure_log::store::{Row, RowKind};

use super::{STREAM, Sample, Small};
use crate::expect::{case, kind};
use crate::host::Stack;
use crate::host::wit::{LogError, Signers, Trust};
use crate::site::Site;
use crate::steps::{opened, origin};
use crate::tamper::at_rest;
use crate::tamper::limits::Limit;
use crate::tamper::state::{Sighting, State};

/// Numbers of mutants by what became of them.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) mutants: usize,
    pub(super) found: BTreeMap<String, usize>,
    pub(super) limits: BTreeMap<Limit, usize>,
    pub(super) same: usize,
    pub(super) refused: usize,
    pub(super) faults: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.mutants += other.mutants;
        self.same += other.same;
        self.refused += other.refused;
        self.faults.extend(other.faults);
        other.found.into_iter().for_each(|(name, count)| *self.found.entry(name).or_default() += count);
        other.limits.into_iter().for_each(|(limit, count)| *self.limits.entry(limit).or_default() += count);
    }

    pub(super) fn verdict(&self, sample: Sample, classes: &str) -> Result<String> {
        let list = |counts: &BTreeMap<String, usize>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        let limits = self.limits.iter().map(|(limit, count)| (format!("{limit:?}"), *count)).collect();
        let stray: Vec<&String> =
            self.found.keys().filter(|name| !classes.split('|').any(|class| class == *name)).collect();
        ensure!(
            self.faults.is_empty(),
            "{} faults: {}",
            self.faults.len(),
            self.faults.iter().take(6).cloned().collect::<Vec<_>>().join(" ; ")
        );
        ensure!(stray.is_empty(), "found as {stray:?}, which is no class of this family");
        ensure!(self.mutants > 0, "no mutant was tried");
        let sampled = if sample.every > 1 {
            format!(" (one in {}, from {})", sample.every, sample.offset % sample.every)
        } else {
            String::new()
        };
        Ok(format!(
            "{} mutants{sampled}; found: {}; on the list: {}; no difference {}; not storable {}",
            self.mutants,
            list(&self.found),
            list(&limits),
            self.same,
            self.refused
        ))
    }
}

/// How a mutant is found that keeps every entry and signature, but not the way to some of them: `verify` passes over all
/// rows in order, and a row asked for by its number is `corrupt`.
pub(super) const UNREADABLE: &str = "corrupt when read";

/// What one auditor hears.
pub(super) struct Heard {
    /// Kind of the finding, case of the error, or `none`.
    pub(super) name: String,
    /// Entries under the last witnessed checkpoint.
    pub(super) witnessed: u64,
}

/// Opens, verifies, and asks for the head, which finds what keeps the log from going on. A trap is an error.
pub(super) fn hear(stack: &Stack, site: &Site, policy: &str) -> Result<Heard> {
    let refused = |error: LogError| {
        let name = match &error {
            LogError::Tampered(found) | LogError::Rollback(found) => kind(found.kind).to_owned(),
            error => case(error),
        };
        Ok(Heard { name, witnessed: 0 })
    };
    let trust = Trust { signers: Signers::Policy(policy.to_owned()), authors: Vec::new(), require_author: false };
    let mut log = stack.start(site)?;
    if let Err(error) = log.open(&site.config())? {
        return refused(error);
    }
    let report = match log.verify(STREAM, &trust)? {
        Err(error) => return refused(error),
        Ok(report) => report,
    };
    if let Some(found) = report.finding {
        return Ok(Heard { name: kind(found.kind).to_owned(), witnessed: 0 });
    }
    if let Err(error) = log.head(STREAM)? {
        return refused(error);
    }
    Ok(Heard { name: "none".into(), witnessed: report.witnessed.map_or(0, |range| range.last + 1) })
}

/// Puts a mutant before the four auditors. `rows`: what the store holds; absent: what the component gives of it.
/// `head`: entries that the heads in `dir` know.
pub(super) fn judge(
    stack: &Stack,
    small: &Small,
    sites: [&Site; 2],
    head: u64,
    rows: Option<&[Row]>,
    what: &str,
    tally: &mut Tally,
) -> Result<()> {
    tally.mutants += 1;
    let mut views: Option<Vec<Vec<Row>>> = rows.map(|rows| vec![rows.to_vec()]);
    let mut unreadable = false;
    for (site, head) in sites.into_iter().zip([head, 0]).rev() {
        let heard = match hear(stack, site, &small.policy) {
            Ok(heard) => heard,
            Err(trap) => {
                tally.faults.push(format!("{what}: {trap:#}"));
                return Ok(());
            }
        };
        for witness in [0, small.witness] {
            let name = match heard.name == "none" && heard.witnessed < witness {
                true => "not witnessed",
                false => heard.name.as_str(),
            };
            if name == "none" && views.is_none() {
                let (read, refused) = views_of(stack, sites[1])?;
                views = Some(read);
                unreadable = refused;
            }
            if name == "stream-not-found" && head == 0 && witness == 0 {
                // What a log that never was says: the whole stream is hidden.
                *tally.limits.entry(Limit::EarlierState).or_default() += 1;
                continue;
            }
            // Without a verdict of "none" a mutant of bytes was found, whatever its rows are.
            let views = views.as_deref().unwrap_or_default();
            if name == "none" && views.iter().any(|rows| small.is_same(rows)) {
                tally.same += 1;
                continue;
            }
            if name == "none" && unreadable {
                *tally.found.entry(UNREADABLE.to_owned()).or_default() += 1;
                continue;
            }
            let hides = |rows: &Vec<Row>| small.honest.hides(rows, &small.pins, Sighting { head, witness });
            let hides = match name {
                "none" => views.iter().find_map(hides),
                _ if rows.is_some_and(|rows| !small.is_same(rows)) => views.iter().find_map(hides),
                _ => None,
            };
            match (name, hides) {
                ("none", Some(limit)) => *tally.limits.entry(limit).or_default() += 1,
                ("none", None) => tally.faults.push(format!("{what}: not found (head {head}, witness {witness})")),
                (name, Some(limit)) => {
                    tally.faults.push(format!(
                        "{what}: {name}, though {limit:?} is on the list (head {head}, witness {witness})"
                    ));
                }
                (name, _) => *tally.found.entry(name.to_owned()).or_default() += 1,
            }
        }
        // With a store of nothing the one with heads hears something else.
        if views.is_none() && heard.name != "stream-not-found" {
            break;
        }
    }
    Ok(())
}

/// The rows of the stream as the component gives them, and, of a database, as a stock tool finds them in the table: a
/// damaged index hides nothing from the one, and a damaged column that an index repeats nothing from the other. And
/// whether the component says that they are damaged.
///
/// # Errors
/// Neither gives them, and nobody says so.
fn views_of(stack: &Stack, site: &Site) -> Result<(Vec<Vec<Row>>, bool)> {
    let given = opened(stack, site).and_then(|mut log| State::export(&mut log, &origin(STREAM), STREAM)?.rows());
    let mut views = vec![given];
    if at_rest::is_sqlite(site)? {
        let query = format!(
            "SELECT kind, idx, hex(body), payload IS NULL, hex(payload) FROM row NOT INDEXED WHERE +stream = '{STREAM}'"
        );
        let table = at_rest::sql(&site.file().context("a local store")?, &query);
        views.push(table.and_then(|table| table.lines().map(row_of_line).collect()));
    }
    let refused = views[0].as_ref().is_err_and(|error| format!("{error:#}").contains("store(corrupt)"));
    let (read, unread): (Vec<_>, Vec<_>) = views.into_iter().partition(Result::is_ok);
    ensure!(refused || !read.is_empty(), "nothing is found, and nobody can read the rows: {unread:?}");
    Ok((read.into_iter().flatten().collect(), refused))
}

/// `kind|index|body|no payload|payload`, bytes in hexadecimal.
fn row_of_line(line: &str) -> Result<Row> {
    let fields: Vec<&str> = line.split('|').collect();
    let [kind, index, body, absent, payload] = fields.as_slice() else { bail!("sqlite3 printed {line:?}") };
    let bytes = |hex: &str| -> Result<Vec<u8>> {
        let pairs = hex.as_bytes().as_chunks::<2>().0;
        pairs.iter().map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
    };
    Ok(Row {
        kind: RowKind::from_name(kind).with_context(|| format!("a row of kind {kind:?}"))?,
        stream_id: STREAM.try_into()?,
        index: index.parse()?,
        body: bytes(body)?,
        payload: if *absent == "1" { None } else { Some(bytes(payload)?) },
    })
}
