//! Servers whose system disk is being made anew: each with what it becomes once the old disk is gone, from the request to the end of its
//! operation.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use skyloom_model::{Error, Result, Timestamp};

use crate::boot_images::{self, BootImages};
use crate::rows::rows;
use crate::servers::Server;
use crate::statement::{delete_from, update};
use crate::{Conn, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Rebuild in "rebuilds" as "r" {
        server_id: String,
        /// What the new disk begins as.
        image_id: String,
        kernel_id: Option<String> as OrEmpty,
        ramdisk_id: Option<String> as OrEmpty,
        /// The guest is switched on at the end.
        running: bool,
        /// Of the guest's administrator, sealed; empty: none.
        admin_password: String,
        fields: NewFields as Json,
    }
}

/// The server's own fields that change; none: it stays.
// The outer option says whether it changes, the inner one is the value.
#[allow(clippy::option_option)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct NewFields {
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub description: Option<Option<String>>,
    pub hostname: Option<String>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub access_ipv4: Option<String>,
    pub access_ipv6: Option<String>,
    pub key: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub user_data: Option<Option<String>>,
    pub attributes: Option<String>,
}

/// A key pair as a server has it; no name: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub name: Option<String>,
    /// Empty: none.
    pub public_key: String,
}

/// A member that is there is a change, also where it is null.
#[allow(clippy::option_option)]
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Rebuild {
    #[must_use]
    pub fn boots_with(&self) -> BootImages {
        BootImages { kernel: self.kernel_id.clone(), ramdisk: self.ramdisk_id.clone() }
    }

    /// The server's record as [`apply`] writes it.
    pub fn becomes(&self, server: &mut Server) {
        fn put<T: Clone>(field: &mut T, new: Option<&T>) {
            if let Some(new) = new {
                field.clone_from(new);
            }
        }
        let new = &self.fields;
        server.image_id = Some(self.image_id.clone());
        put(&mut server.name, new.name.as_ref());
        put(&mut server.description, new.description.as_ref());
        put(&mut server.hostname, new.hostname.as_ref());
        put(&mut server.metadata, new.metadata.as_ref());
        put(&mut server.access_ipv4, new.access_ipv4.as_ref());
        put(&mut server.access_ipv6, new.access_ipv6.as_ref());
        put(&mut server.key_name, new.key.as_ref().map(|key| &key.name));
        put(&mut server.public_key, new.key.as_ref().map(|key| &key.public_key));
        put(&mut server.user_data, new.user_data.as_ref());
        put(&mut server.attributes, new.attributes.as_ref());
    }
}

pub async fn insert(tx: &mut Conn, rebuild: &Rebuild) -> Result<()> {
    rebuild.insert()?.defer(tx).await
}

pub async fn get(conn: &mut Conn, server_id: &str) -> Result<Option<Rebuild>> {
    conn.optional(Rebuild::select("WHERE r.server_id = $1"), args![server_id], Rebuild::of_row).await
}

/// One that isn't there is no error.
pub async fn remove(tx: &mut Conn, server_id: &str) -> Result<()> {
    tx.defer(delete_from("rebuilds", "WHERE server_id = $1"), args![server_id]).await
}

/// The old disk is gone: from here on the server, and its system disk, are what they become. The password stays here alone.
pub async fn apply(tx: &mut Conn, rebuild: &Rebuild, now: Timestamp) -> Result<()> {
    let Rebuild { server_id, image_id, fields: new, .. } = rebuild;
    let metadata = new.metadata.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let mut sets = vec!["updated_at = $2, image_id = $3, progress = 0".to_owned()];
    let mut values: Vec<crate::Value<'_>> = args![server_id, now, image_id].to_vec();
    let columns: [(&str, Option<crate::Value<'_>>); 10] = [
        ("name", new.name.as_deref().map(Into::into)),
        ("description", new.description.as_ref().map(|text| text.as_deref().into())),
        ("hostname", new.hostname.as_deref().map(Into::into)),
        ("metadata", metadata.as_deref().map(Into::into)),
        ("access_ipv4", new.access_ipv4.as_deref().map(Into::into)),
        ("access_ipv6", new.access_ipv6.as_deref().map(Into::into)),
        ("key_name", new.key.as_ref().map(|key| key.name.as_deref().unwrap_or_default().into())),
        ("public_key", new.key.as_ref().map(|key| key.public_key.as_str().into())),
        ("user_data", new.user_data.as_ref().map(|data| data.as_deref().into())),
        ("attributes", new.attributes.as_deref().map(Into::into)),
    ];
    for (column, value) in columns {
        if let Some(value) = value {
            values.push(value);
            sets.push(format!("{column} = ${}", values.len()));
        }
    }
    let sql = update("servers", &format!("SET {} WHERE id = $1 AND deleted = 0", sets.join(", ")));
    tx.execute(sql, &values).await?;
    boot_images::release(tx, server_id).await?;
    boot_images::insert(tx, server_id, &rebuild.boots_with()).await?;
    let sql = update(
        "volumes",
        "SET image_id = $2, snapshot_id = '', source_volume_id = '', bootable = 1, updated_at = $3 \
         WHERE server_id = $1 AND boot_index = 0",
    );
    tx.execute(sql, args![server_id, image_id, now]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_is_told_from_what_stays() {
        let fields = NewFields { description: Some(None), name: Some("new".to_owned()), ..NewFields::default() };
        let text = serde_json::to_string(&fields).expect("JSON");
        let read: NewFields = serde_json::from_str(&text).expect(&text);
        assert_eq!(read, fields, "{text}");
        assert_eq!((read.description, read.user_data), (Some(None), None));
    }
}
