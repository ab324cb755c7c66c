//! Answers that the host makes itself, in the words of the mount's manifest.

use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use mime::Mime;
use skyloom_runtime::manifest::{ApiErrors, RefusalOverride};

use crate::accept;
use crate::answer::Answer;
use crate::refusal::Refusal;
use crate::short;

/// What fills the placeholders.
#[derive(Clone, Copy, Debug, Default)]
pub struct Details<'a> {
    pub request_id: &'a str,
    /// The header of that name.
    pub accept: &'a str,
    /// Instead of the refusal's own sentence.
    pub message: Option<&'a str>,
    /// For 405.
    pub allow: Option<&'a str>,
    pub base_url: &'a str,
    pub retry_after_seconds: Option<u64>,
}

/// The templates of one manifest, cut into pieces at load.
#[derive(Debug)]
pub struct Templates {
    by_refusal: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    refusal: Refusal,
    status: StatusCode,
    /// Of who accepts none of the others.
    usual: Form,
    /// In the order of preference.
    others: Vec<(Mime, Form)>,
    headers: Vec<(HeaderName, Template)>,
}

#[derive(Debug)]
struct Form {
    content_type: HeaderValue,
    body: Template,
    escape: Escape,
}

impl Form {
    fn compile(content_type: &str, body: &str) -> Result<Self, String> {
        Ok(Self {
            content_type: HeaderValue::from_str(content_type).map_err(|_| format!("content type `{content_type}`"))?,
            body: Template::compile(body),
            escape: Escape::of(content_type),
        })
    }
}

impl Templates {
    /// Err: a line about what is wrong.
    pub fn compile(errors: &ApiErrors) -> Result<Self, String> {
        let by_refusal = Refusal::ALL.iter().map(|refusal| compile(*refusal, errors)).collect::<Result<_, _>>()?;
        Ok(Self { by_refusal })
    }

    /// The whole answer.
    pub fn answer(&self, refusal: Refusal, details: &Details<'_>) -> Answer {
        let compiled = &self.by_refusal[refusal as usize];
        debug_assert_eq!(compiled.refusal, refusal);
        let values = Values { status: compiled.status, refusal, details };
        let form = accept::best(details.accept, compiled.others.iter().map(|(accepted, form)| (accepted, form)));
        let form = form.unwrap_or(&compiled.usual);
        let mut answer = Answer::new(form.body.fill(&values, form.escape).into());
        *answer.status_mut() = compiled.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, form.content_type.clone());
        insert_protocol_headers(headers, details);
        for (name, value) in &compiled.headers {
            if let Ok(value) = HeaderValue::from_bytes(&value.fill(&values, Escape::Plain)) {
                headers.insert(name.clone(), value);
            }
        }
        answer
    }
}

/// What HTTP itself asks for, whatever the vendor's words.
fn insert_protocol_headers(headers: &mut HeaderMap, details: &Details<'_>) {
    if let Some(allow) = details.allow.and_then(|allow| HeaderValue::from_str(allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if let Some(seconds) = details.retry_after_seconds {
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn compile(refusal: Refusal, errors: &ApiErrors) -> Result<Compiled, String> {
    let worded = |refusal: Refusal| errors.overrides.get(refusal.as_str());
    let by_code = match refusal {
        Refusal::MissingBody => worded(refusal).or_else(|| worded(Refusal::MalformedBody)),
        _ => worded(refusal),
    };
    let usual = by_code.and_then(|changed| changed.status).unwrap_or_else(|| refusal.status());
    let by_status = errors.overrides.get(&refusal.status().to_string());
    let pick = |of: fn(&RefusalOverride) -> Option<&String>| by_code.and_then(of).or_else(|| by_status.and_then(of));
    let status = match (by_code.and_then(|changed| changed.status), by_status.and_then(|changed| changed.status)) {
        (None, Some(status)) => status,
        _ => usual,
    };
    let content_type = pick(|changed| changed.content_type.as_ref());
    let body = pick(|changed| changed.body.as_ref());
    // What is worded apart has one form.
    let forms = if content_type.is_none() && body.is_none() { errors.forms.as_slice() } else { &[] };
    let others =
        forms.iter().map(|form| Ok((media_type(&form.accept)?, Form::compile(&form.content_type, &form.body)?)));
    let mut headers: Vec<(HeaderName, Template)> = Vec::new();
    for changed in [by_status, by_code].into_iter().flatten() {
        for (name, value) in &changed.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"))?;
            headers.retain(|(other, _)| *other != name);
            headers.push((name, Template::compile(value)));
        }
    }
    Ok(Compiled {
        refusal,
        status: StatusCode::from_u16(status).map_err(|_| format!("{status} is no HTTP status"))?,
        usual: Form::compile(content_type.unwrap_or(&errors.content_type), body.unwrap_or(&errors.body))?,
        others: others.collect::<Result<_, String>>()?,
        headers,
    })
}

fn media_type(text: &str) -> Result<Mime, String> {
    text.parse().map_err(|_| format!("`{text}` is no media type"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Status,
    Code,
    Message,
    RequestId,
    Title,
    BaseUrl,
}

const PLACEHOLDERS: &[(&str, Placeholder)] = &[
    ("{status}", Placeholder::Status),
    ("{code}", Placeholder::Code),
    ("{message}", Placeholder::Message),
    ("{request_id}", Placeholder::RequestId),
    ("{title}", Placeholder::Title),
    ("{base_url}", Placeholder::BaseUrl),
];

#[derive(Debug)]
enum Piece {
    Text(String),
    Hole(Placeholder),
}

#[derive(Debug)]
struct Template {
    pieces: Vec<Piece>,
}

struct Values<'a> {
    status: StatusCode,
    refusal: Refusal,
    details: &'a Details<'a>,
}

impl Template {
    /// Braces that are no placeholder are text: JSON is full of them.
    fn compile(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((word, hole)) = PLACEHOLDERS.iter().find(|(word, _)| rest.starts_with(word)) {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Hole(*hole));
                rest = &rest[word.len()..];
            } else {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self { pieces }
    }

    fn fill(&self, values: &Values<'_>, escape: Escape) -> Vec<u8> {
        let mut text = Vec::with_capacity(256);
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.extend_from_slice(plain.as_bytes()),
                Piece::Hole(Placeholder::Status) => text.extend_from_slice(values.status.as_str().as_bytes()),
                Piece::Hole(hole) => escape.push(&mut text, &short::text(values.word(*hole))),
            }
        }
        text
    }
}

impl Values<'_> {
    fn word(&self, hole: Placeholder) -> &str {
        match hole {
            Placeholder::Status => self.status.as_str(),
            Placeholder::Code => self.refusal.as_str(),
            Placeholder::Message => self.details.message.unwrap_or_else(|| self.refusal.message()),
            Placeholder::RequestId => self.details.request_id,
            Placeholder::Title => self.status.canonical_reason().unwrap_or("Error"),
            Placeholder::BaseUrl => self.details.base_url,
        }
    }
}

/// What a client sent stands in some sentences: it must not end the string, the element or the line that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// As the inside of a string.
    Json,
    /// HTML and XML.
    Markup,
    /// Printable ASCII only.
    Plain,
}

impl Escape {
    fn of(content_type: &str) -> Self {
        let kind = content_type.split(';').next().unwrap_or_default().to_ascii_lowercase();
        match kind {
            kind if kind.contains("json") => Self::Json,
            kind if kind.contains("html") || kind.contains("xml") => Self::Markup,
            _ => Self::Plain,
        }
    }

    fn push(self, target: &mut Vec<u8>, text: &str) {
        match self {
            Self::Json => {
                let start = target.len();
                if serde_json::to_writer(&mut *target, text).is_ok() {
                    target.pop();
                    target.remove(start);
                }
            }
            Self::Markup => {
                for sign in text.chars() {
                    match sign {
                        '<' => target.extend_from_slice(b"&lt;"),
                        '>' => target.extend_from_slice(b"&gt;"),
                        '&' => target.extend_from_slice(b"&amp;"),
                        '"' => target.extend_from_slice(b"&quot;"),
                        '\'' => target.extend_from_slice(b"&#39;"),
                        sign => target.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
            }
            Self::Plain => target.extend(text.bytes().filter(|byte| (0x20..0x7f).contains(byte))),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use skyloom_runtime::manifest::ErrorForm;

    use super::*;

    fn body(answer: Answer) -> String {
        let collected = answer.into_body().collect().now_or_never().expect("bytes at hand").unwrap();
        String::from_utf8(collected.to_bytes().to_vec()).unwrap()
    }

    #[test]
    fn placeholders_are_filled_and_escaped() {
        let errors = ApiErrors {
            content_type: "application/json".to_owned(),
            body: r#"{"e":{"code":{status},"m":"{message}","id":"{request_id}","t":"{title}"}}"#.to_owned(),
            ..ApiErrors::default()
        };
        let templates = Templates::compile(&errors).unwrap();
        let details = Details { request_id: "req-1", message: Some("a \"quote\"\n"), ..Details::default() };
        let answer = templates.answer(Refusal::NotFound, &details);
        assert_eq!(answer.status(), 404);
        assert_eq!(body(answer), r#"{"e":{"code":404,"m":"a \"quote\"\n","id":"req-1","t":"Not Found"}}"#);
    }

    #[test]
    fn what_a_client_sent_is_escaped_as_the_body_needs_it() {
        let said = |content_type: &str| {
            let content_type = content_type.to_owned();
            let errors = ApiErrors { content_type, body: "<p>{message}</p>".to_owned(), ..ApiErrors::default() };
            let details = Details { message: Some("<b>\"&'\u{e9}\n"), ..Details::default() };
            body(Templates::compile(&errors).unwrap().answer(Refusal::NotFound, &details))
        };
        assert_eq!(said("text/html; charset=UTF-8"), "<p>&lt;b&gt;&quot;&amp;&#39;\u{e9}\n</p>");
        assert_eq!(said("application/xml"), said("text/html"));
        assert_eq!(said("text/plain"), "<p><b>\"&'</p>");
        assert_eq!(said("application/problem+json"), "<p><b>\\\"&'\u{e9}\\n</p>");
    }

    #[test]
    fn a_client_gets_the_form_that_it_accepts_and_what_is_worded_apart_has_one() {
        let form = |accept: &str, content_type: &str, body: &str| ErrorForm {
            accept: accept.to_owned(),
            content_type: content_type.to_owned(),
            body: body.to_owned(),
        };
        let forms =
            vec![form("text/html", "text/html", "<p>{code}</p>"), form("application/json", "application/json", "{}")];
        let apart = RefusalOverride { body: Some("apart".to_owned()), ..RefusalOverride::default() };
        let errors = ApiErrors {
            forbidden: None,
            content_type: "text/plain".to_owned(),
            body: "{code}".to_owned(),
            forms,
            overrides: [("forbidden".to_owned(), apart)].into(),
        };
        let templates = Templates::compile(&errors).unwrap();
        for (accept, refusal, content_type, expected) in [
            ("", Refusal::NotFound, "text/plain", "not-found"),
            ("image/png", Refusal::NotFound, "text/plain", "not-found"),
            ("*/*", Refusal::NotFound, "text/html", "<p>not-found</p>"),
            ("application/json", Refusal::NotFound, "application/json", "{}"),
            ("application/json", Refusal::Forbidden, "text/plain", "apart"),
        ] {
            let answer = templates.answer(refusal, &Details { accept, ..Details::default() });
            assert_eq!(answer.headers()[CONTENT_TYPE], content_type, "{accept}");
            assert_eq!(body(answer), expected, "{accept}");
        }
    }

    #[test]
    fn a_missing_body_is_worded_as_a_malformed_one_where_the_manifest_words_only_that() {
        let worded = |names: &[&str]| {
            let mut errors = ApiErrors { body: "{message}".to_owned(), ..ApiErrors::default() };
            for name in names {
                let changed = RefusalOverride { body: Some((*name).to_owned()), ..RefusalOverride::default() };
                errors.overrides.insert((*name).to_owned(), changed);
            }
            body(Templates::compile(&errors).unwrap().answer(Refusal::MissingBody, &Details::default()))
        };
        assert_eq!(worded(&[]), "The request needs a JSON body.");
        assert_eq!(worded(&["malformed-body"]), "malformed-body");
        assert_eq!(worded(&["malformed-body", "missing-body"]), "missing-body");
    }

    #[test]
    fn an_override_by_code_wins_over_one_by_status() {
        let mut errors = ApiErrors::default();
        errors.overrides.insert(
            "429".to_owned(),
            RefusalOverride { body: Some("by status".to_owned()), status: Some(400), ..Default::default() },
        );
        errors.overrides.insert(
            "rate-limited".to_owned(),
            RefusalOverride {
                status: Some(413),
                headers: [("X-Id".to_owned(), "{request_id}".to_owned())].into(),
                ..Default::default()
            },
        );
        let templates = Templates::compile(&errors).unwrap();
        let answer = templates.answer(Refusal::RateLimited, &Details { request_id: "req-7", ..Details::default() });
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.headers()["x-id"], "req-7");
        assert_eq!(body(answer), "by status");
    }
}
