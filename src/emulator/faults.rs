//! The script of what goes wrong: which requests are struck, how often, and by what.

use super::locked;
use std::sync::Mutex;
use std::time::Duration;

/// What happens to a request that is struck. An effect that does not fit the method (a flipped bit
/// in a PUT) changes nothing. Requests that a limit or the login turns away are not struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The connection closes without an answer before anything is done.
    DropBefore(BodyRead),
    /// The request is done, and the connection closes without an answer.
    DropAfter,
    /// This is answered, and nothing is done.
    Answer(Canned),
    /// The request is done, and this is answered.
    DoThenAnswer(Canned),
    /// A PUT keeps the first half of its body and answers this status: 201 is a lie, 500 the truth.
    CutUpload(u16),
    /// A redirect (301) to this path or address; nothing is done.
    Redirect(String),
    /// The window closes for so long by the clock: this request and all others are refused with
    /// `BlockedTemporarily` until then.
    BlockFor(Duration),
    /// A GET answers 200 with the whole object whatever range was asked for.
    IgnoreRange,
    /// One bit in the middle of a GET's body is another.
    FlipBit,
    /// The body of the answer breaks off in its middle with the connection.
    CutAnswer,
    /// A GET's body never ends.
    Endless,
    /// The answer's body comes in pieces of `bytes`, with `pause` of real time before each.
    Drip {
        /// Bytes of a piece.
        bytes: usize,
        /// Real time before each piece.
        pause: Duration,
    },
    /// A PROPFIND goes wrong.
    Listing(ListingFault),
    /// The request is answered, with `Connection: close`.
    Close,
    /// The request is answered, and the connection closes afterwards without a warning.
    CloseUntold,
}

/// How much of a request's body is read before the connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRead {
    /// Nothing.
    Nothing,
    /// Half of what its head tells.
    Half,
    /// All of it.
    All,
}

/// What goes wrong with a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListingFault {
    /// The next page is this one again, under another address.
    RepeatPage,
    /// The next page is left out.
    MissPage,
    /// The first child has a size that is no number.
    BadSize,
    /// The first child has an address that is no text.
    BadHref,
    /// The next page has the address of this one.
    Loop,
    /// So many generated objects `generated-000000` of one byte come on top, all in one page.
    Huge(usize),
    /// The listing is as before the last so many changes of the drive (at most 64).
    Stale(usize),
}

/// An answer that is made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canned {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) exception: Option<String>,
}

impl Canned {
    /// This status, with a page as of a proxy; 401 and 416 have no body.
    pub fn status(status: u16) -> Self {
        Self { status, retry_after: None, exception: None }
    }

    /// With a `Retry-After` of any text.
    pub fn retry_after(mut self, text: impl Into<String>) -> Self {
        self.retry_after = Some(text.into());
        self
    }

    /// With XML that names this exception.
    pub fn exception(mut self, name: impl Into<String>) -> Self {
        self.exception = Some(name.into());
        self
    }
}

/// An effect and the requests that it strikes: all of them until narrowed down.
///
/// ```
/// use filbert::emulator::{Effect, Fault};
/// let lost = Fault::new(Effect::DropAfter).on("PUT").below("/dav/repo/packs/").nth(3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    effect: Effect,
    method: Option<String>,
    prefix: String,
    part: String,
    when: When,
    times: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Nth(u64),
    Every(u64),
    ExceptEvery(u64),
}

impl Fault {
    /// Strikes every request.
    pub fn new(effect: Effect) -> Self {
        let (prefix, part) = (String::new(), String::new());
        Self { effect, method: None, prefix, part, when: When::Always, times: u64::MAX }
    }

    /// Only this method.
    pub fn on(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only paths (encoded, from `/dav` on) that begin so.
    pub fn below(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Only paths with this in them; the query is no part of the path.
    pub fn containing(mut self, part: impl Into<String>) -> Self {
        self.part = part.into();
        self
    }

    /// Only the `n`th of the requests that match, counted from 1 since the fault was added.
    pub fn nth(mut self, n: u64) -> Self {
        self.when = When::Nth(n);
        self
    }

    /// Only each `n`th of the requests that match.
    pub fn every(mut self, n: u64) -> Self {
        self.when = When::Every(n);
        self
    }

    /// All requests that match but each `n`th.
    pub fn except_every(mut self, n: u64) -> Self {
        self.when = When::ExceptEvery(n);
        self
    }

    /// No more than so many times.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|own| own == method)
            && path.starts_with(&self.prefix)
            && path.contains(&self.part)
    }
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u64,
    struck: u64,
}

/// The faults of an emulator, in the order they were added.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Armed>>);

impl Faults {
    /// Adds a fault. Of several that strike the same request the first one added does.
    pub fn add(&self, fault: Fault) {
        locked(&self.0).push(Armed { fault, matched: 0, struck: 0 });
    }

    /// How often each fault struck, in the order they were added.
    pub fn struck(&self) -> Vec<u64> {
        locked(&self.0).iter().map(|armed| armed.struck).collect()
    }

    /// Forgets all faults; answers whether each of them struck at least once.
    pub fn clear(&self) -> bool {
        std::mem::take(&mut *locked(&self.0)).iter().all(|armed| armed.struck > 0)
    }

    pub(super) fn strike(&self, method: &str, path: &str) -> Option<Effect> {
        let mut effect = None;
        for armed in locked(&self.0).iter_mut().filter(|armed| armed.fault.matches(method, path)) {
            armed.matched += 1;
            let due = match armed.fault.when {
                When::Always => true,
                When::Nth(n) => armed.matched == n,
                When::Every(n) => armed.matched.is_multiple_of(n.max(1)),
                When::ExceptEvery(n) => !armed.matched.is_multiple_of(n.max(1)),
            };
            if due && effect.is_none() && armed.struck < armed.fault.times {
                armed.struck += 1;
                effect = Some(armed.fault.effect.clone());
            }
        }
        effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck(fault: Fault) -> Vec<u64> {
        let faults = Faults::default();
        faults.add(fault);
        (1..=9).filter(|_| faults.strike("PUT", "/dav/repo/packs/a").is_some()).collect()
    }

    #[test]
    fn each_schedule_strikes_when_it_says() {
        let fault = || Fault::new(Effect::DropAfter);
        assert_eq!(struck(fault()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(struck(fault().times(2)), [1, 2]);
        assert_eq!(struck(fault().nth(4)), [4]);
        assert_eq!(struck(fault().every(4)), [4, 8]);
        assert_eq!(struck(fault().except_every(3)), [1, 2, 4, 5, 7, 8]);
        assert_eq!(struck(fault().on("PUT").below("/dav/repo/").containing("packs").every(9)), [9]);
    }

    #[test]
    fn what_does_not_match_is_not_struck() {
        let fault = || Fault::new(Effect::DropAfter);
        for other in [fault().on("GET"), fault().below("/dav/other/"), fault().containing("log")] {
            assert_eq!(struck(other), [0; 0]);
        }
    }

    #[test]
    fn the_first_one_strikes_and_all_count() {
        let faults = Faults::default();
        faults.add(Fault::new(Effect::Close).nth(1));
        faults.add(Fault::new(Effect::FlipBit).nth(2));
        faults.add(Fault::new(Effect::Endless));
        let effects: Vec<_> = (0..3).filter_map(|_| faults.strike("GET", "/dav/a")).collect();
        assert_eq!(effects, [Effect::Close, Effect::FlipBit, Effect::Endless]);
        assert_eq!(faults.struck(), [1, 1, 1]);
        faults.add(Fault::new(Effect::DropAfter));
        assert!(!faults.clear());
        assert!(faults.strike("GET", "/dav/a").is_none());
    }
}
