//! The guard before a drive that counts: a budget of requests in a sliding window, bytes a month,
//! and what refusals taught, kept for each account in a ledger that all processes of this machine
//! share. Nothing is sent that the account cannot bear, and nobody is blocked because of filbert.

mod account;
mod forecast;
mod gate;
mod limits;
mod line;
mod login;
mod months;
mod rate;
mod request;

pub use account::Account;
pub use forecast::{Forecast, Need, forecast, requests_until, requests_without_long_wait};
pub use gate::{Guard, GuardOptions};
pub use limits::{Limits, LimitsError, Profile};
pub use line::Moment;
pub use login::{Credentials, Login};
pub use rate::{RateError, RequestRate};
pub use request::{Admission, Ask, Ended, Purpose, Verdict, Wait};
