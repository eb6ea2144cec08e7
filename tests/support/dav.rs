//! filbert's own embedded server.

use super::{PASSWORD, USER};
use filbert::server::{RunningServer, ServerOptions, serve};
use tokio::net::TcpListener;

pub struct Embedded {
    pub server: RunningServer,
    pub dir: tempfile::TempDir,
}

pub async fn start() -> Embedded {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options =
        ServerOptions { root: dir.path().to_owned(), user: USER.into(), password: Some(PASSWORD.into()) };
    Embedded { server: serve(listener, options).unwrap(), dir }
}
