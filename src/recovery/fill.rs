//! Writes the chunks of fetched frames into the files of a batch. A file gets its name when its
//! last chunk is written; one that lacks a chunk never does.

use super::batch::{Batch, LocalChunk, WantedChunk, WantedFile};
use super::logs::LogRemover;
use super::places::Places;
use super::report::Report;
use super::reuse::{Finder, Local};
use crate::files::place::{NewFile, PlaceError};
use crate::model::id::ChunkId;
use crate::progress::Event;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files of a batch while they are filled.
pub(super) struct Filling {
    pub(super) batch: Batch,
    places: Arc<Places>,
    report: Arc<Report>,
    logs: Arc<LogRemover>,
    states: Vec<Mutex<FileState>>,
    full_disk: Mutex<Option<PlaceError>>,
    lost: Mutex<Vec<(WantedChunk, String)>>,
}

struct FileState {
    file: Option<Box<NewFile>>,
    missing: u32,
    failed: bool,
}

impl Filling {
    pub(super) fn new(batch: Batch, places: Arc<Places>, report: Arc<Report>, logs: Arc<LogRemover>) -> Self {
        let states = batch
            .files
            .iter()
            .map(|file| Mutex::new(FileState { file: None, missing: file.chunks, failed: false }))
            .collect();
        let (full_disk, lost) = (Mutex::default(), Mutex::default());
        Self { batch, places, report, logs, states, full_disk, lost }
    }

    /// Tells that so many bytes came.
    pub(super) fn received(&self, bytes: u64) {
        self.report.tell(Event::Transferred { up: 0, down: bytes });
    }

    /// Makes the files that have no chunks: empty ones, and those that are one hole.
    pub(super) fn make_empty_files(&self) {
        for (number, file) in self.batch.files.iter().enumerate().filter(|(_, file)| file.chunks == 0) {
            let mut state = self.state(number as u32);
            let begun = self.begin(number as u32);
            if let Err(error) = begun.and_then(|new| self.finish(new, file)) {
                self.fail(&mut state, number as u32, error);
                continue;
            }
            self.finished(file);
        }
    }

    /// Writes a chunk wherever it belongs. `wanted` are the chunks wanted of this frame, sorted.
    pub(super) fn write(&self, wanted: &[WantedChunk], id: ChunkId, content: &[u8]) {
        let start = wanted.partition_point(|chunk| chunk.id < id);
        for chunk in wanted[start..].iter().take_while(|chunk| chunk.id == id) {
            let mut state = self.state(chunk.file);
            if state.failed {
                continue;
            }
            if let Err(error) = self.write_one(&mut state, chunk, content) {
                self.fail(&mut state, chunk.file, error);
            }
        }
    }

    /// These chunks cannot be had from where they were looked for.
    pub(super) fn lose(&self, wanted: &[WantedChunk], reason: &str) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.extend(wanted.iter().map(|chunk| (*chunk, reason.to_owned())));
    }

    /// The chunks that were lost since this was asked last, with the reasons.
    pub(super) fn take_lost(&self) -> Vec<(WantedChunk, String)> {
        std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The file that needs this chunk is not restored.
    pub(super) fn give_up(&self, chunk: &WantedChunk, reason: &str) {
        let mut state = self.state(chunk.file);
        if !state.failed {
            state.failed = true;
            state.file = None;
            self.unrestored(chunk.file);
            self.report.lost();
            self.report.problem(self.shown(chunk.file), format!("not restored: {reason}"));
        }
    }

    /// Tells of files that neither failed nor got all their chunks: that must not pass in silence.
    pub(super) fn tell_unfinished(&self) {
        for number in 0..self.states.len() as u32 {
            let state = self.state(number);
            if !state.failed && state.missing > 0 {
                let message = format!("not restored: {} of its parts never came", state.missing);
                self.unrestored(number);
                self.report.problem(self.shown(number), message);
            }
        }
    }

    /// Why nothing more can be written, if so.
    pub(super) fn take_full_disk(&self) -> Option<PlaceError> {
        self.full_disk.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether going on makes no sense.
    pub(super) fn is_disk_full(&self) -> bool {
        self.full_disk.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn write_one(
        &self,
        state: &mut FileState,
        chunk: &WantedChunk,
        content: &[u8],
    ) -> Result<(), PlaceError> {
        let mut file = match state.file.take() {
            Some(file) => file,
            None => Box::new(self.begin(chunk.file)?),
        };
        file.write_at(chunk.offset, content)?;
        if let Some(flusher) = self.places.flusher(self.batch.files[chunk.file as usize].spot.at()) {
            flusher.wrote(content.len() as u64);
        }
        self.report.tell(Event::Advanced { files: 0, bytes: content.len() as u64 });
        self.one_less(state, chunk.file, file)
    }

    /// One part of the file is there.
    fn one_less(&self, state: &mut FileState, number: u32, file: Box<NewFile>) -> Result<(), PlaceError> {
        state.missing -= 1;
        if state.missing > 0 {
            state.file = Some(file);
            return Ok(());
        }
        let wanted = &self.batch.files[number as usize];
        self.finish(*file, wanted)?;
        self.finished(wanted);
        Ok(())
    }

    /// Takes what lies on this machine. Returns what turned out not to lie there, to be fetched.
    pub(super) fn take_local(&self, local: &[LocalChunk], finder: &mut Finder) -> Vec<WantedChunk> {
        let mut missed = Vec::new();
        for of_file in local.chunk_by(|a, b| a.wanted.file == b.wanted.file) {
            let Some(number) = of_file.first().map(|chunk| chunk.wanted.file) else { continue };
            let at = self.batch.files[number as usize].spot.at();
            let older = self.places.target(at).and_then(|target| target.open_existing(at.relative).ok());
            for LocalChunk { wanted, len, local } in of_file {
                let mut state = self.state(number);
                if state.failed {
                    break;
                }
                let taken = match (local, &older) {
                    (Local::Unfinished, _) => self.keep_one(&mut state, wanted, *len),
                    (Local::Replaced(from), Some(older)) => match finder.read(older, &wanted.id, *from, *len)
                    {
                        Some(content) => self.write_one(&mut state, wanted, content),
                        None => {
                            missed.push(*wanted);
                            continue;
                        }
                    },
                    (Local::Replaced(_), None) => {
                        missed.push(*wanted);
                        continue;
                    }
                };
                match taken {
                    Ok(()) => self.report.found_here(u64::from(*len)),
                    Err(error) => self.fail(&mut state, number, error),
                }
            }
        }
        missed
    }

    /// This part was written before.
    fn keep_one(&self, state: &mut FileState, chunk: &WantedChunk, len: u32) -> Result<(), PlaceError> {
        let mut file = match state.file.take() {
            Some(file) => file,
            None => Box::new(self.begin(chunk.file)?),
        };
        file.hole(u64::from(len));
        self.report.tell(Event::Advanced { files: 0, bytes: u64::from(len) });
        self.one_less(state, chunk.file, file)
    }

    /// Leaves what is unfinished to the restore that goes on.
    pub(super) fn leave_unfinished(&self) {
        for number in 0..self.states.len() as u32 {
            let mut state = self.state(number);
            state.failed = true;
            if let Some(file) = state.file.take() {
                file.leave();
            }
        }
    }

    fn finished(&self, file: &WantedFile) {
        if file.meta.links > 1 {
            self.report.can_be_linked_to(file.spot.at());
        }
        self.report.written(&self.places.shown(file.spot.at()), file.takes_place);
    }

    fn finish(&self, new: NewFile, wanted: &WantedFile) -> Result<(), PlaceError> {
        if let Some(seen) = wanted.replaces {
            new.may_replace(seen)?;
        }
        let logs = self.logs.move_away(&new, wanted, &self.places)?;
        match wanted.replaces {
            Some(seen) => new.finish_over(&wanted.meta, seen)?,
            None => new.finish(&wanted.meta, false)?,
        }
        logs.remove(&self.places, &self.report);
        Ok(())
    }

    fn begin(&self, number: u32) -> Result<NewFile, PlaceError> {
        let file = &self.batch.files[number as usize];
        let at = file.spot.at();
        let no_place = || PlaceError::BadPath { path: self.places.shown(at) };
        let target = self.places.target(at).ok_or_else(no_place)?;
        let mut new = target.begin_file(at.relative, file.size, file.holes > 0)?;
        new.hole(file.holes);
        Ok(new)
    }

    fn fail(&self, state: &mut FileState, number: u32, error: PlaceError) {
        state.failed = true;
        state.file = None;
        self.unrestored(number);
        if error.is_disk_full() {
            let mut full_disk = self.full_disk.lock().unwrap_or_else(PoisonError::into_inner);
            full_disk.get_or_insert(error);
        } else if error.is_in_the_way() {
            self.report.left_alone(self.shown(number), error.to_string());
        } else {
            self.report.problem(self.shown(number), error.to_string());
        }
    }

    fn unrestored(&self, number: u32) {
        if let Some(file) = self.batch.files.get(number as usize) {
            self.report.unrestored(file.spot.at());
        }
    }

    fn shown(&self, number: u32) -> String {
        self.places.shown(self.batch.files[number as usize].spot.at())
    }

    fn state(&self, number: u32) -> MutexGuard<'_, FileState> {
        self.states[number as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
