//! Values that every other part speaks of: ids, paths, entries, secrets, time. No IO.

pub mod cancel;
pub mod clock;
pub mod entropy;
pub mod entry;
pub mod id;
pub mod path;
pub mod plan;
pub mod secret;
pub mod set;
pub mod time;
pub mod words;
