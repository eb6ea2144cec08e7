//! Remote objects: the contract that every store keeps, and the stores.

pub mod error;
pub mod folder;
pub mod gate;
pub mod memory;
mod path;
mod pieces;
pub mod retry;
mod room;
pub mod traffic;
pub mod webdav;

use async_trait::async_trait;
use bytes::Bytes;
use pieces::OnePiece;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

pub use error::{ErrorKind, StoreError};
pub use folder::FolderStore;
pub use gate::{End, Gate, OpenGate, Outgoing, Pass, Refusal};
pub use memory::MemoryStore;
pub use pieces::Pieces;
pub use retry::{RetryOptions, Retrying};
pub use traffic::{Repeats, Traffic, TrafficCount};
pub use webdav::{Auth, WebdavOptions, WebdavOptionsError, WebdavStore};

/// A place for immutable objects in folders. Paths are relative to the store's root, `/`
/// between components, without a slash at either end; the root folder is the empty path. Names
/// are ASCII letters, digits, `-`, `.` and `_`.
///
/// The contract:
/// - `put_new` returns `Ok` only when the whole object is stored under its final name. On
///   [`ErrorKind::Unknown`] the object may be there whole, be there cut, or not be there:
///   look before you conclude. On other errors a cut object may be left behind as well.
/// - An object put is seen by `get` at once; by `list` at once on all servers known to keep the
///   protocol, later on some that cache.
/// - `list` follows every page; what it returns is complete as far as the server tells the truth.
/// - Nothing here retries; [`retry::Retrying`] does.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// The objects and folders directly in `folder`, in no particular order.
    /// A missing folder is [`ErrorKind::NotFound`].
    async fn list(&self, folder: &str) -> Result<Listing, StoreError>;

    /// The whole object. Longer than `limit` bytes is [`ErrorKind::Corrupt`], found before
    /// more than `limit` bytes are held.
    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError>;

    /// The bytes `range` of the object; shorter where the object ends before. The caller keeps
    /// the end inside the object where it knows its size: some servers refuse others.
    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError>;

    /// The bytes `range` of an object that should have `size` bytes, as they come; of all of them it is a
    /// plain GET. They end early where the object does. That it is longer is found as in [`Self::get`],
    /// but some pieces may have been handed out before. What is not read on waits at the server.
    ///
    /// A store that does not say otherwise reads them all at once.
    async fn read(
        &self,
        path: &str,
        range: Range<u64>,
        size: u64,
    ) -> Result<Box<dyn Pieces + '_>, StoreError> {
        let bytes = match range == (0..size) {
            true => self.get(path, size).await?,
            false => self.get_range(path, range).await?,
        };
        Ok(Box::new(OnePiece::new(bytes)))
    }

    /// The object's size in bytes.
    async fn size(&self, path: &str) -> Result<u64, StoreError>;

    /// Stores an object. Its folder must exist, else [`ErrorKind::NotFound`]. An object already
    /// there under this name is replaced: callers use names that are the hash of the bytes.
    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError>;

    /// Removes an object; one that is not there is no error.
    async fn delete(&self, path: &str) -> Result<(), StoreError>;

    /// Makes a folder; one that is there is no error. Its parent must exist, but for the root
    /// (the empty path), whose missing parents are made as well.
    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError>;

    /// How much room there is, if the store tells: at most one request.
    async fn quota(&self) -> Result<Option<Quota>, StoreError> {
        Ok(None)
    }

    /// Requests and bytes so far.
    fn traffic(&self) -> TrafficCount;

    /// Uploads that were sent again so far; none for a store that does not repeat anything. A
    /// store around another one that does hands its count on.
    fn repeats(&self) -> Repeats {
        Repeats::default()
    }

    /// Bytes of uploads that the connections took so far, of those that are under way too; always
    /// 0 for a store that cannot tell. A store around another one hands its count on.
    fn moved(&self) -> u64 {
        0
    }

    /// The address as shown to people, without secrets.
    fn address(&self) -> String;
}

/// A store that several parts of a program use.
pub type SharedStore = Arc<dyn Store>;

/// The room of an account, as its server tells it (RFC 4331), in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// What may still be stored.
    pub available: Option<u64>,
    /// What is stored.
    pub used: Option<u64>,
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Objects and folders, without the folder itself.
    pub entries: Vec<Listed>,
    /// Entries that could not be understood and are left out.
    pub skipped: usize,
    /// The server's time at the answer in milliseconds since 1970, if it told.
    pub server_time_ms: Option<i64>,
}

/// An object or folder in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The last component of its path, decoded.
    pub name: String,
    /// A folder, not an object.
    pub is_folder: bool,
    /// Size of an object in bytes, if the server told.
    pub size: Option<u64>,
    /// Last change in milliseconds since 1970 by the server's clock, if it told.
    pub modified_ms: Option<i64>,
}
