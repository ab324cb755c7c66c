//! Which version of a vendor's API a request wants.

use http::header::{HeaderMap, HeaderName, HeaderValue, VARY};
use skyloom_runtime::manifest::{self, ApiVersion};

use crate::refusal::{Refusal, Refused};

/// `[api.versioning]` of a manifest, compiled.
#[derive(Debug)]
pub struct Versioning {
    headers: Vec<VersionHeader>,
    default: ApiVersion,
    min: ApiVersion,
    max: ApiVersion,
    vary: Option<HeaderValue>,
}

#[derive(Debug)]
struct VersionHeader {
    name: HeaderName,
    prefix: Option<String>,
}

impl Versioning {
    /// Err: a line about what is wrong.
    pub fn compile(table: &manifest::Versioning) -> Result<Self, String> {
        let headers = table
            .headers
            .iter()
            .map(|header| {
                let name = HeaderName::from_bytes(header.name.as_bytes())
                    .map_err(|_| format!("`{}` is no header name", header.name))?;
                Ok(VersionHeader { name, prefix: header.prefix.clone() })
            })
            .collect::<Result<Vec<_>, String>>()?;
        let names: Vec<&str> = table.headers.iter().map(|header| header.name.as_str()).collect();
        let vary = if table.echo { HeaderValue::from_str(&names.join(", ")).ok() } else { None };
        Ok(Self { headers, default: table.default, min: table.min, max: table.max, vary })
    }

    /// The first header of the manifest that says something decides; where it stands twice, its last line.
    pub fn negotiate(&self, headers: &HeaderMap) -> Result<ApiVersion, Refused> {
        for header in &self.headers {
            for value in headers.get_all(&header.name).into_iter().rev() {
                let text = value.to_str().map_err(|_| malformed(&String::from_utf8_lossy(value.as_bytes())))?;
                if let Some(wanted) = header.wanted(text) {
                    return self.resolve(wanted);
                }
            }
        }
        Ok(self.default)
    }

    fn resolve(&self, wanted: &str) -> Result<ApiVersion, Refused> {
        if wanted.eq_ignore_ascii_case("latest") {
            return Ok(self.max);
        }
        let version: ApiVersion = wanted.parse().map_err(|_| malformed(wanted))?;
        if (self.min..=self.max).contains(&version) {
            return Ok(version);
        }
        let sentence = format!(
            "Version {version} is not supported by the API. Minimum is {} and maximum is {}.",
            self.min, self.max
        );
        Err(Refused::because(Refusal::VersionUnsupported, sentence))
    }

    /// Tells the client which version its answer has.
    pub fn echo(&self, version: ApiVersion, answer: &mut HeaderMap) {
        let Some(vary) = &self.vary else { return };
        for header in &self.headers {
            let text = match &header.prefix {
                Some(prefix) => format!("{prefix} {version}"),
                None => version.to_string(),
            };
            if let Ok(value) = HeaderValue::from_str(&text) {
                answer.insert(header.name.clone(), value);
            }
        }
        answer.append(VARY, vary.clone());
    }
}

fn malformed(wanted: &str) -> Refused {
    let sentence = format!("API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum.");
    Refused::because(Refusal::VersionMalformed, sentence)
}

impl VersionHeader {
    /// The version's text, the last of those that commas separate; with a prefix the last one for this service.
    fn wanted<'a>(&self, value: &'a str) -> Option<&'a str> {
        let mut entries = value.rsplit(',');
        let Some(prefix) = &self.prefix else { return entries.next().map(str::trim) };
        entries.find_map(|part| {
            let (service, version) = part.trim().split_once(char::is_whitespace)?;
            service.eq_ignore_ascii_case(prefix).then(|| version.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versioning() -> Versioning {
        let table = manifest::Versioning {
            headers: vec![
                manifest::VersioningHeader { name: "Api-Version".to_owned(), prefix: Some("things".to_owned()) },
                manifest::VersioningHeader { name: "Old-Version".to_owned(), prefix: None },
            ],
            default: ApiVersion::new(2, 1),
            min: ApiVersion::new(2, 1),
            max: ApiVersion::new(2, 30),
            echo: true,
        };
        Versioning::compile(&table).unwrap()
    }

    fn negotiated(pairs: &[(&'static str, &str)]) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        versioning().negotiate(&headers).map(|version| version.to_string()).map_err(|refused| refused.refusal)
    }

    #[test]
    fn the_first_header_that_says_something_decides() {
        assert_eq!(negotiated(&[]), Ok("2.1".to_owned()));
        assert_eq!(negotiated(&[("api-version", "things 2.9"), ("old-version", "2.3")]), Ok("2.9".to_owned()));
        assert_eq!(negotiated(&[("api-version", "others 9.9, things 2.10")]), Ok("2.10".to_owned()));
        assert_eq!(negotiated(&[("api-version", "others 9.9"), ("old-version", "2.3")]), Ok("2.3".to_owned()));
        assert_eq!(negotiated(&[("api-version", "things latest")]), Ok("2.30".to_owned()));
    }

    #[test]
    fn of_two_entries_the_last_counts() {
        assert_eq!(negotiated(&[("api-version", "things 2.9, things 2.10")]), Ok("2.10".to_owned()));
        assert_eq!(negotiated(&[("api-version", "things 2.9,others 9.9")]), Ok("2.9".to_owned()));
        assert_eq!(negotiated(&[("api-version", "things 2.9"), ("api-version", "things 2.10")]), Ok("2.10".to_owned()));
        assert_eq!(negotiated(&[("api-version", "things 2.9"), ("api-version", "others 9.9")]), Ok("2.9".to_owned()));
        assert_eq!(negotiated(&[("old-version", "2.3, 2.4")]), Ok("2.4".to_owned()));
        assert_eq!(negotiated(&[("old-version", "2.3"), ("old-version", "2.4")]), Ok("2.4".to_owned()));
        assert_eq!(negotiated(&[("api-version", "things 2.9, things two")]), Err(Refusal::VersionMalformed));
    }

    #[test]
    fn rubbish_and_the_unserved_are_told_apart() {
        for text in ["things two", "things 2", "things 2.1.1", "things 2.-1", "things 2.01"] {
            assert_eq!(negotiated(&[("api-version", text)]), Err(Refusal::VersionMalformed), "{text}");
        }
        for text in ["things 2.31", "things 2.0", "things 3.1"] {
            assert_eq!(negotiated(&[("api-version", text)]), Err(Refusal::VersionUnsupported), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_which_version_was_asked_for_and_which_there_are() {
        let said = |text: &'static str| {
            let headers =
                HeaderMap::from_iter([(HeaderName::from_static("old-version"), HeaderValue::from_static(text))]);
            versioning().negotiate(&headers).expect_err(text).message.expect("a sentence")
        };
        assert_eq!(said("2.31"), "Version 2.31 is not supported by the API. Minimum is 2.1 and maximum is 2.30.");
        let wrong = "API Version String two is of invalid format. Must be of format MajorNum.MinorNum.";
        assert_eq!(said("two"), wrong);
    }

    #[test]
    fn the_answer_says_its_version() {
        let mut answer = HeaderMap::new();
        versioning().echo(ApiVersion::new(2, 9), &mut answer);
        assert_eq!(answer["api-version"], "things 2.9");
        assert_eq!(answer["old-version"], "2.9");
        assert_eq!(answer["vary"], "Api-Version, Old-Version");
    }
}
