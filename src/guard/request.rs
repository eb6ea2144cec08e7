//! A request as the guard sees it: what it asks for, whether it may pass, and how it ended.

use super::login::Login;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A restore, which may use everything.
    Restore,
    /// All else, which leaves a reserve for restores.
    Other,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What for.
    pub purpose: Purpose,
    /// With which credentials.
    pub login: Login,
    /// Bytes of an object that it sends.
    pub up: u64,
    /// Whether it fetches an object.
    pub fetches: bool,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Now, under this number.
    Go(u64),
    /// Not before `until_ms` on the line.
    Wait {
        /// When to ask again.
        until_ms: i64,
        /// Why not now.
        why: Wait,
    },
    /// Not in this month.
    UsedUp {
        /// Bytes are to be sent, not received.
        uploads: bool,
        /// The server said so, not our count.
        by_server: bool,
        /// By the clock, when it may pass, in milliseconds since 1970.
        until_wall_ms: i64,
    },
}

/// Why a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The window's requests are used.
    Budget,
    /// The last request was only just sent.
    Pacing,
    /// The server refused, and is left alone.
    Closed,
    /// It refused these credentials, which worked before, and is left alone with them.
    Denied,
    /// Another request looks whether the server takes requests again.
    Look,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server did what was asked, with these credentials.
    Accepted,
    /// The server answered, as it does to anybody: not there, there already, somewhere else.
    Answered,
    /// Nothing is known of the account by it: the connection broke, the server failed, or it wants
    /// another login.
    Neutral,
    /// The server says that there were too many; for so many milliseconds, if it told.
    Throttled(Option<i64>),
    /// A plain 503.
    Refused,
    /// A 401: a wrong password, or an account that is throttled if it worked before.
    Denied,
    /// The month is used up: bytes to send, or to receive.
    UsedUp {
        /// Bytes were to be sent.
        uploads: bool,
    },
}

impl Verdict {
    /// Whether the server did not take what was sent.
    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Verdict::Throttled(_) | Verdict::Refused | Verdict::Denied | Verdict::UsedUp { .. })
    }
}

/// The end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The number under which it was let pass.
    pub pass: u64,
    /// With which credentials.
    pub login: Login,
    /// Bytes of an object that it sent.
    pub up: u64,
    /// Bytes that came with its answer.
    pub down: u64,
    /// How it ended.
    pub verdict: Verdict,
}
