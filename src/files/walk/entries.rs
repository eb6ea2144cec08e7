//! What is in the folders of a source, one after another, with a look ahead: whether a log lies
//! beside a file is known from the names that follow, without asking the system.

use crate::files::database::Beside;
use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use walkdir::{DirEntry, Error, IntoIter, WalkDir};

/// So many names are looked at for one file. Behind that the system is asked.
const MOST_AHEAD: usize = 64;

/// The entries below a folder, each folder's sorted by name.
pub(super) struct Entries {
    listed: IntoIter,
    /// Those whose turn is still to come. A folder is the last one always: behind it the listing
    /// goes into it, unless it is told not to when the folder's turn has come.
    ahead: VecDeque<Result<DirEntry, Error>>,
}

impl Entries {
    pub(super) fn below(root: &Path) -> Self {
        let listed = WalkDir::new(root).follow_root_links(false).sort_by_file_name().into_iter();
        Self { listed, ahead: VecDeque::new() }
    }

    /// Gives an entry back whose turn has not come.
    pub(super) fn put_back(&mut self, entry: DirEntry) {
        self.ahead.push_front(Ok(entry));
    }

    /// Does not go into the folder that was handed out last.
    pub(super) fn skip_current_dir(&mut self) {
        self.listed.skip_current_dir();
    }

    /// The logs beside a file that was handed out last.
    pub(super) fn beside(&mut self, file: &Path, depth: usize) -> Option<Box<Beside>> {
        // The folder of a source that is a file is not listed.
        let look = depth == 0 || self.may_have_log(file);
        look.then(|| Beside::look(file)).flatten().map(Box::new)
    }

    fn may_have_log(&mut self, file: &Path) -> bool {
        let file = file.as_os_str().as_bytes();
        for number in 0..MOST_AHEAD {
            if number == self.ahead.len() {
                let Some(next) = self.listed.next() else { return false };
                self.ahead.push_back(next);
            }
            let Some(Ok(next)) = self.ahead.get(number) else { return true };
            let Some(rest) = next.path().as_os_str().as_bytes().strip_prefix(file) else { return false };
            match Beside::comes(rest) {
                // What follows a folder is what is in it.
                None if next.file_type().is_dir() => return true,
                None => {}
                Some(comes) => return comes,
            }
        }
        true
    }
}

impl Iterator for Entries {
    type Item = Result<DirEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.ahead.pop_front().or_else(|| self.listed.next())
    }
}
