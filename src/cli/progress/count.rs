//! Adds up events: where the work stands.

use crate::progress::{Event, FileAction, Stage};

/// Where a stage stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub stage: Option<Stage>,
    pub files: u64,
    pub files_total: Option<u64>,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    /// Of the whole run.
    pub sent: u64,
    /// Of the whole run.
    pub received: u64,
}

impl Count {
    /// Takes an event; answers whether a stage begins with it.
    pub fn take(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Stage { stage, files, bytes } => {
                let (sent, received) = (self.sent, self.received);
                *self = Self {
                    stage: Some(*stage),
                    files_total: *files,
                    bytes_total: *bytes,
                    sent,
                    received,
                    ..Self::default()
                };
                return true;
            }
            Event::Advanced { files, bytes } => {
                self.files += files;
                self.bytes += bytes;
            }
            Event::Transferred { up, down } => {
                self.sent += up;
                self.received += down;
            }
            _ => {}
        }
        false
    }

    /// Takes totals that became known while the stage runs; answers whether they were missing.
    pub fn expect(&mut self, files: u64, bytes: u64) -> bool {
        let missing = self.stage == Some(Stage::BackingUp) && self.bytes_total.is_none();
        if missing {
            (self.files_total, self.bytes_total) = (Some(files), Some(bytes));
        }
        missing
    }
}

/// A stage for people.
pub(super) fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Opening => "opening the repository",
        Stage::BackingUp => "backing up",
        Stage::Committing => "committing the snapshot",
        Stage::Planning => "planning",
        Stage::Restoring => "restoring",
        Stage::Verifying => "comparing what was restored",
        Stage::CheckingStructure => "checking the structure",
        Stage::CheckingData => "checking the data",
    }
}

/// What a stage counts, for people.
pub(super) fn items_word(stage: Option<Stage>) -> &'static str {
    if stage == Some(Stage::CheckingData) { "packs" } else { "files" }
}

/// A stage for programs.
pub(super) fn stage_key(stage: Stage) -> &'static str {
    match stage {
        Stage::Opening => "opening",
        Stage::BackingUp => "backing_up",
        Stage::Committing => "committing",
        Stage::Planning => "planning",
        Stage::Restoring => "restoring",
        Stage::Verifying => "verifying",
        Stage::CheckingStructure => "checking_structure",
        Stage::CheckingData => "checking_data",
    }
}

/// What was done with a file, in words of one width.
pub(super) fn action_word(action: FileAction) -> &'static str {
    match action {
        FileAction::New => "new       ",
        FileAction::Changed => "changed   ",
        FileAction::Unmodified => "unmodified",
        FileAction::Restored => "restore   ",
        FileAction::Replaced => "replace   ",
        FileAction::MetadataSet => "set right ",
        FileAction::AlreadyRight => "is right  ",
        FileAction::Removed => "remove    ",
        FileAction::LeftAlone => "left alone",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_starts_from_nothing_but_for_what_was_sent() {
        let mut count = Count::default();
        assert!(count.take(&Event::Stage { stage: Stage::BackingUp, files: Some(2), bytes: None }));
        count.take(&Event::Advanced { files: 1, bytes: 10 });
        count.take(&Event::Transferred { up: 7, down: 1 });
        assert_eq!((count.files, count.bytes, count.sent, count.files_total), (1, 10, 7, Some(2)));
        assert!(!Count::default().expect(3, 30), "no stage, no total");
        assert!(count.expect(3, 30) && !count.expect(9, 90));
        assert_eq!((count.files_total, count.bytes_total), (Some(3), Some(30)));
        assert!(count.take(&Event::Stage { stage: Stage::Committing, files: None, bytes: None }));
        assert_eq!((count.files, count.bytes, count.sent, count.files_total), (0, 0, 7, None));
    }
}
