//! Filters of server lists that are regular expressions. Those that the database can test become its conditions; for the others
//! the list is walked.

use regex::{Regex, RegexBuilder};
use skyloom_model::{Error, Result};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_store::Conn;
use skyloom_store::listing::{Listed, MAX_PAGE, Page};
use skyloom_store::servers::{self as store, AddressTest, AddressText, Filter, Full, Looks};

/// What the database cannot test.
pub(super) struct Patterns {
    name: Option<Regex>,
    /// Empty: any address.
    addresses: Vec<AddressPattern>,
}

struct AddressPattern {
    version: u8,
    /// Else from the address's beginning on only.
    anywhere: bool,
    text: Regex,
}

impl Patterns {
    /// Puts into the filter what the database can test; none: that is all.
    pub(super) fn of(
        wanted: &mut Filter,
        name: Option<String>,
        name_is_pattern: bool,
        addresses: Vec<wit::AddressFilter>,
    ) -> Result<Option<Self>> {
        let name = match name {
            Some(name) if name_is_pattern && is_literal(&name) => {
                wanted.name_ignoring_case = Some(name.to_ascii_lowercase());
                None
            }
            Some(name) if name_is_pattern => Some(compiled("name", &name, true)?),
            part => {
                wanted.name = part;
                None
            }
        };
        let tests: Option<Vec<AddressTest>> = addresses.iter().map(address_test).collect();
        let mut patterns = Vec::new();
        match tests {
            Some(tests) => wanted.addresses = tests,
            // One of them makes a walk necessary, which can as well test the others.
            None => {
                for test in addresses {
                    let text = if test.is_part { regex::escape(&test.text) } else { test.text };
                    let text = compiled("addresses", &text, false)?;
                    patterns.push(AddressPattern { version: test.version, anywhere: test.is_part, text });
                }
            }
        }
        Ok((name.is_some() || !patterns.is_empty()).then_some(Self { name, addresses: patterns }))
    }

    fn hold_for(&self, looks: &Looks) -> bool {
        let named = self.name.as_ref().is_none_or(|pattern| pattern.is_match(&looks.name));
        named && (self.addresses.is_empty() || looks.addresses.iter().any(|address| self.finds(address)))
    }

    fn finds(&self, address: &str) -> bool {
        let version = if address.contains(':') { 6 } else { 4 };
        // The leftmost match begins at the beginning where any does.
        let begins = |found: regex::Match<'_>, pattern: &AddressPattern| pattern.anywhere || found.start() == 0;
        self.addresses.iter().any(|pattern| {
            pattern.version == version && pattern.text.find(address).is_some_and(|found| begins(found, pattern))
        })
    }

    /// Walks the servers in the order asked for until the page is full, then reads those of the page.
    pub(super) async fn page(&self, conn: &mut Conn, wanted: Filter, page: &Page) -> Result<Listed<Full>> {
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
        let these = Filter { ids: Some(ids), project_id: wanted.project_id, life: wanted.life, ..Filter::default() };
        let listed = store::list(conn, &these, &Page { marker: None, limit: 0, sort: page.sort.clone() }).await?;
        // The page may end at its bytes before that.
        Ok(Listed { items: listed.items, next: listed.next.or(marker) })
    }
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

/// The database's test; none: it has none for this pattern. Most people give an address or its beginning, where every dot stands
/// for any character.
fn address_test(filter: &wit::AddressFilter) -> Option<AddressTest> {
    let version = filter.version;
    if filter.is_part {
        return Some(AddressTest { version, text: AddressText::Part(filter.text.clone()) });
    }
    let text = filter.text.strip_prefix('^').unwrap_or(&filter.text);
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
    Some(AddressTest { version, text: AddressText::Like(like) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, name_is_pattern: bool) -> Result<&'static str> {
        let mut wanted = Filter::default();
        let patterns = Patterns::of(&mut wanted, Some(name.to_owned()), name_is_pattern, Vec::new())?;
        Ok(match (wanted.name, wanted.name_ignoring_case, patterns) {
            (Some(_), None, None) => "part",
            (None, Some(_), None) => "part ignoring case",
            (None, None, Some(_)) => "pattern",
            _ => "nothing or too much",
        })
    }

    #[test]
    fn only_real_patterns_are_walked() {
        assert_eq!(tried("^web", false).expect("text"), "part");
        assert_eq!(tried("web-1_b", true).expect("text"), "part ignoring case");
        assert_eq!(tried("^web", true).expect("pattern"), "pattern");
        assert_eq!(tried("wéb", true).expect("pattern"), "pattern");
        assert_eq!(tried("(", true).expect_err("broken").field.as_deref(), Some("name"));
        assert_eq!(tried("(a{1000}){1000}", true).expect_err("too large").field.as_deref(), Some("name"));
    }

    fn address(version: u8, text: &str) -> wit::AddressFilter {
        wit::AddressFilter { version, text: text.to_owned(), is_part: false }
    }

    #[test]
    fn the_database_tests_beginnings_of_addresses() {
        for (text, like) in [
            ("10.0.3.188", "10_0_3_188%"),
            ("^10\\.0", "10.0%"),
            ("10\\.0\\.3\\.18$", "10.0.3.18"),
            ("10.0.*", "10_0%"),
            ("10.0.*$", "10_0%"),
            ("fd00::", "fd00::%"),
            ("", "%"),
        ] {
            let test = address_test(&address(4, text)).expect(text);
            assert_eq!(test.text, AddressText::Like(like.to_owned()), "{text}");
        }
        for text in ["10\\.*", "1|2", "[12]", "\\d", "FD00", "10.0.3.18\\$", "1+", "10_0", "%", "(", "10.0.3.18\\"] {
            assert_eq!(address_test(&address(4, text)), None, "{text}");
        }
    }

    #[test]
    fn addresses_match_from_their_beginning_and_of_their_version() {
        let walked = |filters: Vec<wit::AddressFilter>, own: &str| {
            let patterns =
                Patterns::of(&mut Filter::default(), None, false, filters).expect("patterns").expect("a walk");
            let looks = Looks { id: String::new(), name: String::new(), addresses: vec![own.to_owned()] };
            patterns.hold_for(&looks)
        };
        let four = |text: &str| vec![address(4, text)];
        assert!(walked(four("10.*[58]$"), "10.0.3.188") && !walked(four("10.*[58]$"), "10.0.3.187"));
        assert!(!walked(four("0.*[58]$"), "10.0.3.188"), "not from the beginning");
        assert!(walked(four("x|10"), "10.0.3.188") && !walked(four("x|0"), "10.0.3.188"));
        assert!(!walked(four("[0-9a-f:.]+"), "fd00::5"), "another version");
        assert!(walked(vec![address(4, "^none$"), address(6, "fd[0]+::5")], "fd00::5"), "one of them is enough");
        let wrong = Patterns::of(&mut Filter::default(), None, false, four("10.(")).err().expect("broken");
        assert_eq!(wrong.field.as_deref(), Some("addresses"));
    }
}
