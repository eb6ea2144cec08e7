//! Which part of the content a plan reads: all of it where that is little, else one stretch of about
//! a mebibyte of every so many, spread over the files in path order. Small files are read whole or
//! not at all, and neighbours together, for they are compressed together too.

/// How much a plan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleOptions {
    /// New content up to so many bytes is read whole.
    pub whole_bytes: u64,
    /// Of more, about so many bytes.
    pub sample_bytes: u64,
    /// In stretches of so many bytes.
    pub stretch_bytes: u64,
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self { whole_bytes: 256 << 20, sample_bytes: 64 << 20, stretch_bytes: 1 << 20 }
    }
}

/// Decides while content goes by.
#[derive(Debug, Clone, Copy)]
pub(in crate::backup) struct Sample {
    /// One stretch of so many is read; 0 for none.
    every: u64,
    stretch_bytes: u64,
    /// Number of the present stretch, and what went by of it.
    number: u64,
    done: u64,
    /// Bytes of the present file that went by.
    at: u64,
}

impl Sample {
    /// Reads nothing.
    pub(super) fn nothing(options: &SampleOptions) -> Self {
        Self { every: 0, stretch_bytes: options.stretch_bytes.max(1), number: 0, done: 0, at: 0 }
    }

    /// Whether nothing of it is read.
    pub(in crate::backup) fn is_empty(&self) -> bool {
        self.every == 0
    }

    /// What is read of so many bytes.
    pub(super) fn of(bytes: u64, options: &SampleOptions) -> Self {
        let every = match bytes <= options.whole_bytes {
            true => 1,
            false => bytes.div_ceil(options.sample_bytes.max(1)).max(1),
        };
        Self { every, ..Self::nothing(options) }
    }

    /// Another file begins.
    pub(in crate::backup) fn begin_file(&mut self) {
        self.at = 0;
        if self.done >= self.stretch_bytes {
            self.next_stretch();
        }
    }

    /// Whether what comes is read.
    pub(in crate::backup) fn takes(&self) -> bool {
        let Some(group) = self.number.checked_div(self.every) else { return false };
        // One of each group at random, but the same one each time.
        let hash = blake3::hash(&group.to_le_bytes());
        let chosen = hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.number % self.every == chosen % self.every
    }

    /// Bytes until it may be decided otherwise.
    pub(in crate::backup) fn left(&self) -> usize {
        usize::try_from(self.stretch_bytes - self.at % self.stretch_bytes).unwrap_or(usize::MAX)
    }

    /// So many bytes of the file went by.
    pub(in crate::backup) fn advance(&mut self, bytes: usize) {
        self.at += bytes as u64;
        self.done += bytes as u64;
        if self.at.is_multiple_of(self.stretch_bytes) {
            self.next_stretch();
        }
    }

    fn next_stretch(&mut self) {
        self.number += 1;
        self.done = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes read of files of these sizes.
    fn read(mut sample: Sample, files: impl Iterator<Item = u64>) -> u64 {
        let mut read = 0;
        for size in files {
            sample.begin_file();
            let mut left = size;
            while left > 0 {
                let step = left.min(sample.left() as u64);
                read += if sample.takes() { step } else { 0 };
                sample.advance(step as usize);
                left -= step;
            }
        }
        read
    }

    #[test]
    fn little_is_read_whole_and_of_much_about_the_sample() {
        let options = SampleOptions { whole_bytes: 1000, sample_bytes: 10_000, stretch_bytes: 100 };
        assert_eq!(read(Sample::of(1000, &options), [600, 400].into_iter()), 1000);
        assert_eq!(read(Sample::nothing(&options), [600, 400].into_iter()), 0);
        let of = |sizes: Vec<u64>| {
            let total = sizes.iter().sum();
            read(Sample::of(total, &options), sizes.into_iter())
        };
        for sizes in [vec![100_000], vec![7; 14_286], [3000, 1, 50, 800, 12].repeat(26)] {
            let read = of(sizes);
            assert!((7000..13_000).contains(&read), "{read}");
        }
    }
}
