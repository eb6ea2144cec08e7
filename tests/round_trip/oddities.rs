//! Files that are odd, or change under the eyes of a backup.

use crate::support::machine::{Heard, Machine};
use crate::support::tree::{self, What, write};
use filbert::format::record::SnapshotState;
use filbert::progress::{Event, Observer};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Does something when a file's bytes are being read, or a file is finished.
struct Meddler {
    heard: Heard,
    reads: AtomicUsize,
    on_read: Box<dyn Fn(usize) + Send + Sync>,
    on_file: Mutex<Box<dyn FnMut(&str) + Send>>,
}

impl Meddler {
    fn reading(on_read: impl Fn(usize) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            heard: Heard::default(),
            reads: AtomicUsize::new(0),
            on_read: Box::new(on_read),
            on_file: Mutex::new(Box::new(|_| {})),
        })
    }

    fn after_file(on_file: impl FnMut(&str) + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            heard: Heard::default(),
            reads: AtomicUsize::new(0),
            on_read: Box::new(|_| {}),
            on_file: Mutex::new(Box::new(on_file)),
        })
    }
}

impl Observer for Meddler {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Advanced { files: 0, bytes } if bytes > 0 => {
                (self.on_read)(self.reads.fetch_add(1, Ordering::SeqCst));
            }
            Event::File { path, .. } => (self.on_file.lock().unwrap())(path),
            other => self.heard.event(other),
        }
    }
}

async fn ready() -> (Machine, TempDir, PathBuf) {
    let machine = Machine::new();
    machine.init().await;
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    (machine, dir, source)
}

fn append(path: &Path) {
    fs::File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_once_while_it_is_read_is_read_again_and_right() {
    let (machine, dir, source) = ready().await;
    write(&source, "log", tree::noise(1, 50_000));
    let path = source.join("log");
    let meddler = Meddler::reading(move |number| {
        if number == 0 {
            append(&path);
        }
    });
    let outcome = machine.back_up_watched(machine.options("s", &[&source]), meddler).await.unwrap();
    assert_eq!(outcome.state, SnapshotState::Whole, "{:?}", outcome.problems);
    machine.restore("s", &dir.path().join("out")).await;
    tree::assert_same(&tree::read(&source), &dir.path().join("out"), "the state after the change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_stands_still_is_told_and_read_again_next_time() {
    let (machine, dir, source) = ready().await;
    write(&source, "log", tree::noise(1, 50_000));
    write(&source, "quiet", "x");
    let path = source.join("log");
    let meddler = Meddler::reading(move |_| append(&path));
    let outcome = machine.back_up_watched(machine.options("s", &[&source]), meddler).await.unwrap();
    assert_eq!((outcome.state, outcome.problem_count), (SnapshotState::Incomplete, 1));
    assert!(outcome.problems[0].subject.ends_with("source/log"), "{:?}", outcome.problems);
    let again = machine.back_up("s", &[&source]).await;
    assert_eq!(again.bytes_read, fs::metadata(source.join("log")).unwrap().len());
    machine.restore("s", &dir.path().join("out")).await;
    tree::assert_same(&tree::read(&source), &dir.path().join("out"), "the next snapshot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanishes_meanwhile_is_no_damage() {
    let (machine, dir, source) = ready().await;
    ["a", "b", "c"].iter().for_each(|name| write(&source, name, *name));
    let gone = source.join("b");
    let meddler = Meddler::after_file(move |path| {
        if path.ends_with("/a") {
            fs::remove_file(&gone).unwrap();
        }
    });
    let outcome = machine.back_up_watched(machine.options("s", &[&source]), meddler.clone()).await.unwrap();
    assert_eq!((outcome.state, outcome.tally.files), (SnapshotState::Whole, 2));
    assert!(meddler.heard.notices().contains("vanished"), "{}", meddler.heard.notices());
    machine.restore("s", &dir.path().join("out")).await;
    assert_eq!(fs::read(dir.path().join("out/c")).unwrap(), b"c");
}

/// A folder whose path is longer than the system takes: even root cannot list it.
fn make_too_deep(source: &Path) {
    let mut folder = rustix::fs::open(source, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let name = "d".repeat(250);
    for _ in 0..17 {
        rustix::fs::mkdirat(&folder, &name, 0o700.into()).unwrap();
        folder =
            rustix::fs::openat(&folder, &name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_the_rest_is_backed_up() {
    let (machine, dir, source) = ready().await;
    write(&source, "a", "1");
    make_too_deep(&source);
    write(&source, "secret", "2");
    write(&source, "z", "3");
    fs::set_permissions(source.join("secret"), fs::Permissions::from_mode(0)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let outcome = machine.try_back_up(machine.options("s", &[&source])).await.unwrap();
    assert_eq!(outcome.state, SnapshotState::Incomplete);
    let told = |what: &str| outcome.problems.iter().filter(|problem| problem.subject.ends_with(what)).count();
    let too_deep = told(&"d".repeat(250));
    assert!(too_deep > 0, "the folder that cannot be listed is not told");
    // Root reads what nobody may.
    assert_eq!((told("secret"), outcome.tally.files), if is_root { (0, 3) } else { (1, 2) });
    assert_eq!(outcome.problem_count as usize, too_deep + told("secret"));

    let snapshot = machine.wish("s", &dir.path().join("out")).await.unwrap().snapshot;
    assert_eq!(snapshot.head.state, SnapshotState::Incomplete);
    assert_eq!(snapshot.head.problems, outcome.problems);
    machine.try_restore("s", &dir.path().join("out")).await.unwrap();
    assert_eq!(fs::read(dir.path().join("out/z")).unwrap(), b"3");
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_and_sockets_are_recorded_and_not_read() {
    let (machine, dir, source) = ready().await;
    rustix::fs::mknodat(CWD, source.join("pipe"), FileType::Fifo, 0o640.into(), 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
    // Reading the pipe would wait for ever.
    let outcome = machine.back_up("s", &[&source]).await;
    assert_eq!((outcome.bytes_read, outcome.tally.files, outcome.tally.entries), (0, 0, 3));
    machine.restore("s", &dir.path().join("out")).await;
    let found = tree::read(&dir.path().join("out"));
    assert_eq!((&found["pipe"].what, found["pipe"].mode), (&What::Pipe, 0o640));
    assert_eq!(found["socket"].what, What::Socket);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_one_file_are_read_once_and_restored_as_one_file() {
    let (machine, dir, source) = ready().await;
    write(&source, "first", tree::noise(1, 5000));
    write(&source, "sub/x", "1");
    fs::hard_link(source.join("first"), source.join("sub/second")).unwrap();
    fs::hard_link(source.join("first"), source.join("a-name-before")).unwrap();
    let outcome = machine.back_up("s", &[&source]).await;
    assert_eq!(outcome.bytes_read, 5001);
    machine.without_state().restore("s", &dir.path().join("out")).await;
    let found = tree::read(&dir.path().join("out"));
    assert_eq!(found["sub/second"].same_as.as_deref(), Some("a-name-before"));
    tree::assert_same(&tree::read(&source), &dir.path().join("out"), "all names");
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_neither_stored_nor_filled() {
    let (machine, dir, source) = ready().await;
    let file = fs::File::create(source.join("disk.img")).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(&tree::noise(1, 10_000), 40 << 20).unwrap();
    file.sync_all().unwrap();
    let outcome = machine.back_up("s", &[&source]).await;
    assert!(outcome.traffic.bytes_up < 100_000, "{:?}", outcome.traffic);
    machine.without_state().restore("s", &dir.path().join("out")).await;
    let (wanted, found) = (tree::read(&source), tree::read(&dir.path().join("out")));
    let What::File { sparse, .. } = wanted["disk.img"].what else { panic!("a file") };
    assert!(sparse, "the file system of the temporary folder keeps no holes");
    assert_eq!(tree::differences(&wanted, &found), Vec::<String>::new());
}
