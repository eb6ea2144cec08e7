//! The end of what a command writes: it may write without an end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

/// So much of each output comes into a report.
const MOST: usize = 2048;

/// Reads an output and keeps its end.
pub(super) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    reading: JoinHandle<()>,
}

impl Tail {
    /// Begins to read.
    pub(super) fn of<R: AsyncRead + Unpin + Send + 'static>(output: Option<R>) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let reading = tokio::spawn(read(output, kept.clone()));
        Self { kept, reading }
    }

    /// What was kept when the output ended, or `patience` later.
    pub(super) async fn end(mut self, patience: Duration) -> Vec<u8> {
        if tokio::time::timeout(patience, &mut self.reading).await.is_err() {
            self.reading.abort();
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

async fn read<R: AsyncRead + Unpin>(output: Option<R>, kept: Arc<Mutex<VecDeque<u8>>>) {
    let Some(mut output) = output else { return };
    let mut room = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut room).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(room.iter().take(count));
        let over = kept.len().saturating_sub(MOST);
        kept.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_is_kept_and_an_open_output_is_not_waited_for() {
        let long: Vec<u8> = (0..10 * MOST).map(|number| (number % 251) as u8).collect();
        let kept = Tail::of(Some(std::io::Cursor::new(long.clone()))).end(Duration::from_secs(60)).await;
        assert_eq!(kept, long[long.len() - MOST..]);
        let (mut writer, reader) = tokio::io::duplex(64);
        let tail = Tail::of(Some(reader));
        tokio::io::AsyncWriteExt::write_all(&mut writer, b"still here").await.unwrap();
        assert_eq!(tail.end(Duration::from_millis(200)).await, b"still here");
        drop(writer);
    }
}
