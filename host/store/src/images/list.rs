//! Images by id and in lists.

use skyloom_model::{Error, Result, Timestamp};

use super::{Content, Image, ImageState, Visibility};
use crate::listing::{Listed, Page, Query};
use crate::rows::{Read, Source};
use crate::{Conn, dialect};

/// All that are set must hold; lists mean any of them, tags and properties all.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    /// The project that looks: its own and public ones, and the community's where the filter asks for these. None: all.
    pub viewer: Option<String>,
    pub ids: Vec<String>,
    pub names: Vec<String>,
    pub states: Vec<ImageState>,
    pub visibility: Option<Visibility>,
    /// The community's too, whatever the visibility.
    pub community: bool,
    pub owner: Option<String>,
    pub protected: Option<bool>,
    pub hidden: Option<bool>,
    pub disk_formats: Vec<String>,
    pub container_formats: Vec<String>,
    pub min_size: Option<i64>,
    pub max_size: Option<i64>,
    pub min_virtual_size: Option<i64>,
    pub max_virtual_size: Option<i64>,
    pub min_disk_gib: Option<u32>,
    pub min_memory_mib: Option<u32>,
    /// From this time on.
    pub created_since: Option<Timestamp>,
    /// Earlier than this.
    pub created_before: Option<Timestamp>,
    pub updated_since: Option<Timestamp>,
    pub updated_before: Option<Timestamp>,
    /// In none of these, each from its first moment up to, and without, its second.
    pub created_outside: Vec<(Timestamp, Timestamp)>,
    pub updated_outside: Vec<(Timestamp, Timestamp)>,
    pub tags: Vec<String>,
    pub checksum: Option<String>,
    pub hash_value: Option<String>,
    pub properties: Vec<(String, String)>,
}

fn query(postgres: bool) -> Query {
    let tags =
        dialect::json_list(postgres, "t.tag", "SELECT a.tag FROM image_tags a WHERE a.image_id = i.id ORDER BY a.tag");
    let properties = dialect::json_rows(
        postgres,
        &["t.name", "t.value"],
        "SELECT p.name, p.value FROM image_properties p WHERE p.image_id = i.id ORDER BY p.name",
    );
    let content = "i.blob, i.size, i.virtual_size, i.checksum, i.hash_value";
    Image::query().beside(&[content, &tags, &properties])
}

impl Read for Option<Content> {
    fn read<'r>(from: &mut impl Source<'r>) -> Result<Self> {
        let (blob, size, virtual_size): (Option<String>, Option<i64>, Option<i64>) =
            (from.next()?, from.next()?, from.next()?);
        let (md5, sha512): (Option<String>, Option<String>) = (from.next()?, from.next()?);
        let number = |of: Option<i64>| u64::try_from(of.unwrap_or_default()).map_err(Error::internal);
        let Some(blob) = blob else { return Ok(None) };
        Ok(Some(Content {
            blob,
            size: number(size)?,
            virtual_size: number(virtual_size)?,
            md5: md5.unwrap_or_default(),
            sha512: sha512.unwrap_or_default(),
        }))
    }
}

/// Who may see it is for the caller to decide.
pub async fn get_image(conn: &mut Conn, id: &str) -> Result<Option<Image>> {
    let mut query = query(conn.is_postgres());
    query.and_text("i.id", Some(id));
    Ok(query.rows(conn, Image::of_row).await?.pop())
}

/// By default the youngest first.
pub async fn list_images(conn: &mut Conn, filter: &ImageFilter, page: &Page) -> Result<Listed<Image>> {
    let mut query = query(conn.is_postgres());
    if let Some(viewer) = &filter.viewer {
        let viewer = query.text(viewer);
        let with_community = filter.community || filter.visibility == Some(Visibility::Community);
        let community = if with_community { " OR i.visibility = 'community'" } else { "" };
        query.scope(format!("(i.owner = {viewer} OR i.visibility = 'public'{community})"));
    }
    query.and_any("i.id", &filter.ids);
    query.and_any("i.name", &filter.names);
    let states: Vec<String> = filter.states.iter().map(|state| state.as_str().to_owned()).collect();
    query.and_any("i.state", &states);
    query.and_text("i.visibility", filter.visibility.map(Visibility::as_str));
    query.and_text("i.owner", filter.owner.as_deref());
    query.and_flag("i.protected", filter.protected);
    query.and_flag("i.hidden", filter.hidden);
    query.and_any("i.disk_format", &filter.disk_formats);
    query.and_any("i.container_format", &filter.container_formats);
    query.and_int("i.size", ">=", filter.min_size);
    query.and_int("i.size", "<=", filter.max_size);
    query.and_int("i.virtual_size", ">=", filter.min_virtual_size);
    query.and_int("i.virtual_size", "<=", filter.max_virtual_size);
    query.and_int("i.min_disk_gib", "=", filter.min_disk_gib.map(i64::from));
    query.and_int("i.min_memory_mib", "=", filter.min_memory_mib.map(i64::from));
    query.and_int("i.created_at", ">=", filter.created_since.map(|time| time.0));
    query.and_int("i.created_at", "<", filter.created_before.map(|time| time.0));
    query.and_int("i.updated_at", ">=", filter.updated_since.map(|time| time.0));
    query.and_int("i.updated_at", "<", filter.updated_before.map(|time| time.0));
    for (column, spans) in [("i.created_at", &filter.created_outside), ("i.updated_at", &filter.updated_outside)] {
        for (first, end) in spans {
            let (first, end) = (query.int(first.0), query.int(end.0));
            query.and(format!("({column} < {first} OR {column} >= {end})"));
        }
    }
    query.and_text("i.checksum", filter.checksum.as_deref());
    query.and_text("i.hash_value", filter.hash_value.as_deref());
    for tag in &filter.tags {
        let tag = query.text(tag);
        query.and(format!("EXISTS (SELECT 1 FROM image_tags a WHERE a.image_id = i.id AND a.tag = {tag})"));
    }
    for (name, value) in &filter.properties {
        let (name, value) = (query.text(name), query.text(value));
        query.and(format!(
            "EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = i.id AND p.name = {name} AND p.value = {value})"
        ));
    }
    query.page(conn, Image::FIELDS, &[("created-at", true), ("id", true)], page, Image::of_row).await
}
