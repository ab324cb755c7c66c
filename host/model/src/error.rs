//! The one error of the core.

use std::fmt;
use std::time::Duration;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    Caller,
    Conflict,
    Capacity,
    Unavailable,
    Bug,
}

macro_rules! codes {
    ($($variant:ident $text:literal $class:ident $retryable:literal;)*) => {
        /// Stable codes; the same words as `skyloom:types/errors`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ErrorCode { $($variant,)* }

        impl ErrorCode {
            /// Every code, for tests that walk them.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text,)* }
            }

            #[must_use]
            pub fn class(self) -> ErrorClass {
                match self { $(ErrorCode::$variant => ErrorClass::$class,)* }
            }

            /// Whether the same call may succeed later without anybody changing anything.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(ErrorCode::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    Invalid "invalid" Caller false;
    NotFound "not-found" Caller false;
    Unauthenticated "unauthenticated" Caller false;
    Forbidden "forbidden" Caller false;
    AlreadyExists "already-exists" Conflict false;
    InUse "in-use" Conflict false;
    WrongState "wrong-state" Conflict false;
    Busy "busy" Conflict true;
    Locked "locked" Conflict false;
    QuotaExceeded "quota-exceeded" Capacity false;
    NoCapacity "no-capacity" Capacity true;
    NoAddress "no-address" Capacity true;
    AddressInUse "address-in-use" Conflict false;
    RateLimited "rate-limited" Capacity true;
    TooLarge "too-large" Caller false;
    NotSupported "not-supported" Caller false;
    BadContent "bad-content" Caller false;
    DriverFailed "driver-failed" Unavailable true;
    TimedOut "timed-out" Unavailable true;
    Unavailable "unavailable" Unavailable true;
    Cancelled "cancelled" Conflict false;
    Internal "internal" Bug false;
}

/// An error with two voices: `message` may be shown to a client, `internal` goes to the log only. There is no `Display`
/// that joins them, so the internal half cannot leak by formatting.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Error {
    pub code: ErrorCode,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong with the field in a word, where several things can be: `skyloom:types/errors` lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    internal: Option<String>,
    #[serde(skip)]
    collision: bool,
    /// When the same call may succeed.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            resource: None,
            field: None,
            reason: None,
            internal: None,
            collision: false,
            retry_after: None,
        }
    }

    /// A value is malformed; `field` in the contract's own words.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Invalid, message).with_field(field)
    }

    /// No such resource, or not the caller's to see.
    pub fn not_found(kind: impl Into<String>, id: impl Into<String>) -> Self {
        let (kind, id) = (kind.into(), id.into());
        // For people: a kind is written as words there.
        let mut sentence = format!("{} {id} could not be found.", kind.replace('-', " "));
        if let Some(first) = sentence.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self::new(ErrorCode::NotFound, sentence).with_resource(kind, id)
    }

    /// A defect or an infrastructure failure: the client sees a neutral sentence, the log sees `internal`.
    pub fn internal(internal: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, "An unexpected error prevented the server from fulfilling your request.")
            .with_internal(internal)
    }

    pub fn unavailable(internal: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Unavailable, "A part of the service is not available at the moment; try again later.")
            .with_internal(internal)
    }

    /// The database broke a transaction off for another one's sake: it may be made again.
    pub fn collision(internal: impl fmt::Display) -> Self {
        Self { collision: true, ..Self::unavailable(internal) }
    }

    pub fn is_collision(&self) -> bool {
        self.collision
    }

    /// A disk is full.
    pub fn full(internal: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Unavailable, "There is no space left to store this; try again later.")
            .with_internal(internal)
    }

    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    #[must_use]
    pub fn with_resource(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.resource = Some((kind.into(), id.into()));
        self
    }

    #[must_use]
    pub fn with_internal(mut self, internal: impl fmt::Display) -> Self {
        self.internal = Some(internal.to_string());
        self
    }

    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub fn class(&self) -> ErrorClass {
        self.code.class()
    }

    pub fn retryable(&self) -> bool {
        self.code.retryable()
    }

    /// For the log only.
    pub fn internal_text(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// For the log only: what must not go on from here.
    pub fn take_internal(&mut self) -> Option<String> {
        self.internal.take()
    }

    /// For the log only: everything that is known.
    pub fn for_log(&self) -> String {
        match &self.internal {
            Some(internal) => format!("{}: {} [{internal}]", self.code.as_str(), self.message),
            None => format!("{}: {}", self.code.as_str(), self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_distinct_text() {
        let mut texts: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn what_is_missing_is_said_in_words() {
        let missing = Error::not_found("security-group", "web");
        assert_eq!(missing.message, "Security group web could not be found.");
        assert_eq!(missing.resource, Some(("security-group".to_owned(), "web".to_owned())));
    }

    #[test]
    fn the_internal_half_stays_out_of_the_message() {
        let error = Error::internal("password=hunter2");
        assert!(!error.message.contains("hunter2"));
        assert!(error.for_log().contains("hunter2"));
    }
}
