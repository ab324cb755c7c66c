//! Images by id and in lists.

use skyloom_model::{Error, Reach, Result};

use super::{Content, Image};
use crate::listing::{Condition, Listed, Page, Query};
use crate::rows::{Columns, Read, Source, Stored};
use crate::{Conn, dialect};

/// All must hold.
#[derive(Clone, Debug)]
pub struct ImageFilter {
    /// Of whoever looks, who also sees public ones, and the community's where these are asked for.
    pub reach: Reach,
    pub community: bool,
    pub conditions: Vec<Condition>,
}

impl ImageFilter {
    /// Of every project.
    #[must_use]
    pub fn all() -> Self {
        Self { reach: Reach::All, community: true, conditions: Vec::new() }
    }
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

/// Of any project: for what was allowed before.
pub async fn get_image(conn: &mut Conn, id: &str) -> Result<Option<Image>> {
    query(conn.is_postgres()).of_id(conn, id, Image::of_row).await
}

/// One that a caller of this reach sees, and whether it belongs to it; public ones and the community's are everybody's to see.
pub async fn seen_image(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<(Image, bool)>> {
    let mut query = query(conn.is_postgres());
    let own = query.reached(conn.is_postgres(), &[Image::OWNER], reach).unwrap_or_else(|| "1 = 1".to_owned());
    query.scope(format!("({own} OR i.visibility IN ('public', 'community'))"));
    let query = query.beside(&[&format!("CAST(CASE WHEN {own} THEN 1 ELSE 0 END AS BIGINT)")]);
    query
        .of_id(conn, id, |row| {
            let mut columns = Columns::of(row);
            Ok((<Image as Stored>::read(&mut columns)?, columns.read()?))
        })
        .await
}

/// By default the youngest first.
pub async fn list_images(conn: &mut Conn, filter: &ImageFilter, page: &Page) -> Result<Listed<Image>> {
    let mut query = query(conn.is_postgres());
    let community = "i.visibility = 'public' OR i.visibility = 'community'";
    let shared = if filter.community { community } else { "i.visibility = 'public'" };
    query.within(conn.is_postgres(), &[Image::OWNER], &filter.reach, Some(shared));
    query.meet(conn.is_postgres(), Image::FIELDS, &filter.conditions)?;
    query.page(conn, Image::FIELDS, &[("created-at", true), ("id", true)], page, Image::of_row).await
}
