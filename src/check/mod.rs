//! CheckService: are all objects there, whole, and what they should be?

mod options;
mod service;

pub use options::{CheckOptions, CheckOutcome, ReadData};
pub use service::CheckService;
