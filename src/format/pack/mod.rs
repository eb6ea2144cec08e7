//! A pack: one remote object with many sealed frames.
//!
//! ```text
//! header    64 bytes, clear
//! frames    one after the other: codec, payload, 16 bytes tag
//! footer    which chunks lie in which frame, then zeros up to a Padmé size, 16 bytes tag
//! trailer   16 bytes: offset and length of the footer; 16 bytes tag
//! ```

pub mod builder;
pub mod index;
pub mod reader;
pub mod size;

pub use builder::{FinishedPack, PackBuilder};
pub use index::{ChunkEntry, FrameEntry, PackEntry, PackIndex};
pub use reader::{FrameOpener, verify_pack};
pub use size::PackSize;

use super::header::Header;
use super::seal::TAG_LEN;

/// Bytes of the sealed trailer.
pub const TRAILER_LEN: usize = 16 + TAG_LEN;
/// Where the first frame begins.
pub const FIRST_FRAME: u64 = Header::LEN as u64;
/// The most bytes a pack may have.
pub const MAX_PACK_BYTES: u64 = 512 << 20;
