//! What a folder of real files comes to in frames: stored bytes and MB/s a core, for sizes of
//! frames and for levels. The folder is held in memory.
//!
//! ```text
//! cargo bench --bench frames -- FOLDER...
//! ```
//!
//! Chunks are taken once, in the order of a backup, so several versions of a file side by side
//! show what remains of them. Padding and lists of files are not counted.

#![allow(clippy::unwrap_used, reason = "a failed step of a bench ends it")]

use filbert::format::chunker::{Chunker, ChunkerParams};
use filbert::format::frame::{FrameDecoder, FrameEncoder};
use filbert::format::keys::Keyring;
use filbert::model::entropy::SystemEntropy;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};
use walkdir::WalkDir;

/// Bytes of a sealed frame beside its content: the tag.
const TAG: usize = 16;
const DEFAULT: (usize, i32) = (4 << 20, 3);
const VARIANTS: [(usize, i32); 11] = [
    DEFAULT,
    (256 << 10, 3),
    (1 << 20, 3),
    (2 << 20, 3),
    (8 << 20, 3),
    (16 << 20, 3),
    (4 << 20, 1),
    (4 << 20, 2),
    (4 << 20, 4),
    (4 << 20, 5),
    (4 << 20, 9),
];

/// The chunks of a folder, each once, one after the other.
struct Material {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Material {
    fn of(folder: &Path) -> Self {
        let keyring = Keyring::generate(&SystemEntropy).unwrap();
        let chunker = Chunker::new(ChunkerParams::DEFAULT, keyring.chunker_key()).unwrap();
        let (mut material, mut seen) = (Self { bytes: Vec::new(), lengths: Vec::new() }, HashSet::new());
        for entry in WalkDir::new(folder).sort_by_file_name().into_iter().flatten() {
            let content = if entry.file_type().is_file() { std::fs::read(entry.path()) } else { continue };
            let content = content.unwrap_or_default();
            let mut rest = content.as_slice();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(chunker.cut(rest));
                if seen.insert(keyring.chunk_id(chunk)) {
                    material.bytes.extend_from_slice(chunk);
                    material.lengths.push(chunk.len());
                }
                rest = after;
            }
        }
        material
    }

    /// Ends of the frames that are closed at `frame_bytes`.
    fn frame_ends(&self, frame_bytes: usize) -> Vec<usize> {
        let (mut ends, mut start, mut end) = (Vec::new(), 0, 0);
        for len in &self.lengths {
            end += len;
            if end - start >= frame_bytes {
                ends.push(end);
                start = end;
            }
        }
        if end > start {
            ends.push(end);
        }
        ends
    }
}

#[derive(Default)]
struct Measured {
    stored: usize,
    encoding: Duration,
    decoding: Duration,
}

fn measure(material: &Material, frame_bytes: usize, level: i32) -> Measured {
    let (mut encoder, mut decoder) = (FrameEncoder::new(level).unwrap(), FrameDecoder::new().unwrap());
    let (mut measured, mut encoded, mut decoded) = (Measured::default(), Vec::new(), Vec::new());
    let mut start = 0;
    for end in material.frame_ends(frame_bytes) {
        let plain = &material.bytes[start..end];
        let mut used_up = plain.to_vec();
        let began = Instant::now();
        encoder.encode(&mut used_up, &mut encoded).unwrap();
        measured.encoding += began.elapsed();
        let began = Instant::now();
        decoder.decode(&encoded, plain.len(), &mut decoded).unwrap();
        measured.decoding += began.elapsed();
        assert!(decoded == plain, "a frame reads back as another one");
        measured.stored += encoded.len() + TAG;
        start = end;
    }
    measured
}

fn main() {
    // Cargo adds arguments of its own.
    let folders: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if folders.is_empty() {
        println!("cargo bench --bench frames -- FOLDER...");
    }
    for folder in folders {
        let material = Material::of(Path::new(&folder));
        let plain = material.bytes.len();
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        println!("{folder}: {:.1} MB in {} chunks", megabytes(plain), material.lengths.len());
        println!("frame KiB  level  stored MB  of default  encoded MB/s  decoded MB/s");
        let mut of_default = None;
        for (frame_bytes, level) in VARIANTS {
            let measured = measure(&material, frame_bytes, level);
            let of_default = *of_default.get_or_insert(measured.stored.max(1));
            println!(
                "{:9}  {level:5}  {:9.1}  {:10.3}  {:12.0}  {:12.0}",
                frame_bytes >> 10,
                megabytes(measured.stored),
                measured.stored as f64 / of_default as f64,
                megabytes(plain) / measured.encoding.as_secs_f64(),
                megabytes(plain) / measured.decoding.as_secs_f64(),
            );
        }
    }
}
