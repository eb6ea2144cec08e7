//! The names of objects on the remote.
//!
//! ```text
//! filbert-<generation>-<hash>.json               descriptor
//! log-<nnn>/<time, 12 hex>-<kind>-<hash>         record
//! packs/<nnn>/<hash>                             pack
//! ```

use crate::model::id::ObjectId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Folders of records begin with this. They lie at the root, whose listing an empty machine needs
/// anyway, and which so tells it the newest.
const LOG: &str = "log-";
/// The folder of packs.
pub const PACKS: &str = "packs";
/// How many objects a numbered folder takes before the next one is begun. A soft limit: some
/// servers list at most 750 entries a page.
pub const FOLDER_FILL: u64 = 500;

/// The path of the numbered folder `number` in `parent`.
pub fn folder(parent: &str, number: u32) -> String {
    format!("{parent}/{number:03}")
}

/// The number of a numbered folder, if `name` is one.
pub fn parse_folder(name: &str) -> Option<u32> {
    let number: u32 = name.parse().ok()?;
    (format!("{number:03}") == name).then_some(number)
}

/// The path of the numbered folder `number` of the log.
pub fn log_folder(number: u32) -> String {
    format!("{LOG}{number:03}")
}

/// The number of a folder of the log, if `name` is one.
pub fn parse_log_folder(name: &str) -> Option<u32> {
    parse_folder(name.strip_prefix(LOG)?)
}

/// The path of a pack.
pub fn pack(folder_number: u32, object: &ObjectId) -> String {
    format!("{}/{object}", folder(PACKS, folder_number))
}

/// The generation and hash in the name of a descriptor file, if `name` is one.
pub fn parse_descriptor(name: &str) -> Option<(u32, ObjectId)> {
    let (generation, hash) = name.strip_prefix("filbert-")?.strip_suffix(".json")?.split_once('-')?;
    let parsed: (u32, ObjectId) = (generation.parse().ok()?, hash.parse().ok()?);
    (format!("filbert-{}-{}.json", parsed.0, parsed.1) == name).then_some(parsed)
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecordKind {
    /// One backup.
    Snapshot,
    /// Many records folded into one.
    Checkpoint,
}

impl RecordKind {
    fn word(self) -> &'static str {
        match self {
            RecordKind::Snapshot => "snapshot",
            RecordKind::Checkpoint => "checkpoint",
        }
    }
}

/// The name of a record, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordName {
    /// When its writer made it, in milliseconds since 1970 by the writer's clock.
    pub time_ms: u64,
    /// What it is.
    pub kind: RecordKind,
    /// The hash of its bytes; of a snapshot, its id.
    pub object: ObjectId,
}

impl RecordName {
    /// The name held by `text`, if it is one of ours.
    pub fn parse(text: &str) -> Option<RecordName> {
        let (time, rest) = text.split_once('-')?;
        let (kind, hash) = rest.split_once('-')?;
        if time.len() != 12 {
            return None;
        }
        let kind = match kind {
            "snapshot" => RecordKind::Snapshot,
            "checkpoint" => RecordKind::Checkpoint,
            _ => return None,
        };
        let time_ms = u64::from_str_radix(time, 16).ok()?;
        let name = RecordName { time_ms, kind, object: hash.parse().ok()? };
        (name.to_string() == text).then_some(name)
    }

    /// The path in the numbered log folder.
    pub fn path(&self, folder_number: u32) -> String {
        format!("{}/{self}", log_folder(folder_number))
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time_ms & 0xffff_ffff_ffff;
        write!(f, "{time:012x}-{}-{}", self.kind.word(), self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_foreign_ones_are_ignored() {
        let name = RecordName {
            time_ms: 1_790_000_000_123,
            kind: RecordKind::Checkpoint,
            object: ObjectId([0xab; 32]),
        };
        assert_eq!(RecordName::parse(&name.to_string()), Some(name));
        for foreign in ["", "a-b-c", ".DS_Store", "00-snapshot-ab", "018f-snapshot"] {
            assert_eq!(RecordName::parse(foreign), None, "{foreign}");
        }
        assert_eq!(parse_folder("007"), Some(7));
        assert_eq!(parse_folder("1234"), Some(1234));
        assert_eq!(parse_folder("0007"), None);
        assert_eq!(parse_folder("+07"), None);
        assert_eq!(parse_folder("7"), None);
        assert_eq!(parse_folder("-01"), None);
        assert!(parse_descriptor("filbert-0-zz.json").is_none());
    }
}
