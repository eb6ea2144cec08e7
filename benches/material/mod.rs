//! What the benches work on: bytes like source code and bytes like noise, the same in each run.

use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Bytes that do not compress, others for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

const WORDS: [&str; 32] = [
    "let", "self", "the", "of", "match", "return", "if", "else", "for", "struct", "impl", "value", "bytes",
    "length", "reader", "writer", "index", "entry", "path", "folder", "frame", "chunk", "record", "header",
    "(", ")", " = ", "{", "}", ";", "->", "&mut",
];

/// Text in which words come back as they do in programs, with names of its own for each seed.
/// zstd 3 brings 1 MiB of it to about a quarter.
pub fn source_like(seed: u64, len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 64);
    for chunk in noise(seed, len + 64).chunks_exact(4) {
        let [word, other, shape, end] = [chunk[0], chunk[1], chunk[2], chunk[3]];
        if shape < 40 {
            text.extend_from_slice(format!("name_{:x}{:x}", other >> 2, seed & 0xfff).as_bytes());
        } else {
            // Low numbers more often, as words are.
            text.extend_from_slice(WORDS[usize::from(word.min(other)) / 8].as_bytes());
        }
        text.extend_from_slice(if end < 30 { b"\n        " } else { b" " });
        if text.len() >= len {
            break;
        }
    }
    text.resize(len, b'\n');
    text
}

/// A folder in memory where the system has a place for that: a disk, and who else writes to it,
/// would be most of what is measured.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}

/// Writes `count` source-like files of 200 bytes to 32 KiB, 40 to a folder. Returns their bytes.
pub fn tree(root: &Path, count: u64) -> u64 {
    let mut bytes = 0;
    for number in 0..count {
        let folder = root.join(format!("module_{:03}/part_{:02}", number / 120, number / 40));
        fs::create_dir_all(&folder).unwrap();
        // Most files are small: the square of an even distribution.
        let draw = noise(number, 2);
        let share = f64::from(u16::from_le_bytes([draw[0], draw[1]])) / f64::from(u16::MAX);
        let len = 200 + (share * share * 32_568.0) as usize;
        fs::write(folder.join(format!("file_{number:04}.rs")), source_like(number, len)).unwrap();
        bytes += len as u64;
    }
    bytes
}
