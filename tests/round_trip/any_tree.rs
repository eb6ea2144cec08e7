//! Property: whatever the tree, the edits and the sizes of chunks, frames and packs, each snapshot
//! restores to what was there when it was made.

use crate::support::machine::{Machine, SMALL_CHUNKS};
use crate::support::tree;
use filbert::format::chunker::ChunkerParams;
use filbert::repository::writer::{Choice, WriterOptions};
use proptest::collection::vec;
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType, Timespec, Timestamps, utimensat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAMES: [&[u8]; 9] = [
    b"a",
    b"b.txt",
    b"with space",
    "\u{fc}n\u{ef}c\u{f8}d\u{e9} \u{1f330}".as_bytes(),
    b"not-utf8-\xff\xfe",
    b"-rf",
    b"new\nline",
    b"a.txt",
    b"*?[x]",
];

/// Around the borders of chunks of 64 to 1,024 bytes, and longer.
const SIZES: [usize; 14] = [0, 1, 63, 64, 65, 255, 256, 257, 1023, 1024, 1025, 2048, 5000, 20_000];

const MODES: [u32; 6] = [0o644, 0o600, 0o755, 0o400, 0o777, 0o2755];

#[derive(Debug, Clone)]
enum Edit {
    File { at: Vec<usize>, seed: u64, size: usize },
    Sparse { at: Vec<usize>, data_at: u64, seed: u64 },
    Folder { at: Vec<usize> },
    Link { at: Vec<usize>, target: &'static str },
    Pipe { at: Vec<usize> },
    SecondName { at: Vec<usize>, of: usize },
    Remove { which: usize },
    Rename { which: usize, to: Vec<usize> },
    Change { which: usize, offset: u64, seed: u64 },
    Mode { which: usize, mode: u32 },
    Time { which: usize, seconds: i64, nanos: i64 },
    Attribute { which: usize, value: u64 },
}

fn place() -> impl Strategy<Value = Vec<usize>> {
    vec(0..NAMES.len(), 1..4)
}

fn edit() -> impl Strategy<Value = Edit> {
    let file = || (place(), 0..6_u64, 0..SIZES.len());
    let which = || any::<usize>();
    prop_oneof![
        6 => file().prop_map(|(at, seed, size)| Edit::File { at, seed, size: SIZES[size] }),
        1 => (place(), 0..900_000_u64, any::<u64>())
            .prop_map(|(at, data_at, seed)| Edit::Sparse { at, data_at, seed }),
        2 => place().prop_map(|at| Edit::Folder { at }),
        2 => (place(), prop_oneof![Just("a"), Just("nowhere/at all"), Just("/"), Just("../..")])
            .prop_map(|(at, target)| Edit::Link { at, target }),
        1 => place().prop_map(|at| Edit::Pipe { at }),
        2 => (place(), which()).prop_map(|(at, of)| Edit::SecondName { at, of }),
        2 => which().prop_map(|which| Edit::Remove { which }),
        2 => (which(), place()).prop_map(|(which, to)| Edit::Rename { which, to }),
        3 => (which(), 0..20_000_u64, any::<u64>())
            .prop_map(|(which, offset, seed)| Edit::Change { which, offset, seed }),
        2 => (which(), 0..MODES.len())
            .prop_map(|(which, mode)| Edit::Mode { which, mode: MODES[mode] }),
        2 => (which(), -3_000_000_000..4_000_000_000_i64, 0..1_000_000_000_i64)
            .prop_map(|(which, seconds, nanos)| Edit::Time { which, seconds, nanos }),
        1 => (which(), any::<u64>()).prop_map(|(which, value)| Edit::Attribute { which, value }),
    ]
}

fn sizes() -> impl Strategy<Value = (ChunkerParams, WriterOptions)> {
    let sizes = (0..3_u32, 1..9_usize, 1..40_usize, 1..3_usize, -1..5_i32);
    sizes.prop_map(|(scale, frame, pack, threads, level)| {
        let chunks = ChunkerParams {
            min_bytes: 64 << scale,
            average_bytes: 256 << scale,
            max_bytes: 1024 << scale,
            ..SMALL_CHUNKS
        };
        let (frame_bytes, pack_bytes) = (frame << 9, pack << 10);
        let (level, uploads) = (Choice::Fixed(level), Choice::Fixed(threads));
        (chunks, WriterOptions { pack_bytes, frame_bytes, level, threads, uploads, max_object: None })
    })
}

/// What lies below `root`, folders before what is in them, links not followed.
fn all(root: &Path) -> Vec<PathBuf> {
    let found = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name();
    found.into_iter().map(|entry| entry.unwrap().into_path()).collect()
}

/// A free place to make something at: what is in the way goes.
fn clear(root: &Path, at: &[usize]) -> PathBuf {
    let mut path = root.to_owned();
    for name in at {
        if path.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            fs::remove_file(&path).unwrap();
        }
        if path.symlink_metadata().is_err() {
            fs::create_dir(&path).unwrap();
        }
        path.push(OsStr::from_bytes(NAMES[*name]));
    }
    remove(&path);
    path
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

fn apply(root: &Path, edit: &Edit) {
    let there = all(root);
    let pick = |which: usize| there.get(which.checked_rem(there.len()).unwrap_or(0)).cloned();
    let file = |which: usize| {
        let files: Vec<_> = there.iter().filter(|path| path.symlink_metadata().unwrap().is_file()).collect();
        files.get(which.checked_rem(files.len()).unwrap_or(0)).map(|path| path.to_path_buf())
    };
    match edit {
        Edit::File { at, seed, size } => {
            // Half of them compress.
            let mut content = tree::noise(*seed, *size);
            if seed % 2 == 0 {
                content.iter_mut().for_each(|byte| *byte &= 1);
            }
            fs::write(clear(root, at), content).unwrap();
        }
        Edit::Sparse { at, data_at, seed } => {
            let file = fs::File::create(clear(root, at)).unwrap();
            file.set_len(1 << 20).unwrap();
            file.write_all_at(&tree::noise(*seed, 3000), *data_at).unwrap();
        }
        Edit::Folder { at } => fs::create_dir(clear(root, at)).unwrap(),
        Edit::Link { at, target } => std::os::unix::fs::symlink(target, clear(root, at)).unwrap(),
        Edit::Pipe { at } => {
            rustix::fs::mknodat(CWD, clear(root, at), FileType::Fifo, 0o640.into(), 0).unwrap();
        }
        Edit::SecondName { at, of } => {
            let Some(first) = file(*of) else { return };
            let keep = root.with_extension("kept");
            fs::hard_link(&first, &keep).unwrap();
            fs::rename(&keep, clear(root, at)).unwrap();
            remove(&keep);
        }
        Edit::Remove { which } => pick(*which).iter().for_each(|path| remove(path)),
        Edit::Rename { which, to } => {
            let Some(from) = pick(*which) else { return };
            let keep = root.with_extension("kept");
            fs::rename(from, &keep).unwrap();
            fs::rename(&keep, clear(root, to)).unwrap();
        }
        Edit::Change { which, offset, seed } => {
            let Some(path) = file(*which) else { return };
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let opened = fs::File::options().write(true).open(path).unwrap();
            let offset = offset % (opened.metadata().unwrap().len() + 1);
            opened.write_all_at(&tree::noise(*seed, 7), offset).unwrap();
        }
        Edit::Mode { which, mode } => {
            let Some(path) = pick(*which) else { return };
            let found = path.symlink_metadata().unwrap();
            if !found.is_symlink() {
                let mode = if found.is_dir() { mode | 0o700 } else { *mode };
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        Edit::Time { which, seconds, nanos } => {
            let Some(path) = pick(*which) else { return };
            let time = Timespec { tv_sec: *seconds, tv_nsec: *nanos };
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        }
        Edit::Attribute { which, value } => {
            let Some(path) = file(*which) else { return };
            // A file system without them has nothing to keep.
            let _ = xattr::set(path, "user.filbert", &value.to_le_bytes());
        }
    }
}

async fn each_state_comes_back(states: &[Vec<Edit>], (chunker, writer): (ChunkerParams, WriterOptions)) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("source");
    fs::create_dir(&root).unwrap();
    let mut machine = Machine::new();
    (machine.init.chunker, machine.writer) = (chunker, writer);
    machine.init().await;

    let mut made = Vec::new();
    for (number, edits) in states.iter().enumerate() {
        // The clock runs ahead, so that a change must show in times of the kernel's resolution.
        std::thread::sleep(Duration::from_millis(5));
        edits.iter().for_each(|edit| apply(&root, edit));
        let outcome = match number + 1 == states.len() {
            true => machine.back_up_full("s", &[&root]).await,
            false => machine.back_up("s", &[&root]).await,
        };
        made.push((outcome.snapshot.unwrap(), tree::read(&root)));
    }
    let check = machine.without_state().check(filbert::check::ReadData::Everything).await;
    assert!(check.problems.is_empty(), "{:?}", check.problems);
    let empty = machine.without_state();
    for (number, (id, wanted)) in made.into_iter().enumerate() {
        let target = dir.path().join(format!("restored-{number}"));
        empty.restore(id, &target).await;
        tree::assert_same(&wanted, &target, &format!("snapshot {number}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_and_any_edits_restore_as_they_were_at_each_snapshot(
        first in vec(edit(), 0..24),
        edits in vec(vec(edit(), 0..6), 1..4),
        sizes in sizes(),
    ) {
        let mut states = vec![first];
        states.extend(edits);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(each_state_comes_back(&states, sizes));
    }
}
