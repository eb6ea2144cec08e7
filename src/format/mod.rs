//! Bytes to values and back: everything that lies on the remote. No IO; randomness is passed in.
//! `docs/format.md` draws the layout.

mod calls;
pub mod chunker;
pub mod cipher;
pub mod codec;
pub mod descriptor;
pub mod entries;
pub mod error;
pub mod frame;
pub mod header;
pub mod keys;
pub mod names;
pub mod pack;
pub mod padding;
pub mod record;
pub mod recovery_key;
pub mod seal;
pub mod slot;
pub mod squeeze;
pub mod unlock;

pub use error::FormatError;

/// The version of everything filbert writes. Readers refuse newer ones.
pub const FORMAT_VERSION: u16 = 1;
