//! Filters of server lists that are regular expressions. Those that the database can test become its conditions; for the others
//! the list is walked.

use regex::{Regex, RegexBuilder};
use skyloom_model::{Error, Result};
use skyloom_store::Conn;
use skyloom_store::listing::{Condition, Listed, MAX_PAGE, Page, Test};
use skyloom_store::servers::{self as store, Filter, Full, Looks, Parts};

/// What the database cannot test.
pub(super) struct Patterns {
    names: Vec<Regex>,
    /// Of each condition: an address passes one of its tests.
    addresses: Vec<Vec<AddressPattern>>,
}

struct AddressPattern {
    /// 6, else 4.
    is_version_6: bool,
    /// Matches from the address's beginning on only.
    text: Regex,
}

impl Patterns {
    /// Leaves to the database what it can test, in its own tests; none: that is all.
    pub(super) fn of(conditions: &mut Vec<Condition>) -> Result<Option<Self>> {
        let mut patterns = Self { names: Vec::new(), addresses: Vec::new() };
        let mut left = Vec::with_capacity(conditions.len());
        for condition in conditions.drain(..) {
            left.extend(patterns.take(condition)?);
        }
        *conditions = left;
        Ok((!patterns.names.is_empty() || !patterns.addresses.is_empty()).then_some(patterns))
    }

    /// Gives back what is the database's.
    fn take(&mut self, condition: Condition) -> Result<Option<Condition>> {
        match (condition.test, &*condition.field, condition.values.as_slice()) {
            (Test::Pattern, "name", [name]) => {
                if is_literal(name) {
                    return Ok(Some(Condition { test: Test::PartAnyCase, ..condition }));
                }
                self.names.push(compiled("name", name, true)?);
                Ok(None)
            }
            (Test::Pattern, "addresses", values) => {
                if let Some(values) = likes(values) {
                    return Ok(Some(Condition { test: Test::Like, values, ..condition }));
                }
                let one = |pair: &[String]| {
                    let text = compiled("addresses", &pair[1], false)?;
                    Ok(AddressPattern { is_version_6: pair[0] == "6", text })
                };
                self.addresses.push(values.chunks_exact(2).map(one).collect::<Result<_>>()?);
                Ok(None)
            }
            _ => Ok(Some(condition)),
        }
    }

    fn hold_for(&self, looks: &Looks) -> bool {
        let has = |tests: &Vec<AddressPattern>| looks.addresses.iter().any(|address| passes(tests, address));
        self.names.iter().all(|pattern| pattern.is_match(&looks.name)) && self.addresses.iter().all(has)
    }

    /// Walks the servers in the order asked for until the page is full, then reads those of the page.
    pub(super) async fn page(
        &self,
        conn: &mut Conn,
        wanted: Filter,
        parts: Parts,
        page: &Page,
    ) -> Result<Listed<Full>> {
        let limit = if page.limit == 0 { MAX_PAGE } else { page.limit.min(MAX_PAGE) } as usize;
        let mut ids: Vec<String> = Vec::new();
        let mut next = Page { limit: MAX_PAGE, ..page.clone() };
        while ids.len() <= limit {
            let looks = store::looks(conn, &wanted, !self.addresses.is_empty(), &next).await?;
            let matching = looks.items.into_iter().filter(|looks| self.hold_for(looks)).map(|looks| looks.id);
            ids.extend(matching.take(limit + 1 - ids.len()));
            match looks.next {
                Some(marker) => next.marker = Some(marker),
                None => break,
            }
        }
        let more = ids.len() > limit;
        ids.truncate(limit);
        let marker = if more { ids.last().cloned() } else { None };
        let these = Filter { conditions: vec![Condition::any_of("id", ids)], ..wanted };
        let listed =
            store::list(conn, &these, parts, &Page { marker: None, limit: 0, sort: page.sort.clone() }).await?;
        // The page may end at its bytes before that.
        Ok(Listed { items: listed.items, next: listed.next.or(marker) })
    }
}

fn passes(tests: &[AddressPattern], address: &str) -> bool {
    // The leftmost match begins at the beginning where any does.
    let begins = |test: &AddressPattern| test.text.find(address).is_some_and(|found| found.start() == 0);
    tests.iter().any(|test| test.is_version_6 == address.contains(':') && begins(test))
}

fn compiled(field: &str, pattern: &str, ignoring_case: bool) -> Result<Regex> {
    const MAX_COMPILED_BYTES: usize = 256 * 1024;
    let wrong = |_| Error::invalid(field, format!("'{pattern}' is not a regular expression that is understood."));
    RegexBuilder::new(pattern).case_insensitive(ignoring_case).size_limit(MAX_COMPILED_BYTES).build().map_err(wrong)
}

/// A pattern without any special character is a part of the name.
fn is_literal(name: &str) -> bool {
    // `-` is special within brackets only, and brackets are special themselves.
    name.is_ascii() && regex::escape(name).replace("\\-", "-") == *name
}

/// All of them as the database's tests; none: it has none for one of them. What doesn't come in pairs the store refuses.
fn likes(values: &[String]) -> Option<Vec<String>> {
    if !values.len().is_multiple_of(2) {
        return Some(values.to_vec());
    }
    let pairs = values.chunks_exact(2).map(|pair| Some([pair[0].clone(), like(&pair[1])?]));
    pairs.collect::<Option<Vec<_>>>().map(|pairs| pairs.concat())
}

/// A pattern of SQL's LIKE; none: it can't say this one. Most people give an address or its beginning, where every dot stands for
/// any character.
fn like(pattern: &str) -> Option<String> {
    let text = pattern.strip_prefix('^').unwrap_or(pattern);
    let (text, end) = match text.strip_suffix('$') {
        Some(text) => (text, ""),
        None => (text, "%"),
    };
    let (text, end) = text.strip_suffix(".*").map_or((text, end), |text| (text, "%"));
    let mut like = String::with_capacity(text.len() + 1);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '0'..='9' | 'a'..='f' | ':' => like.push(letter),
            '.' => like.push('_'),
            '\\' if letters.next() == Some('.') => like.push('.'),
            _ => return None,
        }
    }
    like.push_str(end);
    Some(like)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(field: &'static str, values: &[&str]) -> Condition {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Condition { field: field.into(), test: Test::Pattern, values }
    }

    fn tried(name: &str) -> Result<&'static str> {
        let mut wanted = vec![pattern("name", &[name])];
        let patterns = Patterns::of(&mut wanted)?;
        Ok(match (wanted.first().map(|condition| condition.test), patterns) {
            (Some(Test::PartAnyCase), None) => "part ignoring case",
            (None, Some(_)) => "pattern",
            _ => "nothing or too much",
        })
    }

    #[test]
    fn only_real_patterns_are_walked() {
        assert_eq!(tried("web-1_b").expect("text"), "part ignoring case");
        assert_eq!(tried("^web").expect("pattern"), "pattern");
        assert_eq!(tried("wéb").expect("pattern"), "pattern");
        assert_eq!(tried("(").expect_err("broken").field.as_deref(), Some("name"));
        assert_eq!(tried("(a{1000}){1000}").expect_err("too large").field.as_deref(), Some("name"));
        // Another test, or another field, is the store's to know.
        let mut others = vec![Condition::is("name", "^web"), pattern("zone", &["^a"])];
        assert!(Patterns::of(&mut others).expect("left").is_none() && others.len() == 2);
    }

    #[test]
    fn the_database_tests_beginnings_of_addresses() {
        for (text, expected) in [
            ("10.0.3.188", "10_0_3_188%"),
            ("^10\\.0", "10.0%"),
            ("10\\.0\\.3\\.18$", "10.0.3.18"),
            ("10.0.*", "10_0%"),
            ("10.0.*$", "10_0%"),
            ("fd00::", "fd00::%"),
            ("", "%"),
        ] {
            assert_eq!(like(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["10\\.*", "1|2", "[12]", "\\d", "FD00", "10.0.3.18\\$", "1+", "10_0", "%", "(", "10.0.3.18\\"] {
            assert_eq!(like(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_match_from_their_beginning_and_of_their_version() {
        let walked = |values: &[&str], own: &str| {
            let mut wanted = vec![pattern("addresses", values)];
            let patterns = Patterns::of(&mut wanted).expect("patterns").expect("a walk");
            let looks = Looks { id: String::new(), name: String::new(), addresses: vec![own.to_owned()] };
            patterns.hold_for(&looks)
        };
        assert!(walked(&["4", "10.*[58]$"], "10.0.3.188") && !walked(&["4", "10.*[58]$"], "10.0.3.187"));
        assert!(!walked(&["4", "0.*[58]$"], "10.0.3.188"), "not from the beginning");
        assert!(walked(&["4", "x|10"], "10.0.3.188") && !walked(&["4", "x|0"], "10.0.3.188"));
        assert!(!walked(&["4", "[0-9a-f:.]+"], "fd00::5"), "another version");
        assert!(walked(&["4", "^none$", "6", "fd[0]+::5"], "fd00::5"), "one of them is enough");
        let wrong = Patterns::of(&mut vec![pattern("addresses", &["4", "10.("])]).err().expect("broken");
        assert_eq!(wrong.field.as_deref(), Some("addresses"));
    }
}
