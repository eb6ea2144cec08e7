//! A snapshot as an archive, streamed: nothing is put on the disk in between, and memory does not
//! grow with the size of files.

mod feed;
mod tar;
mod zip;

use super::BrowseError;
use super::content::TOGETHER;
use super::wanted::relative;
use crate::files::filter::Filter;
use crate::files::selection::selected;
use crate::model::entry::{Content, Entry, Node, Piece};
use crate::model::path::display_bytes;
use crate::progress::{Event, Observer, Problem, Stage};
use crate::repository::content::groups;
use crate::repository::snapshots::{SnapshotInfo, unless_local};
use crate::repository::{Cancel, Repository, RepositoryError};
use feed::{Feed, Item};
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// Ends it.
    pub cancel: Cancel,
}

/// What came of an export.
#[derive(Debug, Clone, Default)]
pub struct ExportOutcome {
    /// Entries in the archive.
    pub entries: u64,
    /// Bytes of content in it.
    pub bytes: u64,
    /// What is not in it, and why.
    pub problems: Vec<Problem>,
}

/// Writes a snapshot to `out`, which gets the archive from beginning to end. A file whose content
/// cannot be had is left out and told; where that shows only in the middle of a large one, the
/// archive ends there with an error.
pub async fn export(
    repository: &Repository,
    options: &ExportOptions,
    out: impl Write + Send + 'static,
    observer: &dyn Observer,
) -> Result<ExportOutcome, BrowseError> {
    let filter = Filter::new(&options.includes, &options.excludes)?;
    let snapshot = &options.snapshot;
    let root = snapshot.root();
    let entries = repository.entries(snapshot).await?;
    let all = filter.is_empty();
    let tally = Some(snapshot.head.tally).filter(|_| all);
    observer.event(Event::Stage {
        stage: Stage::Restoring,
        files: tally.map(|tally| tally.files),
        bytes: tally.map(|tally| tally.bytes),
    });
    let (feed, written) = feed::start(options.format, out)?;
    let mut export = Export {
        repository,
        feed,
        observer,
        cancel: options.cancel.clone(),
        first_names: HashMap::new(),
        waiting: Vec::new(),
        waiting_bytes: 0,
        outcome: ExportOutcome::default(),
    };
    let (lost, refused) = (Mutex::new(None), Mutex::new(Vec::new()));
    let readable = entries.iter().map_while(|entry| match entry.map_err(unless_local) {
        Ok(entry) => Some(Some(entry)),
        Err(Ok(error)) => {
            lock(&refused).push(error.to_string());
            Some(None)
        }
        Err(Err(local)) => {
            *lock(&lost) = Some(local);
            None
        }
    });
    let path_of =
        |entry: &Entry| (relative(&entry.path, root.as_ref()).to_vec(), matches!(entry.node, Node::Folder));
    let kept = selected(&filter, readable.flatten(), |entry: &Entry| {
        let below = root.as_ref().and_then(|root| entry.path.below(root)).unwrap_or_default();
        (below, matches!(entry.node, Node::Folder))
    });
    let mut ended = Ok(());
    for entry in kept {
        let (path, _) = path_of(&entry);
        if path.is_empty() || path.starts_with(b"/") {
            continue;
        }
        ended = export.take(path, entry).await;
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        ended = export.hand_over().await;
    }
    let Export { feed, mut outcome, .. } = export;
    // Without an end the writer gives up, and tells why it could not go on if it was the first.
    let ended = match ended {
        Ok(()) => match lock(&lost).take() {
            Some(local) => Err(local.into()),
            None => feed.end().await,
        },
        Err(error) => Err(error),
    };
    drop(feed);
    let written = written.await.map_err(|error| RepositoryError::Internal(error.to_string()))?;
    written.map_err(BrowseError::Write).and(ended)?;
    let id = snapshot.id.short();
    for reason in lock(&refused).drain(..) {
        let problem = Problem::new(&*id, format!("an entry is left out: {reason}"));
        observer.event(Event::Problem(&problem));
        outcome.problems.push(problem);
    }
    Ok(outcome)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Export<'e> {
    repository: &'e Repository,
    feed: Feed,
    observer: &'e dyn Observer,
    cancel: Cancel,
    /// The first name of each file with several.
    first_names: HashMap<(u64, u64), Vec<u8>>,
    /// Entries whose content is asked for together.
    waiting: Vec<(Vec<u8>, Entry)>,
    waiting_bytes: u64,
    outcome: ExportOutcome,
}

impl Export<'_> {
    async fn take(&mut self, path: Vec<u8>, entry: Entry) -> Result<(), BrowseError> {
        if self.cancel.is_cancelled() {
            return Err(RepositoryError::Cancelled.into());
        }
        let size = entry.node.size();
        if let Node::File(content) = &entry.node
            && size > TOGETHER
        {
            self.hand_over().await?;
            let content = content.clone();
            return self.large(path, entry, &content).await;
        }
        self.waiting_bytes += size;
        self.waiting.push((path, entry));
        if self.waiting_bytes >= TOGETHER || self.waiting.len() >= 4096 {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Fetches what waits, all at once; if that fails each by itself, so that only what is spoilt
    /// is left out.
    async fn hand_over(&mut self) -> Result<(), BrowseError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let entries: Vec<_> = waiting.iter().map(|(_, entry)| entry).collect();
        let together = contents(self.repository, &entries).await;
        if let Err(error @ (RepositoryError::State(_) | RepositoryError::Cancelled)) = together {
            return Err(error.into());
        }
        let mut together = together.ok().map(Vec::into_iter);
        for (path, entry) in waiting {
            let content = match together.as_mut().map(Iterator::next) {
                Some(content) => Ok(content.unwrap_or_default()),
                None => {
                    contents(self.repository, &[&entry]).await.map(|mut one| one.pop().unwrap_or_default())
                }
            };
            match content {
                Ok(content) if content.len() as u64 == entry.node.size() => {
                    self.hand_on(path, entry, content).await?
                }
                Ok(_) => self.left_out(&path, "its parts have another length in all than the file"),
                Err(error @ (RepositoryError::State(_) | RepositoryError::Cancelled)) => {
                    return Err(error.into());
                }
                Err(error) => self.left_out(&path, &error.to_string()),
            }
        }
        Ok(())
    }

    async fn hand_on(&mut self, path: Vec<u8>, entry: Entry, content: Vec<u8>) -> Result<(), BrowseError> {
        let (is_file, bytes) = (matches!(entry.node, Node::File(_)), content.len() as u64);
        let link_to = self.first_name(&entry);
        let has_content = is_file && link_to.is_none();
        if has_content {
            self.can_be_linked_to(&path, &entry);
        }
        self.put(Item::Entry { path, entry: Box::new(entry), link_to }).await?;
        if has_content && !content.is_empty() {
            self.put(Item::Content(content)).await?;
        }
        self.counted(is_file, bytes);
        Ok(())
    }

    async fn large(&mut self, path: Vec<u8>, entry: Entry, content: &Content) -> Result<(), BrowseError> {
        let size = content.size;
        let link_to = self.first_name(&entry);
        if link_to.is_some() {
            self.put(Item::Entry { path, entry: Box::new(entry), link_to }).await?;
            self.counted(true, size);
            return Ok(());
        }
        let mut header = Some((path.clone(), Box::new(entry)));
        for group in groups(content, TOGETHER) {
            if self.cancel.is_cancelled() {
                return Err(RepositoryError::Cancelled.into());
            }
            let mut bytes = Vec::new();
            let read = self.repository.read_pieces(group, |_, piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            });
            match (read.await, header.take()) {
                (Ok(()), Some((path, entry))) => {
                    self.can_be_linked_to(&path, &entry);
                    self.put(Item::Entry { path, entry, link_to: None }).await?;
                }
                (Ok(()), None) => {}
                (Err(error @ (RepositoryError::State(_) | RepositoryError::Cancelled)), _) => {
                    return Err(error.into());
                }
                (Err(error), Some(_)) => {
                    self.left_out(&path, &error.to_string());
                    return Ok(());
                }
                (Err(error), None) => return Err(error.into()),
            }
            self.observer.event(Event::Advanced { files: 0, bytes: bytes.len() as u64 });
            self.put(Item::Content(bytes)).await?;
        }
        self.outcome.entries += 1;
        self.outcome.bytes += size;
        self.observer.event(Event::Advanced { files: 1, bytes: 0 });
        Ok(())
    }

    /// The name under which a file with several names is in the archive already.
    fn first_name(&self, entry: &Entry) -> Option<Vec<u8>> {
        let file = (entry.meta.device, entry.meta.inode);
        self.first_names.get(&file).filter(|_| entry.meta.links > 1).cloned()
    }

    fn can_be_linked_to(&mut self, path: &[u8], entry: &Entry) {
        if entry.meta.links > 1 && self.feed.keeps_links() {
            self.first_names.insert((entry.meta.device, entry.meta.inode), path.to_vec());
        }
    }

    async fn put(&mut self, item: Item) -> Result<(), BrowseError> {
        if let Item::Entry { path, entry, .. } = &item
            && let Some(reason) = self.feed.refuses(path, entry)
        {
            self.left_out(&path.clone(), reason);
            return Ok(());
        }
        self.feed.put(item).await
    }

    fn counted(&mut self, is_file: bool, bytes: u64) {
        self.outcome.entries += 1;
        self.outcome.bytes += bytes;
        self.observer.event(Event::Advanced { files: u64::from(is_file), bytes });
    }

    fn left_out(&mut self, path: &[u8], reason: &str) {
        let problem = Problem::new(display_bytes(path).into_owned(), format!("not exported: {reason}"));
        self.observer.event(Event::Problem(&problem));
        self.outcome.problems.push(problem);
    }
}

/// The contents of these entries, in their order; empty for what is no file.
async fn contents(repository: &Repository, entries: &[&Entry]) -> Result<Vec<Vec<u8>>, RepositoryError> {
    let (mut pieces, mut owners): (Vec<Piece>, Vec<usize>) = Default::default();
    for (number, entry) in entries.iter().enumerate() {
        if let Node::File(content) = &entry.node {
            pieces.extend_from_slice(&content.pieces);
            owners.resize(pieces.len(), number);
        }
    }
    let mut contents = vec![Vec::new(); entries.len()];
    repository
        .read_pieces(&pieces, |piece, bytes| {
            if let Some(content) = owners.get(piece).and_then(|owner| contents.get_mut(*owner)) {
                content.extend_from_slice(bytes);
            }
            Ok(())
        })
        .await?;
    Ok(contents)
}
