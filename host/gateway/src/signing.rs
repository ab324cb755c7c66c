//! What was signed: a manifest's scheme of signatures over a request as it came over the wire. Keys are the core's.

use http::header::{HOST, HeaderMap, HeaderName};
use http::request::Parts;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use skyloom_runtime::manifest::{CanonicalForm, Signature, SignatureAlgorithm, SignatureDate};

use crate::credentials::after_scheme;
use crate::incoming;
use crate::refusal::{Refusal, Refused};

/// Of letters, digits and these nothing is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// `20260131T235959Z`; the parser alone would take fewer digits.
const BASIC_DATE: &str = "%Y%m%dT%H%M%SZ";
const BASIC_DATE_LENGTH: usize = 16;

/// One scheme, compiled.
#[derive(Debug)]
pub(crate) struct Scheme {
    word: String,
    pub header: HeaderName,
    /// Of key, headers and signature.
    parameters: [String; 3],
    date_header: HeaderName,
    ends_with_slash: bool,
    payload_header: Option<HeaderName>,
    pub unsigned_payload: Option<String>,
    /// Headers beside date and host that must be signed where a request has them.
    covered: Vec<HeaderName>,
    /// Seconds.
    window: i64,
    /// Bytes.
    pub max_body: usize,
}

/// What a request says of its signature. Nothing of it is proven.
#[derive(Debug)]
pub(crate) struct Claim<'r> {
    pub key: &'r str,
    /// `host;x-date`: the names of the signed headers.
    names: &'r str,
    date: &'r str,
    /// Seconds since the epoch.
    signed_at: i64,
    pub signature: [u8; 32],
}

/// A refusal with what the caller may know.
pub(crate) fn refused(message: impl Into<String>) -> Refused {
    Refused::because(Refusal::BadSignature, message)
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Scheme {
    /// `project_header`: the mount's.
    pub fn compile(signature: &Signature, project_header: Option<&HeaderName>) -> Result<Self, String> {
        let header =
            |name: &str| HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"));
        let SignatureAlgorithm::HmacSha256 = signature.algorithm;
        let SignatureDate::Basic = signature.date_form;
        let payload_header = signature.payload_header.as_deref().map(header).transpose()?;
        Ok(Self {
            word: signature.scheme.clone(),
            header: header(&signature.header)?,
            parameters: [&signature.key_parameter, &signature.headers_parameter, &signature.signature_parameter]
                .map(Clone::clone),
            date_header: header(&signature.date_header)?,
            ends_with_slash: signature.canonical_form == CanonicalForm::LinesWithSlash,
            covered: project_header.into_iter().chain(&payload_header).cloned().collect(),
            payload_header,
            unsigned_payload: signature.unsigned_payload.clone(),
            window: i64::from(signature.window_seconds),
            max_body: signature.max_body_kib as usize * 1024,
        })
    }

    /// None: the request isn't signed in this way. `now`: seconds since the epoch.
    pub fn claim<'r>(&self, headers: &'r HeaderMap, now: i64) -> Result<Option<Claim<'r>>, Refused> {
        let mut values = headers.get_all(&self.header).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let Some(rest) = value.to_str().ok().and_then(|value| after_scheme(value, &self.word)) else { return Ok(None) };
        let malformed = || {
            let [key, names, signature] = &self.parameters;
            let form = format!("{} {key}=..., {names}=...;..., {signature}=...", self.word);
            refused(format!("The header {} is not of the form {form}.", self.header))
        };
        let mut found: [Option<&str>; 3] = [None; 3];
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or_else(malformed)?;
            let at = self.parameters.iter().position(|known| known == name).ok_or_else(malformed)?;
            if found[at].replace(value).is_some() {
                return Err(malformed());
            }
        }
        let [Some(key), Some(names), Some(hex)] = found else { return Err(malformed()) };
        let mut signature = [0; 32];
        hex::decode_to_slice(hex, &mut signature).map_err(|_| malformed())?;
        if values.next().is_some() {
            return Err(malformed());
        }
        self.check_names(names, headers)?;
        let date = one(headers, &self.date_header)?;
        let signed_at = self.time(date, now)?;
        Ok(Some(Claim { key, names, date, signed_at, signature }))
    }

    fn check_names(&self, names: &str, headers: &HeaderMap) -> Result<(), Refused> {
        let listed: Vec<&str> = names.split(';').collect();
        if !listed.is_sorted_by(|one, next| one < next) || listed.iter().any(|name| name.to_ascii_lowercase() != *name)
        {
            return Err(refused(
                "The names of the signed headers must be in lower case and in their order, each once.",
            ));
        }
        let sent = self.covered.iter().filter(|name| headers.contains_key(*name));
        for name in [&HOST, &self.date_header].into_iter().chain(sent) {
            if !listed.contains(&name.as_str()) {
                return Err(refused(format!("The signature does not cover the header {name}.")));
            }
        }
        Ok(())
    }

    fn time(&self, text: &str, now: i64) -> Result<i64, Refused> {
        let read = DateTime::strptime(BASIC_DATE, text).ok().filter(|_| text.len() == BASIC_DATE_LENGTH);
        let Some(time) = read.and_then(|time| TimeZone::UTC.to_timestamp(time).ok()) else {
            return Err(refused(format!("The header {} is no time such as 20260131T235959Z.", self.date_header)));
        };
        self.check_time(time.as_second(), now)?;
        Ok(time.as_second())
    }

    fn check_time(&self, time: i64, now: i64) -> Result<(), Refused> {
        if now.abs_diff(time) <= self.window.unsigned_abs() {
            return Ok(());
        }
        let clock = jiff::Timestamp::from_second(now).unwrap_or_default().strftime(BASIC_DATE);
        let (header, window) = (&self.date_header, self.window);
        let away = format!("is more than {window} seconds from this clock's, which shows {clock}.");
        Err(refused(format!("The time of the header {header} {away}")))
    }

    /// The last second of a claim that is still good.
    pub fn until(&self, claim: &Claim<'_>, now: i64) -> Result<i64, Refused> {
        self.check_time(claim.signed_at, now)?;
        Ok(claim.signed_at + self.window)
    }

    /// What the payload's header says.
    pub fn said_payload<'r>(&self, headers: &'r HeaderMap) -> Result<Option<&'r str>, Refused> {
        let named = self.payload_header.as_ref().filter(|name| headers.contains_key(*name));
        named.map(|name| one(headers, name)).transpose()
    }

    /// What the signature is made of, with this as the payload's hash.
    pub fn message(&self, parts: &Parts, claim: &Claim<'_>, payload: &str) -> Result<Vec<u8>, Refused> {
        let canonical = self.canonical(parts, claim.names, payload)?;
        Ok(format!("{}\n{}\n{}", self.word, claim.date, hash(canonical.as_bytes())).into_bytes())
    }

    fn canonical(&self, parts: &Parts, names: &str, payload: &str) -> Result<String, Refused> {
        let mut text = format!("{}\n", parts.method);
        for (index, segment) in parts.uri.path().split('/').enumerate() {
            if index > 0 {
                text.push('/');
            }
            // Segment by segment, so that an encoded slash isn't taken for one between segments.
            text.extend(percent_encode(&percent_decode_str(segment).collect::<Vec<u8>>(), ENCODED));
        }
        if self.ends_with_slash && !text.ends_with('/') {
            text.push('/');
        }
        text.push('\n');
        let mut pairs = incoming::query(parts.uri.query())?;
        pairs.sort_unstable();
        for (index, (name, value)) in pairs.iter().enumerate() {
            if index > 0 {
                text.push('&');
            }
            text.extend(utf8_percent_encode(name, ENCODED));
            text.push('=');
            text.extend(utf8_percent_encode(value, ENCODED));
        }
        text.push('\n');
        for name in names.split(';') {
            let header =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("A signed header has no name."))?;
            text.extend([name, ":", one(&parts.headers, &header)?.trim(), "\n"]);
        }
        text.extend(["\n", names, "\n", payload]);
        Ok(text)
    }
}

/// The value of a header that stands once.
fn one<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<&'r str, Refused> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| refused(format!("The signed header {name} is missing.")))?;
    if values.next().is_some() {
        return Err(refused(format!("The signed header {name} stands more than once.")));
    }
    std::str::from_utf8(value.as_bytes()).map_err(|_| refused(format!("The signed header {name} is no UTF-8.")))
}

#[cfg(test)]
#[path = "signing_tests.rs"]
mod tests;
