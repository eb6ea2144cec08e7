//! What all sets of a command together may spend, and what of it is left for the next set.

use super::args::BackupArguments;
use super::session::Opened;
use crate::backup::RunLimits;

/// The limits for the next set: what was asked for less what all repositories of this command were
/// asked and sent.
pub(super) fn left(wish: &BackupArguments, opened: &[Opened]) -> RunLimits {
    let (mut requests, mut bytes) = (0, 0);
    for opened in opened {
        let traffic = opened.store.traffic();
        requests += traffic.total();
        bytes += traffic.bytes_up;
    }
    RunLimits {
        requests: wish.max_requests.map(|limit| limit.saturating_sub(requests)),
        upload_bytes: wish.max_upload.map(|limit| limit.0.saturating_sub(bytes)),
        stop_at: wish.stop_at,
    }
}
