//! Records that were made to do harm, sealed with the right keys: nothing leaves the target.

#![allow(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod support;

use filbert::format::entries::{BlockWriter, Change};
use filbert::format::record::stream::join_blocks;
use filbert::format::record::{
    ManifestRef, Snapshot, SnapshotHead, SnapshotKind, SnapshotState, SourceRecord, Stream, Tally,
};
use filbert::model::cancel::Cancel;
use filbert::model::entry::{Content, Entry, Metadata, Node, Piece};
use filbert::model::path::EntryPath;
use filbert::model::set::SetId;
use filbert::model::time::Timestamp;
use filbert::progress::Silent;
use filbert::repository::writer::{PackWriter, Sending, WriterOptions};
use std::path::Path;
use std::sync::Arc;
use support::machine::Machine;

fn entry(path: &str, node: Node) -> Entry {
    let meta = Metadata { mode: 0o755, links: 1, mtime: Timestamp::new(1, 2), ..Metadata::default() };
    Entry { path: EntryPath::new(path.as_bytes().to_vec()).unwrap(), node, meta }
}

/// Publishes a snapshot of `/s` with these entries; files have the content `harm`.
async fn publish(machine: &Machine, entries: impl Fn(Content) -> Vec<Entry>) {
    let repository = machine.open().await;
    let run = Arc::new(repository.begin_run().unwrap());
    let options = WriterOptions::default();
    let sending = Sending { run, options, observer: Arc::new(Silent), cancel: Cancel::default() };
    let mut writer = PackWriter::start(&repository, &sending).unwrap();
    let id = repository.keyring().chunk_id(b"harm");
    writer.add(id, b"harm").unwrap();
    writer.finish().await.unwrap();
    let packs = repository.packs_of_run(&sending.run).unwrap();
    let (index, _) = repository.place_index(&sending, &packs).await.unwrap();
    let mut blocks = BlockWriter::default();
    for entry in entries(Content { size: 4, pieces: vec![Piece::Chunk(id)] }) {
        blocks.push(&Change::Put(entry)).unwrap();
    }
    let block = blocks.finish().unwrap().unwrap();
    let head = SnapshotHead {
        set: SetId::new("host", "s"),
        sources: vec![SourceRecord { path: b"/s".to_vec(), is_folder: true }],
        includes: Vec::new(),
        excludes: Vec::new(),
        one_file_system: false,
        started: Timestamp::default(),
        finished: Timestamp::default(),
        tags: Vec::new(),
        description: None,
        kind: SnapshotKind::Full,
        state: SnapshotState::Whole,
        tally: Tally::default(),
        problems: Vec::new(),
        problem_count: 0,
        missing: Default::default(),
    };
    let manifest = ManifestRef::Base(Stream::Inline(join_blocks([&block.bytes[..]])));
    let introduced: Vec<_> = packs.iter().map(|pack| pack.object).collect();
    repository
        .publish_snapshot(Snapshot { head, manifest, index }, &introduced, 0, &Default::default())
        .await
        .unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let found = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_through_a_link_restored_before() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let leads_to = outside.to_str().unwrap().as_bytes().to_vec();
    publish(&machine, |content| {
        vec![
            entry("/s", Node::Folder),
            entry("/s/good", Node::File(content.clone())),
            entry("/s/link", Node::Symlink(leads_to.clone())),
            entry("/s/link/file", Node::File(content.clone())),
            entry("/s/link/folder", Node::Folder),
            entry("/s/up", Node::Symlink(b"..".to_vec())),
            entry("/s/up/file", Node::File(content)),
        ]
    })
    .await;
    let out = dir.path().join("out");
    let outcome = machine.try_restore("s", &out).await.unwrap();
    assert!(names(&outside).is_empty());
    assert_eq!(names(dir.path()), ["out", "outside"]);
    assert_eq!(names(&out), ["good", "link", "up"]);
    assert_eq!(outcome.problem_count, 3, "{:?}", outcome.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_outside_the_sources_are_left_out_and_told() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    publish(&machine, |content| {
        vec![
            entry("/etc/passwd", Node::File(content.clone())),
            entry("/s", Node::Folder),
            entry("/s/good", Node::File(content.clone())),
            entry("/sudo", Node::File(content)),
        ]
    })
    .await;
    let out = dir.path().join("out");
    let outcome = machine.try_restore("s", &out).await.unwrap();
    assert_eq!(names(&out), ["good"]);
    assert_eq!(outcome.problem_count, 2, "{:?}", outcome.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_lies_about_its_size_is_not_restored() {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    publish(&machine, |content| {
        let lying = |size, more: &[Piece]| {
            let mut pieces = content.pieces.clone();
            pieces.extend_from_slice(more);
            Node::File(Content { size, pieces })
        };
        vec![
            entry("/s", Node::Folder),
            entry("/s/longer", lying(5, &[])),
            entry("/s/overflow", lying(3, &[Piece::Hole(u64::MAX), Piece::Hole(u64::MAX)])),
            entry("/s/shorter", lying(3, &[])),
        ]
    })
    .await;
    let out = dir.path().join("out");
    let outcome = machine.try_restore("s", &out).await.unwrap();
    assert!(names(&out).is_empty());
    assert_eq!(outcome.problem_count, 3, "{:?}", outcome.problems);
}
