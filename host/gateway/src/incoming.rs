//! Reading a request: query, headers, body.

use std::time::Duration;

use axum::body::HttpBody as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use mime::Mime;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use skyloom_runtime::context::SecretVault;

use crate::json;
use crate::mount::{Mount, Operation};
use crate::refusal::{Refusal, Refused};

/// The body of a request, as it comes.
pub type ClientBody = axum::body::Body;

/// Pairs of a query, decoded, in order; `+` is a space.
pub fn query(text: Option<&str>) -> Result<Vec<(String, String)>, Refusal> {
    let text = text.unwrap_or_default();
    // The reader of forms would put replacement characters in.
    if percent_decode_str(text).decode_utf8().is_err() {
        return Err(Refusal::MalformedRequest);
    }
    Ok(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
}

/// Headers for the guest: no credentials, nothing of the connection, secrets as handles. One that is not UTF-8 is left out.
pub fn guest_headers(
    headers: &HeaderMap,
    mount: &Mount,
    operation: &Operation,
    secrets: &SecretVault,
) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| **name != mount.token_header && !is_withheld(name))
        .filter(|(name, _)| mount.signing.as_ref().is_none_or(|scheme| scheme.header != **name))
        .filter_map(|(name, value)| {
            let text = std::str::from_utf8(value.as_bytes()).ok()?;
            let text = if operation.secret_headers.contains(name) { secrets.put(text) } else { text.to_owned() };
            Some((name.as_str().to_owned(), text))
        })
        .collect()
}

fn is_withheld(name: &HeaderName) -> bool {
    [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
    ]
    .contains(name)
}

/// How many bytes a body has at most: 0 where there is none, `limit` where it doesn't say. Refused when it says more.
pub fn most(headers: &HeaderMap, body: &ClientBody, limit: usize) -> Result<usize, Refused> {
    if declared_length(headers).is_some_and(|length| length > limit as u64) {
        return Err(Refusal::TooLarge.into());
    }
    let upper = body.size_hint().upper().and_then(|upper| usize::try_from(upper).ok());
    Ok(upper.map_or(limit, |upper| upper.min(limit)))
}

/// A whole body of at most `limit` bytes within `time`.
pub async fn read(body: ClientBody, limit: usize, time: Duration) -> Result<Bytes, Refused> {
    match tokio::time::timeout(time, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge.into()),
        Ok(Err(_)) => Err(Refusal::MalformedRequest.into()),
        Err(_) => Err(Refusal::BodyTimeout.into()),
    }
}

pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether an operation that lists these types takes the body's; without a list it is JSON, and none sent is taken for that.
pub fn check_content_type(headers: &HeaderMap, accepted: &[String]) -> Result<(), Refused> {
    let refused = || {
        let wanted = if accepted.is_empty() { "application/json" } else { &accepted.join(", ") };
        Refused::because(Refusal::UnsupportedMediaType, format!("The content type of the request must be {wanted}."))
    };
    let text = match headers.get(header::CONTENT_TYPE) {
        Some(value) => HeaderValue::to_str(value).map_err(|_| refused())?,
        None if accepted.is_empty() => return Ok(()),
        None => return Err(refused()),
    };
    // Some clients end it with a separator.
    let sent: Mime = text.trim_end_matches([';', ' ']).trim_start().parse().map_err(|_| refused())?;
    let known = if accepted.is_empty() {
        sent.essence_str() == mime::APPLICATION_JSON.essence_str()
    } else {
        accepted.iter().any(|accepted| accepted == sent.essence_str())
    };
    // Bytes have no signs.
    let utf8 = sent.essence_str() == mime::APPLICATION_OCTET_STREAM.essence_str()
        || sent
            .get_param(mime::CHARSET)
            .is_none_or(|set| ["utf-8", "utf8", "us-ascii"].iter().any(|name| set == *name));
    if known && utf8 { Ok(()) } else { Err(refused()) }
}

/// A JSON body; None: an empty one.
pub fn parse(bytes: &Bytes, bounds: json::Bounds) -> Result<Option<Value>, Refused> {
    if bytes.is_empty() {
        return Ok(None);
    }
    json::parse(bytes, bounds)
        .map(Some)
        .map_err(|reason| Refused::because(Refusal::MalformedBody, format!("The request body {reason}.")))
}

/// Puts handles in the place of secrets, of whatever kind: who sends a number for a password sends one all the same. Gives
/// whether there were any.
pub fn hide_secrets(operation: &Operation, value: &mut Value, secrets: &SecretVault) -> bool {
    let mut found = false;
    for pointer in &operation.secrets {
        pointer.each(value, &mut |secret| {
            let plain = match secret.take() {
                Value::String(text) => text,
                other => other.to_string(),
            };
            *secret = Value::String(secrets.put(plain));
            found = true;
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_in_order() {
        let pairs = query(Some("a=1&b=x%20y+z&a=%C3%A9&flag&&=q")).unwrap();
        let plain: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(plain, [("a", "1"), ("b", "x y z"), ("a", "é"), ("flag", ""), ("", "q")]);
        assert_eq!(query(Some("a=%ff")), Err(Refusal::MalformedRequest));
        assert_eq!(query(None), Ok(vec![]));
    }

    #[test]
    fn content_types() {
        let check = |text: &'static str, accepted: &[String]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(text));
            check_content_type(&headers, accepted).is_ok()
        };
        assert!(check("application/json", &[]));
        assert!(check("Application/JSON; charset=UTF-8", &[]));
        assert!(check("application/json; charset=\"utf-8\";", &[]));
        assert!(!check("application/json; charset=latin-1", &[]));
        assert!(!check("json", &[]));
        assert!(!check("text/xml", &[]));
        assert!(check("application/x-patch", &["application/x-patch".to_owned()]));
        assert!(check("application/octet-stream; charset=x", &["application/octet-stream".to_owned()]));
        assert!(check_content_type(&HeaderMap::new(), &[]).is_ok());
        let listed = ["application/x-patch".to_owned(), "application/y-patch".to_owned()];
        let refused = check_content_type(&HeaderMap::new(), &listed).unwrap_err();
        let expected = "The content type of the request must be application/x-patch, application/y-patch.";
        assert_eq!(refused.message.as_deref(), Some(expected));
    }
}
