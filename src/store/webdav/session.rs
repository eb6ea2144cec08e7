//! Sends requests: credentials, challenges, redirects and time limits. Credentials never leave
//! the configured server.

use super::super::{ErrorKind, Gate, OpenGate, StoreError, Traffic};
use super::agent::agent;
use super::answer::Answer;
use super::body::{Progress, Watched};
use super::failure::{lost, refused};
use super::options::{Auth, Base, WebdavOptions, WebdavOptionsError};
use super::passage::Passage;
use super::redirect::{self, Step};
use super::request::{Request, Verb};
use crate::model::clock::Clock;
use reqwest::{RequestBuilder, Response, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use url::Url;

/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;

/// A server and how to speak to it.
pub(super) struct Session {
    /// Shows the password in `Debug`: never print it. Its copy of it is not wiped.
    client: reqwest_dav::Client,
    auth: Auth,
    uses_digest: AtomicBool,
    allow_http: bool,
    no_progress: Duration,
    /// Lets one request fetch the first challenge while the others wait for it.
    challenging: tokio::sync::Mutex<()>,
    root: String,
    pub gate: Arc<dyn Gate>,
    pub clock: Arc<dyn Clock>,
    pub origin: Url,
    pub traffic: Traffic,
    /// How far all uploads got.
    pub uploads: Progress,
}

/// What came of one exchange: an answer, the address that gave it, and the way through the gate.
pub(super) struct Exchange<'a> {
    pub response: Response,
    pub url: Url,
    pub passage: Passage<'a>,
}

/// The head of an answer.
struct Head<'a> {
    response: Response,
    passage: Passage<'a>,
}

impl Session {
    pub fn new(
        options: &WebdavOptions,
        base: &Base,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebdavOptionsError> {
        let auth = match (&options.user, &options.password) {
            (Some(user), Some(password)) => match options.auth {
                Auth::Digest => reqwest_dav::Auth::Digest(user.clone(), password.expose().to_owned()),
                _ => reqwest_dav::Auth::Basic(user.clone(), password.expose().to_owned()),
            },
            _ => reqwest_dav::Auth::Anonymous,
        };
        let client = reqwest_dav::Client {
            agent: agent(options)?,
            host: base.origin.as_str().to_owned(),
            auth,
            digest_auth: Default::default(),
        };
        let digest = matches!(client.auth, reqwest_dav::Auth::Digest(..));
        Ok(Self {
            client,
            auth: options.auth,
            uses_digest: AtomicBool::new(digest),
            allow_http: options.allow_http,
            no_progress: options.no_progress_timeout,
            challenging: Default::default(),
            root: base.folder(""),
            gate: Arc::new(OpenGate),
            clock,
            origin: base.origin.clone(),
            traffic: Traffic::default(),
            uploads: Progress::default(),
        })
    }

    /// The request as shown to people.
    pub fn action(&self, request: &Request) -> String {
        format!("{} {}{}", request.verb.name(), self.origin, request.target.trim_start_matches('/'))
    }

    /// Sends a request and answers a success; every other status is an error.
    pub async fn ask(&self, request: &Request) -> Result<Answer<'_>, StoreError> {
        let answer = self.exchange(request).await?;
        if answer.response.status().is_success() {
            Ok(answer)
        } else {
            Err(refused(answer, &*self.clock).await)
        }
    }

    /// Sends a request and answers whatever status comes after redirects and challenges.
    pub async fn exchange(&self, request: &Request) -> Result<Answer<'_>, StoreError> {
        let action = self.action(request);
        let mut url = self.join(&request.target, &action)?;
        for _ in 0..=MAX_REDIRECTS {
            let Head { response, passage } = self.authorised(request, &url, &action).await?;
            if !redirect::is_redirect(response.status()) {
                let exchange = Exchange { response, url, passage };
                return Ok(Answer::new(exchange, request, action, self.no_progress, &self.traffic));
            }
            let step = redirect::next(&self.origin, &url, response.headers(), self.allow_http);
            self.finish(Head { response, passage }, &url, request, &action).await;
            match step.map_err(|detail| StoreError::new(ErrorKind::Permanent, &action, detail))? {
                Step::Ours(next) => url = next,
                Step::Foreign(next) if request.verb == Verb::Get => url = next,
                Step::Foreign(next) => {
                    let detail = format!(
                        "the server points to another one, {}, where filbert sends neither the \
                         password nor data; if that is right, put its address in the settings",
                        next.origin().ascii_serialization()
                    );
                    return Err(StoreError::new(ErrorKind::Permanent, &action, detail));
                }
            }
        }
        let detail = format!("the server redirects more than {MAX_REDIRECTS} times; check the address");
        Err(StoreError::new(ErrorKind::Permanent, &action, detail))
    }

    fn join(&self, target: &str, action: &str) -> Result<Url, StoreError> {
        self.origin
            .join(target)
            .ok()
            .filter(|url| url.origin() == self.origin.origin())
            .ok_or_else(|| StoreError::new(ErrorKind::Permanent, action, "not an address on this server"))
    }

    /// One request with credentials where they belong; a challenge is answered once.
    async fn authorised(&self, request: &Request, url: &Url, action: &str) -> Result<Head<'_>, StoreError> {
        if !redirect::may_see_credentials(&self.origin, url) {
            // Another server knows nothing of the account.
            return self.send(&OpenGate, self.plain(request, url, action)?, request, action).await;
        }
        if self.uses_digest() {
            self.ensure_challenge().await?;
        }
        let builder = self.with_credentials(request, url, action).await?;
        let head = self.send(&*self.gate, builder, request, action).await?;
        let refused = head.response.status() == StatusCode::UNAUTHORIZED;
        if !refused || !self.take_challenge(&head.response).await {
            return Ok(head);
        }
        self.finish(head, url, request, action).await;
        let builder = self.with_credentials(request, url, action).await?;
        self.send(&*self.gate, builder, request, action).await
    }

    async fn finish(&self, head: Head<'_>, url: &Url, request: &Request, action: &str) {
        let exchange = Exchange { response: head.response, url: url.clone(), passage: head.passage };
        Answer::new(exchange, request, action.to_owned(), self.no_progress, &self.traffic).finish().await;
    }

    fn plain(&self, request: &Request, url: &Url, action: &str) -> Result<RequestBuilder, StoreError> {
        let method = request
            .verb
            .method()
            .map_err(|e| StoreError::new(ErrorKind::Permanent, action, e.to_string()))?;
        Ok(self.client.agent.request(method, url.clone()))
    }

    async fn with_credentials(
        &self,
        request: &Request,
        url: &Url,
        action: &str,
    ) -> Result<RequestBuilder, StoreError> {
        let method = request
            .verb
            .method()
            .map_err(|e| StoreError::new(ErrorKind::Permanent, action, e.to_string()))?;
        // The challenge is shared: the clone holds the same cell.
        let mut client = self.client.clone();
        client.host = url.origin().ascii_serialization();
        if let (true, reqwest_dav::Auth::Basic(user, password)) = (self.uses_digest(), &client.auth) {
            client.auth = reqwest_dav::Auth::Digest(user.clone(), password.clone());
        }
        let target = url.as_str().strip_prefix(&client.host).unwrap_or(url.path());
        client.start_request(method, target).await.map_err(|_| {
            StoreError::new(ErrorKind::Permanent, action, "the server's login challenge cannot be answered")
        })
    }

    fn uses_digest(&self) -> bool {
        self.uses_digest.load(Ordering::Relaxed)
    }

    /// Asks for a Digest challenge with a request that changes nothing, where there is none yet:
    /// an upload sent for its refusal alone would cost its bytes twice, and reqwest_dav's own
    /// probe would store an empty object on a server that wants no password.
    async fn ensure_challenge(&self) -> Result<(), StoreError> {
        let _alone = self.challenging.lock().await;
        if self.client.digest_auth.lock().await.is_some() {
            return Ok(());
        }
        let probe = Request::new(Verb::Propfind, &*self.root).header("depth", "0");
        let action = self.action(&probe);
        let url = self.join(&self.root, &action)?;
        let Head { response, passage } =
            self.send(&*self.gate, self.plain(&probe, &url, &action)?, &probe, &action).await?;
        if self.take_challenge(&response).await {
            self.finish(Head { response, passage }, &url, &probe, &action).await;
            return Ok(());
        }
        if response.status().is_success() || response.status() == StatusCode::UNAUTHORIZED {
            let detail = "the server does not offer Digest login; set the login to auto or basic";
            return Err(StoreError::new(ErrorKind::Unauthorised, &action, detail));
        }
        let exchange = Exchange { response, url, passage };
        let answer = Answer::new(exchange, &probe, action, self.no_progress, &self.traffic);
        Err(refused(answer, &*self.clock).await)
    }

    /// Keeps the Digest challenge of an answer; tells whether it makes another attempt sensible.
    async fn take_challenge(&self, response: &Response) -> bool {
        let offers: Vec<&str> = response
            .headers()
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let offers_basic = offers.iter().any(|offer| has_scheme(offer, "basic"));
        let may_switch = match (&self.client.auth, self.auth) {
            (reqwest_dav::Auth::Anonymous, _) | (_, Auth::Basic) => false,
            (_, Auth::Digest) => true,
            (_, Auth::Auto) => self.uses_digest() || !offers_basic,
        };
        if !may_switch {
            return false;
        }
        let mut challenge = self.client.digest_auth.lock().await;
        let parsed = offers.iter().filter(|offer| has_scheme(offer, "digest"));
        let Some(fresh) = parsed.filter_map(|offer| offer.trim().parse().ok()).next() else { return false };
        *challenge = Some(fresh);
        self.uses_digest.store(true, Ordering::Relaxed);
        true
    }

    /// Passes the gate, sends, and waits for the head of the answer; counted, bounded by progress.
    async fn send<'a>(
        &'a self,
        gate: &'a dyn Gate,
        mut builder: RequestBuilder,
        request: &Request,
        action: &str,
    ) -> Result<Head<'a>, StoreError> {
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let progress = Progress::default();
        if let Some(body) = &request.body {
            // Said even where it is 0, which hyper leaves out and some servers refuse then.
            builder = builder.header(header::CONTENT_LENGTH, body.len());
            let all = if request.verb == Verb::Put { self.uploads.clone() } else { Progress::default() };
            let watched = Watched::new(body.clone(), [progress.clone(), all]);
            builder = builder.body(reqwest::Body::wrap(watched));
        }
        let object_bytes = match (request.verb, &request.body) {
            (Verb::Put, Some(body)) => body.len() as u64,
            _ => 0,
        };
        let mut passage = Passage::enter(gate, request.verb, action, object_bytes).await?;
        self.traffic.sent(request.verb.name(), object_bytes);
        let mut answer = std::pin::pin!(builder.send());
        let mut moved = 0;
        loop {
            match tokio::time::timeout(self.no_progress, &mut answer).await {
                Ok(Ok(response)) => {
                    if response.status().is_success() {
                        passage.done();
                    }
                    return Ok(Head { response, passage });
                }
                Ok(Err(error)) => return Err(lost(request.verb, action, &error)),
                Err(_) if progress.bytes() > moved => moved = progress.bytes(),
                Err(_) => {
                    let kind =
                        if request.verb.changes_things() { ErrorKind::Unknown } else { ErrorKind::Transient };
                    let detail =
                        format!("no progress for {} s; check the network", self.no_progress.as_secs());
                    return Err(StoreError::new(kind, action, detail));
                }
            }
        }
    }
}

fn has_scheme(offer: &str, scheme: &str) -> bool {
    offer.split([',', ' ']).any(|word| word.trim().eq_ignore_ascii_case(scheme))
}
