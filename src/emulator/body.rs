//! The body of an answer as it goes out: whole, cut, in drips, or without an end. It counts what
//! it hands to the connection.

use super::journal::Journal;
use super::shared::Shared;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// A piece of a body without an end.
const ENDLESS_PIECE: &[u8] = &[0x5a; 16 * 1024];

/// How a body goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// So many bytes of it, then the connection breaks.
    Cut(usize),
    Endless,
    Drip {
        bytes: usize,
        pause: Duration,
    },
}

/// The connection is to be closed without a word.
#[derive(Debug)]
pub(super) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed by the script")
    }
}

impl std::error::Error for Dropped {}

pub(super) struct Body {
    rest: Bytes,
    delivery: Delivery,
    /// What is there is on its way; the break is next.
    flushed: bool,
    pause: Option<Pin<Box<Sleep>>>,
    shared: Arc<Shared>,
    /// Told when the body is done with.
    done: Option<Arc<Notify>>,
}

impl Body {
    pub fn new(bytes: Bytes, delivery: Delivery, shared: Arc<Shared>, done: Option<Arc<Notify>>) -> Self {
        Self { rest: bytes, delivery, flushed: false, pause: None, shared, done }
    }

    fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    fn piece(&mut self, bytes: usize) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.split_to(bytes.clamp(1, self.rest.len()));
        self.journal().sent(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        match self.delivery {
            Delivery::Whole => self.piece(usize::MAX),
            Delivery::Cut(0) if self.flushed => Poll::Ready(Some(Err(Dropped))),
            // The connection sends what it has only when it is given nothing more at once.
            Delivery::Cut(0) => {
                self.flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Delivery::Cut(bytes) => {
                self.delivery = Delivery::Cut(0);
                self.piece(bytes)
            }
            Delivery::Endless => {
                self.journal().sent(ENDLESS_PIECE.len());
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(ENDLESS_PIECE)))))
            }
            Delivery::Drip { bytes, pause } => {
                let sleep = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
                std::task::ready!(sleep.as_mut().poll(context));
                self.pause = None;
                self.piece(bytes)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && matches!(self.delivery, Delivery::Whole | Delivery::Drip { .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self.delivery {
            Delivery::Endless => SizeHint::default(),
            _ => SizeHint::with_exact(self.rest.len() as u64),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(done) = &self.done {
            done.notify_one();
        }
    }
}
