//! Pages of lists, for all areas.

use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_store::listing::Page;

/// Which part of a list, in the store's words.
pub(crate) fn page(request: PageRequest) -> Page {
    Page {
        limit: request.limit,
        marker: request.marker,
        sort: request.sort.into_iter().map(|key| (key.field, key.descending)).collect(),
    }
}
