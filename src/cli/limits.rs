//! What all sets of a command together may spend, and what of it is left for the next set.

use super::args::BackupArguments;
use super::session::Opened;
use crate::backup::RunLimits;
use crate::guard::Guard;
use crate::state::StateError;

/// The limits for the next set: what was asked for less what all repositories of this command were
/// asked and sent; and no more than the account allows for now.
pub(super) fn left(
    wish: &BackupArguments,
    opened: &[Opened],
    guard: Option<&Guard>,
) -> Result<RunLimits, StateError> {
    let (mut requests, mut bytes) = (0, 0);
    for opened in opened {
        let traffic = opened.store.traffic();
        requests += traffic.total();
        bytes += traffic.bytes_up;
    }
    let asked = RunLimits {
        requests: wish.max_requests.map(|limit| limit.saturating_sub(requests)),
        upload_bytes: wish.max_upload.map(|limit| limit.0.saturating_sub(bytes)),
        stop_at: wish.stop_at,
    };
    let Some(guard) = guard else { return Ok(asked) };
    let smaller = |one: Option<u64>, other: Option<u64>| [one, other].into_iter().flatten().min();
    Ok(RunLimits {
        requests: smaller(asked.requests, guard.requests_left(asked.stop_at)?),
        upload_bytes: smaller(asked.upload_bytes, guard.upload_left()?),
        stop_at: asked.stop_at,
    })
}
