//! How fast the line takes bytes while an upload is under way. Pure: it is told the time and what
//! connections took so far.

/// What an upload's first bytes fill are buffers on their way, which tell nothing of the line.
const SETTLING_MS: i64 = 200;
/// A server that takes so long to answer is not on this machine or next to it.
const FAR_MS: i64 = 20;
/// How long is measured at the least.
const MEASURED_MS: i64 = 200;
/// What took longer holds waits that are not the line's: for a budget, or after a failure.
const LONGEST_MS: i64 = 3_000;

/// The line, as seen by the bytes that connections take.
#[derive(Debug, Default)]
pub(super) struct Line {
    under_way: usize,
    /// When the last upload began.
    since_ms: i64,
    mark: Option<(i64, u64)>,
    rate: Option<u64>,
    first: First,
}

/// How far the first upload got.
#[derive(Debug, Default, PartialEq, Eq)]
enum First {
    #[default]
    ToCome,
    /// Nothing was answered yet.
    Handed,
    /// To a server that is far.
    Far,
    /// It ended, or it goes to a server that is near.
    Over,
}

impl Line {
    /// An upload will begin as soon as there is a folder for it.
    pub(super) fn handed(&mut self) {
        if self.first == First::ToCome {
            self.first = First::Handed;
        }
    }

    /// The folder for an upload is there after so many milliseconds.
    pub(super) fn answered_in(&mut self, millis: i64) {
        if matches!(self.first, First::ToCome | First::Handed) {
            self.first = if millis >= FAR_MS { First::Far } else { First::Over };
        }
    }

    /// The speed of the line did not show in good time.
    pub(super) fn gave_up_meeting(&mut self) {
        self.first = First::Over;
    }

    /// An upload begins.
    pub(super) fn begins(&mut self, at_ms: i64) {
        (self.since_ms, self.mark) = (at_ms, None);
        self.under_way += 1;
    }

    /// An upload ended, one way or the other.
    pub(super) fn ends(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.first = First::Over;
    }

    /// Connections took `moved` bytes of uploads so far. Answers how many bytes a second they
    /// take, whenever that was measured anew.
    pub(super) fn moved(&mut self, at_ms: i64, moved: u64) -> Option<u64> {
        if self.under_way == 0 || at_ms.saturating_sub(self.since_ms) < SETTLING_MS {
            return None;
        }
        let (since, before) = *self.mark.get_or_insert((at_ms, moved));
        let millis = at_ms.saturating_sub(since);
        let bytes = moved.saturating_sub(before);
        if millis > LONGEST_MS {
            self.mark = Some((at_ms, moved));
            return None;
        }
        // A line that takes nothing at all is blocked, not slow.
        if millis < MEASURED_MS || bytes == 0 {
            return None;
        }
        self.mark = Some((at_ms, moved));
        self.rate = Some(bytes.saturating_mul(1000) / millis.unsigned_abs());
        self.rate
    }

    /// Bytes a second when last measured.
    pub(super) fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Whether how fast the line is will soon be known, since the first upload is under way to a
    /// server that is far: what is compressed until then is compressed too little.
    pub(super) fn is_being_met(&self) -> bool {
        matches!(self.first, First::Handed | First::Far) && self.rate.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_buffers_swallow_is_not_counted() {
        let mut line = Line::default();
        assert_eq!(line.moved(0, 0), None);
        line.begins(1000);
        assert_eq!(line.moved(1050, 8_000_000), None);
        assert_eq!(line.moved(1200, 9_000_000), None);
        assert_eq!(line.moved(1300, 9_250_000), None);
        assert_eq!(line.moved(1400, 9_500_000), Some(2_500_000));
        assert_eq!(line.moved(1500, 9_500_000), None);
        line.begins(1600);
        assert_eq!(line.moved(1700, 18_000_000), None);
        assert_eq!(line.moved(1850, 18_000_000), None);
        assert_eq!(line.moved(2050, 18_500_000), Some(2_500_000));
        assert_eq!(line.rate(), Some(2_500_000));
    }

    #[test]
    fn the_first_upload_to_a_far_server_is_waited_for() {
        let mut near = Line::default();
        near.handed();
        assert!(near.is_being_met());
        near.answered_in(2);
        assert!(!near.is_being_met());
        let mut far = Line::default();
        far.handed();
        far.answered_in(170);
        far.begins(1000);
        assert!(far.is_being_met());
        assert_eq!(far.moved(1200, 0), None);
        assert!(far.is_being_met());
        assert_eq!(far.moved(1450, 500_000), Some(2_000_000));
        assert!(!far.is_being_met());
        let mut short = Line::default();
        short.answered_in(170);
        short.begins(0);
        assert!(short.is_being_met());
        short.ends();
        short.handed();
        assert!(!short.is_being_met());
    }

    #[test]
    fn time_in_which_nothing_was_sent_is_not_counted() {
        let mut line = Line::default();
        line.begins(0);
        assert_eq!(line.moved(200, 1_000_000), None);
        line.ends();
        assert_eq!(line.moved(900, 1_000_000), None);
        line.begins(1000);
        line.begins(1050);
        line.ends();
        assert_eq!(line.moved(1300, 1_000_000), None);
        assert_eq!(line.moved(1600, 4_000_000), Some(10_000_000), "one of two is under way");
        assert_eq!(line.moved(9600, 4_000_000), None, "blocked");
        assert_eq!(line.moved(9800, 20_000_000), Some(80_000_000), "and free again");
    }
}
