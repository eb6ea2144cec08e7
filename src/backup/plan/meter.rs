//! Compresses what a run would send, only to learn how large it becomes.

use crate::backup::sink::ChunkSink;
use crate::format::frame::FrameEncoder;
use crate::model::id::ChunkId;
use crate::repository::shape::FrameShape;
use crate::repository::writer::Manner;
use crate::repository::{Repository, RepositoryError};
use std::collections::HashSet;
use std::thread::JoinHandle;

use super::sample::Sample;

/// A frame to be measured, with its number.
struct Job {
    number: usize,
    plain: Vec<u8>,
    chunks: Vec<u32>,
}

type Worker = JoinHandle<Result<Vec<(usize, FrameShape)>, RepositoryError>>;

/// Takes chunks as a writer does, and keeps only sizes.
pub(super) struct MeterSink {
    repository: Repository,
    manner: Manner,
    sample: Sample,
    seen: HashSet<ChunkId>,
    plain: Vec<u8>,
    chunks: Vec<u32>,
    frames: usize,
    jobs: Option<crossbeam_channel::Sender<Job>>,
    workers: Vec<Worker>,
    found: Measured,
}

/// What was measured.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// The frames that would be sent, in order.
    pub frames: Vec<FrameShape>,
    /// Bytes of content read.
    pub read: u64,
    /// Bytes of content passed over.
    pub passed_over: u64,
    /// Bytes of those read that the repository does not have.
    pub new: u64,
}

impl MeterSink {
    pub(super) fn new(repository: Repository, manner: Manner, sample: Sample) -> Self {
        Self {
            repository,
            manner,
            sample,
            seen: HashSet::new(),
            plain: Vec::new(),
            chunks: Vec::new(),
            frames: 0,
            jobs: None,
            workers: Vec::new(),
            found: Measured::default(),
        }
    }

    /// Waits until all is measured.
    pub(super) fn finish(mut self) -> Result<Measured, RepositoryError> {
        self.close_frame()?;
        self.jobs = None;
        let mut frames = Vec::new();
        for worker in self.workers {
            let measured = worker.join();
            frames.extend(measured.map_err(|_| RepositoryError::Internal("a thread panicked".to_owned()))??);
        }
        frames.sort_unstable_by_key(|(number, _)| *number);
        self.found.frames = frames.into_iter().map(|(_, frame)| frame).collect();
        Ok(self.found)
    }

    fn close_frame(&mut self) -> Result<(), RepositoryError> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        if self.jobs.is_none() {
            self.start_workers()?;
        }
        let (plain, chunks) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.chunks));
        let job = Job { number: self.frames, plain, chunks };
        self.frames += 1;
        let sent = self.jobs.as_ref().map(|jobs| jobs.send(job));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(RepositoryError::Internal("the measuring threads ended".to_owned())),
        }
    }

    fn start_workers(&mut self) -> Result<(), RepositoryError> {
        let (jobs, frames) = crossbeam_channel::bounded::<Job>(self.manner.threads);
        for number in 0..self.manner.threads {
            let (frames, level) = (frames.clone(), self.manner.level);
            let worker = std::thread::Builder::new()
                .name(format!("plan-{number}"))
                .spawn(move || measure(&frames, level))
                .map_err(|error| RepositoryError::Internal(format!("no thread: {error}")))?;
            self.workers.push(worker);
        }
        self.jobs = Some(jobs);
        Ok(())
    }
}

fn measure(
    jobs: &crossbeam_channel::Receiver<Job>,
    level: i32,
) -> Result<Vec<(usize, FrameShape)>, RepositoryError> {
    let damaged = |reason| RepositoryError::damaged("a frame", reason);
    let mut encoder = FrameEncoder::new(level).map_err(damaged)?;
    let (mut measured, mut encoded) = (Vec::new(), Vec::new());
    for mut job in jobs {
        encoder.encode(&mut job.plain, &mut encoded).map_err(damaged)?;
        measured.push((job.number, FrameShape { encoded: encoded.len(), chunks: job.chunks }));
    }
    Ok(measured)
}

impl ChunkSink for MeterSink {
    fn add(&mut self, id: ChunkId, content: &[u8]) -> Result<bool, RepositoryError> {
        self.found.read += content.len() as u64;
        if self.knows(&id)? || !self.seen.insert(id) {
            return Ok(true);
        }
        self.found.new += content.len() as u64;
        if self.plain.len().saturating_add(content.len()) > self.manner.most {
            self.close_frame()?;
        }
        self.plain.extend_from_slice(content);
        self.chunks.push(content.len() as u32);
        if self.plain.len() >= self.manner.frame_bytes {
            self.close_frame()?;
        }
        Ok(true)
    }

    fn knows(&self, id: &ChunkId) -> Result<bool, RepositoryError> {
        Ok(self.repository.will_know_chunk(id)?)
    }

    fn sample(&self) -> Option<Sample> {
        Some(self.sample)
    }

    fn passed_over(&mut self, bytes: u64) {
        self.found.passed_over += bytes;
    }
}

impl Measured {
    /// Bytes of content that a run would read.
    pub(super) fn content(&self) -> u64 {
        self.read.saturating_add(self.passed_over)
    }

    /// `value` of the part that was read, for all of it.
    pub(super) fn extrapolated(&self, value: u64) -> u64 {
        match self.read {
            0 => value,
            read => (u128::from(value) * u128::from(self.content()) / u128::from(read))
                .try_into()
                .unwrap_or(u64::MAX),
        }
    }

    /// The frames of all content: those measured, over and over where only a part was read.
    pub(super) fn all_frames(&self) -> impl Iterator<Item = &FrameShape> {
        let encoded: u64 = self.frames.iter().map(|frame| frame.encoded as u64).sum();
        let count = match self.passed_over {
            0 => self.frames.len() as u64,
            _ => {
                let wanted = self.extrapolated(encoded);
                let mean = encoded.checked_div(self.frames.len() as u64).unwrap_or(0).max(1);
                (wanted + mean / 2) / mean
            }
        };
        self.frames.iter().cycle().take(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_stands_for_all() {
        let frame = |encoded| FrameShape { encoded, chunks: vec![1000] };
        let frames = vec![frame(100), frame(300)];
        let measured = Measured { frames, read: 2000, passed_over: 18_000, new: 1500 };
        assert_eq!((measured.content(), measured.extrapolated(measured.new)), (20_000, 15_000));
        let encoded: usize = measured.all_frames().map(|frame| frame.encoded).sum();
        assert_eq!(encoded, 4000);
        let whole = Measured { passed_over: 0, ..measured };
        assert_eq!(whole.all_frames().count(), 2);
        assert_eq!(Measured::default().all_frames().count(), 0);
    }
}
