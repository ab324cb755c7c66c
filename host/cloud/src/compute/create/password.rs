//! The first password of a server's administrator: the caller's own or a made one.

use std::sync::Arc;

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;

/// In bytes.
const MAX_PASSWORD: usize = 1024;

/// What a creation, or a rebuild, makes of its choice.
#[derive(Default)]
pub(in crate::compute) struct Password {
    /// Empty: the image's own is kept.
    pub(in crate::compute) handle: String,
    /// What the guest takes; empty: nothing.
    pub(in crate::compute) value: Arc<str>,
}

impl Password {
    /// `windows`: the image holds Windows, whose guests take no password from a seed.
    pub(in crate::compute) fn of(context: &CallContext, choice: &wit::PasswordChoice, windows: bool) -> Result<Self> {
        let (handle, value) = match choice {
            wit::PasswordChoice::Keep => return Ok(Self::default()),
            wit::PasswordChoice::Generate => {
                let value = random();
                (context.secrets.put(value.clone()), if windows { Arc::default() } else { value.into() })
            }
            wit::PasswordChoice::Given(handle) => {
                let value = context.secret("admin-password", handle)?;
                check(&value)?;
                if windows && !value.is_empty() {
                    let message = "The password of a Windows guest cannot be set.";
                    return Err(Error::new(ErrorCode::NotSupported, message).with_field("admin-password"));
                }
                (handle.clone(), value)
            }
        };
        Ok(Self { handle, value })
    }
}

fn check(password: &str) -> Result<()> {
    if password.len() > MAX_PASSWORD || password.contains('\0') {
        let text = format!("A password has at most {MAX_PASSWORD} bytes, none of them zero.");
        return Err(Error::invalid("admin-password", text));
    }
    Ok(())
}

/// For people: sixteen letters and digits without those that look alike, of each kind at least one.
fn random() -> String {
    const KINDS: [&[u8]; 3] = [b"abcdefghijkmnpqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789"];
    let pick = |kind: &[u8]| kind[rand::random_range(0..kind.len())] as char;
    let mut letters: Vec<char> = KINDS.iter().map(|kind| pick(kind)).collect();
    let all = KINDS.concat();
    letters.extend((letters.len()..16).map(|_| pick(&all)));
    for index in (1..letters.len()).rev() {
        letters.swap(index, rand::random_range(0..=index));
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_passwords_have_every_kind_and_differ() {
        let (one, other) = (random(), random());
        assert_eq!(one.len(), 16);
        assert_ne!(one, other);
        for kind in [char::is_uppercase, char::is_lowercase, char::is_numeric] {
            assert!(one.chars().any(kind), "{one}");
        }
    }

    #[test]
    fn a_password_is_of_bounded_length() {
        check("pässword 1").expect("a password");
        for bad in ["a\0b", &"x".repeat(MAX_PASSWORD + 1)] {
            assert_eq!(check(bad).expect_err(bad).field.as_deref(), Some("admin-password"));
        }
    }
}
