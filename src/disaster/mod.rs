//! For the worst day: plans that are rehearsed before it, the net under a restore in place, and the
//! recovery kit for when nothing is left but the remote.

mod escape;
pub mod kit;
pub mod plans;
mod safety;

pub use safety::SafetyBackup;

use escape::escaped;
