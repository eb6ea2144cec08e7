//! Goes through a snapshot's entries in path order: makes what needs no content, leaves alone
//! what is right or in the way, and collects the files that need content into batches.

use super::batch::{Batch, There, WantedFiles};
use super::changes::{Changes, was_noted};
use super::compare::{Comparer, Likeness};
use super::logs::StrayLogs;
use super::places::{At, Places, Spot};
use super::removal::{Removals, Removing};
use super::report::Report;
use super::root::root_of;
use super::selection::each_entry;
use super::spelling::{BELOW_OTHER_NAME, OTHER_NAME, Spellings};
use super::{RecoveryError, RestoreOptions};
use crate::files::filter::Filter;
use crate::files::links::FirstNames;
use crate::files::place::{Existing, Kind, Seen, Target};
use crate::model::entry::{Entry, Node};
use crate::repository::Repository;
use crate::repository::snapshots::SnapshotEntries;
use crate::state::restores::ChangeKind;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// A name that becomes a link when all files are there.
pub(super) struct LateLink {
    /// The name to link to: only if it was restored or found right.
    pub(super) first: Vec<u8>,
    pub(super) spot: Spot,
    /// What lies there that it takes the place of.
    pub(super) replaces: Option<Seen>,
    /// Something lay there.
    pub(super) takes_place: bool,
}

/// What is left to do when all files are there.
pub(super) struct Leftover {
    pub(super) links: Vec<LateLink>,
    pub(super) removals: Removals,
    pub(super) logs: StrayLogs,
}

pub(super) struct Planner {
    repository: Repository,
    options: RestoreOptions,
    places: Arc<Places>,
    report: Arc<Report>,
    comparer: Comparer,
    /// Of each place: names in two places are no links.
    first_names: HashMap<usize, FirstNames>,
    /// Those of several names that are written, by their first.
    rewritten: HashSet<Spot>,
    late_links: Vec<LateLink>,
    wanted: WantedFiles,
    /// The last folder that was made: nothing lies below it but what this restore puts there.
    made: Option<Spot>,
    removals: Removals,
    logs: StrayLogs,
    /// The patterns, to tell folders that are wanted from those on the way.
    filter: Filter,
    /// Whether the entry at hand is wanted for itself.
    is_wanted_itself: bool,
    spellings: Spellings,
    /// Where what will change is gathered, in a dry run for that.
    changes: Option<Arc<Changes>>,
}

impl Planner {
    pub(super) fn new(
        repository: Repository,
        options: RestoreOptions,
        places: Arc<Places>,
        report: Arc<Report>,
        changes: Option<Arc<Changes>>,
    ) -> Self {
        let comparer = Comparer::new(repository.clone());
        Self {
            repository,
            options,
            places,
            report,
            comparer,
            first_names: HashMap::new(),
            rewritten: HashSet::new(),
            late_links: Vec::new(),
            wanted: WantedFiles::default(),
            made: None,
            removals: Removals::default(),
            logs: StrayLogs::default(),
            filter: Filter::default(),
            is_wanted_itself: true,
            spellings: Spellings::default(),
            changes,
        }
    }

    /// Goes through all entries and hands on each batch.
    pub(super) fn run(
        mut self,
        entries: &SnapshotEntries,
        mut hand_on: impl FnMut(Batch) -> Result<(), RecoveryError>,
    ) -> Result<Leftover, RecoveryError> {
        let short = self.options.snapshot.id.short();
        let (options, report, places) = (self.options.clone(), self.report.clone(), self.places.clone());
        self.removals = Removals::find(&options, entries, &places, &report)?;
        if options.dry_run {
            self.removals.note(&places, self.changes.as_deref(), &report);
        }
        if let Some(changes) = &self.changes {
            places.all().for_each(|place| changes.note_place(&place.folder));
        }
        let refused = |error| report.problem(short.clone(), format!("an entry is left out: {error}"));
        let mut any = false;
        let root = root_of(&options.snapshot)?;
        self.filter = Filter::new(&options.includes, &options.excludes)?;
        each_entry(&options, entries, refused, |entry| {
            any = true;
            if !options.includes.is_empty() && entry.node == Node::Folder {
                let relative = entry.path.below(&root).unwrap_or_default();
                self.is_wanted_itself = self.filter.selects(relative, true);
            }
            let Some(at) = places.find(&entry.path) else {
                self.outside(&entry);
                return Ok(());
            };
            let spot = at.to_spot();
            if let Err(error) = self.entry(entry, spot.at()) {
                self.failed(spot.at(), error)?;
            }
            if self.wanted.are_enough() { hand_on(self.take_batch(Some(spot.at()))?) } else { Ok(()) }
        })?;
        let filtered = !options.includes.is_empty() || !options.excludes.is_empty();
        if filtered && !any {
            return Err(RecoveryError::NothingSelected { snapshot: options.snapshot.id.short() });
        }
        hand_on(self.take_batch(None)?)?;
        if let Some(changes) = &self.changes {
            self.logs.note(&places, changes);
        }
        Ok(Leftover { links: self.late_links, removals: self.removals, logs: self.logs })
    }

    /// Folders above the sources come with what is below them, and have a place only where all goes
    /// below one folder.
    fn outside(&self, entry: &Entry) {
        let is_above = entry.node == Node::Folder
            && self.places.all().any(|place| place.from.below(&entry.path).is_some());
        if !is_above {
            self.report.problem(entry.path.display(), "it is not below the sources: left out".into());
        }
    }

    /// The files that are wanted so far; `upto` is how far the snapshot was gone through, none for all of it.
    fn take_batch(&mut self, upto: Option<At<'_>>) -> Result<Batch, RecoveryError> {
        let mut wanted = std::mem::take(&mut self.wanted);
        if self.options.overwrite && !self.options.dry_run {
            wanted.take_logs(&mut self.logs, upto);
        }
        wanted.find(&self.repository, &mut self.comparer, &self.places, &self.report)
    }

    /// One entry that fails is told; a full disk or a broken repository ends the run.
    fn failed(&self, at: At<'_>, error: RecoveryError) -> Result<(), RecoveryError> {
        let shown = self.places.shown(at);
        self.report.unrestored(at);
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

    fn entry(&mut self, entry: Entry, at: At<'_>) -> Result<(), RecoveryError> {
        if self.spellings.is_below_clash(at) {
            if let Node::File(content) = &entry.node {
                self.report.selected(content.size);
            }
            self.report.unrestored(at);
            self.report.problem(self.places.shown(at), BELOW_OTHER_NAME.to_owned());
            return Ok(());
        }
        let target = self.places.target(at).cloned();
        let existing = match &target {
            Some(target) if !at.relative.is_empty() && !self.is_new_below(at) => {
                target.existing(at.relative)?
            }
            _ => None,
        };
        if let (Some(target), Some(_)) = (&target, &existing)
            && !self.spellings.is_spelt_so(target, at)?
        {
            self.answered_for(&entry, at);
            return Ok(());
        }
        if let Node::Folder = entry.node {
            return self.folder(at, &entry, existing);
        }
        self.logs.is_wanted(at);
        if let Node::File(content) = &entry.node {
            self.report.selected(content.size);
            if !at.relative.is_empty() && !self.is_new_below(at) {
                self.logs.look_beside(&self.places, at);
            }
        }
        if at.relative.is_empty() {
            let message = "it is no folder, and a folder is what it should go to: not restored".to_owned();
            self.report.unrestored(at);
            self.report.problem(self.places.shown(at), message);
            return Ok(());
        }
        if let (Some(mark), Some(target)) = (self.options.clear, self.writable(at)) {
            target.clear_unfinished(mark, at.relative);
        }
        let mut takes_place = false;
        let mut there = if self.is_new_below(at) { There::Nothing } else { There::Unfinished };
        match existing {
            None => self.note(at, ChangeKind::Made, None),
            Some(existing) => {
                let likeness = match &target {
                    Some(target) => self.comparer.likeness(target, at.relative, &entry, &existing)?,
                    None => Likeness::Other,
                };
                let is_other_file = self.is_to_be_linked(&entry, at);
                if likeness == Likeness::Right && !is_other_file {
                    self.right(&entry, at, &existing);
                    return Ok(());
                }
                if likeness == Likeness::OtherOwner && !self.options.overwrite {
                    self.report.other_owner();
                    self.right(&entry, at, &existing);
                    return Ok(());
                }
                // Of one with further names, which may lie anywhere, only this name is meant.
                let is_file = existing.kind == Kind::File && existing.links == 1;
                if is_file && likeness != Likeness::Other && !is_other_file && self.options.overwrite {
                    return self.set_metadata(&entry, at, &existing);
                }
                if !self.may_replace(at, &existing)? {
                    return Ok(());
                }
                self.note(at, ChangeKind::Replaced, Some(&existing));
                let is_file = matches!(entry.node, Node::File(_));
                takes_place = true;
                if existing.kind == Kind::Folder {
                    self.clear_below(at)?;
                }
                // Files are replaced in one step when they are whole.
                if existing.kind == Kind::File && is_file {
                    there = There::Older(existing.seen());
                } else if let Some(target) = self.writable(at) {
                    target.remove(at.relative)?;
                }
            }
        }
        self.make(entry, at, there, takes_place)
    }

    /// Something of another name is in the place of this, and of all that is below it.
    fn answered_for(&mut self, entry: &Entry, at: At<'_>) {
        match &entry.node {
            Node::Folder => self.spellings.clashes(at),
            Node::File(content) => self.report.selected(content.size),
            _ => {}
        }
        self.report.unrestored(at);
        self.report.left_alone(self.places.shown(at), OTHER_NAME.to_owned());
    }

    fn right(&mut self, entry: &Entry, at: At<'_>, existing: &Existing) {
        if matches!(entry.node, Node::File(_)) {
            self.report.already_right(&self.places.shown(at), entry.node.size());
        }
        if existing.links > 1
            && let Some(changes) = &self.changes
        {
            changes.is_right(&self.places, at, existing);
        }
        self.has_right_content(entry, at);
    }

    /// Further names of it can be links to it.
    fn has_right_content(&mut self, entry: &Entry, at: At<'_>) {
        self.first_names.entry(at.place).or_default().note(entry, at.relative);
        if entry.meta.links > 1 {
            self.report.can_be_linked_to(at);
        }
    }

    /// Whether it is a further name of a file that this restore writes, and may replace what lies there.
    fn is_to_be_linked(&mut self, entry: &Entry, at: At<'_>) -> bool {
        let names = self.first_names.entry(at.place).or_default();
        let first = names.other_name(entry, at.relative);
        let first = first.map(|first| At { place: at.place, relative: first }.to_spot());
        self.options.overwrite && first.is_some_and(|first| self.rewritten.contains(&first))
    }

    fn set_metadata(&mut self, entry: &Entry, at: At<'_>, existing: &Existing) -> Result<(), RecoveryError> {
        if !self.was_begun(at)? && !self.may_replace(at, existing)? {
            return Ok(());
        }
        self.note(at, ChangeKind::Replaced, Some(existing));
        if let Some(target) = self.writable(at) {
            target.set_metadata(at.relative, existing, &entry.meta)?;
        }
        self.report.metadata_set(&self.places.shown(at), entry.node.size());
        self.has_right_content(entry, at);
        Ok(())
    }

    /// Whether an earlier run of this restore may have made it, and was killed or could not set everything.
    fn was_begun(&self, at: At<'_>) -> Result<bool, RecoveryError> {
        let Some(noted) = self.options.noted.as_ref().filter(|_| self.options.goes_on) else {
            return Ok(false);
        };
        let path = self.places.disk_path(at);
        let change = self.repository.state().change(noted, path.as_os_str().as_bytes())?;
        Ok(change.is_some_and(|change| matches!(change.kind, ChangeKind::Replaced | ChangeKind::Made)))
    }

    /// Whether what lies there may be replaced; if not, that is told.
    fn may_replace(&self, at: At<'_>, existing: &Existing) -> Result<bool, RecoveryError> {
        let message = if !self.options.overwrite {
            "it is there and differs: left alone; --overwrite (`overwrite = true` in a plan's step) replaces it"
        } else if let Some(noted) = &self.options.noted
            && !was_noted(self.repository.state(), noted, &self.places.disk_path(at), existing)?
        {
            "it changed after the safety copy was made: left alone; restore once more"
        } else {
            return Ok(true);
        };
        self.report.unrestored(at);
        self.report.left_alone(self.places.shown(at), message.to_owned());
        Ok(false)
    }

    fn is_new_below(&self, at: At<'_>) -> bool {
        self.made.as_ref().is_some_and(|made| at.is_below(made))
    }

    fn folder(&mut self, at: At<'_>, entry: &Entry, existing: Option<Existing>) -> Result<(), RecoveryError> {
        let in_the_way = existing.as_ref().is_some_and(|existing| existing.kind != Kind::Folder);
        match &existing {
            Some(other) if in_the_way && !self.may_replace(at, other)? => return Ok(()),
            Some(other) if in_the_way => self.note(at, ChangeKind::Replaced, Some(other)),
            Some(folder) => self.note(at, ChangeKind::Kept, Some(folder)),
            // The folder of a place is noted with the place.
            None if at.relative.is_empty() => {}
            None => self.note(at, ChangeKind::Made, None),
        }
        if in_the_way {
            self.report.removed(&self.places.shown(at));
        }
        if self.options.dry_run {
            let is_made = in_the_way || existing.is_none() && !at.relative.is_empty();
            if is_made && !self.is_new_below(at) {
                self.made = Some(at.to_spot());
            }
            return Ok(());
        }
        let Some(target) = self.places.target(at).cloned() else { return Ok(()) };
        if in_the_way {
            target.remove(at.relative)?;
        }
        match (target.make_folder(at.relative)?, self.is_new_below(at)) {
            // Where nothing was: somebody else made it meanwhile, or this restore under another name.
            (false, true) if !self.spellings.is_spelt_so(&target, at)? => {
                self.answered_for(entry, at);
                return Ok(());
            }
            (true, false) => self.made = Some(at.to_spot()),
            _ => {}
        }
        // A folder that is only on the way to what is wanted stays as it is.
        if existing.is_none() && !at.relative.is_empty() || self.is_wanted_itself {
            target.defer_folder(at.relative, entry.meta.clone());
        }
        Ok(())
    }

    fn make(
        &mut self,
        entry: Entry,
        at: At<'_>,
        there: There,
        takes_place: bool,
    ) -> Result<(), RecoveryError> {
        let names = self.first_names.entry(at.place).or_default();
        if let Some(first) = names.other_name(&entry, at.relative) {
            let first = first.to_vec();
            let replaces = match there {
                There::Older(seen) => Some(seen),
                There::Nothing | There::Unfinished => None,
            };
            self.late_links.push(LateLink { first, spot: at.to_spot(), replaces, takes_place });
            return Ok(());
        }
        names.note(&entry, at.relative);
        if entry.meta.links > 1 {
            self.rewritten.insert(at.to_spot());
        }
        let content = match entry.node {
            Node::File(content) => content,
            node => {
                let Some(target) = self.writable(at) else { return Ok(()) };
                match &node {
                    Node::Symlink(leads_to) => target.symlink(at.relative, leads_to, &entry.meta)?,
                    special => target.special(at.relative, special, &entry.meta)?,
                }
                return Ok(());
            }
        };
        self.wanted.add(at, entry.meta, content, there, takes_place);
        Ok(())
    }

    /// Removes what is to go below a folder that something else takes the place of.
    fn clear_below(&mut self, at: At<'_>) -> Result<(), RecoveryError> {
        if self.options.dry_run {
            return Ok(());
        }
        let removing = Removing {
            repository: &self.repository,
            options: &self.options,
            places: &self.places,
            report: &self.report,
        };
        self.removals.clear_below(at, &removing)
    }

    fn note(&self, at: At<'_>, kind: ChangeKind, existing: Option<&Existing>) {
        if let Some(changes) = &self.changes {
            changes.note(&self.places, at, kind, existing);
        }
    }

    fn writable(&self, at: At<'_>) -> Option<&Target> {
        self.places.target(at).map(|target| &**target).filter(|_| !self.options.dry_run)
    }
}
