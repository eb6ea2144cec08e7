//! Records. The first byte chooses: 0 hands the rest to the reader as a server would; 1 seals it
//! as the plain text of a record; any other value takes it for the fields of a record, which are
//! compressed and sealed as a hostile machine with the password would do it.

#![no_main]

use filbert::format::codec::Writer;
use filbert::format::entries::BlockReader;
use filbert::format::header::{Header, ObjectKind};
use filbert::format::keys::Keyring;
use filbert::format::names::{RecordKind, RecordName};
use filbert::format::record::stream::split_blocks;
use filbert::format::record::{Body, IndexRef, ManifestRef, Record, Stream, object_id};
use filbert::format::seal::{Role, Sealer};
use filbert::format::squeeze::squeeze;
use filbert::model::id::{RepositoryId, Salt};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const REPOSITORY: RepositoryId = RepositoryId([1; 16]);
const HEADER: Header =
    Header { kind: ObjectKind::Record, epoch: 0, repository: REPOSITORY, salt: Salt([2; 32]) };

/// Two keys, the number of epochs, and one more key.
static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let mut bytes = [7; 32 + 32 + 1 + 32];
    bytes[64] = 1;
    Keyring::from_bytes(&bytes).expect("a key ring")
});

/// The nonce is used again and again here, as nothing that is stored ever may.
fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut object = HEADER.to_bytes().to_vec();
    object.extend_from_slice(plain);
    let sealer = Sealer::new(&KEYRING, &HEADER).expect("the epoch is there");
    sealer.seal_tail(Role::Record, &mut object, Header::LEN).expect("short enough");
    object
}

fn open(object: &[u8], time_ms: u64, kind: RecordKind) -> Option<Record> {
    let name = RecordName { time_ms, kind, object: object_id(object) };
    Record::open(object, &name, &KEYRING, REPOSITORY).ok()
}

fn read_stream(stream: &Stream) {
    if let Stream::Inline(bytes) = stream {
        for block in split_blocks(bytes).unwrap_or_default() {
            if let Ok(reader) = BlockReader::new(block) {
                reader.for_each(drop);
            }
        }
    }
}

fn read_index(index: &IndexRef) {
    let _ = index.inline_packs();
}

fn read_all(record: &Record) {
    match &record.body {
        Body::Snapshot(snapshot) => {
            read_index(&snapshot.index);
            snapshot.head.sources.iter().for_each(|source| drop(source.entry_path()));
            let _ = (snapshot.head.started.rfc3339(), snapshot.head.finished.millis());
            if let ManifestRef::Base(stream) | ManifestRef::Delta { stream, .. } = &snapshot.manifest {
                read_stream(stream);
            }
        }
        Body::Checkpoint(checkpoint) => read_index(&checkpoint.index),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    if choice < 2 {
        let object = if choice == 0 { rest.to_vec() } else { sealed(rest) };
        for kind in [RecordKind::Snapshot, RecordKind::Checkpoint] {
            if let Some(record) = open(&object, 0, kind) {
                read_all(&record);
            }
        }
        return;
    }
    // The name must fit the fields, or nothing is read after them.
    let fields = postcard::from_bytes::<Record>(rest).ok();
    let (time_ms, kind) =
        fields.as_ref().map_or((0, RecordKind::Snapshot), |fields| (fields.time_ms, fields.kind()));
    let packed = squeeze(rest, 1).expect("anything can be compressed");
    let mut plain = Writer::default();
    plain.raw(&(packed.len() as u64).to_le_bytes());
    plain.raw(&packed);
    let record = open(&sealed(&plain.into_bytes()), time_ms, kind);
    assert_eq!(record, fields);
    if let Some(record) = record {
        read_all(&record);
        let object = record.seal(&KEYRING, REPOSITORY, HEADER.salt).expect("what was read can be written");
        assert_eq!(open(&object, time_ms, kind).as_ref(), Some(&record));
    }
});
