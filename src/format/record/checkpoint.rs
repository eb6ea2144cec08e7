//! A checkpoint folds the heads and the index of many snapshot records into one, so that an
//! empty machine need not fetch them all. Manifests stay in their records; the newest of these are
//! carried along.

use super::snapshot::SnapshotHead;
use super::stream::IndexRef;
use super::{Head, Stream};
use crate::format::names::RecordName;
use crate::model::id::ObjectId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Folded records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Covered snapshots, postcard of `Vec<Covered>` compressed by zstd.
    pub covered: Stream,
    /// The newest covered record of each writer.
    pub heads: Vec<Head>,
    /// The packs that the covered records introduced.
    pub index: IndexRef,
    /// Older checkpoints that still count beside this one, with their numbered folders.
    pub standing: Vec<(u32, RecordName)>,
    /// Older checkpoints that are merged into this one, or into those that it is made of.
    pub merged: Vec<ObjectId>,
    /// Bytes of index and covered heads, which decides when checkpoints are merged.
    pub weight: u64,
    /// Records that hold lists of the newest snapshots, sealed as they stand in the log. Each is what
    /// the hash of its bytes says.
    pub carried: Vec<ByteBuf>,
}

/// A covered snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// Its record.
    pub name: RecordName,
    /// The numbered log folder it lies in.
    pub folder: u32,
    /// What lists show.
    pub head: SnapshotHead,
    /// The record that holds its base manifest.
    pub base: ObjectId,
    /// The record that holds its delta, if it has one.
    pub delta: Option<ObjectId>,
}
