//! A plugin that declares other members to be indexed, or unique, finds its old records by them all the same.

use skyloom_model::{Error, ErrorCode, Reach, Result};
use skyloom_runtime::collections::{self, Collection};
use skyloom_store::Conn;
use skyloom_store::collections::{self as store, Item, Of, Shape, Until};
use skyloom_store::listing::{Filter, Page};

use super::{Collections, taken};

/// Whether the stored shape is the collection's.
pub(super) fn is_of(shape: &Shape, collection: &Collection) -> bool {
    shape.scope == collection.scope.as_str() && shape.keys == collection.shape
}

impl Collections {
    /// Makes the keys of a plugin's records anew where its declaration isn't the one that they were made by. To be called before the
    /// plugin is served. `wrong-state` where records are alike that the declaration wants to be distinct, or where the declaration
    /// has them belong to others.
    pub async fn settle(&self, plugin: &str, collections: &collections::Collections) -> Result<()> {
        for collection in collections.iter() {
            let place = Of { plugin, collection: &collection.name };
            let mut tx = self.db().begin().await?;
            let old = store::shape(&mut tx, place, Until::Changed).await?;
            if !old.as_ref().is_some_and(|old| is_of(old, collection)) {
                let shape = Shape { scope: collection.scope.as_str().to_owned(), keys: collection.shape.clone() };
                store::reshape(&mut tx, place, &shape).await?;
                rekey(&mut tx, place, collection, old.filter(|old| old.scope != shape.scope)).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

/// `moved`: what the records were, where they belonged to others.
async fn rekey(tx: &mut Conn, of: Of<'_>, collection: &Collection, moved: Option<Shape>) -> Result<()> {
    let all = Filter::within(&Reach::All);
    let mut page = Page { sort: vec![("id".to_owned(), false)], ..Page::default() };
    let mut count = 0;
    loop {
        let listed = store::list(tx, of, &all, &page).await?;
        if let (Some(moved), Some(first)) = (&moved, listed.items.first()) {
            return Err(unfit(of, first, &format!("they were made with the scope `{}`", moved.scope)));
        }
        count += listed.items.len();
        for mut item in listed.items {
            let keys = collection.keys_of_stored(&item.body)?;
            let values = collection.uniques(&keys);
            item.set_keys(keys);
            store::set_keys(tx, &item).await?;
            if let Some(place) = store::set_uniques(tx, &item, &values).await? {
                return Err(unfit(of, &item, &taken(collection, place).message));
            }
        }
        match listed.next {
            Some(next) => page.marker = Some(next),
            None => break,
        }
    }
    if count > 0 {
        tracing::info!(plugin = of.plugin, collection = of.collection, records = count, "keys are made anew");
    }
    Ok(())
}

fn unfit(of: Of<'_>, item: &Item, why: &str) -> Error {
    let whose = if item.owner_id.is_empty() { "the cloud" } else { &item.owner_id };
    let message = format!(
        "The manifest of plugin {} doesn't fit the records of its collection {}, e.g. {} of {whose}: {}.",
        of.plugin,
        of.collection,
        item.id,
        why.trim_end_matches('.')
    );
    Error::new(ErrorCode::WrongState, message).with_resource(of.collection, &item.id)
}
