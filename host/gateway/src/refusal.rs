//! Why the host refuses a request by itself. What it then says is [`Templates`](crate::templates::Templates)'.

use std::time::Duration;

use skyloom_model::ErrorCode;

/// When to come back: what is full is mostly served by then.
const AGAIN: Duration = Duration::from_secs(1);

macro_rules! refusals {
    ($($(#[$meta:meta])* $variant:ident $text:literal $status:literal $message:literal;)*) => {
        /// Why the host refuses a request by itself. The text is the key of the manifest's overrides.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal { $($(#[$meta])* $variant,)* }

        impl Refusal {
            pub const ALL: &'static [Refusal] = &[$(Refusal::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub(crate) fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            pub(crate) fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

refusals! {
    /// A path or query that is not what RFC 3986 allows.
    MalformedRequest "invalid" 400 "The request is malformed.";
    /// Not JSON, not UTF-8, a key twice, or too deep.
    MalformedBody "malformed-body" 400 "The request body is not valid JSON.";
    /// Empty where a schema stands or an action is selected; worded as `malformed-body` where the manifest doesn't word it.
    MissingBody "missing-body" 400 "The request needs a JSON body.";
    /// No or two keys that select an operation.
    BodyKey "body-key" 400 "The request body must have exactly one action.";
    VersionMalformed "version-malformed" 400 "The API version of the request is malformed.";
    ProjectMismatch "project-mismatch" 400 "The project of the URL is not the project of the token.";
    ProjectHeaderMismatch "project-header-mismatch" 400 "The project that a header names is not the project of the token.";
    Unauthenticated "unauthenticated" 401 "The request you have made requires authentication.";
    /// A signed request: its key, date, signature, body, or that it came before.
    BadSignature "bad-signature" 401 "The access key or the signature is not valid.";
    Forbidden "forbidden" 403 "The policy does not allow this to be performed.";
    NotFound "not-found" 404 "The resource could not be found.";
    MethodNotAllowed "method-not-allowed" 405 "The method is not allowed for this resource.";
    VersionUnsupported "version-unsupported" 406 "The API version of the request is not supported.";
    TooLarge "too-large" 413 "The request body is too large.";
    UnsupportedMediaType "unsupported-media-type" 415 "The content type of the request is not supported.";
    RateLimited "rate-limited" 429 "Too many requests; try again later.";
    /// The plugin trapped or answered rubbish.
    Internal "internal" 500 "An unexpected error prevented the server from fulfilling your request.";
    /// Busy, draining, or a part is away.
    Unavailable "unavailable" 503 "The service is not available at the moment; try again later.";
    TimedOut "timed-out" 504 "The request took too long.";
    BodyTimeout "body-timeout" 408 "The request body did not arrive in time.";
}

impl From<ErrorCode> for Refusal {
    /// Of errors that the core or the runtime gives to the gateway itself.
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Unauthenticated => Self::Unauthenticated,
            ErrorCode::Forbidden => Self::Forbidden,
            ErrorCode::NotFound => Self::NotFound,
            // Only the bytes of an upload are counted by the gateway's calls.
            ErrorCode::TooLarge | ErrorCode::QuotaExceeded => Self::TooLarge,
            ErrorCode::RateLimited => Self::RateLimited,
            ErrorCode::TimedOut => Self::TimedOut,
            ErrorCode::Invalid => Self::MalformedRequest,
            ErrorCode::Unavailable | ErrorCode::Busy => Self::Unavailable,
            _ => Self::Internal,
        }
    }
}

/// A refusal with its reason in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub refusal: Refusal,
    pub message: Option<String>,
    pub retry_after: Option<Duration>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, message: None, retry_after: None }
    }
}

impl Refused {
    /// Too much is under way.
    pub fn busy() -> Self {
        Self::again(Refusal::Unavailable)
    }

    /// It helps to come back soon.
    pub fn again(refusal: Refusal) -> Self {
        Self { refusal, message: None, retry_after: Some(AGAIN) }
    }

    pub fn because(refusal: Refusal, message: impl Into<String>) -> Self {
        Self { refusal, message: Some(message.into()), retry_after: None }
    }
}

/// For `Retry-After`: never too early.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil() as u64
}
