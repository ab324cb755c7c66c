//! The first password of a server's administrator: the caller's own or a made one.

use skyloom_model::{Error, Result};
use skyloom_runtime::context::CallContext;

/// In bytes.
const MAX_PASSWORD: usize = 1024;

/// The handle of the password that the request brought, looked at, or of one that is made.
pub(super) fn first(context: &CallContext, given: Option<&str>) -> Result<String> {
    let Some(handle) = given else { return Ok(context.secrets.put(random())) };
    check(&context.secret("admin-password", handle)?)?;
    Ok(handle.to_owned())
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
