//! Why bytes from the remote are not what they should be.

use super::FORMAT_VERSION;

/// Bytes that cannot be read as what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Not one of our objects, or cut.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// The seal does not open: altered, swapped, or of another repository.
    #[error("its seal does not open: it was altered, or it is not what its name says")]
    Unsealed,
    /// Written by a later filbert.
    #[error("it has format version {0}, this filbert reads up to {FORMAT_VERSION}: install a newer filbert")]
    Newer(u16),
    /// Belongs to another repository.
    #[error("it belongs to another repository")]
    OtherRepository,
    /// Sealed with a data key this key ring does not have.
    #[error("it is sealed with data key {0}, which the key ring does not have")]
    UnknownEpoch(u32),
    /// A number in it is beyond every sensible bound.
    #[error("it asks for too much: {0}")]
    TooMuch(String),
    /// A value to be written does not fit the format.
    #[error("cannot be written: {0}")]
    Unwritable(&'static str),
}
