//! Blocks of entries, as manifests hold them.

use crate::material::noise;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use filbert::format::entries::{Block, BlockReader, BlockWriter, Change};
use filbert::model::entry::{Content, Entry, Metadata, Node, Piece};
use filbert::model::id::ChunkId;
use filbert::model::path::EntryPath;
use filbert::model::time::Timestamp;

const ENTRIES: u64 = 20_000;

/// Files of one chunk, 40 to a folder, as a fresh checkout leaves them.
fn changes() -> Vec<Change> {
    let change = |number: u64| {
        let path = format!("/home/user/project/module_{:03}/file_{:05}.rs", number / 40, number);
        let draw = noise(number, ChunkId::LEN);
        let mtime = Timestamp::new(1_790_000_000 + number as i64 / 50, u32::from(draw[0]) << 20);
        let piece = Piece::Chunk(ChunkId::from_slice(&draw).unwrap());
        let size = 500 + u64::from(draw[1]) * 64;
        let meta = Metadata {
            mode: 0o644,
            uid: 1000,
            gid: 1000,
            mtime,
            ctime: mtime,
            inode: 4_000_000 + number,
            links: 1,
            ..Metadata::default()
        };
        let node = Node::File(Content { size, pieces: vec![piece] });
        Change::Put(Entry { path: EntryPath::new(path.into_bytes()).unwrap(), node, meta })
    };
    (0..ENTRIES).map(change).collect()
}

fn encode(changes: &[Change]) -> Vec<Block> {
    let mut writer = BlockWriter::default();
    let mut blocks: Vec<_> = changes.iter().filter_map(|change| writer.push(change).unwrap()).collect();
    blocks.extend(writer.finish().unwrap());
    blocks
}

#[divan::bench]
fn entries_encoding(bencher: Bencher<'_, '_>) {
    let changes = changes();
    bencher.counter(ItemsCount::new(ENTRIES)).bench_local(|| encode(black_box(&changes)));
}

/// Counted in entries and in bytes as stored.
#[divan::bench]
fn entries_decoding(bencher: Bencher<'_, '_>) {
    let blocks = encode(&changes());
    let stored: usize = blocks.iter().map(|block| block.bytes.len()).sum();
    bencher.counter(ItemsCount::new(ENTRIES)).counter(BytesCount::new(stored)).bench_local(|| {
        let read: usize = blocks
            .iter()
            .map(|block| BlockReader::new(black_box(&block.bytes)).unwrap().map(Result::unwrap).count())
            .sum();
        assert_eq!(read as u64, ENTRIES);
    });
}
