//! A plugin that declares other members to be indexed, or unique, finds its old records by them all the same.

use skyloom_model::{Error, ErrorCode, Reach, Result};
use skyloom_runtime::collections::{self, Collection};
use skyloom_store::Conn;
use skyloom_store::collections::{self as store, Of};
use skyloom_store::listing::{Filter, Page};

use super::{Collections, taken, uniques};

impl Collections {
    /// Makes the keys of a plugin's records anew where its declaration isn't the one that they were made by. To be called before the
    /// plugin is served. `wrong-state` where records are alike that the declaration wants to be distinct.
    pub async fn settle(&self, plugin: &str, collections: &collections::Collections) -> Result<()> {
        for collection in collections.iter() {
            let of = Of { plugin, collection: &collection.name };
            let shape = collection.shape();
            let mut tx = self.db().begin().await?;
            if store::shape(&mut tx, of).await?.as_ref() != Some(&shape) {
                store::reshape(&mut tx, of, &shape).await?;
                rekey(&mut tx, of, collection).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

async fn rekey(tx: &mut Conn, of: Of<'_>, collection: &Collection) -> Result<()> {
    let all = Filter::within(&Reach::All);
    let mut page = Page { sort: vec![("id".to_owned(), false)], ..Page::default() };
    loop {
        let listed = store::list(tx, of, &all, &page).await?;
        for mut item in listed.items {
            let record = collection.record_of_stored(&item.body).map_err(|error| unfit(of, &item.id, &error))?;
            let values = uniques(collection, &record);
            item.set_keys(record.keys);
            store::set_keys(tx, &item).await?;
            if let Some(place) = store::set_uniques(tx, &item, &values).await? {
                return Err(unfit(of, &item.id, &taken(collection, place)));
            }
        }
        match listed.next {
            Some(next) => page.marker = Some(next),
            None => return Ok(()),
        }
    }
}

fn unfit(of: Of<'_>, id: &str, error: &Error) -> Error {
    let message = format!(
        "Record {id} of collection {} of plugin {} doesn't fit its manifest: {}",
        of.collection, of.plugin, error.message
    );
    Error::new(ErrorCode::WrongState, message).with_resource(of.collection, id)
}
