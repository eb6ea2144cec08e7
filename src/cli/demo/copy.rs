//! Copies trees with modes and times: the demo edits a copy, and keeps another to compare with.

use super::super::render::{counted, size};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The demo takes no more than this, to end within a minute.
const MOST_BYTES: u64 = 200 << 20;
const MOST_FILES: u64 = 50_000;
/// Large and made by machines, or not the user's own.
const LEFT_OUT: [&str; 3] = ["target", ".git", "node_modules"];

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    files: u64,
    bytes: u64,
    left_out: u64,
}

impl Copied {
    /// In words.
    pub fn words(&self) -> String {
        let mut words = format!("{}, {}", counted(self.files, "file"), size(self.bytes));
        if self.left_out > 0 {
            let more = counted(self.left_out, "more file");
            words.push_str(&format!("; {more} left out (unreadable, or above {})", size(MOST_BYTES)));
        }
        words
    }
}

/// Copies `from` into the empty folder `to` up to a bound, without what machines made.
pub(super) fn bounded(from: &Path, to: &Path) -> io::Result<Copied> {
    let mut copied = Copied::default();
    let mut folders = Vec::new();
    let own = to.canonicalize()?;
    let walk = WalkDir::new(from).sort_by_file_name().into_iter().filter_entry(|entry| {
        let skip = entry.file_type().is_dir() && LEFT_OUT.iter().any(|name| entry.file_name() == *name);
        entry.depth() == 0 || !skip && !own.starts_with(entry.path())
    });
    for entry in walk {
        let Ok(entry) = entry else {
            copied.left_out += 1;
            continue;
        };
        let found = entry.metadata().map_err(io::Error::from)?;
        let place = place(to, from, entry.path());
        if found.is_dir() {
            if entry.depth() > 0 {
                fs::create_dir(&place)?;
            }
            folders.push((place, found));
        } else if found.is_symlink() {
            symlink(fs::read_link(entry.path())?, &place)?;
            set_time(&place, &found)?;
        } else if found.is_file() {
            let fits = copied.bytes + found.len() <= MOST_BYTES && copied.files < MOST_FILES;
            if !fits || fs::copy(entry.path(), &place).is_err() {
                copied.left_out += 1;
                continue;
            }
            set_time(&place, &found)?;
            copied.files += 1;
            copied.bytes += found.len();
        }
        if copied.files >= MOST_FILES {
            break;
        }
    }
    finish_folders(folders)?;
    Ok(copied)
}

/// Copies all of `from` into the empty folder `to`.
pub(super) fn exact(from: &Path, to: &Path) -> io::Result<()> {
    let mut folders = Vec::new();
    for entry in WalkDir::new(from).sort_by_file_name() {
        let entry = entry.map_err(io::Error::from)?;
        let found = entry.metadata().map_err(io::Error::from)?;
        let place = place(to, from, entry.path());
        if found.is_dir() {
            if entry.depth() > 0 {
                fs::create_dir(&place)?;
            }
            folders.push((place, found));
        } else if found.is_symlink() {
            symlink(fs::read_link(entry.path())?, &place)?;
            set_time(&place, &found)?;
        } else {
            fs::copy(entry.path(), &place)?;
            set_time(&place, &found)?;
        }
    }
    finish_folders(folders)
}

fn place(to: &Path, from: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(below) if !below.as_os_str().is_empty() => to.join(below),
        _ => to.to_owned(),
    }
}

/// Folders get modes and times last: what is put into them changes their time, and a folder that
/// cannot be written takes no files.
fn finish_folders(folders: Vec<(PathBuf, Metadata)>) -> io::Result<()> {
    for (place, found) in folders.iter().rev() {
        fs::set_permissions(place, found.permissions())?;
        set_time(place, found)?;
    }
    Ok(())
}

pub(super) fn set_time(place: &Path, found: &Metadata) -> io::Result<()> {
    let time = |seconds, nanos| Timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = Timestamps {
        last_access: time(found.atime(), found.atime_nsec()),
        last_modification: time(found.mtime(), found.mtime_nsec()),
    };
    Ok(utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
