//! What the operator sees of prices.

use skyloom_model::{Result, Timestamp};
use skyloom_store::prices::{self as store, Binding, Price, Sheet, Template};
use skyloom_store::{Conn, Db};

use super::{MAX_SHEETS, MAX_TEMPLATES, found, in_force, latest, sheet_of};
use crate::billing::money;

/// Bindings of one answer.
const MAX_BINDINGS: u32 = 10_000;

/// Where a sheet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetState {
    /// It never was in force.
    Inactive,
    /// It waits for its time.
    Pending,
    InUse,
    /// It was in force.
    Used,
}

impl SheetState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::InUse => "in-use",
            Self::Used => "used",
        }
    }
}

#[derive(Clone, Debug)]
pub struct SheetView {
    pub sheet: Sheet,
    pub state: SheetState,
    /// Of its newest revision.
    pub revision: i64,
    /// When a revision of it came or comes in force, newest last.
    pub moments: Vec<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct TemplateView {
    pub template: Template,
    pub sheets: Vec<SheetView>,
    /// Of the departments that have it or are to have it; of the default: but those that were never bound.
    pub bindings: Vec<Binding>,
}

/// Decimal text of a price.
#[must_use]
pub fn amount(price: &Price) -> String {
    money::format(price.nano_per_unit_hour.into())
}

/// By name.
pub async fn templates(db: &Db) -> Result<Vec<Template>> {
    store::templates(&mut db.read().await?, MAX_TEMPLATES).await
}

pub async fn template(db: &Db, name: &str) -> Result<TemplateView> {
    let mut conn = db.read().await?;
    let template = found(&mut conn, name).await?;
    let now = Timestamp::now();
    let mut sheets = Vec::new();
    for sheet in store::sheets(&mut conn, &template.id, MAX_SHEETS).await? {
        sheets.push(view(&mut conn, &template, sheet, now).await?);
    }
    let bindings = store::bindings_from(&mut conn, Some(&template.id), now, MAX_BINDINGS).await?;
    Ok(TemplateView { template, sheets, bindings })
}

/// A sheet with the prices of its newest revision.
pub async fn sheet(db: &Db, template: &str, number: i64) -> Result<(SheetView, Vec<Price>)> {
    let mut conn = db.read().await?;
    let template = found(&mut conn, template).await?;
    let sheet = sheet_of(&mut conn, &template, number).await?;
    let revision = latest(&mut conn, &sheet).await?;
    let prices = store::prices(&mut conn, &revision.id).await?;
    Ok((view(&mut conn, &template, sheet, Timestamp::now()).await?, prices))
}

/// The bindings that hold or are to hold, by department.
pub async fn bindings(db: &Db) -> Result<Vec<Binding>> {
    store::bindings_from(&mut db.read().await?, None, Timestamp::now(), MAX_BINDINGS).await
}

async fn view(conn: &mut Conn, template: &Template, sheet: Sheet, now: Timestamp) -> Result<SheetView> {
    let moments: Vec<Timestamp> =
        store::moments_of_sheet(conn, &sheet.id).await?.into_iter().map(|moment| moment.started_at).collect();
    let holds = in_force(conn, template, now).await?.is_some_and(|(_, holding)| holding.id == sheet.id);
    let state = match (holds, moments.last(), moments.first()) {
        (true, ..) => SheetState::InUse,
        (false, Some(last), _) if *last > now => SheetState::Pending,
        (false, _, Some(_)) => SheetState::Used,
        (false, _, None) => SheetState::Inactive,
    };
    let revision = latest(conn, &sheet).await?.number;
    Ok(SheetView { sheet, state, revision, moments })
}
