//! The forms of signed requests: what vendors' own clients signed, as the personalities keep it beside their manifests, and what no
//! client should send.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Method, Request};
use serde::Deserialize;
use skyloom_cloud::identity::SigningKey;
use skyloom_model::{Caller, Named, Placed, Scope};
use skyloom_runtime::manifest::Manifest;

use super::*;

/// `tests/signed.json` of a personality.
#[derive(Deserialize)]
struct Recorded {
    key: String,
    secret: String,
    requests: Vec<Sent>,
}

#[derive(Deserialize)]
struct Sent {
    name: String,
    method: String,
    target: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

fn recorded() -> Vec<(Manifest, Recorded)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/personalities");
    let folders = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |folder: PathBuf| {
        let recorded = std::fs::read_to_string(folder.join("tests/signed.json")).ok()?;
        let manifest = std::fs::read_to_string(folder.join("plugin.toml")).unwrap();
        Some((Manifest::parse(&manifest).unwrap(), serde_json::from_str(&recorded).unwrap()))
    };
    folders.filter_map(read).collect()
}

fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, value.as_bytes());
    }
    request.body(()).unwrap().into_parts().0
}

fn key(secret: &str) -> SigningKey {
    let named = Named { id: "x".to_owned(), name: "x".to_owned() };
    let user = Placed { id: "u".to_owned(), name: "u".to_owned(), domain: named };
    SigningKey::new(Arc::new(Caller { user, scope: Scope::Unscoped, roles: Vec::new(), admin: false }), secret)
}

/// 2026-01-31T23:59:59Z.
const THEN: i64 = 1_769_903_999;

#[test]
fn what_vendors_clients_sign_is_understood() {
    let all = recorded();
    assert!(!all.is_empty());
    for (manifest, Recorded { key: name, secret, requests }) in all {
        let scheme = Scheme::compile(manifest.signature().expect("a signature"), None).unwrap();
        assert!(requests.len() > 5);
        for sent in requests {
            let headers: Vec<_> = sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let parts = parts(&sent.method, &sent.target, &headers);
            let claim = scheme.claim(&parts.headers, THEN).unwrap().expect("a signature");
            assert_eq!((claim.key, claim.signed_at), (name.as_str(), THEN), "{}", sent.name);
            let payload =
                scheme.said_payload(&parts.headers).unwrap().map_or(hash(sent.body.as_bytes()), str::to_owned);
            let verifies = |parts: &Parts, payload: &str, secret: &str| {
                key(secret).verifies(&scheme.message(parts, &claim, payload).unwrap(), &claim.signature)
            };
            assert!(verifies(&parts, &payload, &secret), "{}", sent.name);
            assert!(!verifies(&parts, &hash(b"x"), &secret), "{}", sent.name);
            assert!(!verifies(&parts, &payload, &secret.to_lowercase()), "{}", sent.name);
            let mut other = parts.clone();
            other.method = Method::PATCH;
            assert!(!verifies(&other, &payload, &secret), "{}", sent.name);
        }
    }
}

fn manifest() -> String {
    let head = "manifest = 1\nid = \"a\"\nversion = \"0.1.0\"\nkind = \"personality\"\ncontract = \"0.1\"\n";
    let operation = "[[operation]]\nid = \"list\"\nmethod = \"GET\"\npaths = [\"/\"]\naction = \"servers:read\"\n\
                     success = [200]\n";
    format!("{head}{}{operation}", include_str!("../../runtime/src/manifest/samples/signature.toml"))
}

fn scheme(text: &str) -> Scheme {
    let manifest = Manifest::parse(text).unwrap();
    Scheme::compile(manifest.signature().unwrap(), Some(&HeaderName::from_static("x-project"))).unwrap()
}

#[test]
fn the_canonical_request_is_the_one_of_its_form() {
    let headers = [("host", "cloud.test"), ("x-date", "20260131T235959Z"), ("x-odd", "  a  b ")];
    let parts = parts("GET", "/a%2fb//%7e%c3%a9/c?b=2&b=1&a+x&*=%2F&b=", &headers);
    let canonical = |text: &str| scheme(text).canonical(&parts, "host;x-date;x-odd", "PAYLOAD").unwrap();
    let lines = "GET\n/a%2Fb//~%C3%A9/c/\n%2A=%2F&a%20x=&b=&b=1&b=2\nhost:cloud.test\nx-date:20260131T235959Z\nx-odd:a  b\n\n\
                 host;x-date;x-odd\nPAYLOAD";
    assert_eq!(canonical(&manifest()), lines);
    assert_eq!(canonical(&manifest().replace("lines-with-slash", "lines")), lines.replace("/c/\n", "/c\n"));
}

#[test]
fn a_header_that_is_no_signature_is_told_or_somebody_elses() {
    let scheme = scheme(&manifest());
    let mac = "0".repeat(64);
    let ask = |authorization: &str, more: &[(&str, &str)]| {
        let headers =
            [&[("authorization", authorization), ("host", "h"), ("x-date", "20260131T235959Z")], more].concat();
        scheme.claim(&parts("GET", "/", &headers).headers, THEN).map(|claim| claim.map(|claim| claim.key.to_owned()))
    };
    let good = format!("MAC-1 Key=k, Headers=host;x-date, Mac={mac}");
    assert_eq!(ask(&good, &[]), Ok(Some("k".to_owned())));
    assert_eq!(ask(&format!("mac-1 Mac={mac},Headers=host;x-date,Key=k"), &[]), Ok(Some("k".to_owned())));
    for other in ["Bearer x", "MAC-2 Key=k", "MAC-1", "x"] {
        assert_eq!(ask(other, &[]), Ok(None), "{other}");
    }
    let form = "The header authorization is not of the form MAC-1 Key=..., Headers=...;..., Mac=....";
    let order = "The names of the signed headers must be in lower case and in their order, each once.";
    for (authorization, more, said) in [
        ("MAC-1 ".to_owned(), &[][..], form),
        (good.replace("Key=k", "Key"), &[], form),
        (good.replace("Key=k", "Kex=k"), &[], form),
        (good.replace("Key=k, ", ""), &[], form),
        (good.replace("Key=k", "Key=k, Key=k"), &[], form),
        (good.replace(&mac, &mac[1..]), &[], form),
        (good.replace(&mac, &mac.replace('0', "g")), &[], form),
        (good.clone(), &[("authorization", "x")], form),
        (good.replace("host;x-date", "x-date;host"), &[], order),
        (good.replace("host;x-date", "host;host;x-date"), &[], order),
        (good.replace("host;x-date", "Host;x-date"), &[], order),
        (good.replace("host;x-date", "x-date"), &[], "The signature does not cover the header host."),
        (good.replace("host;x-date", "host"), &[], "The signature does not cover the header x-date."),
        (good.clone(), &[("x-project", "p")], "The signature does not cover the header x-project."),
        (good.clone(), &[("x-hash", "p")], "The signature does not cover the header x-hash."),
        (good.clone(), &[("x-date", "20260131T235959Z")], "The signed header x-date stands more than once."),
    ] {
        assert_eq!(ask(&authorization, more).unwrap_err(), refused(said), "{authorization} {more:?}");
    }
}

#[test]
fn a_time_is_taken_within_the_window_in_its_one_form() {
    let scheme = scheme(&manifest());
    assert_eq!(scheme.time("20260131T235959Z", THEN), Ok(THEN));
    for off in [-900, 900] {
        assert_eq!(scheme.time("20260131T235959Z", THEN + off), Ok(THEN), "{off}");
    }
    for (off, clock) in [(-901, "20260131T234458Z"), (901, "20260201T001500Z")] {
        let said =
            format!("The time of the header x-date is more than 900 seconds from this clock's, which shows {clock}.");
        assert_eq!(scheme.time("20260131T235959Z", THEN + off), Err(refused(said)));
    }
    let claim = Claim { key: "", names: "", date: "", signed_at: THEN, signature: [0; 32] };
    assert_eq!(scheme.until(&claim, THEN + 900), Ok(THEN + 900));
    assert!(scheme.until(&claim, THEN + 901).is_err(), "a body that took too long");
    for text in
        ["", "20260131T235959", "2026-01-31T23:59:59Z", "20260131T235959+0000", "20260231T235959Z", "2026131T2359599Z"]
    {
        let said = "The header x-date is no time such as 20260131T235959Z.";
        assert_eq!(scheme.time(text, THEN), Err(refused(said)), "{text}");
    }
}
