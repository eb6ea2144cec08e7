//! CheckService: are all objects there, whole, and what they should be?

mod data;
mod options;
mod service;
mod structure;
mod suffering;

pub use options::{CheckOptions, CheckOutcome, ReadData};
pub use service::CheckService;
