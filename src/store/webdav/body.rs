//! A request body that tells how far it got, so that a slow upload that moves is left alone and
//! a stuck one is given up. It knows its length: some servers take no chunked coding.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Bytes handed to the connection at a time; also the grain of "it moves".
const PIECE_BYTES: usize = 128 * 1024;

/// How many bytes of a body, or of several, the connection took so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The body of an upload.
#[derive(Debug)]
pub(super) struct Watched {
    rest: Bytes,
    told: [Progress; 2],
}

impl Watched {
    /// A body that tells these how far it got.
    pub fn new(bytes: Bytes, told: [Progress; 2]) -> Self {
        Self { rest: bytes, told }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(length);
        for progress in &self.told {
            progress.0.fetch_add(length as u64, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
