//! Glance's refusals, and its status for every code of the core.
//!
//! Upstream raises web exceptions that are written as the client accepts them: `text/html` before `application/json`, plain
//! text for a client that says nothing. JSON then is `{"message", "code": "404 Not Found", "title"}`, where the message ends
//! with the `<br />` of the common template. That form is kept, because clients take it apart.

use skyloom_sdk::json::Writer;
use skyloom_sdk::{Body, Error, ErrorCode, Request, Response, Violation, key, respond, violations};

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub message: String,
    /// The neutral action that the policy refuses.
    denied: Option<String>,
}

impl Fault {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), denied: None }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// What a JSON schema found in the body.
    pub fn schema(violation: &Violation) -> Self {
        let segments = violation.pointer.split('/').skip(1);
        let place: String = segments
            .map(|segment| match segment.parse::<usize>() {
                Ok(index) => format!("[{index}]"),
                Err(_) => format!("['{}']", segment.replace("~1", "/").replace("~0", "~")),
            })
            .collect();
        Self::mismatch(&place, &violations::message(violation))
    }

    /// What no schema saw of an attribute.
    pub fn attribute(name: &str, message: &str) -> Self {
        Self::mismatch(&format!("['{name}']"), message)
    }

    /// Upstream's words and the place that they end with.
    fn mismatch(place: &str, message: &str) -> Self {
        Self::bad_request(format!("Provided object does not match schema 'image': {message}\n\nOn instance{place}"))
    }

    /// As it is told of a request: a refusal of the policy names its rule, as upstream does.
    #[must_use]
    pub fn of(self, request: &Request) -> Self {
        let rule = match (self.denied.as_deref(), request.operation.as_str()) {
            (Some("images:publish"), _) => Some("publicize_image"),
            (Some("images:give"), "images.update") => {
                return Self::new(403, "Owner can't be updated by non admin.");
            }
            (Some(_), _) => request.rule.as_deref(),
            (None, _) => None,
        };
        rule.map_or(self.clone(), |rule| Self::new(403, format!("You are not authorized to complete {rule} action.")))
    }

    pub fn response(&self, request: &Request) -> Response {
        let title = respond::reason(self.status);
        let accept = respond::header(request, "accept").unwrap_or_default();
        let (content_type, text) = match form(accept) {
            Form::Html => {
                let text = format!(
                    "<html>\n <head>\n  <title>{0} {title}</title>\n </head>\n <body>\n  <h1>{0} {title}</h1>\n  {1}<br /><br \
                     />\n\n\n\n </body>\n</html>",
                    self.status,
                    escaped(&self.message)
                );
                ("text/html; charset=UTF-8", text.into_bytes())
            }
            Form::Json => {
                let mut json = Writer::with_capacity(256);
                json.begin_object().key(key!("message")).joined(&[&self.message, "<br /><br />\n\n\n"]);
                json.key(key!("code")).string(&format!("{} {title}", self.status));
                json.key(key!("title")).string(title).end_object();
                ("application/json", json.finish())
            }
            Form::Plain => {
                let text = format!("{} {title}\n\n{}\n\n\n", self.status, self.message);
                ("text/plain; charset=UTF-8", text.into_bytes())
            }
        };
        Response {
            status: self.status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: Body::Bytes(text),
        }
    }
}

enum Form {
    Html,
    Json,
    Plain,
}

/// The best of the two offers by the header's weights; the first one where they are equal.
fn form(accept: &str) -> Form {
    let (html, json) = (weight(accept, "text/html"), weight(accept, "application/json"));
    if html == 0 && json == 0 {
        Form::Plain
    } else if html >= json {
        Form::Html
    } else {
        Form::Json
    }
}

/// Thousandths; the most exact range decides.
fn weight(accept: &str, offer: &str) -> u32 {
    let kind = offer.split('/').next().unwrap_or_default();
    let mut best = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let exact = match name.split_once('/') {
            _ if name == offer => 3,
            Some((range, "*")) if range == kind => 2,
            Some(("*", "*")) => 1,
            _ => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |text| text.parse::<f64>().ok());
        let thousandths = (quality.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u32;
        if exact > best.0 {
            best = (exact, thousandths);
        }
    }
    best.1
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#x27;")
}

/// The whole table; a code of a newer host is a fault of the server.
fn status(code: &ErrorCode) -> u16 {
    match code {
        ErrorCode::Invalid | ErrorCode::NotSupported => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Forbidden => 403,
        ErrorCode::NotFound => 404,
        ErrorCode::AlreadyExists
        | ErrorCode::InUse
        | ErrorCode::WrongState
        | ErrorCode::Busy
        | ErrorCode::Locked
        | ErrorCode::AddressInUse
        | ErrorCode::Cancelled => 409,
        // Upstream answers every limit of a user so.
        ErrorCode::QuotaExceeded | ErrorCode::TooLarge | ErrorCode::RateLimited => 413,
        // Bytes that are not of the declared disk format.
        ErrorCode::BadContent => 415,
        ErrorCode::NoCapacity | ErrorCode::NoAddress | ErrorCode::DriverFailed | ErrorCode::Unavailable => 503,
        ErrorCode::TimedOut => 504,
        ErrorCode::Internal | ErrorCode::Other(_) => 500,
    }
}

impl From<Error> for Fault {
    /// A text that the core refuses for its form is told as a schema tells it, with its place.
    fn from(error: Error) -> Self {
        match (error.field.as_deref(), error.reason.as_deref(), &error.resource) {
            // Upstream's sentence, and the name that it leaves out.
            (Some("property-name"), Some("too-long"), Some((_, name))) => {
                Self::bad_request(format!("Custom property should not be greater than 255 characters: {name}"))
            }
            (Some("properties" | "property-name"), Some("too-long" | "malformed"), Some((_, name))) => {
                Self::attribute(name, &error.message)
            }
            // No member of the body has this name: it is of all of them.
            (Some("properties"), Some("too-long" | "malformed"), _) => Self::mismatch("", &error.message),
            (Some(field), Some("too-long" | "malformed"), _) => Self::attribute(field, &error.message),
            _ => {
                let denied = respond::denied(&error).map(str::to_owned);
                Self { denied, ..Self::new(status(&error.code), error.message) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use skyloom_sdk::respond::every_code;
    use skyloom_sdk::testing::{Call, error, header_of, json_of, not_permitted};

    use super::*;

    #[test]
    fn every_code_has_a_status_and_a_title() {
        for code in every_code() {
            let fault = Fault::from(error(code.clone(), "text"));
            assert_ne!(respond::reason(fault.status), "", "{code:?}");
            assert_eq!(respond::reason(fault.status) == "Internal Server Error", fault.status == 500, "{code:?}");
            assert_eq!(fault.message, "text");
        }
    }

    #[test]
    fn a_text_of_the_wrong_form_is_told_with_its_place() {
        let said = |reason: &str| {
            let refused = error(ErrorCode::Invalid, "A text is too long.");
            Fault::from(Error { field: Some("name".to_owned()), reason: Some(reason.to_owned()), ..refused }).message
        };
        for reason in ["too-long", "malformed"] {
            assert!(said(reason).ends_with("A text is too long.\n\nOn instance['name']"), "{reason}");
        }
        assert_eq!(said("unknown"), "A text is too long.");
    }

    #[test]
    fn a_wrong_property_is_told_by_its_own_name() {
        let said = |field: &str, reason: &str, property: Option<&str>| {
            let resource = property.map(|name| ("property".to_owned(), name.to_owned()));
            let refused = error(ErrorCode::Invalid, "It is wrong.");
            let fault = Fault::from(Error {
                field: Some(field.to_owned()),
                reason: Some(reason.to_owned()),
                resource,
                ..refused
            });
            (fault.status, fault.message)
        };
        let place = |place: &str| {
            (400, format!("Provided object does not match schema 'image': It is wrong.\n\nOn instance{place}"))
        };
        assert_eq!(said("properties", "too-long", Some("os_distro")), place("['os_distro']"));
        assert_eq!(said("properties", "malformed", Some("os_distro")), place("['os_distro']"));
        assert_eq!(said("properties", "too-long", None), place(""));
        assert_eq!(said("property-name", "malformed", Some("a b")), place("['a b']"));
        let upstream = "Custom property should not be greater than 255 characters: nnn...";
        assert_eq!(said("property-name", "too-long", Some("nnn...")), (400, upstream.to_owned()));
    }

    #[test]
    fn a_refusal_of_the_policy_names_its_rule() {
        let said = |operation: &str, action: &str| {
            let call = Call::new(operation, "PATCH", "/").rule("modify_image").build();
            Fault::from(not_permitted(action)).of(&call).message
        };
        for operation in ["images.create", "images.update"] {
            assert_eq!(said(operation, "images:publish"), "You are not authorized to complete publicize_image action.");
        }
        assert_eq!(said("images.update", "images:give"), "Owner can't be updated by non admin.");
        assert_eq!(said("images.update", "images:update"), "You are not authorized to complete modify_image action.");
        let other = error(ErrorCode::Forbidden, "You are not permitted to modify this image.");
        let call = Call::new("images.update", "PATCH", "/").rule("modify_image").build();
        assert_eq!(Fault::from(other.clone()).of(&call).message, other.message, "not the policy's");
    }

    #[test]
    fn a_refusal_is_written_as_the_client_accepts_it() {
        let fault = Fault::new(404, "No <b>image");
        let answer = |accept: Option<&str>| {
            let call = Call::new("images.show", "GET", "/v2/images/1");
            fault.response(&accept.map_or(call.clone(), |accept| call.header("Accept", accept)).build())
        };
        let json = answer(Some("application/json"));
        assert_eq!(json.status, 404);
        assert_eq!(
            json_of(&json),
            serde_json::json!({"message": "No <b>image<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"})
        );
        for (accept, kind) in [
            (None, "text/plain; charset=UTF-8"),
            (Some("*/*"), "text/html; charset=UTF-8"),
            (Some("text/html;q=0.3, application/json;q=0.4"), "application/json"),
            (Some("application/*"), "application/json"),
            (Some("image/png"), "text/plain; charset=UTF-8"),
        ] {
            assert_eq!(header_of(&answer(accept), "Content-Type"), Some(kind), "{accept:?}");
        }
        let Body::Bytes(html) = answer(Some("*/*")).body else { panic!("a body") };
        let html = String::from_utf8(html).expect("text");
        assert!(html.contains("<h1>404 Not Found</h1>") && html.contains("No &lt;b&gt;image"), "{html}");
    }
}
