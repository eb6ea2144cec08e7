//! A store in memory, for tests of everything above: it counts what a WebDAV server would be
//! asked, and lets its objects be damaged.

use super::path::{check, check_object, split};
use super::{ErrorKind, Listed, Listing, Store, StoreError, Traffic, TrafficCount};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects in memory. Each operation counts as one request of the method that WebDAV has for it.
#[derive(Debug, Default)]
pub struct MemoryStore {
    content: Mutex<Content>,
    traffic: Traffic,
}

#[derive(Debug, Default)]
struct Content {
    objects: BTreeMap<String, Bytes>,
    folders: BTreeSet<String>,
}

impl MemoryStore {
    /// A store whose root is not there yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All objects by path, as they are now.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.lock().objects.clone()
    }

    /// Puts `change` of the bytes in the place of an object's bytes; tells whether it is there.
    pub fn corrupt(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut content = self.lock();
        let Some(object) = content.objects.get_mut(path) else { return false };
        let mut bytes = object.to_vec();
        change(&mut bytes);
        *object = bytes.into();
        true
    }

    /// Takes an object away, uncounted; tells whether it was there.
    pub fn lose(&self, path: &str) -> bool {
        self.lock().objects.remove(path).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, action: &str, path: &str) -> Result<Bytes, StoreError> {
        check_object(action, path)?;
        self.lock().objects.get(path).cloned().ok_or_else(|| missing(action, path))
    }
}

fn missing(action: &str, path: &str) -> StoreError {
    StoreError::new(ErrorKind::NotFound, format!("{action} memory:/{path}"), "not there")
}

fn is_in(folder: &str, path: &str) -> bool {
    !path.is_empty() && split(path).0 == folder
}

#[async_trait]
impl Store for MemoryStore {
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        check("PROPFIND", folder)?;
        self.traffic.sent("PROPFIND", 0);
        let content = self.lock();
        if !content.folders.contains(folder) {
            return Err(missing("PROPFIND", folder));
        }
        let name = |path: &str| split(path).1.to_owned();
        let folders = content.folders.iter().filter(|path| is_in(folder, path)).map(|path| Listed {
            name: name(path),
            is_folder: true,
            size: None,
            modified_ms: None,
        });
        let objects = content.objects.iter().filter(|(path, _)| is_in(folder, path)).map(|(path, bytes)| {
            let size = Some(bytes.len() as u64);
            Listed { name: name(path), is_folder: false, size, modified_ms: None }
        });
        Ok(Listing { entries: folders.chain(objects).collect(), skipped: 0, server_time_ms: None })
    }

    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        self.traffic.sent("GET", 0);
        let bytes = self.object("GET", path)?;
        if bytes.len() as u64 > limit {
            let detail = format!("{} bytes, more than the {limit} expected", bytes.len());
            return Err(StoreError::new(ErrorKind::Corrupt, format!("GET memory:/{path}"), detail));
        }
        self.traffic.received(bytes.len() as u64);
        Ok(bytes)
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.traffic.sent("GET", 0);
        let bytes = self.object("GET", path)?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let (start, end) = (place(range.start), place(range.end));
        let part = bytes.slice(start..end.max(start));
        self.traffic.received(part.len() as u64);
        Ok(part)
    }

    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.traffic.sent("HEAD", 0);
        Ok(self.object("HEAD", path)?.len() as u64)
    }

    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        check_object("PUT", path)?;
        self.traffic.sent("PUT", body.len() as u64);
        let mut content = self.lock();
        if !content.folders.contains(split(path).0) {
            return Err(missing("PUT", path));
        }
        content.objects.insert(path.to_owned(), body);
        Ok(())
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        check_object("DELETE", path)?;
        self.traffic.sent("DELETE", 0);
        self.lock().objects.remove(path);
        Ok(())
    }

    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        check("MKCOL", path)?;
        self.traffic.sent("MKCOL", 0);
        let mut content = self.lock();
        if !path.is_empty() && !content.folders.contains(split(path).0) {
            return Err(missing("MKCOL", path));
        }
        content.folders.insert(path.to_owned());
        Ok(())
    }

    fn traffic(&self) -> TrafficCount {
        self.traffic.count()
    }

    fn address(&self) -> String {
        "memory:".to_owned()
    }
}
