//! One connection: the password first, then WebDAV.

use super::ServerOptions;
use super::journal::{Journal, Seen};
use dav_server::DavHandler;
use dav_server::body::Body;
use dav_server::fakels::FakeLs;
use dav_server::localfs::LocalFs;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::net::TcpStream;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Connections {
    dav: DavHandler,
    /// The value that `Authorization` must have.
    expected: Option<Arc<Zeroizing<String>>>,
    journal: Arc<Journal>,
}

impl Connections {
    pub fn new(options: &ServerOptions, journal: Arc<Journal>) -> Self {
        let dav = DavHandler::builder()
            .filesystem(LocalFs::new(&options.root, false, false, false))
            .locksystem(FakeLs::new())
            .build_handler();
        let expected = options.password.as_ref().map(|password| {
            let pair = Zeroizing::new(format!("{}:{}", options.user, password.expose()));
            Arc::new(Zeroizing::new(base64(pair.as_bytes())))
        });
        Self { dav, expected, journal }
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
        let response = if self.may_enter(&request) { self.dav.handle(request).await } else { who_are_you() };
        self.journal.add(Seen { method, path, status: response.status().as_u16() });
        Ok(response)
    }

    fn may_enter(&self, request: &Request<Incoming>) -> bool {
        let Some(expected) = &self.expected else { return true };
        let given = request.headers().get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
        given.split_at_checked(6).is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case(b"Basic ") && bool::from(given.ct_eq(expected.as_bytes()))
        })
    }
}

fn who_are_you() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let challenge = HeaderValue::from_static("Basic realm=\"filbert\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// RFC 4648, for one header.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, n| bits << 8 | u32::from(group.get(n).copied().unwrap_or(0)));
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
            text.push(if n <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        let table = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in table {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
