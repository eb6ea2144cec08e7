//! Opens frames of a pack, and whole packs.

use super::index::{FrameEntry, PackEntry, PackIndex};
use super::{FIRST_FRAME, TRAILER_LEN};
use crate::format::FormatError;
use crate::format::codec::Reader;
use crate::format::frame::FrameDecoder;
use crate::format::header::{Header, ObjectKind};
use crate::format::keys::Keyring;
use crate::format::seal::{Role, Sealer};
use crate::model::id::{ObjectId, RepositoryId};
use std::panic::resume_unwind;
use std::thread::Builder;

/// Opens single frames of one pack, with key material from the index and not from the server.
/// Keeps its working memory.
pub struct FrameOpener<'k> {
    keyring: &'k Keyring,
    sealer: Sealer,
    decoder: FrameDecoder,
    scratch: Vec<u8>,
}

impl<'k> FrameOpener<'k> {
    /// An opener for the frames of `pack`.
    pub fn new(
        keyring: &'k Keyring,
        repository: RepositoryId,
        pack: &PackEntry,
    ) -> Result<Self, FormatError> {
        let header = Header { kind: ObjectKind::Pack, epoch: pack.epoch, repository, salt: pack.salt };
        Self::with_sealer(keyring, Sealer::new(keyring, &header)?)
    }

    fn with_sealer(keyring: &'k Keyring, sealer: Sealer) -> Result<Self, FormatError> {
        Ok(Self { keyring, sealer, decoder: FrameDecoder::new()?, scratch: Vec::new() })
    }

    /// Opens, decodes and verifies frame `number` into `plain`: every chunk has the content its
    /// id names.
    pub fn open(
        &mut self,
        number: u32,
        frame: &FrameEntry,
        sealed: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        self.sealer.open_into(Role::Frame(number), sealed, &mut self.scratch)?;
        self.decoder.decode(&self.scratch, frame.plain_len(), plain)?;
        let mut rest = plain.as_slice();
        for chunk in &frame.chunks {
            let (content, after) = rest
                .split_at_checked(chunk.len as usize)
                .ok_or(FormatError::Damaged("a frame is shorter than its chunks"))?;
            if self.keyring.chunk_id(content) != chunk.id {
                return Err(FormatError::Damaged("a chunk's content is not what its id names"));
            }
            rest = after;
        }
        Ok(())
    }
}

/// Opens a whole pack, every frame of it, and returns how a record introduces it (with folder
/// 0). Proves that all chunks can be had from exactly these bytes. Shares the frames out to threads, one
/// for each of `rooms`, whose memory it decodes into; the caller's is the first.
pub fn verify_pack(
    bytes: &[u8],
    keyring: &Keyring,
    repository: RepositoryId,
    rooms: &mut [Vec<u8>],
) -> Result<PackEntry, FormatError> {
    let (sealer, header, index) = read_footer(bytes, keyring, repository)?;
    let entry = PackEntry {
        object: ObjectId(*blake3::hash(bytes).as_bytes()),
        folder: 0,
        size: bytes.len() as u64,
        epoch: header.epoch,
        salt: header.salt,
        index,
    };
    let (first, pack) = (FrameOpener::with_sealer(keyring, sealer)?, &entry);
    let hands = rooms.len().max(1);
    let share = |opener, hand, room: &mut Vec<u8>| verify_frames(bytes, pack, opener, (hand, hands), room);
    let share_of_another =
        |hand, room: &mut Vec<u8>| share(FrameOpener::new(keyring, repository, pack)?, hand, room);
    let mut no_room = Vec::new();
    std::thread::scope(|scope| {
        let (room, rooms) = rooms.split_first_mut().unwrap_or((&mut no_room, &mut []));
        let spawn = |hand, room| Builder::new().spawn_scoped(scope, move || share_of_another(hand, room));
        let others: Vec<_> = (1..).zip(rooms).map(|(hand, room)| (hand, spawn(hand, room))).collect();
        let mine = share(first, 0, &mut *room);
        others.into_iter().fold(mine, |so_far, (hand, thread)| match thread {
            Ok(other) => so_far.and(other.join().unwrap_or_else(|panic| resume_unwind(panic))),
            Err(_no_thread) => so_far.and_then(|()| share_of_another(hand, &mut *room)),
        })
    })?;
    Ok(entry)
}

/// Opens every frame whose number leaves `hand` when divided by `hands`, into `plain`.
fn verify_frames(
    bytes: &[u8],
    entry: &PackEntry,
    mut opener: FrameOpener<'_>,
    (hand, hands): (usize, usize),
    plain: &mut Vec<u8>,
) -> Result<(), FormatError> {
    for (number, at, frame) in entry.index.offsets().skip(hand).step_by(hands) {
        let sealed = bytes
            .get(at as usize..at as usize + frame.sealed_len as usize)
            .ok_or(FormatError::Damaged("a pack is shorter than its frames"))?;
        opener.open(number, frame, sealed, plain)?;
    }
    Ok(())
}

fn read_footer(
    bytes: &[u8],
    keyring: &Keyring,
    repository: RepositoryId,
) -> Result<(Sealer, Header, PackIndex), FormatError> {
    let header = Header::read(bytes, ObjectKind::Pack, &repository)?;
    let sealer = Sealer::new(keyring, &header)?;
    let (body, trailer) =
        bytes.split_last_chunk::<TRAILER_LEN>().ok_or(FormatError::Damaged("a pack is cut"))?;
    let trailer = sealer.open(Role::Trailer, trailer)?;
    let mut reader = Reader::new(&trailer);
    let offset = u64::from_le_bytes(reader.array()?);
    let len = u64::from_le_bytes(reader.array()?);
    let end = offset.checked_add(len).filter(|&end| end == body.len() as u64 && offset >= FIRST_FRAME);
    let sealed = end
        .and_then(|end| body.get(offset as usize..end as usize))
        .ok_or(FormatError::Damaged("a pack's trailer does not fit"))?;
    let footer = sealer.open(Role::Footer, sealed)?;
    let mut reader = Reader::new(&footer);
    let index = PackIndex::read(&mut reader)?;
    if index.frames_end() != offset || reader.rest().iter().any(|&byte| byte != 0) {
        return Err(FormatError::Damaged("a pack's footer does not fit its frames"));
    }
    Ok((sealer, header, index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::frame::FrameEncoder;
    use crate::format::pack::{ChunkEntry, FinishedPack, PackBuilder};
    use crate::format::padding::padme;
    use crate::model::entropy::SystemEntropy;
    use crate::model::id::Salt;
    use proptest::prelude::*;

    const REPOSITORY: RepositoryId = RepositoryId([9; 16]);

    fn built(frames: &[Vec<Vec<u8>>]) -> (FinishedPack, Keyring) {
        let keyring = Keyring::generate(&SystemEntropy).unwrap();
        let mut builder = PackBuilder::new(&keyring, REPOSITORY, Salt([4; 32]), Vec::new()).unwrap();
        let mut encoder = FrameEncoder::new(3).unwrap();
        for chunks in frames {
            let mut frame = Vec::new();
            encoder.encode(&mut chunks.concat(), &mut frame).unwrap();
            let chunks: Vec<_> = chunks
                .iter()
                .map(|content| ChunkEntry { id: keyring.chunk_id(content), len: content.len() as u32 })
                .collect();
            let bound = builder.size_with(frame.len(), chunks.len());
            builder.push(&frame, chunks).unwrap();
            assert!(builder.size_with(0, 0) <= bound + 26);
        }
        (builder.finish().unwrap(), keyring)
    }

    fn verify(bytes: &[u8], keyring: &Keyring) -> Result<PackEntry, FormatError> {
        let alone = verify_pack(bytes, keyring, REPOSITORY, &mut []);
        assert_eq!(
            verify_pack(bytes, keyring, REPOSITORY, &mut vec![Vec::new(); 3]),
            alone,
            "three find what one does"
        );
        alone
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_found() {
        let (pack, keyring) = built(&[vec![b"one".to_vec(), b"two".to_vec()], vec![vec![7; 500]]]);
        for at in 0..pack.bytes.len() {
            let mut bytes = pack.bytes.clone();
            bytes[at] ^= 0x10;
            assert!(verify(&bytes, &keyring).is_err(), "flipped at {at}");
            assert!(verify(&pack.bytes[..at], &keyring).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_chunk_under_a_wrong_id_is_found() {
        let keyring = Keyring::generate(&SystemEntropy).unwrap();
        let mut builder = PackBuilder::new(&keyring, REPOSITORY, Salt([4; 32]), Vec::new()).unwrap();
        let chunk = ChunkEntry { id: keyring.chunk_id(b"other"), len: 3 };
        builder.push(b"\0abc", vec![chunk]).unwrap();
        let pack = builder.finish().unwrap();
        assert!(matches!(verify(&pack.bytes, &keyring), Err(FormatError::Damaged(_))));
    }

    proptest! {
        #[test]
        fn packs_read_back_at_a_padded_size(
            frames in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..5), 0..5)
        ) {
            let (pack, keyring) = built(&frames);
            prop_assert_eq!(padme(pack.bytes.len() as u64), pack.bytes.len() as u64);
            prop_assert_eq!(verify(&pack.bytes, &keyring).unwrap(), pack.entry.clone());
            let written = PackEntry::write_all(&[pack.entry.clone(), pack.entry.clone()]);
            prop_assert_eq!(PackEntry::read_all(&written).unwrap(), vec![pack.entry.clone(), pack.entry]);
        }

        #[test]
        fn no_bytes_make_the_index_reader_panic(bytes: Vec<u8>) {
            let _ = PackEntry::read_all(&bytes);
        }
    }
}
