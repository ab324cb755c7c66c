//! Records of collections that plugins declare.

use skyloom_model::{Reach, Result, Timestamp};

use crate::listing::{Filter, Listed, Owner, Page, Query};
use crate::rows::rows;
use crate::{Conn, Row, args, dialect};

rows! {
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Item in "collection_items" as "c" {
        id: String [sorts, finds],
        plugin: String,
        collection: String,
        /// A project or a domain; empty: the cloud.
        owner_id: String,
        schema_version: u32 [changes],
        version: i64 [counts],
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        key_0: Option<String> [changes, sorts_as("coalesce(c.key_0, '')"), finds],
        key_1: Option<String> [changes, sorts_as("coalesce(c.key_1, '')"), finds],
        key_2: Option<String> [changes, sorts_as("coalesce(c.key_2, '')"), finds],
        key_3: Option<String> [changes, sorts_as("coalesce(c.key_3, '')"), finds],
        key_4: Option<String> [changes, sorts_as("coalesce(c.key_4, '')"), finds],
        key_5: Option<String> [changes, sorts_as("coalesce(c.key_5, '')"), finds],
        key_6: Option<String> [changes, sorts_as("coalesce(c.key_6, '')"), finds],
        key_7: Option<String> [changes, sorts_as("coalesce(c.key_7, '')"), finds],
        /// JSON.
        body: String [changes],
    }
}

/// How many indexed members a collection can have.
pub const KEYS: usize = 8;

/// The words of the keys in conditions and orders, by place.
pub const KEY_WORDS: [&str; KEYS] = ["key-0", "key-1", "key-2", "key-3", "key-4", "key-5", "key-6", "key-7"];

impl Item {
    /// What its indexed members hold, in their order; those that the collection doesn't have are none.
    pub fn set_keys(&mut self, keys: Vec<Option<String>>) {
        let mut keys = keys.into_iter();
        let places = [
            &mut self.key_0,
            &mut self.key_1,
            &mut self.key_2,
            &mut self.key_3,
            &mut self.key_4,
            &mut self.key_5,
            &mut self.key_6,
            &mut self.key_7,
        ];
        for place in places {
            *place = keys.next().flatten();
        }
    }
}

/// Which records.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    pub plugin: &'a str,
    pub collection: &'a str,
}

/// A domain's manager reaches what its projects have.
const OWNER: Owner =
    Owner { project: "c.owner_id", domain: "(SELECT j.domain_id FROM projects j WHERE j.id = c.owner_id)" };

fn query(postgres: bool, of: Of<'_>, reach: &Reach) -> Query {
    let mut query = Item::query();
    for (column, value) in [("c.plugin", of.plugin), ("c.collection", of.collection)] {
        let value = query.text(value);
        query.scope(format!("{column} = {value}"));
    }
    query.within(postgres, &[OWNER], reach, None);
    query
}

/// By id ascending unless sorted otherwise.
pub async fn list(conn: &mut Conn, of: Of<'_>, filter: &Filter, page: &Page) -> Result<Listed<Item>> {
    let mut query = query(conn.is_postgres(), of, &filter.reach);
    query.meet(conn.is_postgres(), Item::FIELDS, &filter.conditions)?;
    query.page(conn, Item::FIELDS, &[("id", false)], page, Item::of_row).await
}

pub async fn get(conn: &mut Conn, of: Of<'_>, id: &str, reach: &Reach) -> Result<Option<Item>> {
    query(conn.is_postgres(), of, reach).of_id(conn, id, Item::of_row).await
}

pub async fn insert(tx: &mut Conn, item: &Item) -> Result<()> {
    item.insert()?.run(tx).await.map(drop)
}

/// Where the stored version still is the item's; the new one is one more. False: it is another one, or the item is gone.
pub async fn update(tx: &mut Conn, item: &Item) -> Result<bool> {
    item.update()?.only_if("version", item.version).run(tx).await
}

/// Where the stored version is the item's. False: it is another one, or the item is gone.
pub async fn delete(tx: &mut Conn, item: &Item) -> Result<bool> {
    let sql = "DELETE FROM collection_items WHERE id = $1 AND version = $2";
    if tx.execute(sql, args![&item.id, item.version]).await? == 0 {
        return Ok(false);
    }
    tx.execute("DELETE FROM collection_uniques WHERE item_id = $1", args![&item.id]).await?;
    Ok(true)
}

/// Puts the values of the item's unique keys (none: it is free of the key) in the place of those that it has. Gives the place of one
/// that another item of the same owner has.
pub async fn set_uniques(tx: &mut Conn, item: &Item, values: &[Option<String>]) -> Result<Option<usize>> {
    tx.execute("DELETE FROM collection_uniques WHERE item_id = $1", args![&item.id]).await?;
    let sql = "INSERT INTO collection_uniques (plugin, collection, owner_id, place, value, item_id) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    for (place, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let number = u32::try_from(place).map_err(skyloom_model::Error::internal)?;
        let values = args![&item.plugin, &item.collection, &item.owner_id, number, value, &item.id];
        if tx.execute(sql, values).await? == 0 {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// What an owner may have of a collection.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    pub items: i64,
    pub bytes: i64,
}

/// So many items and bytes more (or less) of the owner's; who else writes there waits until the commit. False: that is beyond `most`.
pub async fn take(tx: &mut Conn, of: Of<'_>, owner: &str, items: i64, bytes: i64, most: Most) -> Result<bool> {
    let sql = "INSERT INTO collection_usage AS u (plugin, collection, owner_id, items, bytes) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (owner_id, plugin, collection) DO UPDATE \
               SET items = u.items + excluded.items, bytes = u.bytes + excluded.bytes \
               WHERE (excluded.items <= 0 OR u.items + excluded.items <= $6) \
                 AND (excluded.bytes <= 0 OR u.bytes + excluded.bytes <= $7)";
    let values = args![of.plugin, of.collection, owner, items, bytes, most.items, most.bytes];
    Ok(tx.execute(sql, values).await? == 1)
}

/// All that these projects, or a domain, have: `these` is SQL for their ids, made of `$1`.
pub(crate) async fn delete_of_owners(tx: &mut Conn, these: &str, value: &str) -> Result<()> {
    for table in ["collection_items", "collection_uniques", "collection_usage"] {
        tx.execute(format!("DELETE FROM {table} WHERE owner_id IN ({these})"), args![value]).await?;
    }
    Ok(())
}

/// Whose a collection's items are, and what their keys were made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub scope: String,
    pub keys: String,
}

/// How long a shape that was read is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It may be another one at once.
    Read,
    /// Nobody changes it before the commit.
    Commit,
    /// As [`Until::Commit`], and nobody else holds it: who reads it so may change it.
    Changed,
}

/// None: the collection has never been served.
pub async fn shape(conn: &mut Conn, of: Of<'_>, until: Until) -> Result<Option<Shape>> {
    let lock = match until {
        Until::Read => "",
        Until::Commit => dialect::for_share(conn.is_postgres()),
        Until::Changed => dialect::for_update(conn.is_postgres()),
    };
    let sql = format!("SELECT scope, shape FROM collection_shapes WHERE plugin = $1 AND collection = $2{lock}");
    let shape = |row: Row<'_>| Ok(Shape { scope: row.text(0)?, keys: row.text(1)? });
    conn.optional(sql, args![of.plugin, of.collection], shape).await
}

/// What the items are from now on; their unique keys are forgotten and wait to be set.
pub async fn reshape(tx: &mut Conn, of: Of<'_>, shape: &Shape) -> Result<()> {
    let sql = "INSERT INTO collection_shapes (plugin, collection, scope, shape) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (plugin, collection) DO UPDATE SET scope = excluded.scope, shape = excluded.shape";
    tx.execute(sql, args![of.plugin, of.collection, &shape.scope, &shape.keys]).await?;
    let sql = "DELETE FROM collection_uniques WHERE plugin = $1 AND collection = $2";
    tx.execute(sql, args![of.plugin, of.collection]).await.map(drop)
}

/// Writes the keys alone: neither version nor time of the item change.
pub async fn set_keys(tx: &mut Conn, item: &Item) -> Result<()> {
    let sql = "UPDATE collection_items SET key_0 = $2, key_1 = $3, key_2 = $4, key_3 = $5, key_4 = $6, key_5 = $7, key_6 = $8, \
               key_7 = $9 WHERE id = $1";
    let keys = [&item.key_0, &item.key_1, &item.key_2, &item.key_3, &item.key_4, &item.key_5, &item.key_6, &item.key_7];
    let keys = keys.map(|key| key.as_deref().into());
    let values: Vec<crate::Value<'_>> = std::iter::once(item.id.as_str().into()).chain(keys).collect();
    tx.execute(sql, &values).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::databases;

    #[tokio::test]
    async fn a_shape_that_a_write_stands_on_changes_after_its_commit_alone() {
        let of = Of { plugin: "face", collection: "things" };
        let shape_of = |keys: &str| Shape { scope: "cloud".to_owned(), keys: keys.to_owned() };
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            assert_eq!(shape(&mut tx, of, Until::Changed).await.expect("none"), None);
            reshape(&mut tx, of, &shape_of("a")).await.expect("the first");
            tx.commit().await.expect("commit");
            let mut writer = database.db.begin().await.expect("begin");
            assert_eq!(shape(&mut writer, of, Until::Commit).await.expect("one"), Some(shape_of("a")));
            // Of SQLite there is one writer.
            if writer.is_postgres() {
                let mut second = database.db.begin().await.expect("begin");
                shape(&mut second, of, Until::Commit).await.expect("writers don't wait for each other");
                let mut other = database.db.begin().await.expect("begin");
                other.execute("SET LOCAL lock_timeout = '20ms'", &[]).await.expect("a time-out");
                assert!(shape(&mut other, of, Until::Changed).await.is_err());
            }
            writer.commit().await.expect("commit");
            let mut tx = database.db.begin().await.expect("begin");
            shape(&mut tx, of, Until::Changed).await.expect("free");
            reshape(&mut tx, of, &shape_of("b")).await.expect("the second");
            assert_eq!(shape(&mut tx, of, Until::Read).await.expect("one"), Some(shape_of("b")));
        }
    }
}
