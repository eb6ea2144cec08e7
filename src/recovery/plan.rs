//! Goes through a snapshot's entries in path order: makes what needs no content, leaves alone
//! what is right or in the way, and collects the files that need content into batches.

use super::batch::{Batch, WantedFiles};
use super::compare::Comparer;
use super::report::Report;
use super::root::root_of;
use super::selection::each_entry;
use super::{RecoveryError, RestoreOptions};
use crate::files::links::FirstNames;
use crate::files::place::{Kind, Target};
use crate::model::entry::{Entry, Metadata, Node};
use crate::model::path::display_bytes;
use crate::progress::{Event, FileAction};
use crate::repository::Repository;
use crate::repository::snapshots::SnapshotEntries;
use std::sync::Arc;

/// A name that becomes a link when all files are there.
pub(super) struct LateLink {
    /// The name to link to: only if it was restored or found right.
    pub(super) first: Vec<u8>,
    pub(super) relative: Vec<u8>,
}

pub(super) struct Planner {
    repository: Repository,
    options: RestoreOptions,
    target: Option<Arc<Target>>,
    report: Arc<Report>,
    comparer: Comparer,
    first_names: FirstNames,
    late_links: Vec<LateLink>,
    wanted: WantedFiles,
    /// The last folder that was made: nothing lies below it but what this restore puts there.
    made: Option<Vec<u8>>,
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
            wanted: WantedFiles::default(),
            made: None,
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
        let (options, report) = (self.options.clone(), self.report.clone());
        let refused = |error| report.problem(short.clone(), format!("an entry is left out: {error}"));
        let mut any = false;
        each_entry(&options, entries, refused, |entry| {
            any = true;
            let Some(relative) = entry.path.below(&root).map(<[u8]>::to_vec) else {
                self.report.problem(entry.path.display(), "it is not below the sources: left out".into());
                return Ok(());
            };
            if let Err(error) = self.entry(entry, &relative) {
                self.failed(&relative, error)?;
            }
            if self.wanted.are_enough() { hand_on(self.take_batch()?) } else { Ok(()) }
        })?;
        let filtered = !options.includes.is_empty() || !options.excludes.is_empty();
        if filtered && !any {
            return Err(RecoveryError::NothingSelected { snapshot: options.snapshot.id.short() });
        }
        hand_on(self.take_batch()?)?;
        Ok(self.late_links)
    }

    fn take_batch(&mut self) -> Result<Batch, RecoveryError> {
        std::mem::take(&mut self.wanted).find(&self.repository, &mut self.comparer, &self.report)
    }

    /// One entry that fails is told; a full disk or a broken repository ends the run.
    fn failed(&self, relative: &[u8], error: RecoveryError) -> Result<(), RecoveryError> {
        let shown = display_bytes(relative).into_owned();
        self.report.unrestored(relative);
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
            Some(target) if !relative.is_empty() && !self.is_new_below(relative) => {
                target.existing(relative)?
            }
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
                self.report.unrestored(relative);
                self.report.left_alone(shown, message);
                return Ok(());
            }
            if matches!(entry.node, Node::File(_)) {
                self.report.replaced();
            }
            // Files are replaced in one step when they are whole.
            let replaced_later = existing.kind == Kind::File && matches!(entry.node, Node::File(_));
            if !replaced_later && let Some(target) = self.writable() {
                target.remove(relative)?;
            }
        }
        self.make(entry, relative)
    }

    fn is_new_below(&self, relative: &[u8]) -> bool {
        let below = |made: &Vec<u8>| matches!(relative.strip_prefix(&made[..]), Some([b'/', ..]));
        self.made.as_ref().is_some_and(below)
    }

    fn folder(
        &mut self,
        relative: &[u8],
        meta: Metadata,
        existing: Option<Kind>,
    ) -> Result<(), RecoveryError> {
        if self.options.dry_run {
            return Ok(());
        }
        let Some(target) = self.target.clone() else { return Ok(()) };
        if existing.is_some_and(|kind| kind != Kind::Folder) && self.options.overwrite {
            target.remove(relative)?;
        }
        if target.make_folder(relative)? && !self.is_new_below(relative) {
            self.made = Some(relative.to_vec());
        }
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
        self.wanted.add(relative, entry.meta, content);
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
