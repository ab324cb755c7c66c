//! Records of collections that personalities declare: who may see and change them, and what they must be.

mod asked;
mod shape;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use skyloom_model::{Caller, Error, ErrorCode, Permission, Reach, Result, Timestamp, new_id};
use skyloom_runtime::api::CollectionsApi;
use skyloom_runtime::bindings::cloud::collections as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::collections::{Collection, Record};
use skyloom_runtime::context::CallContext;
use skyloom_runtime::manifest::CollectionScope;
use skyloom_store::Conn;
use skyloom_store::collections::{self as store, Item, Most, Of, Until};
use skyloom_store::listing::Filter;

use crate::base::{Base, stands_on_base};
use crate::events::{self, Owner};

/// What plugins keep of their own, as resources of the core.
pub struct Collections {
    base: Base,
}

stands_on_base!(Collections);

/// A collection as one caller has it.
struct Asking<'a> {
    collection: &'a Collection,
    of: Of<'a>,
    caller: &'a Caller,
    /// Whose records are there.
    reach: Reach,
}

impl Collections {
    pub(crate) fn new(base: Base) -> Self {
        Self { base }
    }

    /// Checks the policy; gives what is asked about.
    fn asking<'a>(
        &self,
        context: &'a Arc<CallContext>,
        name: &str,
        permission: impl Fn(&Collection) -> &Permission,
    ) -> Result<Asking<'a>> {
        let collection = context.collections.named(name);
        let collection = collection.ok_or_else(|| Error::not_found("collection", name).with_field("collection"))?;
        let reach = self.permit(context.caller.as_deref(), permission(collection).clone())?;
        let caller = context.caller()?;
        let reach = match collection.scope {
            CollectionScope::Project => reach,
            // Owners are domains here: the reach has the caller's in the place of projects.
            CollectionScope::Domain if reach.is_all() => reach,
            CollectionScope::Domain => Reach::Projects(caller.place_domain().map(str::to_owned).into_iter().collect()),
            CollectionScope::Cloud => Reach::All,
        };
        let of = Of { plugin: &context.personality, collection: &collection.name };
        Ok(Asking { collection, of, caller, reach })
    }

    async fn page_of(
        &self,
        context: &Arc<CallContext>,
        name: &str,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::ItemPage> {
        let asking = self.asking(context, name, |collection| &collection.read)?;
        let reach = asking.reach.clone().narrowed(asking.owner());
        let filter = Filter::new(&reach, asked::conditions(asking.collection, conditions)?);
        let page = asked::page(asking.collection, page)?;
        let mut conn = self.db().read().await?;
        asking.same_shape(&mut conn, Until::Read).await?;
        let listed = store::list(&mut conn, asking.of, &filter, &page).await;
        let listed = listed.map_err(|error| asked::named(asking.collection, error))?;
        Ok(wit::ItemPage { items: listed.items.into_iter().map(view).collect(), next: listed.next })
    }

    async fn create(&self, context: &Arc<CallContext>, name: &str, body: &str) -> Result<Item> {
        let asking = self.asking(context, name, |collection| &collection.create)?;
        let record = asking.collection.record(body)?;
        let owner = asking.owner_of_new()?;
        let now = Timestamp::now();
        let mut item = Item {
            id: new_id(),
            plugin: asking.of.plugin.to_owned(),
            collection: asking.of.collection.to_owned(),
            owner_id: owner.to_owned(),
            schema_version: asking.collection.schema_version,
            version: 1,
            created_at: now,
            updated_at: now,
            ..Item::default()
        };
        let mut tx = self.db().begin().await?;
        asking.hold_owner(&mut tx, owner).await?;
        asking.same_shape(&mut tx, Until::Commit).await?;
        asking.take(&mut tx, owner, 1, bytes(&record.body)).await?;
        let keys = asking.fill(&mut item, record);
        asking.tell(&mut tx, context, &asking.collection.create, &item).await?;
        store::insert(&mut tx, &item).await?;
        asking.set_uniques(&mut tx, &item, &keys).await?;
        tx.commit().await?;
        Ok(item)
    }

    async fn update(
        &self,
        context: &Arc<CallContext>,
        name: &str,
        id: &str,
        body: &str,
        expected: Option<u64>,
    ) -> Result<Item> {
        let asking = self.asking(context, name, |collection| &collection.update)?;
        let record = asking.collection.record(body)?;
        let mut tx = self.db().begin().await?;
        let mut item = asking.held(&mut tx, id, expected).await?;
        asking.take(&mut tx, &item.owner_id, 0, bytes(&record.body) - bytes(&item.body)).await?;
        let keys = asking.fill(&mut item, record);
        item.schema_version = asking.collection.schema_version;
        item.updated_at = Timestamp::now();
        asking.tell(&mut tx, context, &asking.collection.update, &item).await?;
        if !store::update(&mut tx, &item).await? {
            return Err(changed(&asking, id));
        }
        item.version += 1;
        asking.set_uniques(&mut tx, &item, &keys).await?;
        tx.commit().await?;
        Ok(item)
    }

    async fn delete(&self, context: &Arc<CallContext>, name: &str, id: &str, expected: Option<u64>) -> Result<()> {
        let asking = self.asking(context, name, |collection| &collection.delete)?;
        let mut tx = self.db().begin().await?;
        let item = asking.held(&mut tx, id, expected).await?;
        asking.tell(&mut tx, context, &asking.collection.delete, &item).await?;
        if !store::delete(&mut tx, &item).await? {
            return Err(changed(&asking, id));
        }
        asking.take(&mut tx, &item.owner_id, -1, -bytes(&item.body)).await?;
        tx.commit().await
    }
}

impl Asking<'_> {
    /// Whose records a list shows where nothing is said; none: those of everybody in reach.
    fn owner(&self) -> Option<&str> {
        match self.collection.scope {
            CollectionScope::Project => self.caller.project_id(),
            CollectionScope::Domain => self.caller.place_domain(),
            CollectionScope::Cloud => None,
        }
    }

    fn owner_of_new(&self) -> Result<&str> {
        match self.collection.scope {
            CollectionScope::Project => self.caller.project(),
            CollectionScope::Domain => self.caller.place_domain().ok_or_else(|| {
                Error::new(ErrorCode::Forbidden, "This needs a token that is scoped to a project or a domain.")
            }),
            CollectionScope::Cloud => Ok(""),
        }
    }

    /// Tells of the change of a record, by the plugin's own action.
    async fn tell(&self, tx: &mut Conn, context: &CallContext, action: &Permission, item: &Item) -> Result<()> {
        let owner = match self.collection.scope {
            CollectionScope::Project => Owner::Project(&item.owner_id),
            CollectionScope::Domain => Owner::Domain(&item.owner_id),
            CollectionScope::Cloud => Owner::Cloud,
        };
        events::changed(tx, context, action.clone(), (self.of.collection, &item.id), owner).await
    }

    async fn seen(&self, conn: &mut Conn, id: &str) -> Result<Item> {
        let missing = || Error::not_found(self.of.collection, id);
        if id.contains('\0') {
            return Err(missing());
        }
        store::get(conn, self.of, id, &self.reach).await?.ok_or_else(missing)
    }

    /// The owner stays until the commit: its records go with it, and none comes behind them.
    async fn hold_owner(&self, tx: &mut Conn, owner: &str) -> Result<()> {
        let table = match self.collection.scope {
            CollectionScope::Project => "projects",
            CollectionScope::Domain => "domains",
            CollectionScope::Cloud => return Ok(()),
        };
        if tx.lock(table, owner).await? {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Forbidden, "What the token is for is no longer there."))
    }

    /// Another process may serve the plugin with another manifest: what one of them writes the other would not find.
    async fn same_shape(&self, conn: &mut Conn, until: Until) -> Result<()> {
        match store::shape(conn, self.of, until).await? {
            Some(shape) if !shape::is_of(&shape, self.collection) => {
                let message = format!("Another version of the collection {} is being served.", self.of.collection);
                Err(Error::new(ErrorCode::Unavailable, message))
            }
            _ => Ok(()),
        }
    }

    /// The record as it is until the commit. `wrong-state` where it has another version.
    async fn held(&self, tx: &mut Conn, id: &str, expected: Option<u64>) -> Result<Item> {
        self.same_shape(tx, Until::Commit).await?;
        let owner = self.seen(tx, id).await?.owner_id;
        self.take(tx, &owner, 0, 0).await?;
        let item = self.seen(tx, id).await?;
        match expected {
            Some(expected) if u64::try_from(item.version) != Ok(expected) => Err(changed(self, id)),
            _ => Ok(item),
        }
    }

    /// So much more of what the owner may have.
    async fn take(&self, tx: &mut Conn, owner: &str, items: i64, bytes: i64) -> Result<()> {
        let limits = self.collection.limits;
        let most = Most { items: limits.items.into(), bytes: i64::from(limits.total_kib) * 1024 };
        if store::take(tx, self.of, owner, items, bytes, most).await? {
            return Ok(());
        }
        let message = format!(
            "No more fits into {}: there are at most {} with {} KiB together.",
            self.of.collection, limits.items, limits.total_kib
        );
        Err(Error::new(ErrorCode::QuotaExceeded, message).with_field(self.of.collection))
    }

    /// Puts the record into the item; gives the values of its unique keys.
    fn fill(&self, item: &mut Item, record: Record) -> Vec<Option<String>> {
        let uniques = self.collection.uniques(&record.keys);
        item.body = record.body;
        item.set_keys(record.keys);
        uniques
    }

    async fn set_uniques(&self, tx: &mut Conn, item: &Item, values: &[Option<String>]) -> Result<()> {
        match store::set_uniques(tx, item, values).await? {
            None => Ok(()),
            Some(place) => Err(taken(self.collection, place)),
        }
    }
}

fn taken(collection: &Collection, place: usize) -> Error {
    let names: Vec<&str> = collection.unique[place].iter().map(|at| collection.indexed[*at].name.as_str()).collect();
    let message = format!("Another one of {} has the same {}.", collection.name, names.join(" and "));
    Error::new(ErrorCode::AlreadyExists, message).with_field(names.first().copied().unwrap_or_default())
}

fn changed(asking: &Asking<'_>, id: &str) -> Error {
    let message = format!("{id} of {} was changed meanwhile; read it again.", asking.of.collection);
    Error::new(ErrorCode::WrongState, message).with_resource(asking.of.collection, id)
}

fn bytes(body: &str) -> i64 {
    i64::try_from(body.len()).unwrap_or(i64::MAX)
}

fn view(item: Item) -> wit::Item {
    wit::Item {
        id: item.id,
        owner: item.owner_id,
        body: item.body,
        schema_version: item.schema_version,
        version: u64::try_from(item.version).unwrap_or_default(),
        created_at: item.created_at.0,
        updated_at: item.updated_at.0,
    }
}

#[async_trait::async_trait]
impl CollectionsApi for Collections {
    async fn list_items(
        &self,
        context: &Arc<CallContext>,
        collection: String,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::ItemPage, WitError> {
        Ok(self.page_of(context, &collection, conditions, page).await?)
    }

    async fn get_item(
        &self,
        context: &Arc<CallContext>,
        collection: String,
        id: String,
    ) -> Result<wit::Item, WitError> {
        let asking = self.asking(context, &collection, |collection| &collection.read)?;
        let mut conn = self.db().read().await?;
        Ok(view(asking.seen(&mut conn, &id).await?))
    }

    async fn create_item(
        &self,
        context: &Arc<CallContext>,
        collection: String,
        body: String,
    ) -> Result<wit::Item, WitError> {
        Ok(view(self.create(context, &collection, &body).await?))
    }

    async fn update_item(
        &self,
        context: &Arc<CallContext>,
        collection: String,
        id: String,
        body: String,
        expected: Option<u64>,
    ) -> Result<wit::Item, WitError> {
        Ok(view(self.update(context, &collection, &id, &body, expected).await?))
    }

    async fn delete_item(
        &self,
        context: &Arc<CallContext>,
        collection: String,
        id: String,
        expected: Option<u64>,
    ) -> Result<(), WitError> {
        Ok(self.delete(context, &collection, &id, expected).await?)
    }
}
