//! Writes the chunks of fetched frames into the files of a batch. A file gets its name when its
//! last chunk is written; one that lacks a chunk never does.

use super::batch::{Batch, WantedChunk, WantedFile};
use super::report::Report;
use crate::files::place::{Flusher, NewFile, PlaceError, Target};
use crate::model::id::ChunkId;
use crate::model::path::display_bytes;
use crate::progress::{Event, FileAction};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files of a batch while they are filled.
pub(super) struct Filling {
    pub(super) batch: Batch,
    target: Arc<Target>,
    flusher: Arc<Flusher>,
    report: Arc<Report>,
    overwrite: bool,
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
    pub(super) fn new(
        batch: Batch,
        target: Arc<Target>,
        flusher: Arc<Flusher>,
        report: Arc<Report>,
        overwrite: bool,
    ) -> Self {
        let states = batch
            .files
            .iter()
            .map(|file| Mutex::new(FileState { file: None, missing: file.chunks, failed: false }))
            .collect();
        let (full_disk, lost) = (Mutex::default(), Mutex::default());
        Self { batch, target, flusher, report, overwrite, states, full_disk, lost }
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
            if let Err(error) = begun.and_then(|new| new.finish(&file.meta, self.overwrite)) {
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
        self.flusher.wrote(content.len() as u64);
        self.report.tell(Event::Advanced { files: 0, bytes: content.len() as u64 });
        state.missing -= 1;
        if state.missing > 0 {
            state.file = Some(file);
            return Ok(());
        }
        let wanted = &self.batch.files[chunk.file as usize];
        file.finish(&wanted.meta, self.overwrite)?;
        self.finished(wanted);
        Ok(())
    }

    fn finished(&self, file: &WantedFile) {
        if file.meta.links > 1 {
            self.report.can_be_linked_to(&file.relative);
        }
        self.report.written(&file.relative, FileAction::Restored);
    }

    fn begin(&self, number: u32) -> Result<NewFile, PlaceError> {
        let file = &self.batch.files[number as usize];
        let mut new = self.target.begin_file(&file.relative, file.size, file.holes > 0)?;
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
            self.report.unrestored(&file.relative);
        }
    }

    fn shown(&self, number: u32) -> String {
        display_bytes(&self.batch.files[number as usize].relative).into_owned()
    }

    fn state(&self, number: u32) -> MutexGuard<'_, FileState> {
        self.states[number as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
