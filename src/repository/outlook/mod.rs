//! What a run that writes will ask of the server, added up step by step from what the local state
//! says, without asking: the same decisions (`decide`), the same sizes (`shape`), nothing sent.

mod checkpoint;

use super::decide::{self, PackFolders};
use super::proof::listing_pays;
use super::shape::{FrameShape, MadeUp, frames_of_stream, pack_up};
use super::writer::Manner;
use super::{KnownPack, Repository, RepositoryError};
use crate::format::pack::PackEntry;
use crate::format::record::{Body, IndexRef, Stream};
use crate::model::id::WriterId;
use crate::state::meta::Meta;
use crate::store::TrafficCount;
use std::collections::BTreeMap;

/// A run in thought.
pub struct Outlook {
    repository: Repository,
    manner: Manner,
    inline_bytes: usize,
    made_up: MadeUp,
    cost: TrafficCount,
    log: LogOutlook,
    folders: PackFolders,
    /// Packs in each numbered folder, as far as it was asked.
    packs_in: BTreeMap<u32, u64>,
    /// Packs of the run that no record introduces yet.
    packs: Vec<PackEntry>,
}

/// The log as it is known.
struct LogOutlook {
    /// The numbered folder that a look begins with.
    first: u32,
    /// Records in each numbered folder.
    fills: BTreeMap<u32, u64>,
    /// The first one holds nothing that is older than the grace time.
    young: bool,
}

impl LogOutlook {
    fn of(repository: &Repository) -> Result<Self, RepositoryError> {
        let rows: Vec<(u32, i64, i64)> = repository.state().read("count records", |connection| {
            let sql = "SELECT folder, count(*), min(time_ms) FROM records GROUP BY folder";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            connection.prepare_cached(sql)?.query_map([], row)?.collect()
        })?;
        let first = repository.state().meta_number(Meta::LogFolder)?.unwrap_or(0) as u32;
        let listed = repository.state().meta_number(Meta::LogFill)?.unwrap_or(0) as u64;
        let bound = repository.young_bound()?;
        let young = rows.iter().all(|(folder, _, oldest)| *folder != first || *oldest > bound);
        let mut fills: BTreeMap<_, _> =
            rows.into_iter().map(|(folder, count, _)| (folder, count as u64)).collect();
        fills.insert(first, listed);
        Ok(Self { first, fills, young })
    }

    fn fill(&self, folder: u32) -> u64 {
        self.fills.get(&folder).copied().unwrap_or(0)
    }

    /// The folders that one look lists, as `log.rs` makes it.
    fn looked_at(&self) -> Vec<u32> {
        let mut folders = vec![self.first];
        while let Some(&newest) = folders.last().filter(|newest| decide::is_full(self.fill(**newest))) {
            folders.push(newest.saturating_add(1));
        }
        folders.extend(self.first.checked_sub(1).filter(|_| self.young));
        folders
    }

    /// Counts one look.
    fn look(&self, cost: &mut TrafficCount) {
        self.looked_at().into_iter().for_each(|folder| add_listing(cost, self.fill(folder)));
    }
}

fn add_listing(cost: &mut TrafficCount, objects: u64) {
    let (requests, bytes) = decide::listing(objects);
    cost.add("PROPFIND", requests);
    cost.bytes_down = cost.bytes_down.saturating_add(bytes);
}

/// What lies in packs that the state knows.
fn entries_of(repository: &Repository, packs: &[KnownPack]) -> Result<Vec<PackEntry>, RepositoryError> {
    packs.iter().map(|pack| Ok((*repository.pack(pack.number)?).clone())).collect()
}

impl Repository {
    /// What a look at the log costs now, and the numbered folders that it lists.
    pub fn cost_of_look(&self) -> Result<(TrafficCount, Vec<u32>), RepositoryError> {
        let (mut cost, log) = (TrafficCount::default(), LogOutlook::of(self)?);
        log.look(&mut cost);
        Ok((cost, log.looked_at()))
    }
}

impl Outlook {
    /// A run that begins now and makes packs in this manner. What broken-off runs left is settled and
    /// proven first.
    pub fn new(repository: &Repository, manner: Manner) -> Result<Self, RepositoryError> {
        let leftovers = entries_of(repository, &repository.unrecorded_packs()?)?;
        let mut outlook = Self {
            repository: repository.clone(),
            manner,
            inline_bytes: manner.inline_bytes,
            made_up: MadeUp::default(),
            cost: TrafficCount::default(),
            log: LogOutlook::of(repository)?,
            folders: repository.pack_folders()?,
            packs_in: BTreeMap::new(),
            packs: Vec::new(),
        };
        if let Some(pending) = repository.state().pending()? {
            // It may stand already; then this is more than it takes.
            outlook.look();
            outlook.put(pending.bytes.len() as u64);
            outlook.look();
        }
        outlook.prove(&leftovers)?;
        outlook.packs = leftovers;
        Ok(outlook)
    }

    /// What the run costs so far.
    pub fn cost(&self) -> &TrafficCount {
        &self.cost
    }

    /// The packs of the run so far.
    pub fn packs(&self) -> &[PackEntry] {
        &self.packs
    }

    /// Sends content in these frames.
    pub fn send<'a>(
        &mut self,
        frames: impl IntoIterator<Item = &'a FrameShape>,
    ) -> Result<Vec<PackEntry>, RepositoryError> {
        let mut packs = pack_up(frames, self.manner.pack_bytes, &mut self.made_up);
        for pack in &mut packs {
            let candidate = self.folders.candidate();
            let there = self.packs_in(candidate)?;
            let (number, is_new) = self.folders.next(there);
            if is_new {
                self.cost.add("MKCOL", 1);
                self.folders.made = i64::from(number) + 1;
            }
            (self.folders.filling, self.folders.newest) = (number, Some(number));
            let there = self.packs_in(number)?;
            self.packs_in.insert(number, there + 1);
            pack.folder = number;
            self.put(pack.size);
        }
        self.packs.extend_from_slice(&packs);
        Ok(packs)
    }

    /// Puts a long part of a record into packs.
    pub fn place_stream(&mut self, bytes: Vec<u8>) -> Result<Stream, RepositoryError> {
        if bytes.len() <= self.inline_bytes {
            return Ok(Stream::Inline(bytes));
        }
        let packs = self.send(&frames_of_stream(&bytes, &self.manner)?)?;
        let frames = packs.iter().flat_map(|pack| &pack.index.frames);
        Ok(Stream::Chunks(frames.flat_map(|frame| &frame.chunks).map(|chunk| chunk.id).collect()))
    }

    /// Writes down these packs for a record.
    pub fn place_index(&mut self, packs: &[PackEntry]) -> Result<IndexRef, RepositoryError> {
        let before = self.packs.len();
        Ok(match self.place_stream(PackEntry::write_all(packs))? {
            Stream::Inline(inline) => IndexRef { inline, chunks: Vec::new() },
            Stream::Chunks(chunks) => IndexRef {
                inline: PackEntry::write_all(self.packs.get(before..).unwrap_or_default()),
                chunks,
            },
        })
    }

    /// Proves that these packs lie there whole.
    pub fn prove(&mut self, packs: &[PackEntry]) -> Result<(), RepositoryError> {
        let mut by_folder: BTreeMap<u32, usize> = BTreeMap::new();
        packs.iter().for_each(|pack| *by_folder.entry(pack.folder).or_default() += 1);
        for (folder, packs) in by_folder {
            let there = self.packs_in(folder)?.max(self.repository.objects_about(folder)?);
            match listing_pays(packs, there) {
                true => add_listing(&mut self.cost, there),
                false => self.cost.add("HEAD", packs as u64),
            }
        }
        Ok(())
    }

    /// Publishes a record that says `body`, and looks that it stands. Answers the record's bytes.
    pub fn publish(&mut self, body: Body) -> Result<u64, RepositoryError> {
        let repository = self.repository.clone();
        let known = repository.state().meta(Meta::Writer)?.and_then(|bytes| WriterId::from_slice(&bytes));
        let writer = known.unwrap_or(WriterId([0; WriterId::LEN]));
        let bytes = repository
            .new_record(writer, body, 0)?
            .seal(repository.keyring(), repository.id(), repository.salt()?)
            .map_err(|reason| RepositoryError::damaged("a new record", reason))?
            .len() as u64;
        let (number, is_new) = decide::record_folder(self.log.first, self.log.fill(self.log.first));
        self.cost.add("MKCOL", u64::from(is_new));
        self.put(bytes);
        *self.log.fills.entry(number).or_default() += 1;
        self.look();
        self.log.first = number;
        Ok(bytes)
    }

    fn look(&mut self) {
        self.log.look(&mut self.cost);
    }

    fn put(&mut self, bytes: u64) {
        self.cost.add("PUT", 1);
        self.cost.bytes_up = self.cost.bytes_up.saturating_add(bytes);
    }

    fn packs_in(&mut self, folder: u32) -> Result<u64, RepositoryError> {
        if let Some(known) = self.packs_in.get(&folder) {
            return Ok(*known);
        }
        let known = self.repository.packs_in_folder(folder)?;
        self.packs_in.insert(folder, known);
        Ok(known)
    }
}
