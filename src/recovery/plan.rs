//! Goes through a snapshot's entries in path order: makes what needs no content, leaves alone
//! what is right or in the way, and collects the files that need content into batches.

use super::compare::Comparer;
use super::links::{FirstNames, LateLink};
use super::report::Report;
use super::root::root_of;
use super::{RecoveryError, RestoreOptions};
use crate::files::filter::Filter;
use crate::files::place::{Kind, Target};
use crate::files::selection::selected;
use crate::model::entry::{Content, Entry, Metadata, Node, Piece};
use crate::model::id::ChunkId;
use crate::model::path::display_bytes;
use crate::progress::{Event, FileAction};
use crate::repository::snapshots::SnapshotEntries;
use crate::repository::{Repository, RepositoryError};
use std::sync::Arc;

/// A batch has at most so many files: what a restore holds in memory.
const BATCH_FILES: usize = 32_768;
/// A batch has at most so many chunks.
const BATCH_CHUNKS: usize = 262_144;

/// A file that needs content.
#[derive(Debug)]
pub(super) struct WantedFile {
    /// Path below the target.
    pub(super) relative: Vec<u8>,
    pub(super) meta: Metadata,
    pub(super) size: u64,
    /// Zero bytes that are not stored.
    pub(super) holes: u64,
    pub(super) chunks: u32,
}

/// A chunk that a file needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WantedChunk {
    pub(super) pack: i64,
    pub(super) frame: u32,
    pub(super) id: ChunkId,
    pub(super) file: u32,
    pub(super) offset: u64,
}

/// Files to be fetched together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) files: Vec<WantedFile>,
    /// Sorted.
    pub(super) chunks: Vec<WantedChunk>,
}

pub(super) struct Planner {
    repository: Repository,
    options: RestoreOptions,
    target: Option<Arc<Target>>,
    report: Arc<Report>,
    comparer: Comparer,
    first_names: FirstNames,
    late_links: Vec<LateLink>,
    batch: Batch,
}

impl Planner {
    pub(super) fn new(
        repository: Repository,
        options: RestoreOptions,
        target: Option<Arc<Target>>,
        report: Arc<Report>,
    ) -> Self {
        let comparer = Comparer::new(repository.clone());
        Self {
            repository,
            options,
            target,
            report,
            comparer,
            first_names: FirstNames::default(),
            late_links: Vec::new(),
            batch: Batch::default(),
        }
    }

    /// Goes through all entries and hands on each batch.
    pub(super) fn run(
        mut self,
        entries: &SnapshotEntries,
        mut hand_on: impl FnMut(Batch) -> Result<(), RecoveryError>,
    ) -> Result<Vec<LateLink>, RecoveryError> {
        let short = self.options.snapshot.id.short();
        let root = root_of(&self.options.snapshot)?;
        let filter = Filter::new(&self.options.includes, &self.options.excludes)?;
        let report = self.report.clone();
        let readable = entries.iter().filter_map(|entry| match entry {
            Ok(entry) => Some(entry),
            Err(error) => {
                report.problem(short.clone(), format!("an entry is left out: {error}"));
                None
            }
        });
        let kept = selected(&filter, readable, |entry: &Entry| {
            (entry.path.below(&root).unwrap_or_default(), matches!(entry.node, Node::Folder))
        });
        let mut any = false;
        for entry in kept {
            if self.options.cancel.is_cancelled() {
                return Err(RepositoryError::Cancelled.into());
            }
            any = true;
            let Some(relative) = entry.path.below(&root).map(<[u8]>::to_vec) else {
                self.report.problem(entry.path.display(), "it is not below the sources: left out".into());
                continue;
            };
            if let Err(error) = self.entry(entry, &relative) {
                self.failed(&relative, error)?;
            }
            if self.batch.files.len() >= BATCH_FILES || self.batch.chunks.len() >= BATCH_CHUNKS {
                hand_on(self.take_batch())?;
            }
        }
        let filtered = !self.options.includes.is_empty() || !self.options.excludes.is_empty();
        if filtered && !any {
            return Err(RecoveryError::NothingSelected { snapshot: short });
        }
        hand_on(self.take_batch())?;
        Ok(self.late_links)
    }

    fn take_batch(&mut self) -> Batch {
        let mut batch = std::mem::take(&mut self.batch);
        batch.chunks.sort_unstable();
        batch
    }

    /// One entry that fails is told; a full disk or a broken repository ends the run.
    fn failed(&self, relative: &[u8], error: RecoveryError) -> Result<(), RecoveryError> {
        let shown = display_bytes(relative).into_owned();
        match error {
            RecoveryError::Place(error) if error.is_disk_full() => Err(error.into()),
            RecoveryError::Place(error) if error.is_in_the_way() => {
                self.report.left_alone(shown, error.to_string());
                Ok(())
            }
            RecoveryError::Place(error) => {
                self.report.problem(shown, error.to_string());
                Ok(())
            }
            error => Err(error),
        }
    }

    fn entry(&mut self, entry: Entry, relative: &[u8]) -> Result<(), RecoveryError> {
        let existing = match &self.target {
            Some(target) if !relative.is_empty() => target.existing(relative)?,
            _ => None,
        };
        if let Node::Folder = entry.node {
            return self.folder(relative, entry.meta, existing.map(|existing| existing.kind));
        }
        if let Node::File(content) = &entry.node {
            self.report.selected(content.size);
        }
        if relative.is_empty() {
            return Ok(());
        }
        if let Some(existing) = existing {
            let target = self.target.clone();
            let right = match &target {
                Some(target) => self.comparer.is_right(target, relative, &entry, &existing)?,
                None => false,
            };
            if right {
                if matches!(entry.node, Node::File(_)) {
                    self.report.already_right(relative, entry.node.size());
                }
                self.first_names.note(&entry, relative);
                if entry.meta.links > 1 {
                    self.report.can_be_linked_to(relative);
                }
                return Ok(());
            }
            if !self.options.overwrite {
                let shown = display_bytes(relative).into_owned();
                let message = "it is there and differs: left alone; --overwrite replaces it".to_owned();
                self.report.left_alone(shown, message);
                return Ok(());
            }
            // Files are replaced in one step when they are whole.
            let replaced_later = existing.kind == Kind::File && matches!(entry.node, Node::File(_));
            if !replaced_later && let Some(target) = self.writable() {
                target.remove(relative)?;
            }
        }
        self.make(entry, relative)
    }

    fn folder(&self, relative: &[u8], meta: Metadata, existing: Option<Kind>) -> Result<(), RecoveryError> {
        let Some(target) = self.writable() else { return Ok(()) };
        if existing.is_some_and(|kind| kind != Kind::Folder) && self.options.overwrite {
            target.remove(relative)?;
        }
        target.make_folder(relative)?;
        target.defer_folder(relative, meta);
        Ok(())
    }

    fn make(&mut self, entry: Entry, relative: &[u8]) -> Result<(), RecoveryError> {
        if let Some(first) = self.first_names.other_name(&entry, relative) {
            self.late_links.push(LateLink { first: first.to_vec(), relative: relative.to_vec() });
            return Ok(());
        }
        self.first_names.note(&entry, relative);
        let content = match entry.node {
            Node::File(content) => content,
            node => {
                let Some(target) = self.writable() else { return Ok(()) };
                match &node {
                    Node::Symlink(leads_to) => target.symlink(relative, leads_to, &entry.meta)?,
                    special => target.special(relative, special, &entry.meta)?,
                }
                return Ok(());
            }
        };
        self.want(relative, entry.meta, &content)
    }

    /// Takes a file with content into the batch.
    fn want(&mut self, relative: &[u8], meta: Metadata, content: &Content) -> Result<(), RecoveryError> {
        let ids: Vec<_> = content
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Chunk(id) => Some(*id),
                Piece::Hole(_) => None,
            })
            .collect();
        let places = self.repository.places(&ids)?;
        let (mut places, file, mut offset, mut holes) = (places.into_iter(), self.batch.files.len(), 0u64, 0);
        let mut chunks = Vec::with_capacity(ids.len());
        for piece in &content.pieces {
            match piece {
                Piece::Hole(len) => {
                    holes = u64::saturating_add(holes, *len);
                    offset = offset.saturating_add(*len);
                }
                Piece::Chunk(id) => {
                    let Some(place) = places.next().flatten() else {
                        let shown = display_bytes(relative).into_owned();
                        let error = RepositoryError::MissingChunk(id.to_string());
                        self.report.problem(shown, format!("not restored: {error}"));
                        return Ok(());
                    };
                    let (pack, frame) = (place.pack, place.frame);
                    let len = match self.comparer.chunk_len(&place, id) {
                        Ok(len) => len,
                        Err(RecoveryError::Repository(error @ RepositoryError::State(_))) => {
                            return Err(error.into());
                        }
                        Err(error) => {
                            let shown = display_bytes(relative).into_owned();
                            self.report.problem(shown, format!("not restored: {error}"));
                            return Ok(());
                        }
                    };
                    chunks.push(WantedChunk { pack, frame, id: *id, file: file as u32, offset });
                    offset = offset.saturating_add(u64::from(len));
                }
            }
        }
        if offset != content.size {
            let shown = display_bytes(relative).into_owned();
            let message = format!("not restored: its parts have {offset} bytes instead of {}", content.size);
            self.report.problem(shown, message);
            return Ok(());
        }
        let chunk_count = chunks.len() as u32;
        self.batch.chunks.extend(chunks);
        self.batch.files.push(WantedFile {
            relative: relative.to_vec(),
            meta,
            size: content.size,
            holes,
            chunks: chunk_count,
        });
        Ok(())
    }

    fn writable(&self) -> Option<&Target> {
        self.target.as_deref().filter(|_| !self.options.dry_run)
    }
}

impl Report {
    fn already_right(&self, relative: &[u8], size: u64) {
        self.right();
        let shown = display_bytes(relative);
        self.tell(Event::File { path: &shown, action: FileAction::AlreadyRight });
        self.tell(Event::Advanced { files: 1, bytes: size });
    }

    /// A file is whole under its name.
    pub(super) fn written(&self, relative: &[u8], action: FileAction) {
        self.wrote();
        let shown = display_bytes(relative);
        self.tell(Event::File { path: &shown, action });
        self.tell(Event::Advanced { files: 1, bytes: 0 });
    }
}
