//! Prices: templates that departments are bound to, their sheets, and the revisions of these, which are never changed. Money is
//! whole nano-units.

use skyloom_model::{Result, Timestamp};

use crate::rows::rows;
use crate::statement::{delete_from, insert_into, update};
use crate::{Conn, args};

/// The template of the departments that were never bound to another. It is always there.
pub const DEFAULT: &str = "default";

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Template in "price_templates" as "t" {
        id: String,
        name: String,
        description: String,
        created_at: Timestamp,
    }
}

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Sheet in "price_sheets" as "s" {
        id: String,
        template_id: String,
        /// From 1 within the template.
        number: i64,
        currency: String,
        description: String,
        created_at: Timestamp,
    }
}

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Revision in "price_revisions" as "r" {
        id: String,
        sheet_id: String,
        /// From 1 within the sheet.
        number: i64,
        created_at: Timestamp,
    }
}

rows! {
    /// What a unit costs for an hour.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Price in "unit_prices" as "u" {
        meter: String,
        /// Empty: every class without a price of its own.
        class: String,
        /// Empty: in every state without a price of its own.
        server_state: String,
        /// Unit-hours of the month from which it holds.
        from_units: i64,
        nano_per_unit_hour: i64,
    }
    written with { revision_id }
}

rows! {
    /// From a time on a template's prices are those of a revision, until its next moment.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Moment in "price_moments" as "m" {
        started_at: Timestamp,
        revision_id: String,
    }
    written with { template_id }
}

rows! {
    /// From a time on a department has a template, until its next binding.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Binding in "price_bindings" as "b" {
        domain_id: String,
        started_at: Timestamp,
        template_id: String,
    }
}

pub async fn insert_template(tx: &mut Conn, template: &Template) -> Result<()> {
    template.insert()?.run(tx).await.map(drop)
}

/// The one of this name, else of this id.
pub async fn template(conn: &mut Conn, name: &str) -> Result<Option<Template>> {
    let sql =
        Template::select("WHERE t.name = $1 OR t.id = $1 ORDER BY CASE WHEN t.name = $1 THEN 0 ELSE 1 END LIMIT 1");
    conn.optional(sql, args![name], Template::of_row).await
}

/// By name, at most `limit`.
pub async fn templates(conn: &mut Conn, limit: u32) -> Result<Vec<Template>> {
    conn.all(Template::select("ORDER BY t.name LIMIT $1"), args![limit], Template::of_row).await
}

/// Waits for others who change this template.
pub async fn lock_template(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.lock("price_templates", id).await
}

pub async fn update_template(tx: &mut Conn, template: &Template) -> Result<()> {
    let sql = update("price_templates", "SET name = $2, description = $3 WHERE id = $1");
    tx.execute(sql, args![&template.id, &template.name, &template.description]).await.map(drop)
}

/// With its sheets, which were never in force.
pub async fn delete_template(tx: &mut Conn, id: &str) -> Result<()> {
    for sheet in sheets(tx, id, u32::MAX).await? {
        delete_sheet(tx, &sheet.id).await?;
    }
    tx.execute(delete_from("price_moments", "WHERE template_id = $1"), args![id]).await?;
    tx.execute(delete_from("price_templates", "WHERE id = $1"), args![id]).await.map(drop)
}

pub async fn insert_sheet(tx: &mut Conn, sheet: &Sheet) -> Result<()> {
    sheet.insert()?.run(tx).await.map(drop)
}

/// A template's by number, at most `limit`.
pub async fn sheets(conn: &mut Conn, template_id: &str, limit: u32) -> Result<Vec<Sheet>> {
    let sql = Sheet::select("WHERE s.template_id = $1 ORDER BY s.number LIMIT $2");
    conn.all(sql, args![template_id, limit], Sheet::of_row).await
}

/// With its revisions, which were never in force.
pub async fn delete_sheet(tx: &mut Conn, id: &str) -> Result<()> {
    let prices = "WHERE revision_id IN (SELECT id FROM price_revisions WHERE sheet_id = $1)";
    tx.execute(delete_from("unit_prices", prices).reading(&["price_revisions"]), args![id]).await?;
    tx.execute(delete_from("price_revisions", "WHERE sheet_id = $1"), args![id]).await?;
    tx.execute(delete_from("price_sheets", "WHERE id = $1"), args![id]).await.map(drop)
}

/// A new revision with all its prices.
pub async fn insert_revision(tx: &mut Conn, revision: &Revision, prices: &[Price]) -> Result<()> {
    revision.insert()?.run(tx).await?;
    for price in prices {
        price.insert(&revision.id)?.defer(tx).await?;
    }
    Ok(())
}

/// The newest of a sheet.
pub async fn latest(conn: &mut Conn, sheet_id: &str) -> Result<Option<Revision>> {
    let sql = Revision::select("WHERE r.sheet_id = $1 ORDER BY r.number DESC LIMIT 1");
    conn.optional(sql, args![sheet_id], Revision::of_row).await
}

/// A revision as the tariff gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    pub revision_id: String,
    pub currency: String,
    /// By meter, class, state and quantity.
    pub prices: Vec<Price>,
}

pub async fn price_list(conn: &mut Conn, revision_id: &str) -> Result<Option<PriceList>> {
    let sql = "SELECT s.currency FROM price_revisions r JOIN price_sheets s ON s.id = r.sheet_id WHERE r.id = $1";
    let Some(currency) = conn.optional(sql, args![revision_id], |row| row.text(0)).await? else { return Ok(None) };
    let prices = prices(conn, revision_id).await?;
    Ok(Some(PriceList { revision_id: revision_id.to_owned(), currency, prices }))
}

/// By meter, class, state and quantity.
pub async fn prices(conn: &mut Conn, revision_id: &str) -> Result<Vec<Price>> {
    let sql = Price::select("WHERE u.revision_id = $1 ORDER BY u.meter, u.class, u.server_state, u.from_units");
    conn.all(sql, args![revision_id], Price::of_row).await
}

/// The currencies of these revisions.
pub async fn currencies(conn: &mut Conn, revision_ids: &[String]) -> Result<Vec<String>> {
    let revision = is_listed(conn, "r.id");
    let sql = format!(
        "SELECT DISTINCT s.currency FROM price_revisions r JOIN price_sheets s ON s.id = r.sheet_id WHERE {revision} \
         ORDER BY s.currency"
    );
    conn.all(sql, args![&as_list(revision_ids)], |row| row.text(0)).await
}

/// Whether a price of these revisions depends on the quantity.
pub async fn are_graduated(conn: &mut Conn, revision_ids: &[String]) -> Result<bool> {
    let revision = is_listed(conn, "u.revision_id");
    let sql = format!("SELECT count(*) FROM unit_prices u WHERE {revision} AND u.from_units > 0");
    Ok(conn.one(sql, args![&as_list(revision_ids)], |row| row.int(0)).await? > 0)
}

/// SQL: the column is one of the list that the first parameter is, of whatever length.
fn is_listed(conn: &Conn, column: &str) -> String {
    crate::dialect::is_listed(conn.is_postgres(), column, true, "$1")
}

fn as_list(ids: &[String]) -> String {
    serde_json::Value::from(ids).to_string()
}

/// A template's prices become those of the revision; a moment that was laid down for the same time is forgotten.
pub async fn put_moment(tx: &mut Conn, template_id: &str, moment: &Moment) -> Result<()> {
    let again = "(template_id, started_at) DO UPDATE SET revision_id = excluded.revision_id";
    moment.insert(template_id)?.on_conflict(again).run(tx).await.map(drop)
}

/// Takes back what begins at this time.
pub async fn remove_moment(tx: &mut Conn, template_id: &str, started_at: Timestamp) -> Result<()> {
    let sql = delete_from("price_moments", "WHERE template_id = $1 AND started_at = $2");
    tx.execute(sql, args![template_id, started_at]).await.map(drop)
}

/// What holds in `start..end`, in order: the first began at `start` or before where anything did.
pub async fn moments(conn: &mut Conn, template_id: &str, start: Timestamp, end: Timestamp) -> Result<Vec<Moment>> {
    let sql = Moment::select(
        "WHERE m.template_id = $1 AND m.started_at < $3 AND m.started_at >= coalesce((SELECT max(o.started_at) \
         FROM price_moments o WHERE o.template_id = $1 AND o.started_at <= $2), $2) ORDER BY m.started_at",
    );
    conn.all(sql, args![template_id, start, end], Moment::of_row).await
}

/// When a sheet begins to hold, in any revision.
pub async fn moments_of_sheet(conn: &mut Conn, sheet_id: &str) -> Result<Vec<Moment>> {
    let sql =
        Moment::select("JOIN price_revisions r ON r.id = m.revision_id WHERE r.sheet_id = $1 ORDER BY m.started_at");
    conn.all(sql, args![sheet_id], Moment::of_row).await
}

/// The sheet of a revision.
pub async fn sheet_of(conn: &mut Conn, revision_id: &str) -> Result<Option<Sheet>> {
    let sql = Sheet::select("JOIN price_revisions r ON r.sheet_id = s.id WHERE r.id = $1");
    conn.optional(sql, args![revision_id], Sheet::of_row).await
}

/// A department gets the template; a binding that was laid down for the same time is forgotten.
pub async fn put_binding(tx: &mut Conn, binding: &Binding) -> Result<()> {
    let row = "(domain_id, started_at, template_id) VALUES ($1, $2, $3)";
    let again = "(domain_id, started_at) DO UPDATE SET template_id = $3";
    let sql = insert_into("price_bindings", row).on_conflict(again);
    tx.execute(sql, args![&binding.domain_id, binding.started_at, &binding.template_id]).await.map(drop)
}

/// Takes back what begins after this time.
pub async fn remove_bindings_after(tx: &mut Conn, domain_id: &str, time: Timestamp) -> Result<()> {
    let sql = delete_from("price_bindings", "WHERE domain_id = $1 AND started_at > $2");
    tx.execute(sql, args![domain_id, time]).await.map(drop)
}

/// What holds in `start..end`, in order: the first began at `start` or before where anything did.
pub async fn bindings(conn: &mut Conn, domain_id: &str, start: Timestamp, end: Timestamp) -> Result<Vec<Binding>> {
    let sql = Binding::select(
        "WHERE b.domain_id = $1 AND b.started_at < $3 AND b.started_at >= coalesce((SELECT max(o.started_at) \
         FROM price_bindings o WHERE o.domain_id = $1 AND o.started_at <= $2), $2) ORDER BY b.started_at",
    );
    conn.all(sql, args![domain_id, start, end], Binding::of_row).await
}

/// The bindings that hold at a time or begin later, of one template or all; at most `limit`.
pub async fn bindings_from(
    conn: &mut Conn,
    template_id: Option<&str>,
    time: Timestamp,
    limit: u32,
) -> Result<Vec<Binding>> {
    let sql = Binding::select(
        "WHERE ($1 = '' OR b.template_id = $1) AND b.started_at >= coalesce((SELECT max(o.started_at) FROM price_bindings o \
         WHERE o.domain_id = b.domain_id AND o.started_at <= $2), $2) ORDER BY b.domain_id, b.started_at LIMIT $3",
    );
    conn.all(sql, args![template_id.unwrap_or(""), time, limit], Binding::of_row).await
}

/// Whether any department ever had the template, or is to have it.
pub async fn is_bound(conn: &mut Conn, template_id: &str) -> Result<bool> {
    let sql = "SELECT count(*) FROM price_bindings WHERE template_id = $1";
    Ok(conn.one(sql, args![template_id], |row| row.int(0)).await? > 0)
}

#[cfg(test)]
mod tests;
