//! What a copy promises: it is of one moment, and the original is as it was. Tests of writers in
//! other processes are in `tests/databases.rs`.

use super::*;
use crate::files::read::Segment;
use std::collections::BTreeMap;
use std::fs;

struct Place {
    dir: tempfile::TempDir,
    copier: Copier,
}

/// Everything that lies in a folder, with its times.
type Image = BTreeMap<String, (Vec<u8>, (i64, i64), u64)>;

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["live", "dead", "copies"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let copier = Copier::new(dir.path().join("copies"), Cancel::default());
        Self { copier: Copier { patience: Duration::from_millis(50), ..copier }, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A database with rows 1 to 500 in the file, and more in its log.
    fn writer(&self, mode: &str) -> Connection {
        let connection = Connection::open(self.path("live/d b?.sqlite")).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = {mode}; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 5;
                 CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
                 INSERT INTO t SELECT i, hex(zeroblob(200)) FROM n;
                 PRAGMA wal_checkpoint(TRUNCATE);"
            ))
            .unwrap();
        connection
    }

    /// What a power failure at this moment would leave in the folder of the dead, but for `lost`.
    fn kill(&self, lost: &str) -> PathBuf {
        for file in fs::read_dir(self.path("live")).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            if lost.is_empty() || !name.ends_with(lost) {
                fs::copy(file.path(), self.path("dead").join(name)).unwrap();
            }
        }
        self.path("dead/d b?.sqlite")
    }

    fn try_copy(&self, path: &Path) -> Result<Vec<u8>, CopyError> {
        let found = path.symlink_metadata().unwrap();
        let reader = self.copier.copy(path, &found, Beside::look(path).as_ref());
        assert_eq!(fs::read_dir(self.path("copies")).unwrap().count(), 0, "nothing stays");
        let mut reader = reader?;
        let (mut content, mut buffer) = (Vec::new(), vec![0; 10_000]);
        loop {
            match reader.next(&mut buffer).unwrap() {
                Segment::Data(read) => content.extend_from_slice(&buffer[..read]),
                Segment::Hole(len) => content.resize(content.len() + usize::try_from(len).unwrap(), 0),
                Segment::End => return Ok(content),
            }
        }
    }

    /// Copies, and looks that the original and all beside it is as it was. Gives the number of rows.
    fn copy(&self, path: &Path) -> i64 {
        let before = image(path.parent().unwrap());
        let content = self.try_copy(path).unwrap();
        assert_eq!(image(path.parent().unwrap()), before);
        let copy = self.path("restored");
        fs::write(&copy, content).unwrap();
        let connection = Connection::open(&copy).unwrap();
        let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }
}

fn image(folder: &Path) -> Image {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files
        .map(|file| {
            let found = file.metadata().unwrap();
            let content = fs::read(file.path()).unwrap();
            (
                file.file_name().into_string().unwrap(),
                (content, (found.mtime(), found.mtime_nsec()), found.ino()),
            )
        })
        .collect()
}

fn add(connection: &Connection, rows: usize) {
    for _ in 0..rows {
        connection.execute("INSERT INTO t (x) VALUES (hex(randomblob(200)))", []).unwrap();
    }
}

#[test]
fn what_is_committed_only_to_the_log_is_in_the_copy_which_is_the_same_each_time() {
    let place = Place::new();
    let writer = place.writer("wal");
    add(&writer, 50);
    let path = place.path("live/d b?.sqlite");
    assert_eq!(place.try_copy(&path).unwrap(), place.try_copy(&path).unwrap());
    assert_eq!(place.copy(&place.kill("")), 550);
    add(&writer, 1);
    writer.execute_batch("BEGIN; DELETE FROM t").unwrap();
    assert_eq!(place.copy(&place.kill("")), 551, "what is not committed is not in it");
}

#[test]
fn a_log_whose_index_is_lost_is_read_and_no_index_is_left_beside_it() {
    let place = Place::new();
    let writer = place.writer("wal");
    add(&writer, 50);
    let dead = place.kill("-shm");
    assert_eq!(place.copy(&dead), 550);
}

#[test]
fn what_a_killed_writer_left_half_done_is_rolled_back_in_the_copy_alone() {
    let place = Place::new();
    let writer = place.writer("delete");
    writer.execute_batch("BEGIN; UPDATE t SET x = hex(randomblob(300)); DELETE FROM t WHERE id % 2").unwrap();
    let dead = place.kill("");
    assert!(Beside::look(&dead).is_some_and(|beside| beside.is_in_use(&dead)), "the journal is hot");
    assert_eq!(place.copy(&dead), 500);
    // And again, which would not be so had the first one rolled the original back.
    assert_eq!(place.copy(&dead), 500);
}

#[test]
fn a_reader_between_two_transactions_gets_a_database_without_a_log_too() {
    let place = Place::new();
    let writer = place.writer("delete");
    add(&writer, 3);
    assert_eq!(place.copy(&place.path("live/d b?.sqlite")), 503);
}

#[test]
fn a_database_that_stays_locked_is_told() {
    let place = Place::new();
    let writer = place.writer("delete");
    writer.execute_batch("PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE; DELETE FROM t").unwrap();
    let error = place.try_copy(&place.path("live/d b?.sqlite")).unwrap_err();
    assert!(matches!(error, CopyError::Locked(_)), "{error}");
}

#[test]
fn what_only_begins_as_a_database_does_is_told_to_be_damaged() {
    let place = Place::new();
    for garbage in [vec![0xa5; 5000], vec![0; 5000]] {
        let path = place.path("live/garbage");
        fs::write(&path, [b"SQLite format 3\0".as_slice(), &garbage].concat()).unwrap();
        fs::write(place.path("live/garbage-wal"), "no log either").unwrap();
        let error = place.try_copy(&path).unwrap_err();
        assert!(matches!(error, CopyError::Damaged(_)), "{error}");
    }
}

#[test]
fn copying_ends_when_asked() {
    let place = Place::new();
    let writer = place.writer("wal");
    add(&writer, 5);
    place.copier.cancel.cancel();
    for path in [place.path("live/d b?.sqlite"), place.kill("-shm")] {
        assert!(matches!(place.try_copy(&path), Err(CopyError::Cancelled)));
    }
}

#[test]
fn something_else_in_its_place_is_not_taken_for_it() {
    let place = Place::new();
    drop(place.writer("delete"));
    let path = place.path("live/d b?.sqlite");
    let other = place.path("live/other");
    fs::copy(&path, &other).unwrap();
    let found = other.symlink_metadata().unwrap();
    let error = place.copier.copy(&path, &found, None).unwrap_err();
    assert!(matches!(error, CopyError::Read(ReadError::Replaced { .. })), "{error}");
    let link = place.path("live/link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(place.copier.copy(&link, &found, None).is_err());
}
