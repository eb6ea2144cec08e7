//! Blocks of a manifest. The first byte says how many chunk ids follow; what comes after them is
//! compressed here, so that the fuzzer works on entries and not on zstd. 255: the rest is a whole
//! block as it is.

#![no_main]

use filbert::format::codec::Writer;
use filbert::format::entries::{BlockReader, BlockWriter, Change};
use filbert::format::squeeze::squeeze;
use filbert::model::id::ChunkId;
use libfuzzer_sys::fuzz_target;

/// The changes that can be had: those with a refused path are left out.
fn read(block: &[u8]) -> Vec<Change> {
    BlockReader::new(block).map(|reader| reader.filter_map(Result::ok).collect()).unwrap_or_default()
}

/// What is read from these changes when they are written.
fn again(changes: &[Change]) -> Vec<Change> {
    let mut writer = BlockWriter::default();
    let mut blocks: Vec<_> =
        changes.iter().filter_map(|change| writer.push(change).expect("what was read")).collect();
    blocks.extend(writer.finish().expect("what was read"));
    blocks.iter().flat_map(|block| read(&block.bytes)).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&count, rest)) = bytes.split_first() else { return };
    let changes = if count == u8::MAX {
        read(rest)
    } else {
        let Some((ids, changes)) = rest.split_at_checked(usize::from(count) * ChunkId::LEN) else { return };
        let mut block = Writer::default();
        block.number(u64::from(count));
        block.raw(ids);
        block.raw(&squeeze(changes, 1).expect("anything can be compressed"));
        read(&block.into_bytes())
    };
    // Writing drops what means nothing, such as the device of a file with one name; after that
    // it changes nothing any more.
    let written = again(&changes);
    assert_eq!(written.len(), changes.len());
    assert_eq!(again(&written), written);
});
