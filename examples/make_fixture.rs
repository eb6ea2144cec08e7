//! Writes the golden repository of the present format into `fixtures/v<version>`, for the test
//! that later versions still read it. Run once a format version, and never again for an old one:
//!
//! ```text
//! cargo run --example make_fixture
//! ```
//!
//! Keys are derived with the small cost of the tests, and time and randomness are fixed. Bytes
//! still differ from run to run, for inodes and change times are those of the files it makes.

use filbert::backup::{BackupOptions, BackupService};
use filbert::format::FORMAT_VERSION;
use filbert::format::chunker::ChunkerParams;
use filbert::format::descriptor::InitOptions;
use filbert::format::slot::KdfCost;
use filbert::model::clock::ManualClock;
use filbert::model::entropy::{Entropy, EntropyError};
use filbert::model::set::SetId;
use filbert::model::time::Timestamp;
use filbert::progress::Silent;
use filbert::repository::writer::WriterOptions;
use filbert::repository::{Means, Repository};
use filbert::state::Database;
use filbert::store::FolderStore;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PASSWORD: &str = "golden";
/// 2030-01-01, later than any file this makes.
const START_MS: i64 = 1_893_456_000_000;
/// So many small backups that a checkpoint is among them.
const SMALL_BACKUPS: u64 = 32;

/// Random bytes that are the same in each run.
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let mut hasher = blake3::Hasher::new_derive_key("filbert fixture");
        hasher.update(&number.to_le_bytes()).finalize_xof().fill(bytes);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/v{FORMAT_VERSION}"));
    if fixture.exists() {
        return Err(format!("{} is there: a golden repository is never made again", fixture.display()).into());
    }
    let work = tempfile::tempdir()?;
    let source = work.path().join("source");
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START_MS)));
    let means = Means {
        store: Arc::new(FolderStore::new(fixture.join("repository"))),
        state: Arc::new(Database::in_memory()?),
        clock: clock.clone(),
        entropy: Arc::new(Counted(AtomicU64::new(0))),
    };
    let chunker =
        ChunkerParams { min_bytes: 64, average_bytes: 256, max_bytes: 1024, ..ChunkerParams::DEFAULT };
    let init = InitOptions { cost: KdfCost::FOR_TESTS, chunker };
    let repository = Repository::init(means, &PASSWORD.into(), init).await?;
    let service = BackupService::new(repository);

    let mut listing = String::new();
    let mut back_up = async |set: &str, full: bool| -> Result<(), Box<dyn Error>> {
        clock.advance(std::time::Duration::from_secs(24 * 3600));
        let writer = WriterOptions { pack_bytes: 8 << 10, frame_bytes: 2 << 10, ..WriterOptions::default() };
        let id = SetId::new("golden-host", set);
        let options = BackupOptions {
            full,
            writer,
            tags: vec!["golden".to_owned()],
            ..BackupOptions::new(id, vec![source.clone()], work.path().to_owned())
        };
        let outcome = service.run(options, Arc::new(Silent)).await?;
        let id = outcome.snapshot.ok_or("no snapshot")?;
        listing += &format!("snapshot {id}\n");
        list(&source, &source, &mut listing)?;
        Ok(())
    };

    make_first(&source)?;
    back_up("documents", false).await?;
    fs::write(source.join("edited.txt"), "after the edit\n")?;
    fs::remove_file(source.join("removed.txt"))?;
    touch(&source.join("edited.txt"), 1_700_000_100, 5)?;
    back_up("documents", false).await?;
    back_up("documents", false).await?;
    back_up("documents", true).await?;
    for day in 0..SMALL_BACKUPS {
        fs::write(source.join("daily"), format!("day {day}\n"))?;
        back_up("daily", false).await?;
    }
    fs::write(fixture.join("expected.txt"), listing)?;
    Ok(())
}

fn make_first(source: &Path) -> Result<(), Box<dyn Error>> {
    use std::os::unix::ffi::OsStrExt;
    fs::create_dir_all(source.join("folder/empty"))?;
    fs::write(source.join("edited.txt"), "before the edit\n")?;
    fs::write(source.join("removed.txt"), "gone later\n")?;
    fs::write(source.join("empty"), "")?;
    let mut noise = vec![0; 20_000];
    blake3::Hasher::new().update(b"golden").finalize_xof().fill(&mut noise);
    fs::write(source.join("folder/noise"), &noise)?;
    fs::write(source.join("folder/text"), "the same line again and again\n".repeat(300))?;
    // Calls of one function, which frames turn.
    let program = (1..200_i32).flat_map(|call| {
        let distance = (-32 * call).to_le_bytes();
        [&[0x90; 27][..], &[0xE8], &distance].concat()
    });
    fs::write(source.join("folder/program"), program.collect::<Vec<u8>>())?;
    fs::write(source.join("r\u{fc}bli \u{1f955}"), "carrot\n")?;
    fs::write(source.join(std::ffi::OsStr::from_bytes(b"not-utf8-\xff")), "bytes\n")?;
    fs::hard_link(source.join("folder/text"), source.join("second-name"))?;
    symlink("folder/text", source.join("link"))?;
    symlink("nowhere", source.join("dangling"))?;
    fs::write(source.join("run.sh"), "#!/bin/sh\n")?;
    fs::set_permissions(source.join("run.sh"), fs::Permissions::from_mode(0o750))?;
    let file = fs::File::create(source.join("sparse"))?;
    file.set_len(1 << 20)?;
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 500_000)?;
    touch(&source.join("run.sh"), -86_400, 123_456_789)?;
    touch(&source.join("folder/noise"), 1_700_000_000, 999_999_999)?;
    touch(&source.join("link"), 1_000_000_000, 1)?;
    Ok(())
}

fn touch(path: &Path, seconds: i64, nanos: i64) -> Result<(), Box<dyn Error>> {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// A line an entry: kind, mode, time of the last change, content, path.
fn list(root: &Path, path: &Path, listing: &mut String) -> Result<(), Box<dyn Error>> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let found = path.symlink_metadata()?;
    let (kind, mode, content) = if found.is_symlink() {
        ("link", 0, fs::read_link(path)?.as_os_str().as_bytes().escape_ascii().to_string())
    } else if found.is_dir() {
        ("folder", found.mode(), "-".to_owned())
    } else {
        ("file", found.mode(), blake3::hash(&fs::read(path)?).to_hex().to_string())
    };
    let name = path.strip_prefix(root)?.as_os_str().as_bytes().escape_ascii().to_string();
    let (mode, seconds, nanos) = (mode & 0o7777, found.mtime(), found.mtime_nsec());
    *listing += &format!("{kind} {mode:04o} {seconds}.{nanos:09} {content} {name}\n");
    if found.is_dir() {
        let mut below: Vec<_> =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        below.sort();
        below.iter().try_for_each(|path| list(root, path, listing))?;
    }
    Ok(())
}
