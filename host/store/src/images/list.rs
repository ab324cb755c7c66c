//! Images by id and in lists.

use skyloom_model::{Error, Result};

use super::{Content, Image};
use crate::listing::{Condition, Listed, Page, Query};
use crate::rows::{Read, Source};
use crate::{Conn, dialect};

/// All must hold.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    /// The project that looks: its own and public ones, and the community's where it asks for these. None: all.
    pub viewer: Option<String>,
    pub community: bool,
    pub conditions: Vec<Condition>,
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
        let community = if filter.community { " OR i.visibility = 'community'" } else { "" };
        query.scope(format!("(i.owner = {viewer} OR i.visibility = 'public'{community})"));
    }
    query.meet(conn.is_postgres(), Image::FIELDS, &filter.conditions)?;
    query.page(conn, Image::FIELDS, &[("created-at", true), ("id", true)], page, Image::of_row).await
}
