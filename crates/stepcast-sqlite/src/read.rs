//! What is read back.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use stepcast_core::backend::{
    CacheRow, InputCursor, InputFilter, InputRecord, LoadError, Mail, NewInput, RunCursor, RunFilter, RunRecord,
    RunStatus, SnapshotRow, StoredRun, StreamRow,
};

use crate::events;
use crate::journal::{self, Missing};
use crate::owner::Who;
use crate::schema::has_definitions;
use crate::sql::{Stored, all, db, first, input_status, mail_kind, status, status_code, time, un};

/// The columns of a record.
fn select(conn: &Connection) -> Stored<String> {
    let definition = match has_definitions(conn)? {
        true => "(SELECT hash FROM definitions WHERE definitions.id = runs.definition)",
        false => "NULL",
    };
    let columns = "id, run, workflow, parent, status, result, error, created, changed, due, holder, fence, failures";
    Ok(format!("SELECT {columns}, {definition} FROM runs"))
}

fn record(row: &Row<'_>, who: Who<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        cursor: RunCursor(un(row.get(0)?)),
        run: row.get(1)?,
        workflow: row.get(2)?,
        parent: row.get(3)?,
        status: status(row, 4)?,
        result: row.get(5)?,
        error: row.get(6)?,
        created: time(row, 7)?,
        changed: time(row, 8)?,
        due: row.get::<_, Option<i64>>(9)?.map(|due| stepcast_core::engine::Time(un(due))),
        holder: who.holds(row.get(10)?),
        fence: un(row.get(11)?),
        definition: row.get(13)?,
        failures: u32::try_from(row.get::<_, i64>(12)?).unwrap_or(u32::MAX),
    })
}

pub(crate) fn run(conn: &Connection, id: &str, who: Who<'_>) -> Stored<Option<RunRecord>> {
    first(conn, &format!("{} WHERE run = ?1", select(conn)?), [id], |row| record(row, who))
}

pub(crate) fn load(conn: &Connection, id: &str, who: Who<'_>) -> Result<StoredRun, LoadError> {
    let Some(record) = run(conn, id, who)? else { return Err(LoadError::UnknownRun { run: id.into() }) };
    let key = db(record.cursor.0);
    let gap = |missing: Missing| LoadError::Gap { run: id.into(), row: missing.0 };
    let sql = "SELECT d.json, s.json FROM starts s JOIN descriptions d ON d.id = s.description WHERE s.run = ?1";
    let Some((description, start)) = first(conn, sql, [key], |row| Ok((row.get(0)?, row.get(1)?)))? else {
        return Err(gap(Missing(0)));
    };
    let snapshot = first(conn, "SELECT covers, data FROM snapshots WHERE run = ?1", [key], |row| {
        Ok(SnapshotRow { covers: un(row.get(0)?), data: row.get(1)? })
    })?;
    let end = journal::end(conn, key)?.map_err(gap)?;
    let rows = journal::rows(conn, key, end)?.map_err(gap)?;
    Ok(StoredRun { record, description, start, snapshot, rows, last_seq: events::last_seq(conn, key)? })
}

pub(crate) fn definition(conn: &Connection, hash: &str) -> Stored<Option<Arc<str>>> {
    match has_definitions(conn)? {
        true => first(conn, "SELECT json FROM definitions WHERE hash = ?1", [hash], |row| row.get(0)),
        false => Ok(None),
    }
}

fn key_of(conn: &Connection, id: &str) -> Result<i64, LoadError> {
    first(conn, "SELECT id FROM runs WHERE run = ?1", [id], |row| row.get(0))?
        .ok_or_else(|| LoadError::UnknownRun { run: id.into() })
}

pub(crate) fn events(conn: &Connection, id: &str, after: u64, limit: usize) -> Result<Vec<StreamRow>, LoadError> {
    let key = key_of(conn, id)?;
    let events = events::after(conn, key, after, limit_of(limit))?;
    for (event, seq) in events.iter().zip(after.saturating_add(1)..) {
        if event.seq != seq {
            return Err(LoadError::EventGap { run: id.into(), seq });
        }
    }
    Ok(events)
}

pub(crate) fn last_seq(conn: &Connection, id: &str) -> Result<u64, LoadError> {
    Ok(events::last_seq(conn, key_of(conn, id)?)?)
}

pub(crate) fn mail(conn: &Connection, id: &str, after: u64) -> Result<Vec<Mail>, LoadError> {
    let key = key_of(conn, id)?;
    let trace = if has_definitions(conn)? { "trace" } else { "NULL" };
    let sql = &format!("SELECT id, kind, input, json, at, {trace} FROM mailbox WHERE run = ?1 AND id > ?2 ORDER BY id");
    Ok(all(conn, sql, [key, db(after)], |row| {
        let (json, trace) = (row.get(3)?, row.get(5)?);
        Ok(Mail { id: un(row.get(0)?), kind: mail_kind(row, 1)?, json, at: time(row, 4)?, trace })
    })?)
}

pub(crate) fn mailed(conn: &Connection, me: i64) -> Stored<Vec<Arc<str>>> {
    let sql = "SELECT run FROM runs WHERE holder = ?1 AND status < 2 AND id IN (SELECT run FROM mailbox)";
    all(conn, sql, [me], |row| row.get(0))
}

pub(crate) fn owners(conn: &Connection) -> Stored<Vec<i64>> {
    all(conn, "SELECT id FROM owners", [], |row| row.get(0))
}

/// Conditions of a query with what they compare to.
struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    fn new(select: &str) -> Self {
        Query { sql: format!("{select} WHERE 1"), values: Vec::new() }
    }

    fn and(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    /// With a `?` in the condition.
    fn and_with(&mut self, condition: &str, value: impl Into<Value>) {
        self.and(condition);
        self.values.push(value.into());
    }
}

pub(crate) fn runs(
    conn: &Connection,
    who: Who<'_>,
    filter: &RunFilter,
    after: Option<RunCursor>,
    limit: usize,
) -> Stored<Vec<RunRecord>> {
    let query = runs_query(&select(conn)?, filter, after, limit);
    all(conn, &query.sql, params_from_iter(query.values), |row| record(row, who))
}

/// The index is named, for SQLite has no statistics to know which condition leaves the fewest runs. Without one it goes by
/// the ids of those that have mail, or down the list.
fn runs_query(select: &str, filter: &RunFilter, after: Option<RunCursor>, limit: usize) -> Query {
    let index = match filter {
        RunFilter { mailed: true, .. } => " NOT INDEXED",
        RunFilter { parent: Some(_), .. } => " INDEXED BY runs_children",
        RunFilter { due_by: Some(_), .. } => " INDEXED BY runs_due",
        RunFilter { unclaimed: true, .. } => " INDEXED BY runs_free",
        _ => " NOT INDEXED",
    };
    let mut query = Query::new(&format!("{select}{index}"));
    if filter.mailed {
        query.and("id IN (SELECT run FROM mailbox)");
    }
    if let Some(parent) = &filter.parent {
        query.and_with("parent = ?", parent.to_string());
    }
    if let Some(by) = filter.due_by {
        query.and_with("due <= ?", db(by.0));
    }
    let mut statuses = &filter.statuses[..];
    if filter.unclaimed {
        query.and("status < 2 AND holder IS NULL");
        if statuses.is_empty() {
            statuses = &[RunStatus::Running, RunStatus::Waiting];
        }
    }
    if !statuses.is_empty() {
        let codes: Vec<String> = statuses.iter().map(|status| status_code(*status).to_string()).collect();
        query.and(&format!("status IN ({})", codes.join(",")));
    }
    if let Some(workflow) = &filter.workflow {
        query.and_with("workflow = ?", workflow.clone());
    }
    if let Some(after) = after {
        query.and_with("id < ?", db(after.0));
    }
    query.sql.push_str(" ORDER BY id DESC LIMIT ?");
    query.values.push(limit_of(limit).into());
    query
}

pub(crate) fn inputs(
    conn: &Connection,
    filter: &InputFilter,
    after: Option<InputCursor>,
    limit: usize,
) -> Stored<Vec<InputRecord>> {
    let mut query = Query::new(
        "SELECT i.id, r.run, r.workflow, i.opened, i.status, i.answer, i.answered_by, i.closed, i.input, i.step, \
         i.reason, i.expects, i.prompt, i.data, i.choices, i.schema, i.expires \
         FROM inputs i JOIN runs r ON r.id = i.run",
    );
    if let Some(run) = &filter.run {
        query.and_with("r.run = ?", run.to_string());
    }
    if let Some(input) = filter.input {
        query.and_with("i.input = ?", db(input));
    }
    if let Some(workflow) = &filter.workflow {
        query.and_with("r.workflow = ?", workflow.clone());
    }
    if filter.pending {
        query.and("i.status = 0");
    }
    if let Some(after) = after {
        query.and_with("i.id > ?", db(after.0));
    }
    query.values.push(limit_of(limit).into());
    all(conn, &format!("{} ORDER BY i.id LIMIT ?", query.sql), params_from_iter(query.values), |row| {
        Ok(InputRecord {
            cursor: InputCursor(un(row.get(0)?)),
            run: row.get(1)?,
            workflow: row.get(2)?,
            opened: time(row, 3)?,
            status: input_status(row, 4)?,
            asked: NewInput {
                input: un(row.get(8)?),
                step: row.get(9)?,
                reason: row.get(10)?,
                expects: row.get(11)?,
                prompt: row.get(12)?,
                data: row.get(13)?,
                choices: row.get(14)?,
                schema: row.get(15)?,
                expires: row.get::<_, Option<i64>>(16)?.map(|at| stepcast_core::engine::Time(un(at))),
            },
        })
    })
}

pub(crate) fn cached(conn: &Connection, key: &str) -> Stored<Option<CacheRow>> {
    let sql = "SELECT key, workflow, namespace, run, json, at FROM calls WHERE key = ?1";
    first(conn, sql, [key], |row| {
        Ok(CacheRow {
            key: row.get(0)?,
            workflow: row.get(1)?,
            namespace: row.get(2)?,
            run: row.get(3)?,
            json: row.get(4)?,
            at: time(row, 5)?,
        })
    })
}

/// Ids of runs from a place on, for a check of all.
pub(crate) fn ids(conn: &Connection, after: i64, limit: usize) -> Stored<Vec<(i64, Arc<str>)>> {
    let sql = "SELECT id, run FROM runs WHERE id > ?1 ORDER BY id LIMIT ?2";
    all(conn, sql, params![after, limit_of(limit)], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use stepcast_core::engine::Time;

    use super::*;

    fn plan(filter: RunFilter) -> String {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(crate::schema::TABLES).unwrap();
        let query = runs_query(&select(&conn).unwrap(), &filter, Some(RunCursor(7)), 10);
        let explained =
            all(&conn, &format!("EXPLAIN QUERY PLAN {}", query.sql), params_from_iter(query.values), |row| {
                row.get::<_, String>(3)
            });
        explained.unwrap().join("; ")
    }

    #[test]
    fn what_a_runtime_asks_all_the_time_is_indexed() {
        let unclaimed = || RunFilter { unclaimed: true, ..RunFilter::default() };
        let workflow = || Some("Flow".to_owned());
        let running = || RunFilter { statuses: vec![RunStatus::Running], ..unclaimed() };
        for (filter, index) in [
            (RunFilter { due_by: Some(Time(1)), ..unclaimed() }, "runs_due (due<?"),
            (RunFilter { due_by: Some(Time(1)), workflow: workflow(), ..running() }, "runs_due (due<?"),
            (unclaimed(), "runs_free (status=?"),
            (running(), "runs_free (status=?"),
            (RunFilter { workflow: workflow(), ..running() }, "runs_free (status=? AND workflow=?"),
            (RunFilter { workflow: workflow(), ..unclaimed() }, "runs_free (status=? AND workflow=?"),
            (RunFilter { parent: Some("p".into()), workflow: workflow(), ..running() }, "runs_children (parent=?"),
        ] {
            let plan = plan(filter.clone());
            assert!(plan.contains(&format!("USING INDEX {index}")), "{filter:?}: {plan}");
        }
        let mailed = plan(RunFilter { mailed: true, ..unclaimed() });
        assert!(mailed.contains("SEARCH runs USING INTEGER PRIMARY KEY (rowid=?"), "{mailed}");
        assert!(mailed.contains("mailbox USING COVERING INDEX mailbox_run"), "{mailed}");
    }
}
