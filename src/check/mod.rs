//! CheckService: are all objects there, whole, and what they should be?

mod data;
mod options;
mod plan;
mod service;
mod structure;
mod suffering;

pub use options::{CheckOptions, CheckOutcome, ReadData};
pub use plan::CheckPlan;
pub use service::CheckService;
