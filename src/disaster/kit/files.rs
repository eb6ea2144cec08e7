//! The two files of a kit: both or none, for their owner only, and never over others.

use super::KitError;
use std::fs::File;
use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Files that have no names yet. Dropped, they are gone.
pub(super) struct KitFiles {
    folder: PathBuf,
    html: (PathBuf, NamedTempFile),
    txt: (PathBuf, NamedTempFile),
}

impl KitFiles {
    /// Makes both beside the place they are for.
    pub fn begin(out: &Path) -> Result<Self, KitError> {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let [html, txt] = ["html", "txt"].map(|extension| {
            let mut name = out.as_os_str().to_owned();
            name.push(".");
            name.push(extension);
            PathBuf::from(name)
        });
        for path in [&html, &txt] {
            // A link that leads nowhere is something too.
            if path.symlink_metadata().is_ok() {
                return Err(KitError::Exists(path.clone()));
            }
        }
        let unnamed = |path: PathBuf| {
            let made = tempfile::Builder::new().prefix(".filbert-kit-").tempfile_in(&folder);
            made.map(|file| (path, file)).map_err(|error| KitError::file("write to", &folder, error))
        };
        Ok(Self { html: unnamed(html)?, txt: unnamed(txt)?, folder: folder.clone() })
    }

    /// Writes both, in the place of what was written before, down to the disk.
    pub fn write(&mut self, html: &str, txt: &str) -> Result<(), KitError> {
        for ((path, file), text) in [(&mut self.html, html), (&mut self.txt, txt)] {
            write(file.as_file_mut(), text).map_err(|error| KitError::file("write", path, error))?;
        }
        Ok(())
    }

    /// Gives both their names.
    pub fn publish(self) -> Result<(PathBuf, PathBuf), KitError> {
        let (html, txt) = (self.html.0, self.txt.0);
        persist(self.html.1, &html)?;
        if let Err(error) = persist(self.txt.1, &txt) {
            // It was made a moment ago, by us.
            let _ = std::fs::remove_file(&html);
            return Err(error);
        }
        // Not every file system lets a folder be synced; the files themselves are.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Ok((html, txt))
    }
}

fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn persist(file: NamedTempFile, path: &Path) -> Result<(), KitError> {
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => {
            Err(KitError::Exists(path.to_owned()))
        }
        Err(failed) => Err(KitError::file("make", path, failed.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn both_get_their_names_at_the_end_and_are_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = KitFiles::begin(&dir.path().join("my.kit")).unwrap();
        files.write("long before", "long before").unwrap();
        files.write("page", "text").unwrap();
        assert!(!dir.path().join("my.kit.html").exists());
        let (html, txt) = files.publish().unwrap();
        for (path, name, content) in [(&html, "my.kit.html", "page"), (&txt, "my.kit.txt", "text")] {
            assert_eq!(
                (path, std::fs::read_to_string(path).unwrap()),
                (&dir.path().join(name), content.into())
            );
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_there_stays_and_nothing_is_left_beside_it() {
        for taken in ["kit.html", "kit.txt"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(taken);
            let mut files = KitFiles::begin(&dir.path().join("kit")).unwrap();
            files.write("page", "text").unwrap();
            std::fs::write(&path, "mine").unwrap();
            assert!(matches!(KitFiles::begin(&dir.path().join("kit")), Err(KitError::Exists(_))));
            assert!(matches!(files.publish(), Err(KitError::Exists(_))), "{taken}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{taken}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = KitFiles::begin(Path::new("/no/such/folder/kit")).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("/no/such/folder"), "{error}");
    }
}
