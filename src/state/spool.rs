//! Blocks of a list of files while it is made or read: the first ones in memory, the others in a
//! file without a name beside the database. So memory does not grow with the number of files.

use super::{Database, StateError};
use crate::format::entries::{BlockReader, Change, EntryError};
use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// So many bytes are held in memory.
const MOST_HELD_BYTES: u64 = 4 << 20;

/// Blocks in their order.
#[derive(Debug, Default)]
pub struct Spool {
    /// Where the file is made; without one all blocks stay in memory.
    folder: Option<PathBuf>,
    blocks: Vec<Spooled>,
    bytes: u64,
    file: Option<File>,
    file_bytes: u64,
}

#[derive(Debug)]
enum Spooled {
    Held(Vec<u8>),
    InFile { at: u64, len: usize },
}

impl Database {
    /// An empty spool that may take room beside this database.
    pub fn spool(&self) -> Spool {
        Spool { folder: self.folder().map(Path::to_owned), ..Spool::default() }
    }
}

impl Spool {
    /// Appends a block.
    pub fn push(&mut self, block: Vec<u8>) -> Result<(), StateError> {
        let len = block.len();
        self.bytes += len as u64;
        let spooled = match &self.folder {
            Some(folder) if self.bytes > MOST_HELD_BYTES => {
                let at = self.file_bytes;
                let put_aside = |file: Option<File>| {
                    let file = file.map_or_else(|| tempfile::tempfile_in(folder), Ok)?;
                    file.write_all_at(&block, at)?;
                    Ok(file)
                };
                let file = put_aside(self.file.take());
                self.file =
                    Some(file.map_err(|error| StateError::io("put blocks aside in", folder, &error))?);
                self.file_bytes += len as u64;
                Spooled::InFile { at, len }
            }
            _ => Spooled::Held(block),
        };
        self.blocks.push(spooled);
        Ok(())
    }

    /// Bytes of all blocks.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The block with this number; none behind the last.
    pub fn block(&self, number: usize) -> Option<Result<Cow<'_, [u8]>, StateError>> {
        Some(match self.blocks.get(number)? {
            Spooled::Held(block) => Ok(Cow::Borrowed(block)),
            Spooled::InFile { at, len } => self.read(*at, *len).map(Cow::Owned),
        })
    }

    /// All blocks in order, each read when its turn comes.
    pub fn blocks(&self) -> impl Iterator<Item = Result<Cow<'_, [u8]>, StateError>> {
        (0..self.len()).map_while(|number| self.block(number))
    }

    /// What the blocks say, in order.
    pub fn changes(&self) -> impl Iterator<Item = Result<Change, EntryError>> {
        self.blocks().flat_map(|block| {
            let opened = match block {
                Ok(block) => BlockReader::new(&block).map_err(EntryError::from),
                Err(error) => Err(EntryError::Local(error.to_string())),
            };
            let (reader, error) = match opened {
                Ok(reader) => (Some(reader), None),
                Err(error) => (None, Some(Err(error))),
            };
            error.into_iter().chain(reader.into_iter().flatten())
        })
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, StateError> {
        let mut block = vec![0; len];
        let read = match &self.file {
            Some(file) => file.read_exact_at(&mut block, at),
            None => Err(std::io::ErrorKind::NotFound.into()),
        };
        let folder = self.folder.as_deref().unwrap_or(Path::new(""));
        read.map_err(|error| StateError::io("read what was put aside in", folder, &error))?;
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_comes_back_in_order_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let state = Database::open(folder.path()).unwrap();
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        let (mut spool, before) = (state.spool(), files());
        let blocks: Vec<_> = (0..100u8).map(|byte| vec![byte; 100_000 + usize::from(byte)]).collect();
        for block in &blocks {
            spool.push(block.clone()).unwrap();
        }
        assert!(matches!(spool.blocks.last(), Some(Spooled::InFile { .. })));
        assert_eq!(spool.bytes(), blocks.iter().map(|block| block.len() as u64).sum::<u64>());
        let back: Vec<_> = spool.blocks().map(|block| block.unwrap().into_owned()).collect();
        assert_eq!(back, blocks);
        assert_eq!(files(), before);
    }

    #[test]
    fn what_was_put_aside_and_is_gone_is_told_as_a_failure_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Database::open(folder.path()).unwrap().spool();
        (0..3).for_each(|_| spool.push(vec![7; 3 << 20]).unwrap());
        spool.file.as_ref().unwrap().set_len(0).unwrap();
        let told: Vec<_> = spool.changes().filter_map(Result::err).collect();
        assert!(matches!(told.last(), Some(EntryError::Local(_))), "{told:?}");
    }

    #[test]
    fn without_a_folder_all_stays_in_memory() {
        let mut spool = Database::in_memory().unwrap().spool();
        for _ in 0..3 {
            spool.push(vec![7; 3 << 20]).unwrap();
        }
        assert!(spool.blocks().all(|block| block.unwrap().len() == 3 << 20));
    }
}
