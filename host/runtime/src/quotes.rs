//! What of a request's body may be quoted to whoever sent it: no secret, nothing that looks like one, and not too much.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Longest quote, in bytes: the longest names that clients may give fit in.
const MAX_BYTES: usize = 1024;
/// Longest name of a member in a quote, in bytes.
pub(crate) const MAX_NAME: usize = 256;
/// Stands for a secret.
const MASK: &str = "***";
/// Stands for what is cut.
pub(crate) const CUT: &str = "...";

/// The quotes of one body.
pub(crate) struct Quotes<'s> {
    /// Where secrets stand, by path; `*` is any member or item.
    secrets: &'s [Vec<String>],
    left: usize,
}

impl<'s> Quotes<'s> {
    pub(crate) fn new(secrets: &'s [Vec<String>]) -> Self {
        Self { secrets, left: MAX_BYTES }
    }

    /// The value that stands at the path of a body, as JSON, without what may not be shown. Its members have the order of the body.
    pub(crate) fn of(&mut self, path: &[String], body: &[u8]) -> String {
        if (0..path.len()).any(|length| self.hides(&path[..=length])) {
            return json(MASK);
        }
        self.left = MAX_BYTES;
        let mut out = String::new();
        let quote = Quote { quotes: self, wanted: path, path: &mut Vec::new(), out: &mut out };
        // The body was parsed before, so it parses again.
        let found = quote.deserialize(&mut serde_json::Deserializer::from_slice(body)).is_ok() && !out.is_empty();
        if found { out } else { "null".to_owned() }
    }

    /// Whether a secret stands right here.
    fn hides(&self, path: &[String]) -> bool {
        let declared = |secret: &Vec<String>| {
            secret.len() == path.len() && secret.iter().zip(path).all(|(wanted, name)| wanted == "*" || wanted == name)
        };
        path.last().is_some_and(|name| looks_secret(name)) || self.secrets.iter().any(declared)
    }

    /// Whether secrets stand below this place: a text here may well be one that slipped up.
    fn leads_to_secret(&self, path: &[String]) -> bool {
        let below = |secret: &Vec<String>| {
            secret.len() > path.len() && secret.iter().zip(path).all(|(wanted, name)| wanted == "*" || wanted == name)
        };
        !path.is_empty() && self.secrets.iter().any(below)
    }

    /// Whether there is room for a value of so many bytes, which it then has.
    fn takes(&mut self, bytes: usize) -> bool {
        // Each value costs its punctuation too.
        let room = self.left > 0;
        self.left = self.left.saturating_sub(bytes + 4);
        room
    }
}

/// The text, or as much of it as there may be and a mark.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let end = text.floor_char_boundary(most);
    if end == text.len() { Cow::Borrowed(text) } else { Cow::Owned(format!("{}{CUT}", &text[..end])) }
}

fn json(text: &str) -> String {
    Value::from(text).to_string()
}

/// Copies what stands at `wanted`, seen from a value that stands at `path`.
struct Quote<'q, 's> {
    quotes: &'q mut Quotes<'s>,
    wanted: &'q [String],
    path: &'q mut Vec<String>,
    out: &'q mut String,
}

impl<'s> Quote<'_, 's> {
    /// For the value one step deeper, whose name the path has already.
    fn below<'b>(&'b mut self, wanted: &'b [String]) -> Quote<'b, 's> {
        Quote { quotes: self.quotes, wanted, path: self.path, out: self.out }
    }

    fn plain(self, value: impl Into<Value>) {
        if self.wanted.is_empty() {
            self.out.push_str(&value.into().to_string());
        }
    }

    /// Whether the value that the path now leads to is quoted; writes what stands in its place where not.
    fn shows(&mut self) -> bool {
        let hidden = self.quotes.hides(self.path);
        if hidden {
            self.out.push_str(&json(MASK));
        }
        !hidden
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, map: &mut A, name: String) -> Result<(), A::Error> {
        self.out.push_str(&json(&shortened(&name, MAX_NAME)));
        self.out.push(':');
        self.path.push(name);
        if self.shows() {
            map.next_value_seed(self.below(&[]))?;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
        self.path.pop();
        Ok(())
    }

    /// False: there is no further item.
    fn item<'de, A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        if !self.quotes.takes(1) {
            let there = seq.next_element::<IgnoredAny>()?.is_some();
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            self.out.push_str(&json(CUT));
            return Ok(there);
        }
        if self.shows() {
            return Ok(seq.next_element_seed(self.below(&[]))?.is_some());
        }
        Ok(seq.next_element::<IgnoredAny>()?.is_some())
    }

    fn find_member<'de, A: MapAccess<'de>>(mut self, mut map: A, next: &str, rest: &[String]) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name != next {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            // Of two members with one name the last counts.
            self.out.clear();
            self.path.push(name);
            map.next_value_seed(self.below(rest))?;
            self.path.pop();
        }
        Ok(())
    }

    fn find_item<'de, A: SeqAccess<'de>>(mut self, mut seq: A, next: &str, rest: &[String]) -> Result<(), A::Error> {
        for at in 0.. {
            if at.to_string() == next {
                self.path.push(next.to_owned());
                let there = seq.next_element_seed(self.below(rest))?.is_some();
                self.path.pop();
                if !there {
                    return Ok(());
                }
            } else if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Quote<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Quote<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.plain(Value::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.plain(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.plain(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.plain(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.plain(value);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if self.quotes.leads_to_secret(self.path) {
            self.plain(MASK);
            return Ok(());
        }
        let shown = shortened(text, self.quotes.left);
        self.quotes.takes(shown.len());
        self.plain(shown);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        if let Some((next, rest)) = self.wanted.split_first() {
            return self.find_item(seq, next, rest);
        }
        self.out.push('[');
        for at in 0.. {
            self.path.push(at.to_string());
            let before = self.out.len();
            self.out.push_str(if at == 0 { "" } else { "," });
            let there = self.item(&mut seq)?;
            self.path.pop();
            if !there {
                self.out.truncate(before);
                break;
            }
        }
        self.out.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if let Some((next, rest)) = self.wanted.split_first() {
            return self.find_member(map, next, rest);
        }
        self.out.push('{');
        let mut first = true;
        while let Some(name) = map.next_key::<String>()? {
            self.out.push_str(if first { "" } else { "," });
            first = false;
            if self.quotes.takes(name.len().min(MAX_NAME)) {
                self.member(&mut map, name)?;
                continue;
            }
            self.out.push_str(&[json(CUT), json(CUT)].join(":"));
            map.next_value::<IgnoredAny>()?;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        }
        self.out.push('}');
        Ok(())
    }
}

/// Whether a member of this name may well be a secret, however it is spelled.
fn looks_secret(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["pass", "pwd", "secret", "token", "credential", "privatekey", "apikey", "accesskey", "userdata"];
    let plain: String = name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    WORDS.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(secrets: &[Vec<String>], at: &[String], body: &Value) -> String {
        Quotes::new(secrets).of(at, body.to_string().as_bytes())
    }

    fn path(text: &str) -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_text_above_a_secrets_place_is_masked() {
        let secrets = [path("auth/identity/password/user/password"), path("auth/identity/methods/*/key")];
        for (at, body) in [
            ("auth", json!({ "auth": "hunter2" })),
            ("", json!({ "auth": "hunter2" })),
            ("auth/identity", json!({ "auth": { "identity": "hunter2" } })),
            ("auth", json!({ "auth": { "identity": { "methods": ["hunter2"] } } })),
        ] {
            let quote = of(&secrets, &path(at), &body);
            assert!(!quote.contains("hunter2") && quote.contains(MASK), "{at}: {quote}");
        }
        let body = json!({ "auth": { "scope": "web" } });
        assert_eq!(of(&secrets, &path("auth"), &body), r#"{"scope":"web"}"#);
    }

    #[test]
    fn whatever_looks_like_a_secret_is_masked() {
        for name in [
            "adminpass",
            "adminPass",
            "admin_Pass",
            "ADMIN-PASS",
            "Password",
            "passwd",
            "root:pwd",
            "client_secret",
            "x-auth-token",
            "credentials",
            "private_key",
            "PrivateKey",
            "api-key",
            "access.key",
            "user_data",
        ] {
            let body = json!({ "server": { name: "hunter2", "name": "web", "deep": [{ name: ["hunter2"] }] } });
            let quote = of(&[], &[], &body);
            assert!(!quote.contains("hunter2") && quote.contains("web"), "{quote}");
            let quote = of(&[], &path(&format!("server/deep/0/{name}/0")), &body);
            assert_eq!(quote, r#""***""#, "{name}");
        }
        let plain = json!({ "key_name": "k", "name": "n", "public_key": "ssh-rsa AAAA", "port": 1 });
        assert_eq!(of(&[], &[], &plain), plain.to_string());
    }

    #[test]
    fn a_declared_secret_is_masked_whatever_its_name() {
        let secrets = [path("auth/*/id")];
        let body = json!({ "auth": { "ticket": { "id": "hunter2", "name": "n" } } });
        let masked = json!({ "auth": { "ticket": { "id": "***", "name": "n" } } });
        assert_eq!(of(&secrets, &[], &body), masked.to_string());
        assert_eq!(of(&secrets, &path("auth/ticket/id"), &body), r#""***""#);
        assert_eq!(of(&secrets, &path("auth/ticket/id/0"), &body), r#""***""#);
        assert_eq!(of(&secrets, &path("auth/ticket/name"), &body), r#""n""#);
        assert_eq!(of(&secrets, &path("auth/nothing/1"), &body), "null");
    }

    #[test]
    fn a_quote_is_bounded() {
        let most = "é".repeat(MAX_BYTES / 2);
        assert_eq!(of(&[], &[], &json!(most)), json!(most).to_string());
        for long in [
            json!("é".repeat(MAX_BYTES)),
            json!({ "name": "é".repeat(MAX_BYTES), "list": vec!["x"; MAX_BYTES] }),
            json!({ "x".repeat(60_000): "v", "y".repeat(60_000): "v" }),
        ] {
            let quote = of(&[], &[], &long);
            assert!(quote.len() < 2 * MAX_BYTES && quote.contains("..."), "{}", quote.len());
            assert!(serde_json::from_str::<Value>(&quote).is_ok());
        }
        let mut quotes = Quotes::new(&[]);
        let body = json!({ "a": "x".repeat(MAX_BYTES + 1), "b": "short" }).to_string();
        assert!(quotes.of(&path("a"), body.as_bytes()).ends_with("x...\""));
        assert_eq!(quotes.of(&path("b"), body.as_bytes()), "\"short\"", "each has its own bound");
    }

    #[test]
    fn a_quote_has_the_order_of_the_body() {
        let body =
            r#"{"z": {"b": [1, -2, 1.5, null, true, "x\"é", [], {}], "a": {"d": 1, "c": 2}}, "y": 1, "y": [3, 4]}"#;
        let quote = |at: &str| Quotes::new(&[]).of(&path(at), body.as_bytes());
        assert_eq!(quote("z"), r#"{"b":[1,-2,1.5,null,true,"x\"é",[],{}],"a":{"d":1,"c":2}}"#);
        assert_eq!(
            (quote("z/a"), quote("z/b/5"), quote("y/1")),
            (r#"{"d":1,"c":2}"#.into(), r#""x\"é""#.into(), "4".into())
        );
    }
}
