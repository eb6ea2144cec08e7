//! One request from its head to its answer, in the server's order of judgement: burst, window,
//! login, then what the method asks for; the script's faults strike where they belong.

use super::answer::Reply;
use super::body::{Delivery, Dropped};
use super::faults::{Canned, Effect};
use super::gate::Refusal;
use super::journal::{Entry, Seen};
use super::shared::Shared;
use super::tree::Tree;
use super::upload::{drain, read_all, read_some, told_length};
use super::{address, faked, locked, propfind, read, write};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode, header};
use hyper::body::Incoming;

/// The size told of a drive without a limit.
const UNLIMITED_BYTES: u64 = 1 << 40;

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

/// Reads the body and does what is asked for.
async fn obey(
    shared: &Shared,
    head: &Parts,
    mut body: Incoming,
    effect: Option<&Effect>,
    seen: &mut Seen,
) -> Result<Reply, Dropped> {
    let is_put = head.method == "PUT";
    let judged = address::names(head.uri.path()).and_then(|path| {
        if is_put {
            may_upload(shared, told_length(&head.headers))?;
        }
        Ok(path)
    });
    let path = match judged {
        Ok(path) => path,
        Err(reply) => return drain(&mut body, seen).await.map(|()| reply),
    };
    let mut bytes = read_all(&mut body, seen).await?;
    if is_put && matches!(effect, Some(Effect::CutUpload(_))) {
        bytes.truncate(bytes.len() / 2);
    }
    Ok(perform(shared, head, &path, bytes.freeze(), effect))
}

/// Judges an upload by its length alone; what may come counts in the month's traffic.
fn may_upload(shared: &Shared, length: Option<u64>) -> Result<(), Reply> {
    let limits = &shared.options.limits;
    let length = length.ok_or_else(|| Reply::page(StatusCode::LENGTH_REQUIRED))?;
    if limits.object_bytes.is_some_and(|most| length > most) {
        return Err(Reply::too_big());
    }
    let fits = locked(&shared.month).upload(shared.now(), length, limits.month_up_bytes);
    if fits { Ok(()) } else { Err(Reply::traffic_used_up()) }
}

fn perform(shared: &Shared, head: &Parts, path: &[String], body: Bytes, effect: Option<&Effect>) -> Reply {
    let (limits, now_ms) = (&shared.options.limits, shared.now().millis());
    let mut tree = locked(&shared.tree);
    match head.method.as_str() {
        "OPTIONS" => faked::options(),
        "LOCK" => faked::lock(),
        "UNLOCK" => Reply::empty(StatusCode::NO_CONTENT),
        "PROPPATCH" => faked::proppatch(path),
        "GET" | "HEAD" => {
            let range = text_of(head, "range").filter(|_| effect != Some(&Effect::IgnoreRange));
            let reply = read::get(&tree, path, range);
            let is_down = head.method == "GET" && reply.status.is_success();
            let length = if is_down { reply.body.len() as u64 } else { 0 };
            let fits = locked(&shared.month).download(shared.now(), length, limits.month_down_bytes);
            if fits { reply } else { Reply::traffic_used_up() }
        }
        "PUT" => write::put(&mut tree, path, &head.headers, body, limits, now_ms),
        "MKCOL" => write::mkcol(&mut tree, path, now_ms),
        "DELETE" => write::delete(&mut tree, path),
        "MOVE" | "COPY" => match text_of(head, "destination").map(address::destination) {
            None => Reply::illegal("no Destination"),
            Some(Ok(to)) => write::transfer(&mut tree, path, &to, head.method == "COPY"),
            Some(Err(refused)) => refused,
        },
        "PROPFIND" => list(shared, &tree, head, path, &body, effect),
        _ => Reply::empty(StatusCode::METHOD_NOT_ALLOWED),
    }
}

fn list(
    shared: &Shared,
    tree: &Tree,
    head: &Parts,
    path: &[String],
    body: &[u8],
    effect: Option<&Effect>,
) -> Reply {
    let limits = &shared.options.limits;
    let asks_quota = body.windows(6).any(|part| part == b"quota-");
    let quota = (shared.options.quota_properties && asks_quota).then(|| {
        let used = tree.stored_bytes();
        (used, limits.storage_bytes.unwrap_or(UNLIMITED_BYTES).saturating_sub(used))
    });
    let fault = match effect {
        Some(Effect::Listing(fault)) => Some(*fault),
        _ => None,
    };
    let question = propfind::Question {
        path,
        query: head.uri.query(),
        itself_only: text_of(head, "depth") == Some("0"),
        origin: &format!("http://{}", shared.address),
        page_entries: limits.page_entries,
        quota,
        fault,
    };
    propfind::answer(tree, question)
}

fn text_of<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
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
