//! One request from its head to its answer, in the server's order of judgement: burst, window,
//! login, then what the method asks for; the script's faults strike where they belong.

use super::answer::Reply;
use super::body::{Delivery, Dropped};
use super::faults::{BodyRead, Canned, Effect};
use super::gate::Refusal;
use super::journal::{Entry, Seen};
use super::shared::Shared;
use super::{address, locked, propfind, read, write};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// What becomes of the connection after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Close,
    CloseUntold,
}

/// An answer, and how it goes out.
pub(super) struct Outcome {
    pub reply: Reply,
    pub delivery: Delivery,
    pub after: After,
    /// `Content-Length`, where there is one.
    pub told_length: Option<usize>,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        let told_length = (reply.status != StatusCode::NO_CONTENT).then_some(reply.body.len());
        Self { reply, delivery: Delivery::Whole, after: After::Keep, told_length }
    }
}

/// Judges and answers a request, and writes it into the journal.
pub(super) async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Outcome, Dropped> {
    let (head, body) = request.into_parts();
    let mut entry = Entry::begin(&shared.journal, head.method.as_str(), &head.uri);
    let outcome = judge(shared, &head, body, &mut entry.seen).await?;
    entry.seen.status = Some(outcome.reply.status.as_u16());
    if head.method != "HEAD" {
        entry.seen.bytes_down = outcome.told_length.unwrap_or(0) as u64;
    }
    Ok(outcome)
}

async fn judge(
    shared: &Shared,
    head: &Parts,
    mut body: Incoming,
    seen: &mut Seen,
) -> Result<Outcome, Dropped> {
    let now_ms = shared.steady_ms();
    let refusal = locked(&shared.gate).judge(now_ms);
    if let Some(refusal) = refusal {
        seen.refused = Some(refusal);
        drain(&mut body, seen).await?;
        return Ok(turned_away(shared, refusal).into());
    }
    if !shared.login.admits(&head.headers) {
        drain(&mut body, seen).await?;
        return Ok(Reply::unauthorised().into());
    }
    let effect = shared.faults.strike(head.method.as_str(), head.uri.path());
    let instead = match &effect {
        Some(Effect::DropBefore(how_much)) => {
            read_some(&mut body, told_length(&head.headers), *how_much, seen).await?;
            return Err(Dropped);
        }
        Some(Effect::BlockFor(time)) => {
            locked(&shared.gate).close(now_ms, *time);
            seen.refused = Some(Refusal::Window);
            Some(turned_away(shared, Refusal::Window))
        }
        Some(Effect::Answer(canned)) => Some(made_up(canned)),
        Some(Effect::Redirect(to)) => {
            Some(Reply::page(StatusCode::MOVED_PERMANENTLY).with(header::LOCATION, to))
        }
        _ => None,
    };
    if let Some(reply) = instead {
        drain(&mut body, seen).await?;
        return Ok(reply.into());
    }
    let reply = obey(shared, head, body, effect.as_ref(), seen).await?;
    dress(reply, effect)
}

/// Does what is asked for.
async fn obey(
    shared: &Shared,
    head: &Parts,
    mut body: Incoming,
    effect: Option<&Effect>,
    seen: &mut Seen,
) -> Result<Reply, Dropped> {
    let path = match address::names(head.uri.path()) {
        Ok(path) => path,
        Err(refused) => return drain(&mut body, seen).await.map(|()| refused),
    };
    let (limits, now) = (&shared.options.limits, shared.now());
    if head.method == "PUT" {
        let refused = match told_length(&head.headers) {
            None => Some(Reply::page(StatusCode::LENGTH_REQUIRED)),
            Some(length) if limits.object_bytes.is_some_and(|most| length > most) => Some(Reply::too_big()),
            Some(length) => {
                let fits = locked(&shared.month).upload(now, length, limits.month_up_bytes);
                (!fits).then(Reply::traffic_used_up)
            }
        };
        if let Some(reply) = refused {
            return drain(&mut body, seen).await.map(|()| reply);
        }
    }
    let mut bytes = read_all(&mut body, seen).await?;
    if let (Some(Effect::CutUpload(_)), "PUT") = (effect, head.method.as_str()) {
        bytes.truncate(bytes.len() / 2);
    }
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut tree = locked(&shared.tree);
    Ok(match head.method.as_str() {
        "OPTIONS" => options(),
        "GET" | "HEAD" => {
            let range = header(header::RANGE).filter(|_| effect != Some(&Effect::IgnoreRange));
            let reply = read::get(&tree, &path, range);
            let is_down = head.method == "GET" && reply.status.is_success();
            let length = if is_down { reply.body.len() as u64 } else { 0 };
            if locked(&shared.month).download(now, length, limits.month_down_bytes) {
                reply
            } else {
                Reply::traffic_used_up()
            }
        }
        "PUT" => write::put(&mut tree, &path, &head.headers, bytes.freeze(), limits, now.millis()),
        "MKCOL" => write::mkcol(&mut tree, &path, now.millis()),
        "DELETE" => write::delete(&mut tree, &path),
        "MOVE" | "COPY" => match header(header::HeaderName::from_static("destination")) {
            None => Reply::illegal("no Destination"),
            Some(to) => match address::destination(to) {
                Ok(to) => write::transfer(&mut tree, &path, &to, head.method == "COPY"),
                Err(refused) => refused,
            },
        },
        "PROPFIND" => {
            let asks_quota = bytes.windows(6).any(|part| part == b"quota-");
            let quota = (shared.options.quota_properties && asks_quota).then(|| {
                let used = tree.stored_bytes();
                (used, limits.storage_bytes.unwrap_or(1 << 40).saturating_sub(used))
            });
            let fault = match effect {
                Some(Effect::Listing(fault)) => Some(*fault),
                _ => None,
            };
            let question = propfind::Question {
                path: &path,
                query: head.uri.query(),
                itself_only: header(header::HeaderName::from_static("depth")) == Some("0"),
                origin: &format!("http://{}", shared.address),
                page_entries: limits.page_entries,
                quota,
                fault,
            };
            propfind::answer(&tree, question)
        }
        "LOCK" => faked_lock(),
        "UNLOCK" => Reply::empty(StatusCode::NO_CONTENT),
        "PROPPATCH" => {
            let href = address::href(&path);
            Reply::xml(
                StatusCode::MULTI_STATUS,
                format!(
                    "<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>{href}</d:href><d:propstat><d:prop/>\
                 <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"
                ),
            )
        }
        _ => Reply::empty(StatusCode::METHOD_NOT_ALLOWED),
    })
}

/// Spoils what was answered, where the script says so.
fn dress(reply: Reply, effect: Option<Effect>) -> Result<Outcome, Dropped> {
    let mut outcome = Outcome::from(reply);
    let has_data = matches!(outcome.reply.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    match effect {
        Some(Effect::DropAfter) => return Err(Dropped),
        Some(Effect::DoThenAnswer(canned)) => outcome = made_up(&canned).into(),
        Some(Effect::CutUpload(status)) => outcome = made_up(&Canned::status(status)).into(),
        Some(Effect::FlipBit) if has_data => {
            let mut bytes = outcome.reply.body.to_vec();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
            outcome.reply.body = bytes.into();
        }
        Some(Effect::CutAnswer) => outcome.delivery = Delivery::Cut(outcome.reply.body.len() / 2),
        Some(Effect::Endless) if has_data => {
            outcome.delivery = Delivery::Endless;
            outcome.told_length = None;
        }
        Some(Effect::Drip { bytes, pause }) => outcome.delivery = Delivery::Drip { bytes, pause },
        Some(Effect::Close) => outcome.after = After::Close,
        Some(Effect::CloseUntold) => outcome.after = After::CloseUntold,
        _ => {}
    }
    Ok(outcome)
}

fn turned_away(shared: &Shared, refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Burst => Reply::page(StatusCode::SERVICE_UNAVAILABLE),
        Refusal::Window if shared.options.limits.blocked_is_401 => Reply::unauthorised(),
        Refusal::Window => Reply::blocked(),
    }
}

fn made_up(canned: &Canned) -> Reply {
    let status = StatusCode::from_u16(canned.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reply = match &canned.exception {
        Some(name) => Reply::exception(status, name, "made up by the script"),
        None if status == StatusCode::UNAUTHORIZED => Reply::unauthorised(),
        None if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => Reply::empty(status),
        None => Reply::page(status),
    };
    match &canned.retry_after {
        Some(text) => reply.with(header::RETRY_AFTER, text),
        None => reply,
    }
}

fn options() -> Reply {
    let methods = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, MOVE, COPY, PROPFIND, PROPPATCH, LOCK, UNLOCK";
    let dav = header::HeaderName::from_static("dav");
    Reply::empty(StatusCode::OK).with(dav, "1, 2").with(header::ALLOW, methods)
}

/// A lock that keeps nobody out.
fn faked_lock() -> Reply {
    let token = "opaquelocktoken:00000000-0000-0000-0000-000000000000";
    let text = format!(
        "<d:prop xmlns:d=\"DAV:\"><d:lockdiscovery><d:activelock><d:locktype><d:write/></d:locktype>\
         <d:locktoken><d:href>{token}</d:href></d:locktoken></d:activelock></d:lockdiscovery></d:prop>"
    );
    let name = header::HeaderName::from_static("lock-token");
    Reply::xml(StatusCode::OK, text).with(name, format!("<{token}>"))
}

fn told_length(headers: &HeaderMap) -> Option<u64> {
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

async fn read_all(body: &mut Incoming, seen: &mut Seen) -> Result<BytesMut, Dropped> {
    let mut whole = BytesMut::new();
    while let Some(data) = piece(body, seen).await? {
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

/// Reads a body that nobody wants: the proxy in front takes it in whole before it asks.
async fn drain(body: &mut Incoming, seen: &mut Seen) -> Result<(), Dropped> {
    while piece(body, seen).await?.is_some() {}
    Ok(())
}

async fn read_some(
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
