//! One request: whether it may go, on its way through redirections, and what comes back.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use skyloom_model::{Error, ErrorCode, Limiter, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use tokio_util::task::AbortOnDropHandle;

use crate::addresses::Addresses;
use crate::connect::{self, Resolve, System};
use crate::hosts::{HostRule, Place};
use crate::rules::{Login, Rules};
use crate::tls::Trust;

/// Bytes of a request's headers together.
const HEADER_BYTES: usize = 16 << 10;
/// Bytes of a file that the rules name.
const CA_BYTES: u64 = 4 << 20;
const SECRET_BYTES: u64 = 4 << 10;
/// Headers that are the host's to say.
const RESERVED: [HeaderName; 10] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn get(url: &str) -> Self {
        Self { method: "GET".to_owned(), url: url.to_owned(), headers: Vec::new(), body: Vec::new() }
    }
}

/// What came back, whole. Headers that are no text are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// One destination with its limits, which all who ask share.
pub struct Egress {
    hosts: Vec<HostRule>,
    methods: Vec<Method>,
    plain: bool,
    addresses: Addresses,
    /// None: no host is asked with it.
    tls: Option<Arc<ClientConfig>>,
    login: Option<(HeaderName, HeaderValue)>,
    redirects: u32,
    limiter: Option<Limiter>,
    turns: Arc<Semaphore>,
    patience: Duration,
    request_bytes: usize,
    answer_bytes: usize,
    resolver: Arc<dyn Resolve>,
}

impl fmt::Debug for Egress {
    /// Without the login.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Egress")
            .field("hosts", &self.hosts)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

/// Reads a file that the rules name, of at most so many bytes.
type ReadFile<'a> = &'a dyn Fn(&Path, u64) -> io::Result<Vec<u8>>;

impl Egress {
    /// Err: a line that says what is wrong with the rules, with the key.
    pub fn new(rules: &Rules, read: ReadFile<'_>) -> Result<Self, String> {
        rules.check()?;
        let hosts = rules.hosts.iter().map(|host| HostRule::parse(host)).collect::<Result<Vec<_>, _>>()?;
        let mut addresses = Addresses::new(&rules.addresses)?;
        hosts.iter().filter_map(HostRule::address).for_each(|address| addresses.grant(address));
        let method = |name: &String| match Method::from_bytes(name.as_bytes()) {
            Ok(method) if method != Method::CONNECT && *name == name.to_ascii_uppercase() => Ok(method),
            _ => Err(format!("methods: `{name}` is no method that can be granted")),
        };
        let trust = match (&rules.ca, &rules.pin) {
            (Some(_), Some(_)) => return Err("pin: it stands instead of `ca`, not beside it".to_owned()),
            (Some(file), None) => {
                Trust::Authorities(read(file, CA_BYTES).map_err(|error| format!("ca: {}: {error}", file.display()))?)
            }
            (None, Some(pin)) => Trust::pin(pin)?,
            (None, None) => Trust::Machine,
        };
        Ok(Self {
            hosts,
            methods: rules.methods.iter().map(method).collect::<Result<_, _>>()?,
            plain: rules.plain,
            addresses,
            tls: Some(trust.config()?),
            login: rules.login.as_ref().map(|login| credentials(login, read)).transpose()?,
            redirects: rules.redirects,
            limiter: Limiter::new(rules.rate, rules.burst),
            turns: Arc::new(Semaphore::new(rules.at_once as usize)),
            patience: Duration::from_millis(rules.timeout_ms.into()),
            request_bytes: rules.request_kib as usize * 1024,
            answer_bytes: rules.answer_kib as usize * 1024,
            resolver: Arc::new(System),
        })
    }

    /// With others' word for the addresses of names.
    #[must_use]
    pub fn with_resolver(self, resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, ..self }
    }

    /// Whether a request may go to this URL at all, as far as its text tells.
    pub fn check(&self, url: &str) -> Result<()> {
        Place::parse(url)?.check(&self.hosts, self.plain)
    }

    /// Asks, and takes the whole answer within the grant's time and bytes.
    pub async fn send(&self, request: Request) -> Result<Answer> {
        let until = Instant::now() + self.patience;
        let answered = timeout_at(until, async {
            let mut opened = self.walk(request).await?;
            let mut body = Vec::new();
            while let Some(piece) = opened.frame().await? {
                if body.len() + piece.len() > self.answer_bytes {
                    let message = format!("The answer has more than {} KiB.", self.answer_bytes / 1024);
                    return Err(Error::new(ErrorCode::TooLarge, message));
                }
                body.extend_from_slice(&piece);
            }
            Ok(Answer { status: opened.status.as_u16(), headers: texts(&opened.headers), body })
        });
        answered.await.unwrap_or_else(|_| Err(self.late()))
    }

    /// Asks, and gives the answer's head within the grant's time; its bytes come as they are taken, each piece within that time again.
    pub async fn open(&self, request: Request) -> Result<Opened> {
        timeout(self.patience, self.walk(request)).await.unwrap_or_else(|_| Err(self.late()))
    }

    fn late(&self) -> Error {
        late(self.patience)
    }

    async fn walk(&self, request: Request) -> Result<Opened> {
        let mut hop = self.first(request)?;
        if let Some(wait) = self.limiter.as_ref().and_then(|limiter| limiter.take("").err()) {
            let message = "Too many requests are sent to this place; try again later.";
            return Err(Error::new(ErrorCode::RateLimited, message).with_retry_after(wait));
        }
        let turn = self.turns.clone().acquire_owned().await.map_err(Error::internal)?;
        for _ in 0..self.redirects {
            let opened = self.go(&hop).await?;
            match hop.redirected(&opened.headers, opened.status)? {
                Some(next) => hop = next,
                None => return Ok(opened.held(turn)),
            }
        }
        let opened = self.go(&hop).await?;
        if self.redirects > 0 && hop.redirected(&opened.headers, opened.status)?.is_some() {
            let message = format!("The host redirects more than {} times.", self.redirects);
            return Err(Error::new(ErrorCode::Forbidden, message).with_field("url"));
        }
        Ok(opened.held(turn))
    }

    /// What doesn't change on the way is checked once.
    fn first(&self, request: Request) -> Result<Hop> {
        let place = Place::parse(&request.url)?;
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Error::invalid("method", "This is no method."))?;
        if request.body.len() > self.request_bytes {
            let message = format!("The body of a request has at most {} KiB here.", self.request_bytes / 1024);
            return Err(Error::new(ErrorCode::TooLarge, message).with_field("body"));
        }
        let headers = self.headers(&request.headers)?;
        Ok(Hop { place, method, headers, body: request.body.into(), login: self.login.clone() })
    }

    fn headers(&self, given: &[(String, String)]) -> Result<HeaderMap> {
        let wrong = |message: String| Error::invalid("headers", message);
        if given.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > HEADER_BYTES {
            return Err(wrong(format!("The headers have more than {HEADER_BYTES} bytes.")));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let known =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(format!("{name:?} is no header.")))?;
            let own = self.login.as_ref().is_some_and(|(login, _)| *login == known);
            if own || RESERVED.contains(&known) {
                return Err(wrong(format!("The header {known} is the host's to say.")));
            }
            let value = HeaderValue::from_str(value).map_err(|_| wrong(format!("The value of {known} is none.")))?;
            headers.append(known, value);
        }
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("skyloom"));
        Ok(headers)
    }

    /// One request and one answer, wherever it leads.
    async fn go(&self, hop: &Hop) -> Result<Opened> {
        let place = &hop.place;
        place.check(&self.hosts, self.plain)?;
        if !self.methods.contains(&hop.method) {
            let message = format!("The method {} may not be used here.", hop.method);
            return Err(Error::new(ErrorCode::Forbidden, message).with_field("method"));
        }
        let connected =
            connect::connect(place, &self.addresses, &*self.resolver, self.tls.as_ref(), self.patience).await?;
        let mut sender = connected.sender;
        let away = |error: hyper::Error| {
            Error::new(ErrorCode::Unavailable, format!("The host {} does not answer.", place.authority()))
                .with_internal(error)
        };
        let answer = sender.send_request(hop.request()?).await.map_err(away)?;
        let (head, body) = answer.into_parts();
        Ok(Opened {
            status: head.status,
            headers: head.headers,
            body,
            patience: self.patience,
            _connection: connected.task,
            _turn: None,
        })
    }
}

fn late(patience: Duration) -> Error {
    Error::new(ErrorCode::TimedOut, format!("There was no answer within {} ms.", patience.as_millis()))
}

/// The header that the host adds to each request.
fn credentials(login: &Login, read: ReadFile<'_>) -> Result<(HeaderName, HeaderValue), String> {
    let file = login.secret_file.display();
    let secret = read(&login.secret_file, SECRET_BYTES).map_err(|error| format!("login: {file}: {error}"))?;
    let secret = String::from_utf8(secret).map_err(|_| format!("login: {file}: it is no text"))?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    let (name, value) = match (&login.user, &login.header) {
        (Some(user), None) if !user.contains(':') => {
            (header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}"))))
        }
        (Some(_), None) => return Err("login: user: it must not hold a colon".to_owned()),
        (None, Some(name)) => {
            let known = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !RESERVED.contains(name));
            (known.ok_or_else(|| format!("login: header: `{name}` is none that a login may be in"))?, secret.to_owned())
        }
        _ => return Err("login: one of `user` and `header` must be said".to_owned()),
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| format!("login: {file}: it cannot be in a header"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    headers.iter().filter_map(text).collect()
}

/// A request on its way.
struct Hop {
    place: Place,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    /// What the host adds; none behind a redirection to another origin.
    login: Option<(HeaderName, HeaderValue)>,
}

impl Hop {
    fn request(&self) -> Result<http::Request<Full<Bytes>>> {
        let mut request = http::Request::builder()
            .method(self.method.clone())
            .uri(self.place.target())
            .body(Full::new(self.body.clone()))
            .map_err(|_| Error::invalid("url", "This is no URL."))?;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        let host = HeaderValue::from_str(&self.place.authority()).map_err(Error::internal)?;
        headers.insert(header::HOST, host);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some((name, value)) = &self.login {
            headers.insert(name.clone(), value.clone());
        }
        Ok(request)
    }

    /// Where the answer sends the request; none: it is the answer.
    fn redirected(&self, headers: &HeaderMap, status: StatusCode) -> Result<Option<Self>> {
        let redirects = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = headers.get(header::LOCATION).filter(|_| redirects) else { return Ok(None) };
        let lost = || Error::new(ErrorCode::Forbidden, "The host redirects to what is no URL.").with_field("url");
        let url = location.to_str().ok().and_then(|location| self.place.url.join(location).ok()).ok_or_else(lost)?;
        let place = Place::of(url).map_err(|error| lost().with_internal(error.message))?;
        if self.place.tls && !place.tls {
            let message = "The host redirects from https to http.";
            return Err(Error::new(ErrorCode::Forbidden, message).with_field("url"));
        }
        let (mut headers, mut login) = (self.headers.clone(), self.login.clone());
        if !place.same_origin(&self.place) {
            // What was meant for one host is none of the other's business, and a host must not send the login where it likes.
            headers.remove(header::AUTHORIZATION);
            headers.remove(header::COOKIE);
            login = None;
        }
        let keeps = matches!(status.as_u16(), 307 | 308) || matches!(self.method, Method::GET | Method::HEAD);
        if keeps {
            return Ok(Some(Self { place, method: self.method.clone(), headers, body: self.body.clone(), login }));
        }
        headers.remove(header::CONTENT_TYPE);
        Ok(Some(Self { place, method: Method::GET, headers, body: Bytes::new(), login }))
    }
}

/// An answer whose bytes are still to come.
pub struct Opened {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    patience: Duration,
    _connection: AbortOnDropHandle<()>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Opened {
    fn held(self, turn: OwnedSemaphorePermit) -> Self {
        Self { _turn: Some(turn), ..self }
    }

    /// How many bytes there are, where the host says so.
    pub fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes, within the grant's time; none: that was all. Fewer than the host said are `unavailable`.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let patience = self.patience;
        timeout(patience, self.frame()).await.unwrap_or_else(|_| Err(late(patience)))
    }

    async fn frame(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let broken = |error| {
                Error::new(ErrorCode::Unavailable, "The host broke off in the middle of its answer.")
                    .with_internal(error)
            };
            if let Ok(piece) = frame.map_err(broken)?.into_data() {
                return Ok(Some(piece));
            }
        }
    }
}
