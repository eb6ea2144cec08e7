//! One connection: the password first, then WebDAV.

use super::ServerOptions;
use super::journal::{Journal, Seen};
use super::login::BasicLogin;
use dav_server::DavHandler;
use dav_server::body::Body;
use dav_server::fakels::FakeLs;
use dav_server::localfs::LocalFs;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Connections {
    dav: DavHandler,
    /// Who may enter; without it everybody.
    login: Option<Arc<BasicLogin>>,
    journal: Arc<Journal>,
}

impl Connections {
    pub fn new(options: &ServerOptions, journal: Arc<Journal>) -> Self {
        let dav = DavHandler::builder()
            .filesystem(LocalFs::new(&options.root, false, false, false))
            .locksystem(FakeLs::new())
            .build_handler();
        let login = options.password.as_ref().map(|it| Arc::new(BasicLogin::new(&options.user, it)));
        Self { dav, login, journal }
    }

    /// Serves a connection until it ends or, when told to stop, after the request at hand.
    pub async fn handle(self, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
        // An answer goes out in small pieces; without this each waits for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request| self.answer(request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // A connection that breaks is the client's to notice.
        tokio::select! {
            _ = &mut connection => {}
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let method = request.method().to_string();
        let path = request.uri().path().to_owned();
        let may_enter = self.login.as_ref().is_none_or(|login| login.admits(request.headers()));
        let response = if may_enter { self.dav.handle(request).await } else { who_are_you() };
        self.journal.add(Seen { method, path, status: response.status().as_u16() });
        Ok(response)
    }
}

fn who_are_you() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let challenge = HeaderValue::from_static("Basic realm=\"filbert\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
