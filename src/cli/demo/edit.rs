//! What a day of work might do to a folder: some files edited, some new, some gone, a folder under
//! another name.

use super::super::render::counted;
use std::fs::{self, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// One file in so many is edited, up to a bound.
const EVERY: usize = 50;
const MOST_EDITED: usize = 100;

/// What was changed.
#[derive(Debug, Default)]
pub(super) struct Edits {
    edited: u64,
    added: u64,
    deleted: u64,
    renamed: Option<PathBuf>,
}

impl Edits {
    /// In words.
    pub fn words(&self) -> String {
        let renamed = match &self.renamed {
            Some(folder) => format!(", folder `{}` renamed", folder.display()),
            None => String::new(),
        };
        let edited = counted(self.edited, "file");
        format!("{edited} edited, {} added, {} deleted{renamed}", self.added, self.deleted)
    }
}

/// Changes the tree below `root`.
pub(super) fn change(root: &Path) -> io::Result<Edits> {
    let mut edits = Edits::default();
    let writable = |path: &PathBuf| OpenOptions::new().append(true).open(path).is_ok();
    let files: Vec<_> = WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    for path in files.iter().step_by(EVERY).filter(|path| writable(path)).take(MOST_EDITED) {
        edit(path)?;
        edits.edited += 1;
    }
    // The last ones, which were not edited unless there are hardly any.
    for path in files.iter().rev().take(files.len().min(4) / 2) {
        if fs::remove_file(path).is_ok() {
            edits.deleted += 1;
        }
    }
    for number in 1..=3_u8 {
        let text = format!("A new file, number {number}.\n").repeat(usize::from(number) * 400);
        fs::write(root.join(format!("new in the demo {number}.txt")), text)?;
        edits.added += 1;
    }
    edits.renamed = rename_a_folder(root)?;
    Ok(edits)
}

/// A byte in the middle is another, and a line more at the end.
fn edit(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    if length > 0 {
        file.seek(SeekFrom::Start(length / 2))?;
        file.write_all(b"~")?;
    }
    file.seek(SeekFrom::End(0))?;
    file.write_all(b"\nedited in the demo\n")
}

/// The first folder with something in it.
fn rename_a_folder(root: &Path) -> io::Result<Option<PathBuf>> {
    let mut folders: Vec<_> = fs::read_dir(root)?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| fs::read_dir(path).is_ok_and(|mut inside| inside.next().is_some()))
        .collect();
    folders.sort();
    let Some(folder) = folders.first() else { return Ok(None) };
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    let before = PathBuf::from(&name);
    name.push(" renamed in the demo");
    fs::rename(folder, root.join(name))?;
    Ok(Some(before))
}
