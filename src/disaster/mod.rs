//! For the worst day: the net under a restore in place.

mod safety;

pub use safety::SafetyBackup;
