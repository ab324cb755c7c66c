//! `[api.signature]`: requests that are signed with an access key, instead of bringing a token.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::validate::{header_names, is_token};

/// How a vendor's clients sign requests. The host looks up the key, makes what was signed out of the request as it came over the
/// wire, and compares; the plugin sees a caller like any other. A request that brings a token, too, goes by the token.
///
/// `header` holds `<scheme> <key-parameter>=KEY, <headers-parameter>=host;..., <signature-parameter>=HEX`. What is signed are the lines
/// scheme, date, and the SHA-256 in hex of the canonical request, which `canonical-form` makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Signature {
    /// The vendor's name of the scheme: the first word of the header and the first line of what is signed.
    pub scheme: String,
    pub algorithm: SignatureAlgorithm,
    /// Header that carries the signature.
    #[serde(default = "authorization")]
    pub header: String,
    /// Parameter that names the access key.
    pub key_parameter: String,
    /// Parameter that lists the signed headers: names in lower case, in their order, `;` between them. The date's header and `host` are
    /// among them, and so are the project's and the payload's headers where a request has them.
    pub headers_parameter: String,
    /// Parameter with the signature, in hex.
    pub signature_parameter: String,
    /// Header with the time of signing.
    pub date_header: String,
    pub date_form: SignatureDate,
    pub canonical_form: CanonicalForm,
    /// Header that may say the SHA-256 of the body, in hex, so that the signature can be checked before the body is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_header: Option<String>,
    /// What stands in that header instead where the body isn't signed: only of operations whose body is a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned_payload: Option<String>,
    /// How far the date may be from the host's clock, before or behind it; within that time a request that changes something is taken
    /// once. Default 900.
    #[serde(default = "default_window_seconds")]
    pub window_seconds: u32,
    /// Largest body of a signed request, a stream's too. Default 12288.
    #[serde(default = "default_max_body_kib")]
    pub max_body_kib: u32,
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn default_window_seconds() -> u32 {
    900
}

fn default_max_body_kib() -> u32 {
    12 * 1024
}

/// What makes the signature of what is signed and the key's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureAlgorithm {
    HmacSha256,
}

/// How the time of signing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureDate {
    /// `20260131T235959Z`: ISO 8601 without separators, UTC, whole seconds.
    Basic,
}

/// How a request is written for signing: always the lines method, path, query, signed headers, their names, SHA-256 of the body in
/// hex. Each segment of the path, and each name and value of the query, is decoded and encoded again: all but letters, digits and
/// `-._~` as `%` and two upper-case hex digits of each byte of UTF-8. The query is sorted by decoded names, then values; a header is a
/// line `name:value` without blanks around the value, behind the last one an empty line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CanonicalForm {
    /// The path as it is.
    Lines,
    /// The path ends with a slash, whether it was sent with one or not.
    LinesWithSlash,
}

/// What is wrong with the table, a line each.
pub(super) fn check(signature: &Signature, token_header: &str, defects: &mut Vec<String>) {
    let place = "signature";
    if !is_token(&signature.scheme) {
        defects.push(format!("{place}: scheme `{}` is no word", signature.scheme.escape_debug()));
    }
    let mut headers = vec![signature.header.clone(), signature.date_header.clone()];
    headers.extend(signature.payload_header.clone());
    header_names(&headers, place, defects);
    headers.push("host".to_owned());
    // A bearer's token and a signature may share a header: their schemes tell them apart.
    if !signature.header.eq_ignore_ascii_case(token_header) {
        headers.push(token_header.to_owned());
    }
    distinct(headers.iter().map(|name| name.to_ascii_lowercase()), &format!("{place}: headers"), defects);
    let parameters = [&signature.key_parameter, &signature.headers_parameter, &signature.signature_parameter];
    for parameter in parameters {
        if !is_token(parameter) {
            defects.push(format!("{place}: parameter `{}` is no word", parameter.escape_debug()));
        }
    }
    distinct(parameters.into_iter().cloned(), &format!("{place}: parameters"), defects);
    if signature.unsigned_payload.is_some() && signature.payload_header.is_none() {
        defects.push(format!("{place}: unsigned-payload needs a payload-header"));
    }
    if !(1..=3600).contains(&signature.window_seconds) {
        defects.push(format!("{place}: window-seconds is 1 to 3600"));
    }
    if !(1..=12 * 1024).contains(&signature.max_body_kib) {
        defects.push(format!("{place}: max-body-kib is 1 to 12288"));
    }
}

fn distinct(names: impl Iterator<Item = String>, place: &str, defects: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    if !names.into_iter().all(|name| seen.insert(name)) {
        defects.push(format!("{place} must differ"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;

    fn manifest() -> String {
        let head = "manifest = 1\nid = \"a\"\nversion = \"0.1.0\"\nkind = \"personality\"\ncontract = \"0.1\"\n";
        let operation = "[[operation]]\nid = \"list\"\nmethod = \"GET\"\npaths = [\"/\"]\naction = \"servers:read\"\n\
                         success = [200]\n";
        let signature = include_str!("samples/signature.toml");
        format!("{head}{signature}unsigned-payload = \"NONE\"\n{operation}")
    }

    #[test]
    fn a_scheme_has_the_usual_header_window_and_size() {
        let manifest = Manifest::parse(&manifest()).unwrap();
        let signature = manifest.api.unwrap().signature.unwrap();
        assert_eq!(signature.header, "Authorization");
        assert_eq!((signature.window_seconds, signature.max_body_kib), (900, 12 * 1024));
    }

    #[test]
    fn what_cannot_be_checked_is_refused() {
        for (good, bad, said) in [
            ("\"MAC-1\"", "\"MAC 1\"", "scheme `MAC 1` is no word"),
            ("\"X-Date\"", "\"X Date\"", "`X Date` is no header name"),
            ("\"X-Date\"", "\"x-hash\"", "signature: headers must differ"),
            ("\"X-Date\"", "\"X-Auth-Token\"", "signature: headers must differ"),
            ("\"X-Date\"", "\"Authorization\"", "signature: headers must differ"),
            ("\"X-Date\"", "\"Host\"", "signature: headers must differ"),
            ("\"Key\"", "\"Mac\"", "signature: parameters must differ"),
            ("\"Key\"", "\"K=\"", "parameter `K=` is no word"),
            ("payload-header = \"X-Hash\"\n", "", "unsigned-payload needs a payload-header"),
            ("unsigned-payload = \"NONE\"", "window-seconds = 0", "window-seconds is 1 to 3600"),
            ("unsigned-payload = \"NONE\"", "max-body-kib = 12289", "max-body-kib is 1 to 12288"),
            ("\"hmac-sha256\"", "\"rot13\"", "rot13"),
        ] {
            let text = manifest().replace(good, bad);
            let defects = Manifest::parse(&text).unwrap_err().0.join("\n");
            assert!(defects.contains(said), "{bad}: {defects}");
        }
    }
}
