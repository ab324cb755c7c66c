//! The rules of the cloud. Implements what `runtime::api` promises to personalities, over `store` and drivers.
//!
//! One folder per area; each implements its trait of `runtime::api` for [`Cloud`].

use std::sync::Arc;

use skyloom_store::Db;

/// The core. Clones share it.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
}

impl Cloud {
    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }
}
