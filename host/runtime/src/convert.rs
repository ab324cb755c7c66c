//! Between the model's types and the contracts'.

use skyloom_model as model;

use crate::bindings::types::errors as wit;

macro_rules! error_codes {
    ($($code:ident)*) => {
        impl From<model::ErrorCode> for wit::ErrorCode {
            fn from(code: model::ErrorCode) -> Self {
                match code { $(model::ErrorCode::$code => Self::$code,)* }
            }
        }

        impl From<wit::ErrorCode> for model::ErrorCode {
            /// A code that this host doesn't know is a plugin's defect.
            fn from(code: wit::ErrorCode) -> Self {
                match code {
                    $(wit::ErrorCode::$code => Self::$code,)*
                    wit::ErrorCode::Other(_) => Self::Internal,
                }
            }
        }
    };
}

error_codes! {
    Invalid NotFound Unauthenticated Forbidden AlreadyExists InUse WrongState Busy Locked QuotaExceeded NoCapacity NoAddress
    AddressInUse RateLimited TooLarge NotSupported BadContent DriverFailed TimedOut Unavailable Cancelled Internal
}

impl From<model::Error> for wit::Error {
    /// Logs what must not cross: the internal half.
    fn from(error: model::Error) -> Self {
        if error.internal_text().is_some() {
            tracing::warn!(error = error.for_log(), "an error is shown to a client without its internal half");
        }
        Self {
            class: match error.class() {
                model::ErrorClass::Caller => wit::ErrorClass::Caller,
                model::ErrorClass::Conflict => wit::ErrorClass::Conflict,
                model::ErrorClass::Capacity => wit::ErrorClass::Capacity,
                model::ErrorClass::Unavailable => wit::ErrorClass::Unavailable,
                model::ErrorClass::Bug => wit::ErrorClass::Bug,
            },
            retryable: error.retryable(),
            code: error.code.into(),
            message: error.message,
            resource: error.resource,
            field: error.field,
            reason: error.reason,
        }
    }
}

/// Bytes of a plugin's text in an error: it is kept with the operation.
const MAX_TEXT: usize = 4096;

fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

impl From<wit::Error> for model::Error {
    fn from(error: wit::Error) -> Self {
        let text = match &error.code {
            wit::ErrorCode::Other(code) => Some(format!("code {}", short(code.clone()))),
            _ => None,
        };
        let mut converted = model::Error::new(error.code.into(), short(error.message));
        converted.resource = error.resource.map(|(kind, id)| (short(kind), short(id)));
        converted.field = error.field.map(short);
        converted.reason = error.reason.map(short);
        match text {
            Some(text) => converted.with_internal(text),
            None => converted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_of_an_error_is_cut() {
        let long = "\u{e9}".repeat(MAX_TEXT);
        let said = wit::Error {
            code: wit::ErrorCode::Other(long.clone()),
            message: long.clone(),
            resource: Some((long.clone(), long.clone())),
            field: Some(long.clone()),
            reason: Some(long.clone()),
            ..wit::Error::from(model::Error::internal("x"))
        };
        let kept = model::Error::from(said);
        let (kind, id) = kept.resource.clone().expect("a resource");
        for text in
            [&kept.message, &kind, &id, kept.field.as_ref().expect("field"), kept.reason.as_ref().expect("reason")]
        {
            assert_eq!(text.len(), MAX_TEXT);
        }
        assert!(kept.internal_text().expect("the code").len() <= MAX_TEXT + "code ".len());
    }
}
