//! The whole database read once: what is wrong with it. Nothing is repaired.

use rusqlite::Connection;
use secure_log::store::{Row, RowKind};
use secure_log::types::StreamId;

use crate::render::{Rendered, render};
use crate::schema;

/// Problems of one sort, at most; the first ones tell enough.
const MOST: usize = 100;

/// A sentence for each problem; none: all is well.
pub fn problems(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems = pages(database)?;
    problems.extend(objects(database)?);
    problems.extend(gaps(database)?);
    problems.extend(views(database)?);
    Ok(problems)
}

/// SQLite's own check of pages, indexes and constraints.
fn pages(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
    let found: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

/// Tables, indexes, triggers and views against those of a new database.
fn objects(database: &Connection) -> rusqlite::Result<Vec<String>> {
    fn list(database: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
        let mut statement = database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")?;
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    }
    let new = Connection::open_in_memory()?;
    for step in schema::STEPS {
        new.execute_batch(step)?;
    }
    let (expected, found) = (list(&new)?, list(database)?);
    let missing = expected.iter().filter(|object| !found.contains(object));
    let foreign = found.iter().filter(|object| !expected.contains(object));
    Ok(missing
        .map(|(kind, name, _)| format!("{kind} {name} is missing or changed"))
        .chain(foreign.map(|(kind, name, _)| format!("{kind} {name} is not of this schema")))
        .take(MOST)
        .collect())
}

/// Indexes are dense from 0 within kind and stream.
fn gaps(database: &Connection) -> rusqlite::Result<Vec<String>> {
    const GAPS: &str = "SELECT kind, stream, count(*), max(idx) FROM row GROUP BY kind, stream \
        HAVING count(*) <> max(idx) + 1 OR min(idx) <> 0 LIMIT ?1";
    let mut statement = database.prepare(GAPS)?;
    let text = |row: &rusqlite::Row| {
        let (kind, stream): (String, String) = (row.get(0)?, row.get(1)?);
        let (count, last): (i64, i64) = (row.get(2)?, row.get(3)?);
        Ok(format!("{kind} rows of {stream}: {count} are there, the last index is {last}"))
    };
    statement.query_map([MOST as i64], text)?.collect()
}

/// The columns for people say what the bodies say.
fn views(database: &Connection) -> rusqlite::Result<Vec<String>> {
    const ENTRIES: &str =
        "SELECT stream, idx, body, micros, type, severity, producer FROM row WHERE kind = 'entry' ORDER BY id";
    let mut statement = database.prepare(ENTRIES)?;
    let mut rows = statement.query([])?;
    let mut problems = Vec::new();
    while problems.len() < MOST
        && let Some(row) = rows.next()?
    {
        let (stream, index): (String, i64) = (row.get(0)?, row.get(1)?);
        let seen = match (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?) {
            (Some(micros), Some(event_type), Some(severity), Some(producer)) => {
                Some(Some(Rendered { micros, event_type, severity, producer }))
            }
            (None, None::<String>, None::<u8>, None::<String>) => Some(None),
            _ => None,
        };
        let stored = StreamId::try_from(stream.as_str()).ok().zip(u64::try_from(index).ok());
        let said = match stored {
            Some((stream_id, index)) => {
                render(&Row { kind: RowKind::Entry, stream_id, index, body: row.get(2)?, payload: None })
            }
            None => None,
        };
        if seen != Some(said) {
            problems
                .push(format!("entry {index} of {stream}: time, type, severity or producer is not what the body says"));
        }
    }
    Ok(problems)
}
