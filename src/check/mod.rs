//! CheckService: are all objects there, whole, and what they should be?

mod data;
mod options;
mod packs;
mod plan;
mod service;
mod structure;
mod suffering;

pub use options::{CheckOptions, CheckOutcome, ReadData};
pub use packs::{LackingPack, PackListings};
pub use plan::CheckPlan;
pub use service::CheckService;
