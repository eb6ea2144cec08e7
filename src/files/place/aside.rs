//! Moves something out of the way for the moment in which something else gets its name.

use super::Target;
use super::error::PlaceError;
use super::existing::Seen;
use crate::model::path::display_bytes;
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What lies under another name for a moment. It gets its own back when this is dropped, but for
/// [`Self::remove`].
#[derive(Debug)]
pub struct Aside {
    folder: Arc<OwnedFd>,
    name: Vec<u8>,
    aside: String,
    is_done: bool,
}

impl Target {
    /// Moves what lies at `relative` aside, as long as it is what was `seen`; none if nothing is there.
    ///
    /// # Errors
    /// It changed, or the system refuses.
    pub fn set_aside(&self, relative: &[u8], seen: Seen) -> Result<Option<Aside>, PlaceError> {
        let failed = |error| PlaceError::new("move aside", relative, error);
        match self.existing(relative)? {
            None => return Ok(None),
            Some(existing) if !seen.is_still(&existing) => {
                return Err(PlaceError::Changed { path: display_bytes(relative).into_owned() });
            }
            Some(_) => {}
        }
        let place = self.beneath.locate(relative, false)?;
        let aside = loop {
            let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
            let aside = format!(".filbert-{:08x}{number:08x}", self.run);
            match rustix::fs::statat(&place.folder, aside.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => break aside,
                Ok(_) => {}
                Err(error) => return Err(failed(error)),
            }
        };
        rustix::fs::renameat(&place.folder, place.name, &place.folder, aside.as_str()).map_err(failed)?;
        Ok(Some(Aside { folder: place.folder, name: place.name.to_vec(), aside, is_done: false }))
    }
}

impl Aside {
    /// It is not needed any more.
    pub fn remove(mut self) {
        self.is_done = true;
        // One that stays does no harm under that name.
        let _ = rustix::fs::unlinkat(&self.folder, self.aside.as_str(), AtFlags::empty());
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.is_done {
            // If it fails it stays under the other name.
            let _ = rustix::fs::renameat(&self.folder, self.aside.as_str(), &self.folder, &self.name[..]);
        }
    }
}
