//! The tests, rehearsals and runs of disaster-recovery plans on this machine, each with its report.

use super::{Database, StateError};
use rusqlite::{OptionalExtension, Row};

/// So many are remembered.
const MOST: u32 = 200;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRecord {
    /// Its id.
    pub id: String,
    /// The plan.
    pub plan: String,
    /// When it began.
    pub began_ms: i64,
    /// Its report so far, as JSON.
    pub report: String,
}

impl Database {
    /// Remembers one, or how far it is.
    pub fn put_drill(&self, record: &DrillRecord) -> Result<(), StateError> {
        self.write("remember a drill", |transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO drills (id, plan, began_ms, report) VALUES (?1, ?2, ?3, ?4)",
                (&record.id, &record.plan, record.began_ms, &record.report),
            )?;
            let old =
                "DELETE FROM drills WHERE id NOT IN (SELECT id FROM drills ORDER BY began_ms DESC LIMIT ?1)";
            transaction.execute(old, [MOST]).map(drop)
        })
    }

    /// The one of this id.
    pub fn drill(&self, id: &str) -> Result<Option<DrillRecord>, StateError> {
        self.read("look up a drill", |connection| {
            let sql = "SELECT id, plan, began_ms, report FROM drills WHERE id = ?1";
            connection.query_row(sql, [id], record).optional()
        })
    }

    /// All that are remembered, the oldest first.
    pub fn drills(&self) -> Result<Vec<DrillRecord>, StateError> {
        self.read("list drills", |connection| {
            let sql = "SELECT id, plan, began_ms, report FROM drills ORDER BY began_ms, id";
            connection.prepare(sql)?.query_map([], record)?.collect()
        })
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<DrillRecord> {
    Ok(DrillRecord { id: row.get(0)?, plan: row.get(1)?, began_ms: row.get(2)?, report: row.get(3)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drills_read_back_and_the_oldest_are_forgotten() {
        let state = Database::in_memory().unwrap();
        for number in 0..=i64::from(MOST) {
            let record = DrillRecord {
                id: format!("d{number}"),
                plan: "p".to_owned(),
                began_ms: number,
                report: "{}".to_owned(),
            };
            state.put_drill(&record).unwrap();
            assert_eq!(state.drill(&record.id).unwrap(), Some(record));
        }
        let all = state.drills().unwrap();
        assert_eq!((all.len(), all[0].id.as_str()), (MOST as usize, "d1"));
    }
}
