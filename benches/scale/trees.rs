//! Trees whose bytes follow from their numbers.

use crate::material::{noise, source_like};
use filbert::format::chunker::ChunkerParams;
use std::fs;
use std::path::{Path, PathBuf};

/// The smallest chunks that there can be, for only their number counts.
pub const TINY: ChunkerParams =
    ChunkerParams { min_bytes: 64, average_bytes: 256, max_bytes: 1024, ..ChunkerParams::DEFAULT };
/// Noise has chunks of about so many bytes under [`TINY`].
const CHUNK_BYTES: u64 = 290;
const CHUNKS_IN_A_FILE: u64 = 1_000;
const FILES_IN_A_FOLDER: u64 = 100;
/// One of so many files is edited.
const EDITED: usize = 100;

fn tiny_file(number: u64) -> PathBuf {
    let folder = number / FILES_IN_A_FOLDER;
    format!("part_{:03}/module_{:02}/file_{:02}.rs", folder / 100, folder % 100, number % FILES_IN_A_FOLDER)
        .into()
}

/// Writes files of 200 to 2,000 bytes.
pub fn write_tiny_files(root: &Path, count: u64) -> PathBuf {
    for number in 0..count {
        let path = root.join(tiny_file(number));
        if number % FILES_IN_A_FOLDER == 0 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        let len = 200 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_801;
        fs::write(path, source_like(number, len as usize)).unwrap();
    }
    root.to_owned()
}

/// Gives one of a hundred files another content.
pub fn edit_tiny_files(root: &Path, count: u64) {
    for number in (0..count).step_by(EDITED) {
        fs::write(root.join(tiny_file(number)), source_like(count + number, 1_000)).unwrap();
    }
}

fn chunky_file(number: u64) -> PathBuf {
    format!("{:03}/{:03}.bin", number / FILES_IN_A_FOLDER, number % FILES_IN_A_FOLDER).into()
}

/// How many files of a thousand chunks so many chunks take.
pub fn chunky_files(chunks: u64) -> u64 {
    chunks / CHUNKS_IN_A_FILE
}

/// Writes files of a thousand tiny chunks each.
pub fn write_chunky_files(root: &Path, chunks: u64) -> PathBuf {
    for number in 0..chunky_files(chunks) {
        let path = root.join(chunky_file(number));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, chunky_content(number)).unwrap();
    }
    root.to_owned()
}

/// What [`write_chunky_files`] writes.
pub fn chunky_content(number: u64) -> Vec<u8> {
    noise(number, (CHUNKS_IN_A_FILE * CHUNK_BYTES) as usize)
}

/// Gives one of a hundred files another content.
pub fn edit_chunky_files(root: &Path, chunks: u64) {
    let files = chunky_files(chunks);
    for number in (0..files).step_by(EDITED) {
        fs::write(root.join(chunky_file(number)), chunky_content(files + number)).unwrap();
    }
}
