//! Entries and their contents, in order, for the thread that writes the archive.

use super::ExportOutcome;
use super::feed::{Feed, Item};
use crate::browse::BrowseError;
use crate::browse::content::TOGETHER;
use crate::files::links::FirstNames;
use crate::model::entry::{Content, Entry, Node, Piece};
use crate::model::path::display_bytes;
use crate::progress::{Event, Observer, Problem};
use crate::repository::content::{Chunks, PieceBytes, groups, stored_bytes};
use crate::repository::{Repository, RepositoryError};
use std::collections::HashSet;

/// So many entries wait for their contents at most.
const MOST_WAITING: usize = 4096;
/// The most problems that an outcome carries; the rest is only counted.
const MAX_PROBLEMS: usize = 10_000;

/// Why nothing more is put into the archive.
pub(super) enum Stop {
    /// Its writer stopped, and tells why.
    WriterGone,
    /// It cannot go on.
    Error(BrowseError),
}

impl From<RepositoryError> for Stop {
    fn from(error: RepositoryError) -> Self {
        Stop::Error(error.into())
    }
}

/// An entry that waits.
struct Waiting {
    path: Vec<u8>,
    entry: Entry,
    /// The name under which the file is in the archive already, or before it.
    link_to: Option<Vec<u8>>,
}

pub(super) struct Producer<'e> {
    repository: &'e Repository,
    feed: Feed,
    observer: &'e dyn Observer,
    first_names: FirstNames,
    /// First names of files that were left out: their further names have nothing to link to.
    lost: HashSet<Vec<u8>>,
    waiting: Vec<Waiting>,
    waiting_bytes: u64,
    outcome: ExportOutcome,
}

impl<'e> Producer<'e> {
    pub(super) fn new(repository: &'e Repository, feed: Feed, observer: &'e dyn Observer) -> Self {
        Self {
            repository,
            feed,
            observer,
            first_names: FirstNames::default(),
            lost: HashSet::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            outcome: ExportOutcome::default(),
        }
    }

    /// What came of it; without an end the writer gives up.
    pub(super) fn outcome(self) -> ExportOutcome {
        self.outcome
    }

    /// Takes the next entry.
    pub(super) async fn take(&mut self, path: Vec<u8>, entry: Entry) -> Result<(), Stop> {
        if let Some(reason) = self.feed.refuses(&path, &entry) {
            self.left_out(&display_bytes(&path), reason);
            return Ok(());
        }
        let mut link_to = None;
        if self.feed.keeps_links() {
            link_to = self.first_names.other_name(&entry, &path).map(<[u8]>::to_vec);
            self.first_names.note(&entry, &path);
        }
        if let (Node::File(content), None) = (&entry.node, &link_to) {
            let stored = stored_bytes(content);
            if stored > TOGETHER {
                self.hand_over().await?;
                let content = content.clone();
                return self.large(path, entry, &content).await;
            }
            self.waiting_bytes += stored;
        }
        self.waiting.push(Waiting { path, entry, link_to });
        if self.waiting_bytes >= TOGETHER || self.waiting.len() >= MOST_WAITING {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Fetches what waits, all at once, and hands it on.
    pub(super) async fn hand_over(&mut self) -> Result<(), Stop> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let wanted = waiting.iter().filter(|waiting| waiting.link_to.is_none());
        let chunks = self.repository.chunks(wanted.flat_map(|waiting| pieces_of(&waiting.entry))).await?;
        for Waiting { path, entry, link_to } in waiting {
            let lost_with = link_to.as_ref().filter(|first| self.lost.contains(*first));
            let spoilt = match (&entry.node, &link_to) {
                (Node::File(content), None) => lost_part(content, &chunks),
                _ => lost_with
                    .map(|first| format!("it is the same file as {}, which is lost", display_bytes(first))),
            };
            if let Some(reason) = spoilt {
                self.left_out(&display_bytes(&path), &reason);
                self.lost.insert(path);
                continue;
            }
            let content = match (&entry.node, &link_to) {
                (Node::File(content), None) => Some(content.clone()),
                _ => None,
            };
            let (is_file, size) = (matches!(entry.node, Node::File(_)), entry.node.size());
            self.put(Item::Entry { path, entry: Box::new(entry), link_to }).await?;
            if let Some(content) = content {
                self.put_content(&content.pieces, &chunks).await?;
            }
            self.counted(is_file, size);
        }
        Ok(())
    }

    /// A file that is not held in memory as a whole.
    async fn large(&mut self, path: Vec<u8>, entry: Entry, content: &Content) -> Result<(), Stop> {
        let shown = display_bytes(&path).into_owned();
        let mut header = Some((path, Box::new(entry)));
        let mut bytes = 0_u64;
        for group in groups(content, TOGETHER) {
            let chunks = self.repository.chunks(group).await?;
            let lost = group.iter().find_map(|piece| chunks.bytes_of(piece).err());
            match (lost, header.take()) {
                (Some(reason), Some((path, _))) => {
                    self.left_out(&shown, reason);
                    self.lost.insert(path);
                    return Ok(());
                }
                // Half of it is in the archive.
                (Some(reason), None) => return Err(spoilt(shown, reason)),
                (None, Some((path, entry))) => self.put(Item::Entry { path, entry, link_to: None }).await?,
                (None, None) => {}
            }
            let some = length(group, &chunks);
            bytes = bytes.saturating_add(some);
            if bytes > content.size {
                return Err(spoilt(shown, WRONG_LENGTH));
            }
            self.put_content(group, &chunks).await?;
            self.observer.event(Event::Advanced { files: 0, bytes: some });
        }
        if bytes != content.size {
            return Err(spoilt(shown, WRONG_LENGTH));
        }
        self.outcome.entries += 1;
        self.outcome.bytes += bytes;
        self.observer.event(Event::Advanced { files: 1, bytes: 0 });
        Ok(())
    }

    async fn put_content(&mut self, pieces: &[Piece], chunks: &Chunks) -> Result<(), Stop> {
        for piece in pieces {
            match chunks.bytes_of(piece) {
                Ok(PieceBytes::Data(bytes)) => self.put(Item::Content(bytes.to_vec())).await?,
                Ok(PieceBytes::Zeros(len)) => self.put(Item::Zeros(len)).await?,
                Err(reason) => return Err(RepositoryError::Internal(reason.to_owned()).into()),
            }
        }
        Ok(())
    }

    /// Puts the next item into the queue.
    pub(super) async fn put(&mut self, item: Item) -> Result<(), Stop> {
        self.feed.put(item).await.map_err(|()| Stop::WriterGone)
    }

    fn counted(&mut self, is_file: bool, bytes: u64) {
        self.outcome.entries += 1;
        self.outcome.bytes += bytes;
        self.observer.event(Event::Advanced { files: u64::from(is_file), bytes });
    }

    /// Tells what is not in the archive.
    pub(super) fn left_out(&mut self, shown: &str, reason: &str) {
        let problem = Problem::new(shown, format!("not exported: {reason}"));
        self.observer.event(Event::Problem(&problem));
        self.outcome.problem_count += 1;
        if self.outcome.problems.len() < MAX_PROBLEMS {
            self.outcome.problems.push(problem);
        }
    }
}

const WRONG_LENGTH: &str = "its parts have another length in all than the file";

fn spoilt(path: String, reason: &str) -> Stop {
    Stop::Error(BrowseError::Spoilt { path, reason: reason.to_owned() })
}

fn pieces_of(entry: &Entry) -> &[Piece] {
    match &entry.node {
        Node::File(content) => &content.pieces,
        _ => &[],
    }
}

/// Why a file cannot be had whole, if so.
fn lost_part(content: &Content, chunks: &Chunks) -> Option<String> {
    let lost = content.pieces.iter().find_map(|piece| chunks.bytes_of(piece).err());
    let wrong = || (length(&content.pieces, chunks) != content.size).then_some(WRONG_LENGTH);
    lost.or_else(wrong).map(str::to_owned)
}

fn length(pieces: &[Piece], chunks: &Chunks) -> u64 {
    let length = |piece: &Piece| match chunks.bytes_of(piece) {
        Ok(PieceBytes::Data(bytes)) => bytes.len() as u64,
        Ok(PieceBytes::Zeros(len)) => len,
        Err(_) => 0,
    };
    pieces.iter().map(length).fold(0, u64::saturating_add)
}
