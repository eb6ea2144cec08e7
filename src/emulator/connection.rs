//! One connection: requests one after the other, until it is closed by the script, the client, or
//! the end of the emulator.

use super::body::{Body, Dropped};
use super::exchange::{After, Outcome, answer};
use super::read::http_date;
use super::shared::Shared;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

/// Serves a connection until it ends or, when told to stop, after the request at hand.
pub(super) async fn handle(shared: Arc<Shared>, stream: TcpStream, mut stopped: watch::Receiver<bool>) {
    // An answer goes out in small pieces; without this each waits for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let close = Arc::new(Notify::new());
    let service = service_fn(|request| respond(Arc::clone(&shared), request, Arc::clone(&close)));
    // The date is that of the emulator's clock.
    let connection =
        http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // A connection that breaks is the client's to notice.
    tokio::select! {
        _ = &mut connection => return,
        _ = stopped.changed() => {}
        // The head of the answer has gone out without a word of this.
        () = close.notified() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    close: Arc<Notify>,
) -> Result<Response<Body>, Dropped> {
    let Outcome { reply, delivery, after, told_length } = answer(&shared, request).await?;
    let date = http_date(shared.now().millis());
    let done = (after == After::CloseUntold).then_some(close);
    let mut response = Response::new(Body::new(reply.body, delivery, shared, done));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    let told = told_length.map(|length| (header::CONTENT_LENGTH, length.to_string()));
    let closing = (after == After::Close).then(|| (header::CONNECTION, "close".to_owned()));
    let own = [Some((header::DATE, date)), Some((header::SERVER, "nginx".to_owned())), told, closing];
    for (name, value) in reply.headers.into_iter().chain(own.into_iter().flatten()) {
        // A script may ask for a text that is no header; it is left out.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.append(name, value);
        }
    }
    Ok(response)
}
