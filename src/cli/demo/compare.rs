//! Compares two trees without any of filbert's own reading or restoring code: what is there, of
//! which kind, with which mode, time and bytes.

use super::super::render::{counted, size};
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Compared {
    entries: u64,
    bytes: u64,
    /// Paths and what differs.
    pub differences: Vec<String>,
}

impl Compared {
    /// In words.
    pub fn words(&self) -> String {
        match self.differences.len() as u64 {
            0 => format!(
                "{} equal: names, kinds, modes, times, all {}",
                counted(self.entries, "entry"),
                size(self.bytes)
            ),
            count => counted(count, "DIFFERENCE"),
        }
    }
}

/// Compares all below (and the two folders themselves).
pub(super) fn trees(one: &Path, other: &Path) -> io::Result<Compared> {
    let (left, mut right) = (entries(one)?, entries(other)?);
    let mut compared = Compared::default();
    for (path, found) in &left {
        compared.entries += 1;
        let Some(restored) = right.remove(path) else {
            compared.differences.push(format!("{}: missing", path.display()));
            continue;
        };
        if let Some(what) = difference(&one.join(path), found, &other.join(path), &restored)? {
            compared.differences.push(format!("{}: {what}", path.display()));
        }
        if found.is_file() {
            compared.bytes += found.len();
        }
    }
    compared.differences.extend(right.keys().map(|path| format!("{}: was not backed up", path.display())));
    Ok(compared)
}

fn entries(root: &Path) -> io::Result<BTreeMap<PathBuf, Metadata>> {
    let mut found = BTreeMap::new();
    for entry in WalkDir::new(root) {
        let entry = entry.map_err(io::Error::from)?;
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
        found.insert(path, entry.metadata().map_err(io::Error::from)?);
    }
    Ok(found)
}

fn difference(one: &Path, a: &Metadata, other: &Path, b: &Metadata) -> io::Result<Option<&'static str>> {
    if a.file_type() != b.file_type() {
        return Ok(Some("another kind"));
    }
    if a.mode() != b.mode() {
        return Ok(Some("another mode"));
    }
    if (a.mtime(), a.mtime_nsec()) != (b.mtime(), b.mtime_nsec()) {
        return Ok(Some("another time"));
    }
    let same = if a.is_symlink() {
        fs::read_link(one)? == fs::read_link(other)?
    } else if a.is_file() {
        a.len() == b.len() && same_bytes(File::open(one)?, File::open(other)?)?
    } else {
        true
    };
    Ok(if same { None } else { Some("other content") })
}

fn same_bytes(mut one: File, mut other: File) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        match other.read_exact(&mut right[..read]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::copy;
    use super::*;

    #[test]
    fn a_copy_is_equal_until_a_byte_a_mode_or_a_time_differs() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        fs::create_dir_all(one.join("folder")).unwrap();
        fs::write(one.join("folder/file"), "content").unwrap();
        std::os::unix::fs::symlink("file", one.join("folder/link")).unwrap();
        fs::create_dir(&other).unwrap();
        copy::exact(&one, &other).unwrap();
        let differences = || trees(&one, &other).unwrap().differences;
        assert_eq!(differences(), Vec::<String>::new());

        let file = other.join("folder/file");
        let before = file.metadata().unwrap();
        fs::write(&file, "c0ntent").unwrap();
        assert_eq!(differences(), ["folder/file: another time"]);
        copy::set_time(&file, &before).unwrap();
        assert_eq!(differences(), ["folder/file: other content"]);
        fs::remove_file(&file).unwrap();
        assert!(differences().contains(&"folder/file: missing".to_owned()));
        fs::remove_file(one.join("folder/file")).unwrap();
        fs::write(&file, "").unwrap();
        assert!(differences().contains(&"folder/file: was not backed up".to_owned()));
    }
}
