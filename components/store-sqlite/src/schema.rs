//! The tables, and how a database gets them: numbered steps, all in one transaction.
//!
//! `application_id` says that the file is ours, `user_version` how many steps it has seen. Triggers guard
//! against accidents and the hand that edits; whoever means harm can drop them, and the log's hashes find it.

use rusqlite::Connection;
use secure_log::store::StoreError;

use crate::error;

/// `SLog`, big-endian: what `file` and SQLite call the application id.
pub const APPLICATION_ID: i64 = 0x534c_6f67;

/// Step `n` leads from `user_version` `n` to `n + 1`. A step that was released is never edited; none has been yet.
pub const STEPS: &[&str] = &[ROWS, EVENTS];

/// Rows as stores keep them. `body` is the truth; `micros` to `producer` are rendered from it when the
/// row is appended, for people and their SQL, and are never read back by the store.
const ROWS: &str = r"
CREATE TABLE row (
  id       INTEGER PRIMARY KEY,
  kind     TEXT    NOT NULL CHECK (kind = 'entry' OR kind GLOB 'node[1-7]' OR kind = 'segment' OR kind = 'checkpoint'
                                OR kind = 'cosignature' OR kind = 'key'),
  stream   TEXT    NOT NULL CHECK (length(stream) BETWEEN 1 AND 128),
  idx      INTEGER NOT NULL CHECK (idx >= 0),
  body     BLOB    NOT NULL,
  micros   INTEGER,              -- of entries: microseconds since 1970 UTC
  type     TEXT,
  severity INTEGER,              -- RFC 5424: 0 emergency to 7 debug
  producer TEXT,
  is_text  INTEGER,              -- the payload behind its salt is UTF-8 without NUL
  payload  BLOB,                 -- of entries: 16 bytes of salt, then what was logged; null when erased
  UNIQUE (kind, stream, idx)
) STRICT;

CREATE TRIGGER row_is_next BEFORE INSERT ON row
WHEN NEW.idx IS NOT (SELECT coalesce(max(idx) + 1, 0) FROM row WHERE kind = NEW.kind AND stream = NEW.stream)
  OR EXISTS (SELECT 1 FROM row WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a row is appended as the next of its kind and stream'); END;

CREATE TRIGGER row_is_kept BEFORE DELETE ON row
BEGIN SELECT RAISE(ABORT, 'rows are never deleted'); END;

CREATE TRIGGER row_stays BEFORE UPDATE ON row
WHEN NEW.payload IS NOT NULL OR NEW.id IS NOT OLD.id
  OR NEW.kind IS NOT OLD.kind OR NEW.stream IS NOT OLD.stream OR NEW.idx IS NOT OLD.idx
  OR NEW.body IS NOT OLD.body OR NEW.micros IS NOT OLD.micros OR NEW.type IS NOT OLD.type
  OR NEW.severity IS NOT OLD.severity OR NEW.producer IS NOT OLD.producer OR NEW.is_text IS NOT OLD.is_text
BEGIN SELECT RAISE(ABORT, 'rows are never changed; only a payload can be erased'); END;
";

/// What people look at: `SELECT time, type, severity, producer, payload FROM event`.
const EVENTS: &str = r"
CREATE VIEW event AS
SELECT stream, idx AS seqno,
       strftime('%Y-%m-%dT%H:%M:%S', micros / 1000000, 'unixepoch') || printf('.%06dZ', micros % 1000000) AS time, type,
       CASE severity WHEN 0 THEN 'emergency' WHEN 1 THEN 'alert' WHEN 2 THEN 'critical' WHEN 3 THEN 'error'
                     WHEN 4 THEN 'warning' WHEN 5 THEN 'notice' WHEN 6 THEN 'informational' WHEN 7 THEN 'debug'
       END AS severity,
       severity AS severity_number, producer,
       CASE is_text WHEN 1 THEN CAST(substr(payload, 17) AS TEXT) END AS payload,
       substr(payload, 17) AS payload_bytes, body
FROM row WHERE kind = 'entry' ORDER BY stream, idx;
";

/// Brings an open database to the newest schema, or finds it there. A crash here leaves the old schema.
///
/// # Errors
/// `Invalid` for a database of another application or of a newer version: nothing was changed.
pub fn open(connection: &Connection) -> Result<(), StoreError> {
    migrate(connection, STEPS)
}

/// What a database says about itself.
#[derive(Debug)]
pub struct Facts {
    application: i64,
    version: i64,
    objects: i64,
}

/// Reads them.
pub fn facts(connection: &Connection) -> rusqlite::Result<Facts> {
    const FACTS: &str = "SELECT (SELECT application_id FROM pragma_application_id), \
        (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)";
    connection
        .query_row(FACTS, [], |row| Ok(Facts { application: row.get(0)?, version: row.get(1)?, objects: row.get(2)? }))
}

/// Whether the database has the table that is read, as every version has; `false`: it is empty.
///
/// # Errors
/// As [`open`].
pub fn has_rows(facts: &Facts) -> Result<bool, StoreError> {
    seen(facts, STEPS).map(|seen| seen > 0)
}

/// [`open`] with the given steps.
///
/// # Errors
/// As there.
pub fn migrate(connection: &Connection, steps: &[&str]) -> Result<(), StoreError> {
    if version(connection, steps)? == steps.len() {
        return Ok(());
    }
    execute(connection, "BEGIN IMMEDIATE")?;
    let done = apply(connection, steps).and_then(|()| execute(connection, "COMMIT"));
    if done.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    done
}

fn apply(connection: &Connection, steps: &[&str]) -> Result<(), StoreError> {
    // Once more, now that nobody else can be doing the same.
    let version = version(connection, steps)?;
    for step in &steps[version..] {
        execute(connection, step)?;
    }
    execute(connection, &format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}", steps.len()))
}

/// Steps the database has seen; 0 for an empty one.
fn version(connection: &Connection, steps: &[&str]) -> Result<usize, StoreError> {
    seen(&facts(connection).map_err(error::from_sqlite)?, steps)
}

fn seen(facts: &Facts, steps: &[&str]) -> Result<usize, StoreError> {
    let Facts { application, version, objects } = *facts;
    if application == 0 && version == 0 && objects == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(StoreError::Invalid(format!(
            "the database belongs to another application (application id {application}, {objects} objects)"
        )));
    }
    match usize::try_from(version) {
        Ok(seen) if seen <= steps.len() => Ok(seen),
        _ => Err(StoreError::Invalid(format!(
            "the database has schema version {version}, this program knows versions up to {}",
            steps.len()
        ))),
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute_batch(sql).map_err(error::from_sqlite)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn user_version(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    /// A database at version 1 with rows in it is opened by this program.
    #[test]
    fn an_older_schema_is_migrated_and_keeps_its_rows() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &STEPS[..1]).unwrap();
        connection.execute("INSERT INTO row (kind, stream, idx, body) VALUES ('entry', 'a', 0, x'00')", []).unwrap();
        assert_eq!(user_version(&connection), 1);
        open(&connection).unwrap();
        assert_eq!(user_version(&connection), STEPS.len() as i64);
        let body: Vec<u8> = connection.query_row("SELECT body FROM event", [], |row| row.get(0)).unwrap();
        assert_eq!(body, [0]);
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_version_whole() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &STEPS[..1]).unwrap();
        let steps = [STEPS[0], "CREATE TABLE half (a INTEGER) STRICT; CREATE TABLE row (b INTEGER) STRICT;"];
        assert!(migrate(&connection, &steps).is_err());
        assert_eq!(user_version(&connection), 1);
        let half: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(half, 0);
        assert!(connection.is_autocommit());
    }

    #[test]
    fn a_newer_version_and_a_foreign_database_are_refused_untouched() {
        let newer = Connection::open_in_memory().unwrap();
        open(&newer).unwrap();
        newer.execute_batch("PRAGMA user_version = 99").unwrap();
        assert!(matches!(open(&newer), Err(StoreError::Invalid(why)) if why.contains("version 99")));
        assert_eq!(user_version(&newer), 99);

        let foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE theirs (a)").unwrap();
        assert!(matches!(open(&foreign), Err(StoreError::Invalid(why)) if why.contains("another application")));
        let objects: i64 = foreign.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(objects, 1);
    }

    #[test]
    fn rows_can_not_be_changed_deleted_or_replaced_by_sql() {
        let connection = Connection::open_in_memory().unwrap();
        open(&connection).unwrap();
        let insert = "INSERT INTO row (kind, stream, idx, body, payload) VALUES ('entry', 'a', 0, x'00', x'01')";
        connection.execute(insert, []).unwrap();
        for sql in [
            "UPDATE row SET body = x'02'",
            "UPDATE row SET payload = x'02'",
            "UPDATE row SET idx = 1",
            "UPDATE row SET producer = 'me', payload = NULL",
            "UPDATE row SET id = 9, payload = NULL",
            "DELETE FROM row",
            "INSERT OR REPLACE INTO row (kind, stream, idx, body) VALUES ('entry', 'a', 0, x'02')",
            "INSERT OR REPLACE INTO row (id, kind, stream, idx, body) VALUES (1, 'entry', 'a', 1, x'02')",
            "INSERT INTO row (kind, stream, idx, body) VALUES ('entry', 'a', 2, x'02')",
            "INSERT INTO row (kind, stream, idx, body) VALUES ('other', 'a', 0, x'02')",
            "INSERT INTO row (kind, stream, idx, body) VALUES ('entry', 'a', 1, 'text')",
        ] {
            assert!(connection.execute(sql, []).is_err(), "{sql}");
        }
        connection.execute("UPDATE row SET payload = NULL", []).unwrap();
    }
}
