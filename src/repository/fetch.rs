//! Objects whose bytes can be told to be right: what came wrong may have been spoilt on its way, and
//! is asked for once more before it counts as damaged.

use crate::store::{SharedStore, StoreError};
use bytes::Bytes;

/// The whole object; fetched a second time unless `is_right` at once. What then comes is for the
/// caller to judge.
pub(super) async fn get_right(
    store: &SharedStore,
    path: &str,
    limit: u64,
    is_right: impl Fn(&[u8]) -> bool,
) -> Result<Bytes, StoreError> {
    let bytes = store.get(path, limit).await?;
    if is_right(&bytes) {
        return Ok(bytes);
    }
    store.get(path, limit).await
}
