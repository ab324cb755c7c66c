//! `limit` and `marker` of a list.

use crate::query::Query;
use crate::{PageRequest, SortKey};

/// What a list's query asked for, once it was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paging {
    /// None: the query names no limit.
    pub limit: Option<u32>,
    pub marker: Option<String>,
}

/// `limit` isn't a whole number of zero or more; holds what stood there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLimit(pub String);

impl Paging {
    /// Reads `limit` and `marker`. A limit beyond `u32` is as good as the largest.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BadLimit> {
        let limit = match query.last("limit") {
            None => None,
            Some(text) => Some(parse_limit(text).ok_or_else(|| BadLimit(text.to_owned()))?),
        };
        Ok(Self { limit, marker: query.last("marker").map(str::to_owned) })
    }

    /// The page to ask the core for: the query's limit or `default`, at most `max`.
    #[must_use]
    pub fn request(self, default: u32, max: u32, sort: Vec<SortKey>) -> PageRequest {
        PageRequest { limit: self.limit.unwrap_or(default).min(max), marker: self.marker, sort }
    }
}

fn parse_limit(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

/// The order in which a list goes on behind its marker even where that item was deleted meanwhile.
#[must_use]
pub fn by_id() -> Vec<SortKey> {
    vec![SortKey { field: "id".to_owned(), descending: false }]
}

/// Walks all pages of a list in the order of the ids; for small sets only (the caller knows that they are small). What is
/// deleted between two pages ends nothing.
pub fn every_page<T, E>(
    mut fetch: impl FnMut(PageRequest) -> Result<(Vec<T>, Option<String>), E>,
) -> Result<Vec<T>, E> {
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let (items, next) = fetch(PageRequest { limit: 1000, marker: marker.take(), sort: by_id() })?;
        all.extend(items);
        match next {
            Some(next) => marker = Some(next),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_asked_for_in_an_order_that_needs_no_markers_row() {
        let mut asked = Vec::new();
        let all = every_page(|page| {
            let next = page.marker.is_none().then(|| "b".to_owned());
            let items = if page.marker.is_none() { vec!["a", "b"] } else { vec!["c"] };
            asked.push((page.marker, page.sort));
            Ok::<_, ()>((items, next))
        });
        assert_eq!(all, Ok(vec!["a", "b", "c"]));
        assert_eq!(asked, [(None, by_id()), (Some("b".to_owned()), by_id())]);
    }

    #[test]
    fn limits_are_whole_numbers() {
        let paging = |limit: &str| Paging::from_query(&Query(&[("limit".to_owned(), limit.to_owned())]));
        assert_eq!(paging("2").unwrap().limit, Some(2));
        assert_eq!(paging("99999999999").unwrap().request(10, 1000, Vec::new()).limit, 1000);
        for bad in ["-1", "", "a", "1.5", "+1", " 1"] {
            assert_eq!(paging(bad).unwrap_err(), BadLimit(bad.to_owned()));
        }
    }
}
