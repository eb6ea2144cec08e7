//! What a check is asked to do, and what came of it.

use crate::progress::Problem;
use crate::repository::Cancel;
use crate::store::TrafficCount;

/// How much of the data is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReadData {
    /// None: listings and records only.
    Nothing,
    /// So many percent of the packs, chosen at random.
    Share(f64),
    /// All.
    Everything,
}

/// A wish for a check.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// How much of the data is read.
    pub read_data: ReadData,
    /// A wish to stop.
    pub cancel: Cancel,
}

/// What a check came to.
#[derive(Debug, Clone, Default)]
pub struct CheckOutcome {
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Packs that records introduce.
    pub packs: u64,
    /// Packs whose data was read.
    pub packs_read: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// Damage: each names an object, and the files that suffer.
    pub problems: Vec<Problem>,
    /// What is unusual and no damage, such as packs of a broken-off run.
    pub notices: Vec<String>,
    /// Requests and bytes of this run.
    pub traffic: TrafficCount,
}
