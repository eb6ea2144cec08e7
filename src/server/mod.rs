//! A WebDAV server on a local folder: for the demo, for examples, and for tests that want to know
//! exactly what was asked. It serves whatever listener it is handed.

mod connection;
mod journal;
pub(crate) mod login;

pub use journal::{Journal, Seen};

use crate::model::secret::SecretText;
use connection::Connections;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What to serve, and to whom.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The folder whose content is served as `/`. It must exist.
    pub root: PathBuf,
    /// The user name asked for.
    pub user: String,
    /// The password asked for; without one everybody may read and write.
    pub password: Option<SecretText>,
}

/// A server at work. Dropping it ends it at once.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    journal: Arc<Journal>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Starts to serve WebDAV on `listener`, within the current tokio runtime.
///
/// # Errors
/// The listener has no address, or the root is no folder.
pub fn serve(listener: TcpListener, options: ServerOptions) -> io::Result<RunningServer> {
    let address = listener.local_addr()?;
    if !options.root.is_dir() {
        let detail = format!("cannot serve {}: it is not a folder", options.root.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, detail));
    }
    let journal = Arc::new(Journal::default());
    let (stop, stopped) = watch::channel(false);
    let connections = Connections::new(&options, Arc::clone(&journal));
    let accepting = tokio::spawn(accept(listener, connections, stopped));
    Ok(RunningServer { address, journal, stop, accepting })
}

async fn accept(listener: TcpListener, connections: Connections, mut stopped: watch::Receiver<bool>) {
    // Dropped with this task, which ends its connections.
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                open.spawn(connections.clone().handle(stream, stopped.clone()));
            }
            // Out of file descriptors, most likely: give others time to end.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
    while open.join_next().await.is_some() {}
}

impl RunningServer {
    /// The address of the root, such as `http://127.0.0.1:4918/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What was asked so far.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Takes no more requests, finishes those begun, and returns when all is closed.
    pub async fn shutdown(mut self) {
        // Without a receiver the task has ended already.
        let _ = self.stop.send(true);
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
