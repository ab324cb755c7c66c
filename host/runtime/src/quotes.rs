//! What of a request's body may be quoted to whoever sent it: no secret, nothing that looks like one, and not too much.

use serde_json::Value;

/// Longest text of all quotes of one body, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Stands for a secret.
const MASK: &str = "***";
/// Stands for what is cut.
const CUT: &str = "...";

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

    /// The value that stands at the path, without what may not be shown.
    pub(crate) fn of(&mut self, path: &[String], value: &Value) -> Value {
        if (0..path.len()).any(|length| self.hides(&path[..=length])) {
            return Value::from(MASK);
        }
        self.copy(&mut path.to_vec(), value)
    }

    /// Whether a secret stands right here.
    fn hides(&self, path: &[String]) -> bool {
        let declared = |secret: &Vec<String>| {
            secret.len() == path.len() && secret.iter().zip(path).all(|(wanted, name)| wanted == "*" || wanted == name)
        };
        path.last().is_some_and(|name| looks_secret(name)) || self.secrets.iter().any(declared)
    }

    fn copy(&mut self, path: &mut Vec<String>, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut copy = serde_json::Map::new();
                for (name, member) in members {
                    if !self.takes(name.len()) {
                        copy.insert(CUT.to_owned(), Value::from(CUT));
                        break;
                    }
                    path.push(name.clone());
                    let quote = if self.hides(path) { Value::from(MASK) } else { self.copy(path, member) };
                    path.pop();
                    copy.insert(name.clone(), quote);
                }
                Value::Object(copy)
            }
            Value::Array(items) => {
                let mut copy = Vec::new();
                for (at, item) in items.iter().enumerate() {
                    if !self.takes(1) {
                        copy.push(Value::from(CUT));
                        break;
                    }
                    path.push(at.to_string());
                    let quote = if self.hides(path) { Value::from(MASK) } else { self.copy(path, item) };
                    path.pop();
                    copy.push(quote);
                }
                Value::Array(copy)
            }
            Value::String(text) => {
                let end = text.floor_char_boundary(self.left);
                self.takes(end);
                if end == text.len() { value.clone() } else { Value::from(format!("{}{CUT}", &text[..end])) }
            }
            plain => plain.clone(),
        }
    }

    /// Whether there is room for a value of so many bytes, which it then has.
    fn takes(&mut self, bytes: usize) -> bool {
        // Each value costs its punctuation too.
        let room = self.left > 0;
        self.left = self.left.saturating_sub(bytes + 4);
        room
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

    fn path(text: &str) -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
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
            let quote = Quotes::new(&[]).of(&[], &body).to_string();
            assert!(!quote.contains("hunter2") && quote.contains("web"), "{quote}");
            let quote = Quotes::new(&[]).of(&path(&format!("server/deep/0/{name}/0")), &json!("hunter2"));
            assert_eq!(quote, "***", "{name}");
        }
        let plain = json!({ "key_name": "k", "name": "n", "public_key": "ssh-rsa AAAA", "port": 1 });
        assert_eq!(Quotes::new(&[]).of(&[], &plain), plain);
    }

    #[test]
    fn a_declared_secret_is_masked_whatever_its_name() {
        let secrets = [path("auth/*/id")];
        let body = json!({ "auth": { "ticket": { "id": "hunter2", "name": "n" } } });
        let quote = Quotes::new(&secrets).of(&[], &body);
        assert_eq!(quote, json!({ "auth": { "ticket": { "id": "***", "name": "n" } } }));
        assert_eq!(Quotes::new(&secrets).of(&path("auth/ticket/id"), &json!("hunter2")), "***");
        assert_eq!(Quotes::new(&secrets).of(&path("auth/ticket/id/0"), &json!("hunter2")), "***");
    }

    #[test]
    fn quotes_of_one_body_are_bounded() {
        let long = json!({ "name": "é".repeat(MAX_BYTES), "list": vec!["x"; MAX_BYTES] });
        let mut quotes = Quotes::new(&[]);
        let first = quotes.of(&[], &long).to_string();
        assert!(first.len() < 3 * MAX_BYTES && first.contains("..."), "{}", first.len());
        assert!(quotes.of(&[], &long).to_string().len() < 100);
        let short = json!({ "a": [1, null, "x"] });
        assert_eq!(Quotes::new(&[]).of(&[], &short), short);
    }
}
