//! Whether a write-ahead log is sound. SQLite takes the first frame with a wrong checksum for the end
//! of the log, as a crash leaves one, and drops what follows without a word. Where a commit of the
//! same log follows, it was no crash: what was committed would be lost.
//! The format: <https://www.sqlite.org/fileformat2.html#walformat>.

use super::{CopyError, WAL, beside_path};
use crate::files::read::{ReadError, open_quietly};
use crate::model::cancel::Cancel;
use std::fmt;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// With its lowest bit set the words of checksums are big-endian.
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65536;
/// A log that somebody writes to looks broken for a moment: what is damaged looks so twice.
const LOOKS: usize = 6;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Where a log is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Break {
    /// The first frame that is not sound, from 1; 0 is the log's header.
    frame: u64,
    /// Where that begins, in bytes.
    at: u64,
    /// What stands there.
    hash: blake3::Hash,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.frame {
            0 => f.write_str("the header of its write-ahead log is broken")?,
            frame => write!(f, "its write-ahead log is broken at byte {} (frame {frame})", self.at)?,
        }
        f.write_str(", and SQLite would drop what was committed after that")
    }
}

/// Looks whether the log of the database at `path` is broken. One that is not there, or ends early,
/// is not.
///
/// # Errors
/// It cannot be read, or the run is to stop.
pub(super) fn find_break(path: &Path, cancel: &Cancel) -> Result<Option<Break>, CopyError> {
    let path = beside_path(path, WAL);
    let Ok(file) = open_quietly(&path) else { return Ok(None) };
    let failed = |source| CopyError::Read(ReadError::Io { path: path.clone(), source });
    let mut before = None;
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(PAUSE);
        }
        let log = Log { read: |buffer: &mut [u8], at| read_whole(&file, buffer, at), cancel };
        let found = match log.find_break().map_err(failed)? {
            Look::Sound => return Ok(None),
            Look::Cancelled => return Err(CopyError::Cancelled),
            Look::Broken(found) => Some(found),
            Look::BegunAnew => None,
        };
        if found.is_some() && found == before {
            return Ok(found);
        }
        before = found;
    }
    // It never was the same twice: somebody writes to it.
    Ok(None)
}

/// Fills `buffer` from byte `at` on; false where the file ends before.
fn read_whole(file: &std::fs::File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// What one look at a log shows.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Sound,
    Broken(Break),
    /// While it was looked at a writer began at its start again.
    BegunAnew,
    Cancelled,
}

/// A running checksum: two words.
type Sum = [u32; 2];

/// How a log is laid out.
#[derive(Debug, Clone, Copy)]
struct Layout {
    page_bytes: usize,
    big_endian: bool,
}

struct Log<'a, R> {
    /// Fills a buffer from a byte on; false at the end.
    read: R,
    cancel: &'a Cancel,
}

impl<R: Fn(&mut [u8], u64) -> io::Result<bool>> Log<'_, R> {
    fn find_break(&self) -> io::Result<Look> {
        let mut header = [0; HEADER_BYTES];
        if !(self.read)(&mut header, 0)? {
            return Ok(Look::Sound);
        }
        let found = match Layout::of(&header) {
            Some(layout) => self.walk(layout, &header)?,
            None => self.search(&header)?,
        };
        let mut again = [0; HEADER_BYTES];
        // A log that begins anew gets other salts first, and then its frames are overwritten.
        let is_same = (self.read)(&mut again, 0)? && again == header;
        Ok(if is_same || found == Look::Cancelled { found } else { Look::BegunAnew })
    }

    /// Follows the checksums to the first frame that is not sound, and looks what comes behind it.
    fn walk(&self, layout: Layout, header: &[u8; HEADER_BYTES]) -> io::Result<Look> {
        let salts = bytes_at::<8>(header, 16);
        let mut sum = sum_at(header, 24);
        let mut frame = vec![0; layout.frame_bytes()];
        for number in 1_u64.. {
            if self.cancel.is_cancelled() {
                return Ok(Look::Cancelled);
            }
            let at = layout.place(number);
            if !(self.read)(&mut frame, at)? {
                break;
            }
            let expected = layout.sum_of(&frame, sum);
            sum = sum_at(&frame, 16);
            if bytes_at::<8>(&frame, 8) == salts && word(&frame, 0) > 0 && sum == expected {
                continue;
            }
            let seeds = vec![sum, expected];
            return Ok(match self.has_commit_behind(&[layout], number, seeds, Some(salts))? {
                Some(true) => Look::Broken(Break { frame: number, at, hash: blake3::hash(&frame) }),
                Some(false) => Look::Sound,
                None => Look::Cancelled,
            });
        }
        Ok(Look::Sound)
    }

    /// The header is not sound: looks whether commits follow by any layout.
    fn search(&self, header: &[u8; HEADER_BYTES]) -> io::Result<Look> {
        for page_bytes in (9..=16).map(|power| 1 << power) {
            let layouts = [true, false].map(|big_endian| Layout { page_bytes, big_endian });
            let [big, little] = layouts.map(|layout| layout.sum(&header[..24], [0, 0]));
            match self.has_commit_behind(&layouts, 0, vec![sum_at(header, 24), big, little], None)? {
                Some(true) => {
                    return Ok(Look::Broken(Break { frame: 0, at: 0, hash: blake3::hash(header) }));
                }
                Some(false) => {}
                None => return Ok(Look::Cancelled),
            }
        }
        Ok(Look::Sound)
    }

    /// Whether a whole commit frame of one log lies behind frame `number`, which is not sound: with
    /// `salts` if they are known, else with those of the frame before it, and with a checksum that
    /// goes on from that frame. `seeds` are what the one at `number` may have had for one. None if
    /// cancelled. `layouts` differ in the order of bytes only.
    fn has_commit_behind(
        &self,
        layouts: &[Layout],
        number: u64,
        mut seeds: Vec<Sum>,
        salts: Option<[u8; 8]>,
    ) -> io::Result<Option<bool>> {
        let Some(first) = layouts.first() else { return Ok(Some(false)) };
        let mut frame = vec![0; first.frame_bytes()];
        let mut salts_before = None;
        for number in number.saturating_add(1).. {
            if self.cancel.is_cancelled() {
                return Ok(None);
            }
            let mut head = [0; FRAME_HEADER_BYTES];
            if !(self.read)(&mut head, first.place(number))? {
                break;
            }
            let has = bytes_at::<8>(&head, 8);
            let is_ours = salts.or(salts_before).is_none_or(|salts| salts == has);
            let (page, pages_after_commit) = (word(&head, 0), word(&head, 4));
            if is_ours && page > 0 && pages_after_commit > 0 && (self.read)(&mut frame, first.place(number))?
            {
                let sum = sum_at(&frame, 16);
                let fits = |layout: &Layout| seeds.iter().any(|seed| layout.sum_of(&frame, *seed) == sum);
                if layouts.iter().any(fits) {
                    return Ok(Some(true));
                }
            }
            seeds = vec![sum_at(&head, 16)];
            salts_before = Some(has);
        }
        Ok(Some(false))
    }
}

impl Layout {
    /// What a header says; none if it is not sound.
    fn of(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let magic = word(header, 0);
        let page_bytes = usize::try_from(word(header, 8)).ok()?;
        let layout = Self { page_bytes, big_endian: magic & 1 == 1 };
        let is_sound = magic & !1 == MAGIC
            && page_bytes.is_power_of_two()
            && PAGE_BYTES.contains(&page_bytes)
            && layout.sum(&header[..24], [0, 0]) == sum_at(header, 24);
        is_sound.then_some(layout)
    }

    fn frame_bytes(self) -> usize {
        FRAME_HEADER_BYTES + self.page_bytes
    }

    /// Where frame `number` begins, from 1 on.
    fn place(self, number: u64) -> u64 {
        let before = number.saturating_sub(1).saturating_mul(self.frame_bytes() as u64);
        before.saturating_add(HEADER_BYTES as u64)
    }

    /// The checksum of a frame: of the first 8 bytes of its header, and its page.
    fn sum_of(self, frame: &[u8], seed: Sum) -> Sum {
        let (head, page) = frame.split_at(FRAME_HEADER_BYTES.min(frame.len()));
        self.sum(page, self.sum(head.get(..8).unwrap_or_default(), seed))
    }

    fn sum(self, bytes: &[u8], seed: Sum) -> Sum {
        let mut sum = seed;
        for pair in bytes.chunks_exact(8) {
            let (first, second) = (bytes_at::<4>(pair, 0), bytes_at::<4>(pair, 4));
            let word = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
            sum[0] = sum[0].wrapping_add(word(first)).wrapping_add(sum[1]);
            sum[1] = sum[1].wrapping_add(word(second)).wrapping_add(sum[0]);
        }
        sum
    }
}

/// So many bytes from `at` on; zeros where there are not as many.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes_at(bytes, at))
}

fn sum_at(bytes: &[u8], at: usize) -> Sum {
    [word(bytes, at), word(bytes, at + 4)]
}

#[cfg(test)]
mod tests;
