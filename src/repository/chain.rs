//! Does each record follow the one before of its writer? A gap, a fork, or a record that others
//! have seen and that is not there shows a history that was cut, replayed or replaced.

use super::{Repository, RepositoryError};
use crate::format::record::Head;
use crate::model::id::{ObjectId, WriterId};
use crate::progress::Problem;
use std::collections::BTreeMap;

/// A record in its writer's history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    sequence: u64,
    object: ObjectId,
    previous: Option<ObjectId>,
}

type Row = (Vec<u8>, i64, Vec<u8>, Option<Vec<u8>>);

const FORKED: &str = "two records claim the same place in their writer's history: a state folder was \
                      copied to another machine, or the history was forked";
const GAP: &str = "the record before this one of the same writer is missing: it was removed, cannot be \
                   read, or the history was replaced";
const UNSEEN: &str = "another machine has seen this record, and it is not there: it was removed, cannot \
                      be read, or the server shows an older state";

impl Repository {
    /// What is wrong with the history. `claims` are heads that records say their writers had seen.
    pub fn chain_problems(&self, claims: &[Head]) -> Result<Vec<Problem>, RepositoryError> {
        let (links, covered) = self.links()?;
        let mut problems = Vec::new();
        for (writer, links) in &links {
            problems.extend(follow(covered.get(writer), links));
        }
        for claim in claims {
            let is_covered = covered.get(&claim.writer).is_some_and(|head| head.sequence >= claim.sequence);
            let is_known = links.get(&claim.writer).is_some_and(|links| {
                links.iter().any(|link| link.sequence == claim.sequence && link.object == claim.record)
            });
            let subject = claim.record.to_string();
            if !is_covered && !is_known && problems.iter().all(|problem| problem.subject != subject) {
                problems.push(Problem::new(subject, UNSEEN));
            }
        }
        Ok(problems)
    }

    /// The newest record known of each writer.
    pub(super) fn known_heads(&self) -> Result<Vec<(WriterId, u64, ObjectId)>, RepositoryError> {
        let (links, covered) = self.links()?;
        let mut heads: BTreeMap<WriterId, (u64, ObjectId)> = BTreeMap::new();
        let all = links.iter().flat_map(|(writer, links)| links.iter().map(move |link| (writer, link)));
        for (writer, link) in all.chain(&covered) {
            let head = heads.entry(*writer).or_insert((link.sequence, link.object));
            if link.sequence > head.0 {
                *head = (link.sequence, link.object);
            }
        }
        Ok(heads.into_iter().map(|(writer, (sequence, object))| (writer, sequence, object)).collect())
    }

    /// The records of each writer in order, and the newest one of each that a checkpoint covers.
    #[allow(clippy::type_complexity)]
    fn links(&self) -> Result<(BTreeMap<WriterId, Vec<Link>>, BTreeMap<WriterId, Link>), RepositoryError> {
        let (rows, covered) = self.state().read("follow the chain of records", |connection| {
            let read = |sql: &str| -> rusqlite::Result<Vec<Row>> {
                connection
                    .prepare_cached(sql)?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                    .collect()
            };
            let rows = read(
                "SELECT writer, sequence, object, previous FROM records
                 WHERE writer IS NOT NULL ORDER BY writer, sequence, object",
            )?;
            Ok((rows, read("SELECT writer, sequence, object, NULL FROM heads")?))
        })?;
        let mut links: BTreeMap<WriterId, Vec<Link>> = BTreeMap::new();
        for (writer, link) in rows.into_iter().filter_map(link_of) {
            links.entry(writer).or_default().push(link);
        }
        Ok((links, covered.into_iter().filter_map(link_of).collect()))
    }
}

fn link_of((writer, sequence, object, previous): Row) -> Option<(WriterId, Link)> {
    let previous = match previous {
        Some(previous) => Some(ObjectId::from_slice(&previous)?),
        None => None,
    };
    let object = ObjectId::from_slice(&object)?;
    Some((WriterId::from_slice(&writer)?, Link { sequence: sequence as u64, object, previous }))
}

/// Follows one writer's records from what is covered on.
fn follow(covered: Option<&Link>, links: &[Link]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let start = covered.map_or(0, |head| head.sequence);
    let mut last = covered.map(|head| (head.sequence, head.object));
    for link in links.iter().filter(|link| link.sequence > start) {
        let (sequence, object) = last.map_or((0, None), |(sequence, object)| (sequence, Some(object)));
        if link.sequence == sequence {
            problems.push(Problem::new(link.object.to_string(), FORKED));
        } else if link.sequence != sequence + 1 || link.previous != object {
            problems.push(Problem::new(link.object.to_string(), GAP));
        }
        last = Some((link.sequence, link.object));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(sequence: u64) -> Link {
        let object = |sequence: u64| ObjectId([sequence as u8; 32]);
        Link { sequence, object: object(sequence), previous: (sequence > 1).then(|| object(sequence - 1)) }
    }

    #[test]
    fn gaps_and_forks_show_and_what_is_covered_does_not() {
        let count = |covered: Option<u64>, links: &[u64]| {
            let links: Vec<_> = links.iter().map(|&sequence| link(sequence)).collect();
            follow(covered.map(link).as_ref(), &links).len()
        };
        assert_eq!(count(None, &[1, 2, 3]), 0);
        assert_eq!(count(None, &[1, 3]), 1);
        assert_eq!(count(None, &[2]), 1);
        assert_eq!(count(None, &[1, 2, 2]), 1);
        assert_eq!(count(Some(10), &[3, 7, 11]), 0);
        assert_eq!(count(Some(10), &[9, 12]), 1);
    }
}
