//! This machine's files: which are wanted, what they are, their bytes, and how they are put back.

pub mod ahead;
pub mod database;
pub mod filter;
pub mod links;
pub mod metadata;
pub mod place;
pub mod read;
pub mod selection;
pub mod source;
pub mod walk;
