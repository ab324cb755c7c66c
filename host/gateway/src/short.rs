//! Errors are short whatever a client sent that they repeat: a text that is too long loses its middle, so that a sentence keeps its
//! begin and its end.

use std::borrow::Cow;

/// The longest text in an error, in bytes.
const MOST: usize = 2048;
/// Stands for what is cut.
const CUT: &str = "...";

/// A text, or its two ends.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST {
        return Cow::Borrowed(text);
    }
    let half = (MOST - CUT.len()) / 2;
    let (head, tail) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    Cow::Owned([&text[..head], CUT, &text[tail..]].concat())
}

/// The body of an error, its texts short: each one where it is JSON, else the whole. Bytes that are no text stay.
pub(crate) fn body(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() <= MOST {
        return bytes;
    }
    match std::str::from_utf8(&bytes) {
        Ok(json) if serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() => texts(json).into_bytes(),
        Ok(plain) => text(plain).into_owned().into_bytes(),
        Err(_) => bytes,
    }
}

/// JSON as it is written, but for long texts.
fn texts(json: &str) -> String {
    let mut short = String::with_capacity(json.len().min(2 * MOST));
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let quoted = &rest[start..];
        let quoted = &quoted[..length(quoted)];
        short.push_str(&rest[..start]);
        match serde_json::from_str::<String>(quoted) {
            Ok(long) if quoted.len() > MOST => short.push_str(&serde_json::Value::from(text(&long)).to_string()),
            _ => short.push_str(quoted),
        }
        rest = &rest[start + quoted.len()..];
    }
    short + rest
}

/// Of the text that begins here, with its quotes.
fn length(quoted: &str) -> usize {
    let mut escaped = false;
    let end = quoted.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(quoted.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_text_keeps_its_begin_and_its_end() {
        let most = "é".repeat(MOST / 2);
        assert_eq!(text(&most), most);
        let cut = format!("Value é{}é is too long", "x".repeat(60_000));
        let cut = text(&cut);
        assert!(cut.len() <= MOST && cut.starts_with("Value éx") && cut.ends_with("xé is too long"), "{cut}");
        assert!(cut.contains("x...x"), "{cut}");
        for shift in 0..4 {
            let cut = format!("{}{}", "x".repeat(shift), "😀".repeat(MOST));
            let cut = text(&cut).into_owned();
            assert!(cut.len() <= MOST && cut.contains("😀...😀"), "{cut}");
        }
    }

    #[test]
    fn each_text_of_an_error_is_short_and_the_rest_as_it_was() {
        let long = "\"\\\n".repeat(MOST);
        let error = json!({ "error": { "message": long, "code": 400, "z": ["\\", long, null], "a": "short\"" } });
        let cut = body(error.to_string().into_bytes());
        let cut: Value = serde_json::from_slice(&cut).expect("JSON");
        for shortened in [&cut["error"]["message"], &cut["error"]["z"][1]] {
            assert!(shortened.as_str().is_some_and(|it| it.len() <= MOST && it.contains("...")), "{shortened}");
        }
        assert_eq!((&cut["error"]["z"][0], &cut["error"]["a"]), (&json!("\\"), &json!("short\"")));
        let order = format!(r#"{{ "z": "{}", "a" : 1 }}"#, "x".repeat(MOST + 1));
        let cut = String::from_utf8(body(order.into_bytes())).expect("text");
        assert!(cut.starts_with(r#"{ "z": "xx"#) && cut.ends_with(r#"xx", "a" : 1 }"#), "{cut}");
    }

    #[test]
    fn an_error_that_is_no_json_is_short_as_a_whole() {
        let page = format!("<html>{}</html>", "x".repeat(60_000));
        let cut = String::from_utf8(body(page.into_bytes())).expect("text");
        assert!(cut.len() <= MOST && cut.starts_with("<html>") && cut.ends_with("</html>"), "{cut}");
        let bytes = vec![0xff; MOST + 1];
        assert_eq!(body(bytes.clone()), bytes);
    }
}
