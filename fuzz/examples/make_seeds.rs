//! Takes the objects in `fixtures/` apart into inputs for the fuzzers to begin with: what lies
//! under seals and compression they would never find by themselves.

use filbert::format::codec::Reader;
use filbert::format::descriptor::Descriptor;
use filbert::format::keys::Keyring;
use filbert::format::names::RecordName;
use filbert::format::record::stream::split_blocks;
use filbert::format::record::{Body, ManifestRef, Record, Stream};
use filbert::format::squeeze::unsqueeze;
use filbert::model::id::ChunkId;
use std::error::Error;
use std::fs;
use std::path::Path;

const PASSWORD: &str = "golden";
/// Leads of inputs, as the targets read them.
const WHOLE_BLOCK: u8 = u8::MAX;
const FIELDS: u8 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = root.join("../fixtures/v1/repository");
    let corpus = root.join("corpus");
    for entry in fs::read_dir(&repository)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let bytes = fs::read(&path)?;
            let descriptor = Descriptor::from_bytes(&bytes)?;
            let keyring =
                descriptor.unlock(&PASSWORD.into())?.ok_or("the password of the fixture is another")?;
            seed(&corpus, "descriptor", &bytes)?;
            seed(&corpus, "names", path.file_name().unwrap_or_default().as_encoded_bytes())?;
            records(&repository.join("log-000"), &descriptor, &keyring, &corpus)?;
        }
    }
    Ok(())
}

/// A seed is named by its content, as libFuzzer does it.
fn seed(corpus: &Path, target: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(&blake3::hash(bytes).to_hex()[..40]), bytes)
}

fn lead(first: u8, rest: &[u8]) -> Vec<u8> {
    [&[first], rest].concat()
}

fn records(
    log: &Path,
    descriptor: &Descriptor,
    keyring: &Keyring,
    corpus: &Path,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        let file_name = entry.file_name().into_string().map_err(|_| "a foreign file in the log")?;
        let name = RecordName::parse(&file_name).ok_or("a foreign file in the log")?;
        let record = Record::open(&fs::read(entry.path())?, &name, keyring, descriptor.repository)?;
        seed(corpus, "names", file_name.as_bytes())?;
        seed(corpus, "record", &lead(FIELDS, &postcard::to_stdvec(&record)?))?;
        let (index, stream) = match &record.body {
            Body::Snapshot(snapshot) => (
                &snapshot.index,
                match &snapshot.manifest {
                    ManifestRef::Base(stream) | ManifestRef::Delta { stream, .. } => Some(stream),
                    ManifestRef::Same { .. } => None,
                },
            ),
            Body::Checkpoint(checkpoint) => (&checkpoint.index, None),
        };
        seed(corpus, "pack_index", &index.inline)?;
        if let Some(Stream::Inline(blocks)) = stream {
            for block in split_blocks(blocks)? {
                seed(corpus, "entries_block", &lead(WHOLE_BLOCK, block))?;
                seed(corpus, "entries_block", &unpacked(block)?)?;
            }
        }
    }
    Ok(())
}

/// A block with its changes as they are before compression.
fn unpacked(block: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut reader = Reader::new(block);
    let count = u8::try_from(reader.number_up_to(254)?)?;
    let ids = reader.raw(usize::from(count) * ChunkId::LEN)?;
    let changes = unsqueeze(reader.rest(), 1 << 20)?;
    Ok([&[count], ids, &changes].concat())
}
