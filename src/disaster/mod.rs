//! For the worst day: the net under a restore in place, and the recovery kit for when nothing is left
//! but the remote.

pub mod kit;
mod safety;

pub use safety::SafetyBackup;
