//! A store in a local folder: a mounted drive, a disk, or a copy of a remote repository.

use super::path::{check, check_object};
use super::room::room;
use super::{ErrorKind, Listed, Listing, Quota, Store, StoreError, Traffic, TrafficCount};
use async_trait::async_trait;
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

/// Objects are written under a name with this start, synced, and renamed. Such names are never
/// listed; what a crash leaves behind does no harm.
const UNFINISHED: &str = ".filbert-unfinished-";

/// Objects in a local folder. Counts bytes and no requests.
#[derive(Debug)]
pub struct FolderStore {
    root: PathBuf,
    traffic: Traffic,
    unfinished: AtomicU64,
}

impl FolderStore {
    /// The store at `root`, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), traffic: Traffic::default(), unfinished: AtomicU64::new(0) }
    }

    fn place(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        path: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        check(action, path)?;
        let place = self.place(path);
        let shown = place.display().to_string();
        let done = tokio::task::spawn_blocking(move || work(&place)).await;
        done.map_err(io::Error::other).flatten().map_err(|error| told(action, &shown, &error))
    }
}

fn told(action: &str, shown: &str, error: &io::Error) -> StoreError {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => (ErrorKind::NotFound, ""),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Quota, "; make room on this drive")
        }
        io::ErrorKind::FileTooLarge => (ErrorKind::TooLarge, "; the file system takes no file as large"),
        io::ErrorKind::InvalidData => (ErrorKind::Corrupt, ""),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Permanent, "; give your user the right to read and write there")
        }
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::StaleNetworkFileHandle => {
            (ErrorKind::Transient, "")
        }
        _ => (ErrorKind::Permanent, ""),
    };
    StoreError::new(kind, format!("{action} {shown}"), format!("{error}{advice}"))
}

fn read_range(place: &Path, range: Range<u64>) -> io::Result<Bytes> {
    let mut file = File::open(place)?;
    file.seek(SeekFrom::Start(range.start))?;
    let there = file.metadata()?.len().saturating_sub(range.start);
    let wanted = range.end.saturating_sub(range.start);
    let mut bytes = Vec::with_capacity(room(wanted.min(there)));
    file.take(wanted).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

fn read_whole(place: &Path, limit: u64) -> io::Result<Bytes> {
    let bytes = read_range(place, 0..limit.saturating_add(1))?;
    if bytes.len() as u64 > limit {
        let detail = format!("larger than the {limit} bytes expected");
        return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
    }
    Ok(bytes)
}

fn read_folder(place: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let (Ok(name), Ok(meta)) = (entry.file_name().into_string(), entry.metadata()) else {
            listing.skipped += 1;
            continue;
        };
        if name.starts_with(UNFINISHED) {
            continue;
        }
        let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        listing.entries.push(Listed {
            name,
            is_folder: meta.is_dir(),
            size: meta.is_file().then_some(meta.len()),
            modified_ms: modified.and_then(|since| i64::try_from(since.as_millis()).ok()),
        });
    }
    Ok(listing)
}

fn write_whole(place: &Path, unfinished: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = place.with_file_name(unfinished);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, place)
    });
    if written.is_err() {
        // The reason to report is the write's; a file that cannot be removed either stays unlisted.
        let _ = fs::remove_file(&beside);
        return written;
    }
    // The rename itself must survive a power cut. Some network file systems cannot sync folders.
    match place.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        other => other,
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        other => other,
    }
}

#[async_trait]
impl Store for FolderStore {
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        self.blocking("list", folder, read_folder).await
    }

    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        check_object("read", path)?;
        let bytes = self.blocking("read", path, move |place| read_whole(place, limit)).await?;
        self.traffic.received(bytes.len() as u64);
        Ok(bytes)
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        check_object("read", path)?;
        let bytes = self.blocking("read", path, move |place| read_range(place, range)).await?;
        self.traffic.received(bytes.len() as u64);
        Ok(bytes)
    }

    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        check_object("look at", path)?;
        let meta = self.blocking("look at", path, |place| fs::metadata(place)).await?;
        if meta.is_dir() {
            let shown = self.place(path).display().to_string();
            return Err(told("look at", &shown, &io::ErrorKind::NotFound.into()));
        }
        Ok(meta.len())
    }

    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        check_object("write", path)?;
        let serial = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{UNFINISHED}{}-{serial}", std::process::id());
        let length = body.len() as u64;
        self.blocking("write", path, move |place| write_whole(place, &unfinished, &body)).await?;
        self.traffic.uploaded(length);
        Ok(())
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        check_object("delete", path)?;
        self.blocking("delete", path, |place| absent_is_fine(fs::remove_file(place))).await
    }

    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        let is_root = path.is_empty();
        self.blocking("make folder", path, move |place| {
            let made = if is_root { fs::create_dir_all(place) } else { fs::create_dir(place) };
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && place.is_dir() => Ok(()),
                other => other,
            }
        })
        .await
    }

    async fn quota(&self) -> Result<Option<Quota>, StoreError> {
        let room = |place: &Path| Ok(rustix::fs::statvfs(place)?);
        let told = self.blocking("ask for the room of", "", room).await?;
        let available = Some(told.f_bavail.saturating_mul(told.f_frsize));
        Ok(Some(Quota { available, used: None }))
    }

    fn traffic(&self) -> TrafficCount {
        self.traffic.count()
    }

    fn address(&self) -> String {
        self.root.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unfinished_write_is_not_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(format!("{UNFINISHED}1-0")), b"cut").unwrap();
        let store = FolderStore::new(dir.path());
        store.put_new("whole", Bytes::from_static(b"bytes")).await.unwrap();
        let names: Vec<_> = store.list("").await.unwrap().entries.into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["whole"]);
        assert_eq!(store.traffic().bytes_up, 5);
        assert_eq!(store.traffic().total(), 0);
    }

    #[test]
    fn disk_faults_are_told_apart() {
        let kind = |kind: io::ErrorKind| told("write", "x", &kind.into()).kind;
        assert_eq!(kind(io::ErrorKind::StorageFull), ErrorKind::Quota);
        assert_eq!(kind(io::ErrorKind::PermissionDenied), ErrorKind::Permanent);
        assert_eq!(kind(io::ErrorKind::NotFound), ErrorKind::NotFound);
    }
}
