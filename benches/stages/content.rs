//! From bytes of files to bytes of packs, and back.

use crate::material::{noise, source_like};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use filbert::format::chunker::{Chunker, ChunkerParams};
use filbert::format::cipher::{AwsLc, Cipher, RustCrypto, TAG_LEN};
use filbert::format::frame::{FrameDecoder, FrameEncoder};
use filbert::format::keys::Keyring;
use filbert::format::pack::{ChunkEntry, FinishedPack, PackBuilder, verify_pack};
use filbert::model::entropy::SystemEntropy;
use filbert::model::id::{RepositoryId, Salt};

const REPOSITORY: RepositoryId = RepositoryId([1; 16]);
/// Of the program's default.
const LEVEL: i32 = 3;
const FRAME: usize = 1 << 20;
const PACK: usize = 16 << 20;
/// Files in a source tree are about so long.
const CHUNK: usize = 8 << 10;

fn keyring() -> Keyring {
    Keyring::generate(&SystemEntropy).unwrap()
}

#[divan::bench(args = ["source", "noise"])]
fn chunking(bencher: Bencher<'_, '_>, kind: &str) {
    let content = if kind == "noise" { noise(1, PACK) } else { source_like(1, PACK) };
    let chunker = Chunker::new(ChunkerParams::DEFAULT, keyring().chunker_key()).unwrap();
    bencher.counter(BytesCount::of_slice(&content)).bench_local(|| {
        let (mut rest, mut chunks) = (content.as_slice(), 0);
        while !rest.is_empty() {
            rest = &rest[chunker.cut(rest)..];
            chunks += 1;
        }
        chunks
    });
}

#[divan::bench(args = [8 << 10, 256 << 10, 1 << 20])]
fn chunk_hashing(bencher: Bencher<'_, '_>, len: usize) {
    let (content, keyring) = (noise(1, len), keyring());
    bencher.counter(BytesCount::of_slice(&content)).bench_local(|| keyring.chunk_id(black_box(&content)));
}

fn frame(kind: &str) -> Vec<u8> {
    if kind == "noise" { noise(1, FRAME) } else { source_like(1, FRAME) }
}

#[divan::bench(args = ["source", "noise"])]
fn frame_encoding(bencher: Bencher<'_, '_>, kind: &str) {
    let (mut plain, mut encoded) = (frame(kind), Vec::new());
    let mut encoder = FrameEncoder::new(LEVEL).unwrap();
    bencher
        .counter(BytesCount::of_slice(&plain))
        .bench_local(|| encoder.encode(black_box(&mut plain), &mut encoded).unwrap());
}

#[divan::bench(args = ["source", "noise"])]
fn frame_decoding(bencher: Bencher<'_, '_>, kind: &str) {
    let (mut plain, mut encoded, mut decoded) = (frame(kind), Vec::new(), Vec::new());
    FrameEncoder::new(LEVEL).unwrap().encode(&mut plain, &mut encoded).unwrap();
    let mut decoder = FrameDecoder::new().unwrap();
    bencher
        .counter(BytesCount::of_slice(&plain))
        .bench_local(|| decoder.decode(black_box(&encoded), FRAME, &mut decoded).unwrap());
}

/// What a frame is bound to: a header.
const BOUND: [u8; 64] = [4; 64];
/// Used again and again here, as nothing that is stored ever may.
const NONCE: [u8; 12] = [2; 12];

#[divan::bench(types = [AwsLc, RustCrypto], args = [64 << 10, 1 << 20])]
fn sealing<C: Cipher>(bencher: Bencher<'_, '_>, len: usize) {
    let (cipher, mut part) = (C::new(&[3; 32]).unwrap(), noise(1, len));
    bencher.counter(BytesCount::new(len)).bench_local(|| cipher.seal(NONCE, &BOUND, &mut part).unwrap());
}

#[divan::bench(types = [AwsLc, RustCrypto], args = [64 << 10, 1 << 20])]
fn opening<C: Cipher>(bencher: Bencher<'_, '_>, len: usize) {
    let (cipher, mut part, mut plain) = (C::new(&[3; 32]).unwrap(), noise(1, len), Vec::new());
    let tag: [u8; TAG_LEN] = cipher.seal(NONCE, &BOUND, &mut part).unwrap();
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| cipher.open(NONCE, &BOUND, black_box(&part), &tag, &mut plain).unwrap());
}

/// A pack of about `PACK` plain bytes in source-like chunks.
fn pack(keyring: &Keyring) -> FinishedPack {
    let mut builder = PackBuilder::new(keyring, REPOSITORY, Salt([3; 32]), Vec::with_capacity(PACK)).unwrap();
    let (mut encoder, mut encoded) = (FrameEncoder::new(LEVEL).unwrap(), Vec::new());
    for number in 0..PACK / FRAME {
        let mut plain = source_like(number as u64, FRAME);
        let entry = |chunk: &[u8]| ChunkEntry { id: keyring.chunk_id(chunk), len: chunk.len() as u32 };
        let chunks = plain.chunks(CHUNK).map(entry).collect();
        encoder.encode(&mut plain, &mut encoded).unwrap();
        builder.push(&encoded, chunks).unwrap();
    }
    builder.finish().unwrap()
}

/// Open, decode and verify every chunk of a pack; counted in plain bytes.
#[divan::bench]
fn verifying_a_pack(bencher: Bencher<'_, '_>) {
    let keyring = keyring();
    let (pack, mut rooms) = (pack(&keyring), [Vec::new()]);
    bencher
        .counter(BytesCount::new(PACK))
        .bench_local(|| verify_pack(black_box(&pack.bytes), &keyring, REPOSITORY, &mut rooms).unwrap());
}
