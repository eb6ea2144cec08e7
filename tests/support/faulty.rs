//! A store in memory that goes wrong by a script, and keeps a journal of what it was asked.

use async_trait::async_trait;
use bytes::Bytes;
use filbert::store::{ErrorKind, Listing, MemoryStore, Store, StoreError, TrafficCount};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;

/// The operations of a store. `Get` is a range as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Put,
    Get,
    List,
    Size,
    Delete,
    Folder,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails before anything happens.
    Fails(ErrorKind),
    /// An upload is stored whole and its answer lost.
    StoredThenLost,
    /// An upload is stored and the network is gone from then on.
    StoredThenDead,
    /// An upload is answered with success and stored cut.
    OkButCut,
    /// An upload is answered with success and not stored.
    OkButNotStored,
    /// A listing lacks the newest object.
    Omits,
    /// A listing tells of the newest object with another size.
    StaleSize,
    /// One bit of what is fetched is another one.
    FlippedBit,
}

/// A fault at the operations `op` below `prefix`, after so many more of them.
#[derive(Debug)]
struct Rule {
    op: Op,
    prefix: &'static str,
    skip: usize,
    times: usize,
    fault: Fault,
}

/// Something the store was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub op: Op,
    pub path: String,
    pub body_bytes: u64,
}

#[derive(Debug, Default)]
struct Script {
    rules: Vec<Rule>,
    asked: Vec<Asked>,
    /// Puts that still succeed before everything fails; none for no such end.
    puts_left: Option<usize>,
    newest: String,
    /// Objects of more bytes are refused.
    largest: Option<u64>,
    /// Uploads of more bytes fail, and in this way.
    cut: Option<(u64, ErrorKind)>,
}

#[derive(Debug, Default)]
pub struct FaultyStore {
    pub memory: MemoryStore,
    script: Mutex<Script>,
}

impl FaultyStore {
    /// The operations `op` below `prefix` go wrong once, after `skip` that do not.
    pub fn once(&self, op: Op, prefix: &'static str, skip: usize, fault: Fault) {
        self.often(op, prefix, skip, 1, fault);
    }

    /// As [`Self::once`], so many times in a row.
    pub fn often(&self, op: Op, prefix: &'static str, skip: usize, times: usize, fault: Fault) {
        self.script.lock().unwrap().rules.push(Rule { op, prefix, skip, times, fault });
    }

    /// After so many more uploads nothing works any more.
    pub fn dies_after(&self, puts: usize) {
        self.script.lock().unwrap().puts_left = Some(puts);
    }

    /// Objects of more bytes than this are refused from now on.
    pub fn takes_at_most(&self, bytes: u64) {
        self.script.lock().unwrap().largest = Some(bytes);
    }

    /// Uploads of more bytes than this never get through from now on.
    pub fn cuts_above(&self, bytes: u64, kind: ErrorKind) {
        self.script.lock().unwrap().cut = Some((bytes, kind));
    }

    /// Everything works again. Tells whether all that was scripted has happened.
    pub fn heal(&self) -> bool {
        let mut script = self.script.lock().unwrap();
        let happened = script.rules.iter().all(|rule| rule.times == 0);
        script.rules.clear();
        script.puts_left = None;
        happened
    }

    /// What was asked since the last time this was asked.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.script.lock().unwrap().asked)
    }

    /// The paths of all objects below `prefix`.
    pub fn paths(&self, prefix: &str) -> Vec<String> {
        self.memory.objects().into_keys().filter(|path| path.starts_with(prefix)).collect()
    }

    /// Another store with the same objects.
    pub async fn copy(&self) -> Self {
        let other = Self::default();
        let objects = self.memory.objects();
        let mut folders = BTreeSet::from([String::new(), "packs".to_owned()]);
        for path in objects.keys() {
            let ends = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
            folders.extend(ends);
        }
        for folder in &folders {
            other.memory.ensure_folder(folder).await.unwrap();
        }
        for (path, bytes) in objects {
            other.memory.put_new(&path, bytes).await.unwrap();
        }
        other
    }

    /// Notes the operation and finds out what goes wrong with it.
    fn begin(&self, op: Op, path: &str, body_bytes: u64) -> Result<Option<Fault>, StoreError> {
        let mut script = self.script.lock().unwrap();
        script.asked.push(Asked { op, path: path.to_owned(), body_bytes });
        match script.puts_left {
            Some(0) => return Err(dead(op, path)),
            Some(left) if op == Op::Put => script.puts_left = Some(left - 1),
            _ => {}
        }
        if op == Op::Put && script.largest.is_some_and(|largest| body_bytes > largest) {
            return Err(StoreError::new(ErrorKind::TooLarge, format!("Put {path}"), "413 as scripted"));
        }
        if let Some((most, kind)) = script.cut
            && op == Op::Put
            && body_bytes > most
        {
            return Err(StoreError::new(kind, format!("Put {path}"), "cut as scripted"));
        }
        let meant = |rule: &&mut Rule| rule.op == op && rule.times > 0 && path.starts_with(rule.prefix);
        let Some(rule) = script.rules.iter_mut().find(meant) else { return Ok(None) };
        if rule.skip > 0 {
            rule.skip -= 1;
            return Ok(None);
        }
        rule.times -= 1;
        match rule.fault {
            Fault::Fails(kind) => Err(StoreError::new(kind, format!("{op:?} {path}"), "as scripted")),
            Fault::StoredThenDead => {
                script.puts_left = Some(0);
                Ok(Some(Fault::StoredThenDead))
            }
            fault => Ok(Some(fault)),
        }
    }
}

fn dead(op: Op, path: &str) -> StoreError {
    StoreError::new(ErrorKind::Permanent, format!("{op:?} {path}"), "the network is gone")
}

fn flipped(bytes: Bytes, fault: Option<Fault>) -> Bytes {
    let mut bytes = bytes.to_vec();
    if fault == Some(Fault::FlippedBit) && !bytes.is_empty() {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    bytes.into()
}

#[async_trait]
impl Store for FaultyStore {
    async fn list(&self, folder: &str) -> Result<Listing, StoreError> {
        let fault = self.begin(Op::List, folder, 0)?;
        let mut listing = self.memory.list(folder).await?;
        let newest = self.script.lock().unwrap().newest.clone();
        let is_newest = |name: &str| newest.rsplit_once('/') == Some((folder, name));
        match fault {
            Some(Fault::Omits) => listing.entries.retain(|entry| !is_newest(&entry.name)),
            Some(Fault::StaleSize) => {
                let stale = listing.entries.iter_mut().filter(|entry| is_newest(&entry.name));
                stale.for_each(|entry| entry.size = entry.size.map(|size| size / 2));
            }
            _ => {}
        }
        Ok(listing)
    }

    async fn get(&self, path: &str, limit: u64) -> Result<Bytes, StoreError> {
        let fault = self.begin(Op::Get, path, 0)?;
        Ok(flipped(self.memory.get(path, limit).await?, fault))
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        let fault = self.begin(Op::Get, path, 0)?;
        Ok(flipped(self.memory.get_range(path, range).await?, fault))
    }

    async fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.begin(Op::Size, path, 0)?;
        self.memory.size(path).await
    }

    async fn put_new(&self, path: &str, body: Bytes) -> Result<(), StoreError> {
        let fault = self.begin(Op::Put, path, body.len() as u64)?;
        self.script.lock().unwrap().newest = path.to_owned();
        let lost = |kind| Err(StoreError::new(kind, format!("PUT {path}"), "the answer was lost"));
        match fault {
            Some(Fault::OkButNotStored) => Ok(()),
            Some(Fault::OkButCut) => self.memory.put_new(path, body.slice(..body.len() / 2)).await,
            Some(Fault::StoredThenLost) => {
                self.memory.put_new(path, body).await?;
                lost(ErrorKind::Unknown)
            }
            Some(Fault::StoredThenDead) => {
                self.memory.put_new(path, body).await?;
                lost(ErrorKind::Permanent)
            }
            _ => self.memory.put_new(path, body).await,
        }
    }

    async fn delete(&self, path: &str) -> Result<(), StoreError> {
        self.begin(Op::Delete, path, 0)?;
        self.memory.delete(path).await
    }

    async fn ensure_folder(&self, path: &str) -> Result<(), StoreError> {
        self.begin(Op::Folder, path, 0)?;
        self.memory.ensure_folder(path).await
    }

    fn traffic(&self) -> TrafficCount {
        self.memory.traffic()
    }

    fn address(&self) -> String {
        "faulty:".to_owned()
    }
}
