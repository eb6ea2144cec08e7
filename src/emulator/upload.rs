//! Reads the bodies of requests, and counts what was read even where the client goes away.

use super::body::Dropped;
use super::faults::BodyRead;
use super::journal::Seen;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

pub(super) fn told_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// The next bytes of a body, `None` at its end.
async fn piece(body: &mut Incoming, seen: &mut Seen) -> Result<Option<Bytes>, Dropped> {
    loop {
        let Some(frame) = body.frame().await else { return Ok(None) };
        // The client went away.
        let frame = frame.map_err(|_| Dropped)?;
        if let Ok(data) = frame.into_data() {
            seen.bytes_up += data.len() as u64;
            return Ok(Some(data));
        }
    }
}

pub(super) async fn read_all(body: &mut Incoming, seen: &mut Seen) -> Result<BytesMut, Dropped> {
    let mut whole = BytesMut::new();
    while let Some(data) = piece(body, seen).await? {
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// Reads a body that nobody wants: the proxy in front takes it in whole before it asks.
pub(super) async fn drain(body: &mut Incoming, seen: &mut Seen) -> Result<(), Dropped> {
    while piece(body, seen).await?.is_some() {}
    Ok(())
}

pub(super) async fn read_some(
    body: &mut Incoming,
    told: Option<u64>,
    how_much: BodyRead,
    seen: &mut Seen,
) -> Result<(), Dropped> {
    let wanted = match how_much {
        BodyRead::Nothing => return Ok(()),
        BodyRead::Half => told.unwrap_or(0) / 2,
        BodyRead::All => u64::MAX,
    };
    while seen.bytes_up < wanted && piece(body, seen).await?.is_some() {}
    Ok(())
}
