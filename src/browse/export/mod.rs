//! A snapshot as an archive, streamed: nothing is put on the disk in between, and memory does not
//! grow with the size of files.

mod feed;
mod producer;
mod tar;
mod zip;

use super::BrowseError;
use crate::files::filter::Filter;
use crate::files::selection::selected;
use crate::format::FormatError;
use crate::model::entry::{Entry, Node};
use crate::model::path::display_bytes;
use crate::progress::{Event, Observer, Problem, Stage};
use crate::repository::snapshots::{SnapshotInfo, unless_local};
use crate::repository::{Repository, RepositoryError};
use feed::Item;
use producer::{Producer, Stop};
use std::io::Write;

/// The kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// POSIX tar with pax headers: links, owners, devices and attributes are kept.
    Tar,
    /// Zip: modes, times and symbolic links are kept.
    Zip,
}

/// What is exported.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    /// Of which snapshot.
    pub snapshot: SnapshotInfo,
    /// Only what these patterns match, if there are any.
    pub includes: Vec<String>,
    /// Not what these match.
    pub excludes: Vec<String>,
    /// As what.
    pub format: Format,
}

/// What came of an export.
#[derive(Debug, Clone, Default)]
pub struct ExportOutcome {
    /// Entries in the archive.
    pub entries: u64,
    /// Bytes of content in it.
    pub bytes: u64,
    /// What is not in it, and why; at most 10,000.
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
}

/// Writes a snapshot to `out`, which gets the archive from beginning to end. A file whose content
/// cannot be had is left out and told; where that shows only in the middle of a large one, the
/// archive ends there with an error. May be dropped anywhere; what was written is of no use then.
pub async fn export(
    repository: &Repository,
    options: &ExportOptions,
    out: impl Write + Send + 'static,
    observer: &dyn Observer,
) -> Result<ExportOutcome, BrowseError> {
    let filter = Filter::new(&options.includes, &options.excludes)?;
    let snapshot = &options.snapshot;
    let root = snapshot.root().ok_or_else(|| {
        let reason = FormatError::Damaged("it has no sources, or one whose path is refused");
        RepositoryError::damaged(format!("snapshot {}", snapshot.id.short()), reason)
    })?;
    let entries = repository.entries(snapshot).await?;
    let tally = Some(snapshot.head.tally).filter(|_| filter.is_empty());
    observer.event(Event::Stage {
        stage: Stage::Restoring,
        files: tally.map(|tally| tally.files),
        bytes: tally.map(|tally| tally.bytes),
    });
    let (feed, written) = feed::start(options.format, out);
    let mut producer = Producer::new(repository, feed, observer);
    let (mut refused, mut lost, mut any) = (Vec::new(), None, false);
    let readable = entries.iter().map_while(|entry| match entry.map_err(unless_local) {
        Ok(entry) => Some(Some(entry)),
        Err(Ok(error)) => {
            refused.push(error.to_string());
            Some(None)
        }
        Err(Err(local)) => {
            lost = Some(local);
            None
        }
    });
    let kept = selected(&filter, readable.flatten(), |entry: &Entry| {
        (entry.path.below(&root).unwrap_or_default(), matches!(entry.node, Node::Folder))
    });
    let mut ended = Ok(());
    for entry in kept {
        any = true;
        let path = entry.path.below(&root).map(<[u8]>::to_vec);
        ended = match path {
            Some(path) if path.is_empty() => Ok(()),
            Some(path) => producer.take(path, entry).await,
            None => {
                producer.left_out(&display_bytes(entry.path.as_bytes()), "it is not below the sources");
                Ok(())
            }
        };
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        ended = match lost {
            Some(local) => Err(Stop::Error(local.into())),
            None if !any && !filter.is_empty() => {
                Err(Stop::Error(BrowseError::NothingSelected { snapshot: snapshot.id.short() }))
            }
            None => producer.hand_over().await,
        };
    }
    let id = format!("snapshot {}", snapshot.id.short());
    for reason in refused {
        producer.left_out(&id, &format!("an entry of it cannot be read: {reason}"));
    }
    if ended.is_ok() {
        ended = producer.put(Item::End).await;
    }
    // Without an end the writer gives up.
    let outcome = producer.outcome();
    let written = written.await.map_err(|error| RepositoryError::Internal(error.to_string()))?;
    match (ended, written) {
        (Err(Stop::Error(error)), _) => Err(error),
        (_, Err(error)) => Err(BrowseError::Write(error)),
        (Err(Stop::WriterGone), Ok(())) => {
            Err(RepositoryError::Internal("the archive's writer ended".to_owned()).into())
        }
        (Ok(()), Ok(())) => Ok(outcome),
    }
}
