//! Images: what they are and what their bytes are called. The bytes stand in files.

mod list;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use skyloom_model::{Error, ErrorCode, Result, Timestamp};

use crate::rows::{Members, rows, words};
use crate::{Conn, args, dialect, retired_ids};

pub use list::{ImageFilter, get_image, list_images, seen_image};

words! {
    ImageState {
        /// No bytes yet.
        Queued "queued",
        /// Bytes are coming.
        Saving "saving",
        /// The cloud fetches them.
        Importing "importing",
        Active "active",
        /// The bytes are there, but nobody may have them.
        Deactivated "deactivated",
    }
}

words! {
    /// Who sees it beside its owner.
    Visibility {
        /// Everybody.
        Public "public",
        Private "private",
        /// Those whom the owner named.
        Shared "shared",
        /// Everybody who asks for it.
        Community "community",
    }
}

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Image in "images" as "i" {
        id: String [sorts, finds],
        /// A project.
        owner: String [changes, sorts, finds, owner],
        name: Option<String> [changes, sorts_as("coalesce(i.name, '')"), finds],
        state: ImageState [sorts, finds],
        visibility: Visibility [changes, sorts, finds],
        /// Cannot be deleted.
        protected: bool [changes, finds],
        /// Left out of lists.
        hidden: bool [changes, finds],
        disk_format: Option<String> [changes, sorts_as("coalesce(i.disk_format, '')"), finds],
        container_format: Option<String> [changes, sorts_as("coalesce(i.container_format, '')"), finds],
        min_disk_gib: u32 [changes, sorts, finds],
        min_memory_mib: u32 [changes, sorts, finds],
        created_at: Timestamp [sorts, finds],
        /// Another one after each change.
        updated_at: Timestamp [changes, sorts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
    beside {
        /// The bytes.
        content: Option<Content>,
        /// Sorted.
        tags: Vec<String> as Json,
        /// Sorted by name.
        properties: Vec<(String, String)> as Json,
    }
    written with { upload }
    also {
        "size": Int [sorts_as("coalesce(i.size, -1)"), finds] "i.size",
        "virtual-size": Int [finds] "i.virtual_size",
        "checksum": Text [finds] "i.checksum",
        "hash-value": Text [finds] "i.hash_value",
        "tags": Many(Members::new("i.id", &[("image_tags g", "g.image_id")], "g.tag")) [finds] "",
        "properties": Pairs(Members::new("i.id", &[("image_properties p", "p.image_id")], "p.value").by("p.name")) [finds] "",
    }
}

/// What is known of an image's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Names the file.
    pub blob: String,
    /// Of the file, in bytes.
    pub size: u64,
    /// Of the disk that it holds, in bytes.
    pub virtual_size: u64,
    /// Hex.
    pub md5: String,
    /// Hex.
    pub sha512: String,
}

/// In `retired_ids`.
const KIND: &str = "image";

/// `already-exists` when an image has the id, or ever had it.
pub async fn insert_image(tx: &mut Conn, image: &Image) -> Result<()> {
    let made = image.insert("")?.unless_there().run(tx).await?;
    if !made || retired_ids::is_retired(tx, KIND, &image.id).await? {
        return Err(Error::new(ErrorCode::AlreadyExists, format!("Image ID {} already exists!", image.id))
            .with_resource("image", &image.id)
            .with_field("id"));
    }
    write_tags(tx, image).await?;
    write_properties(tx, image).await
}

/// Writes all that an owner may change, if the image is still as it was at `read_at`. `image.updated_at` becomes its new
/// time. False: it changed meanwhile, or is gone.
pub async fn update_image(tx: &mut Conn, image: &Image, read_at: Timestamp) -> Result<bool> {
    if !image.update()?.only_if("updated_at", read_at).run(tx).await? {
        return Ok(false);
    }
    tx.execute("DELETE FROM image_tags WHERE image_id = $1", args![&image.id]).await?;
    tx.execute("DELETE FROM image_properties WHERE image_id = $1", args![&image.id]).await?;
    write_tags(tx, image).await?;
    write_properties(tx, image).await?;
    Ok(true)
}

async fn write_tags(tx: &mut Conn, image: &Image) -> Result<()> {
    for tag in &image.tags {
        tx.execute(
            "INSERT INTO image_tags (image_id, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            args![&image.id, tag],
        )
        .await?;
    }
    Ok(())
}

async fn write_properties(tx: &mut Conn, image: &Image) -> Result<()> {
    for (name, value) in &image.properties {
        tx.execute(
            "INSERT INTO image_properties (image_id, name, value) VALUES ($1, $2, $3)",
            args![&image.id, name, value],
        )
        .await?;
    }
    Ok(())
}

/// Time of a change that is later than the one before, whatever the clock says.
const LATER: &str = "CASE WHEN updated_at >= $2 THEN updated_at + 1 ELSE $2 END";

/// Marks a change of what stands in other tables. False: there is no such image.
pub async fn touch_image(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let sql = format!("UPDATE images SET updated_at = {LATER} WHERE id = $1");
    Ok(tx.execute(sql, args![id, now]).await? == 1)
}

/// Gives whether the image didn't have it before.
pub async fn add_tag(tx: &mut Conn, id: &str, tag: &str) -> Result<bool> {
    let sql = "INSERT INTO image_tags (image_id, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, args![id, tag]).await? == 1)
}

/// Gives whether the image had it.
pub async fn remove_tag(tx: &mut Conn, id: &str, tag: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM image_tags WHERE image_id = $1 AND tag = $2", args![id, tag]).await? == 1)
}

/// From queued to saving or importing, on behalf of a request or operation. False: it is not queued.
pub async fn begin_upload(tx: &mut Conn, id: &str, state: ImageState, upload: &str, now: Timestamp) -> Result<bool> {
    let sql =
        format!("UPDATE images SET state = $4, upload = $3, updated_at = {LATER} WHERE id = $1 AND state = 'queued'");
    Ok(tx.execute(sql, args![id, now, upload, state.as_str()]).await? == 1)
}

/// The states in which bytes are coming.
const COMING: &str = "('saving', 'importing')";

/// The image's project and the bytes that are reserved for what a request or operation is uploading. None: it uploads nothing.
pub async fn uploading(conn: &mut Conn, upload: &str) -> Result<Option<(String, u64)>> {
    let sql = format!("SELECT owner, reserved FROM images WHERE upload = $1 AND state IN {COMING}");
    let found = conn.optional(sql, args![upload], |row| Ok((row.text(0)?, row.int(1)?))).await?;
    found.map(|(owner, reserved)| Ok((owner, u64::try_from(reserved).map_err(Error::internal)?))).transpose()
}

/// Says how many bytes are reserved for what a request or operation is uploading; they count as used. False: it uploads nothing.
pub async fn reserve_upload(tx: &mut Conn, upload: &str, bytes: u64) -> Result<bool> {
    let bytes = i64::try_from(bytes).map_err(Error::internal)?;
    let sql = format!("UPDATE images SET reserved = $2 WHERE upload = $1 AND state IN {COMING}");
    Ok(tx.execute(sql, args![upload, bytes]).await? == 1)
}

/// Active, with its bytes. False: the upload of this request or operation is no longer open.
pub async fn finish_upload(tx: &mut Conn, id: &str, upload: &str, content: &Content, now: Timestamp) -> Result<bool> {
    let sql = format!(
        "UPDATE images SET state = 'active', upload = '', reserved = 0, size = $4, virtual_size = $5, checksum = $6, \
         hash_algorithm = 'sha512', hash_value = $7, blob = $8, updated_at = {LATER} \
         WHERE id = $1 AND state IN {COMING} AND upload = $3"
    );
    let values = args![
        id,
        now,
        upload,
        i64::try_from(content.size).map_err(Error::internal)?,
        i64::try_from(content.virtual_size).map_err(Error::internal)?,
        &content.md5,
        &content.sha512,
        &content.blob,
    ];
    Ok(tx.execute(sql, values).await? == 1)
}

/// What a request or operation didn't bring to its end is queued again. Gives how many there were.
pub async fn abort_uploads(tx: &mut Conn, upload: &str, now: Timestamp) -> Result<u64> {
    let sql = format!(
        "UPDATE images SET state = 'queued', upload = '', reserved = 0, updated_at = {LATER} \
         WHERE upload = $1 AND state IN {COMING}"
    );
    tx.execute(sql, args![upload, now]).await
}

/// What no process can be uploading any more is queued again: all that began before `before`.
pub async fn abort_stale_uploads(tx: &mut Conn, before: Timestamp, now: Timestamp) -> Result<u64> {
    let sql = format!(
        "UPDATE images SET state = 'queued', upload = '', reserved = 0, updated_at = {LATER} \
         WHERE state = 'saving' AND updated_at < $1"
    );
    tx.execute(sql, args![before, now]).await
}

/// Between active and deactivated. False: it is in none of the two.
pub async fn set_active(tx: &mut Conn, id: &str, active: bool, now: Timestamp) -> Result<bool> {
    let state = if active { ImageState::Active } else { ImageState::Deactivated };
    let sql = format!(
        "UPDATE images SET state = $3, updated_at = {LATER} WHERE id = $1 AND state IN ('active', 'deactivated')"
    );
    Ok(tx.execute(sql, args![id, now, state.as_str()]).await? == 1)
}

/// Holds the image until the commit, so that it isn't deleted while a disk is made of it. None: there is no such image.
pub async fn hold_image(tx: &mut Conn, id: &str) -> Result<Option<Image>> {
    if tx.lock("images", id).await? { get_image(tx, id).await } else { Ok(None) }
}

/// Holds several, in the order of their ids, until the commit.
pub async fn hold_images(tx: &mut Conn, ids: &[String]) -> Result<()> {
    let (lock, list) = (dialect::for_update(tx.is_postgres()), dialect::placeholders(1, ids.len()));
    let values: Vec<crate::Value<'_>> = ids.iter().map(crate::Value::from).collect();
    tx.all(format!("SELECT id FROM images WHERE id IN ({list}) ORDER BY id{lock}"), &values, |_| Ok(())).await.map(drop)
}

/// The state of an image that is not deleted or changed until the commit; any number of transactions may keep one at once.
pub async fn keep_image(tx: &mut Conn, id: &str) -> Result<Option<ImageState>> {
    let share = if tx.is_postgres() { " FOR SHARE" } else { "" };
    let state =
        tx.optional(format!("SELECT state FROM images WHERE id = $1{share}"), args![id], |row| row.text(0)).await?;
    Ok(state.and_then(|state| ImageState::parse(&state)))
}

/// Whether a disk stands on it or is about to, or a server boots with it as kernel or ramdisk.
pub async fn image_in_use(conn: &mut Conn, id: &str) -> Result<bool> {
    let found = conn
        .optional(
            "SELECT v.id FROM volumes v WHERE v.image_id = $1 \
             UNION ALL SELECT b.server_id FROM boot_images b WHERE b.image_id = $1 \
             UNION ALL SELECT r.server_id FROM rebuilds r WHERE $1 IN (r.image_id, r.kernel_id, r.ramdisk_id) LIMIT 1",
            args![id],
            |row| row.text(0),
        )
        .await?;
    Ok(found.is_some())
}

/// Nobody may take its id again. False: there is no such image.
pub async fn delete_image(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.execute("DELETE FROM image_tags WHERE image_id = $1", args![id]).await?;
    tx.execute("DELETE FROM image_properties WHERE image_id = $1", args![id]).await?;
    if tx.execute("DELETE FROM images WHERE id = $1", args![id]).await? == 0 {
        return Ok(false);
    }
    retired_ids::retire(tx, KIND, id).await?;
    Ok(true)
}

/// How many images a project has, and their bytes with those that are reserved.
pub async fn usage(conn: &mut Conn, owner: &str) -> Result<(u64, u64)> {
    conn.one(
        "SELECT count(*), CAST(coalesce(sum(coalesce(size, 0) + reserved), 0) AS BIGINT) FROM images WHERE owner = $1",
        args![owner],
        |row| {
            let number = |column| u64::try_from(row.int(column)?).map_err(Error::internal);
            Ok((number(0)?, number(1)?))
        },
    )
    .await
}

/// The names of all files that an image has.
pub async fn blobs(conn: &mut Conn) -> Result<Vec<String>> {
    conn.all("SELECT blob FROM images WHERE blob IS NOT NULL", &[], |row| row.text(0)).await
}

/// What a machine needs to know of an image to start from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// Name of the file; none: no bytes yet.
    pub blob: Option<String>,
    pub disk_format: Option<String>,
    pub properties: BTreeMap<String, String>,
}

/// Of any project: whether a server may have it was asked at its creation. None: there is no such image.
pub async fn boot(conn: &mut Conn, id: &str) -> Result<Option<Boot>> {
    let image = get_image(conn, id).await?;
    Ok(image.map(|image| Boot {
        blob: image.content.map(|content| content.blob),
        disk_format: image.disk_format,
        properties: image.properties.into_iter().collect(),
    }))
}
