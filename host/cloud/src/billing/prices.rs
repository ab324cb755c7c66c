//! The operator's verbs for prices: `skyloom price ...`. What is in force is a time line of revisions: an edit of a sheet in force
//! lays down a new revision, a use of a sheet its newest one. Time that is rated is never touched.

mod change;
mod view;

use skyloom_model::{Error, ErrorCode, Result, Timestamp, new_id};
use skyloom_store::identity::Reference;
use skyloom_store::identity::domains::{self, Domain};
use skyloom_store::prices::{self as store, Binding, Moment, Price, Revision, Sheet, Template};
use skyloom_store::{Conn, Db, periods};

pub use change::PriceChange;
pub use view::{SheetState, SheetView, TemplateView, amount, bindings, sheet, template, templates};

const MAX_TEMPLATES: u32 = 1000;
const MAX_SHEETS: u32 = 1000;
const MAX_REVISIONS: i64 = 10_000;
/// Prices of a sheet, each tier one.
const MAX_PRICES: usize = 1000;
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 255;

/// A new template with a sheet 1, which isn't in force yet: a copy of a sheet of another template, where nothing is said of the
/// default's that is in force.
pub async fn create_template(db: &Db, name: &str, description: &str, from: (&str, Option<i64>)) -> Result<Template> {
    check_text("name", name, MAX_NAME)?;
    if name.is_empty() {
        return Err(Error::invalid("name", "A template has a name."));
    }
    check_text("description", description, MAX_DESCRIPTION)?;
    let mut tx = db.begin().await?;
    let base = found(&mut tx, from.0).await?;
    if store::template(&mut tx, name).await?.is_some() {
        let text = format!("There is a template {name} already.");
        return Err(Error::new(ErrorCode::AlreadyExists, text).with_field("name"));
    }
    if store::templates(&mut tx, MAX_TEMPLATES).await?.len() >= MAX_TEMPLATES as usize {
        return Err(Error::new(ErrorCode::QuotaExceeded, format!("There are {MAX_TEMPLATES} templates at most.")));
    }
    let template = Template {
        id: new_id(),
        name: name.to_owned(),
        description: description.to_owned(),
        created_at: Timestamp::now(),
    };
    store::insert_template(&mut tx, &template).await?;
    copy_sheet(&mut tx, &base, from.1, &template, 1, "").await?;
    tx.commit().await?;
    Ok(template)
}

/// None: stays as it is.
pub async fn edit_template(db: &Db, name: &str, new_name: Option<&str>, description: Option<&str>) -> Result<()> {
    let mut tx = db.begin().await?;
    let mut template = locked(&mut tx, name).await?;
    if let Some(new) = new_name.filter(|new| *new != template.name) {
        check_text("name", new, MAX_NAME)?;
        if new.is_empty() || store::template(&mut tx, new).await?.is_some() {
            return Err(Error::new(ErrorCode::AlreadyExists, format!("{new:?} is no free name.")).with_field("name"));
        }
        new.clone_into(&mut template.name);
    }
    if let Some(description) = description {
        check_text("description", description, MAX_DESCRIPTION)?;
        description.clone_into(&mut template.description);
    }
    store::update_template(&mut tx, &template).await?;
    tx.commit().await
}

/// One that no department ever had.
pub async fn delete_template(db: &Db, name: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    let template = locked(&mut tx, name).await?;
    if template.id == store::DEFAULT {
        return Err(wrong_state(&template, "The default template can't be deleted."));
    }
    if store::is_bound(&mut tx, &template.id).await? {
        return Err(wrong_state(&template, "Departments are bound to the template, or were."));
    }
    store::delete_template(&mut tx, &template.id).await?;
    tx.commit().await
}

/// A new sheet of the template, not in force yet: a copy of another of it, where nothing is said of the one in force. Gives its
/// number.
pub async fn create_sheet(db: &Db, template: &str, from: Option<i64>, description: &str) -> Result<i64> {
    check_text("description", description, MAX_DESCRIPTION)?;
    let mut tx = db.begin().await?;
    let template = locked(&mut tx, template).await?;
    let sheets = store::sheets(&mut tx, &template.id, MAX_SHEETS).await?;
    if sheets.len() >= MAX_SHEETS as usize {
        return Err(Error::new(ErrorCode::QuotaExceeded, format!("A template has {MAX_SHEETS} sheets at most.")));
    }
    let number = sheets.last().map_or(0, |sheet| sheet.number) + 1;
    copy_sheet(&mut tx, &template, from, &template, number, description).await?;
    tx.commit().await?;
    Ok(number)
}

pub async fn delete_sheet(db: &Db, template: &str, number: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    let template = locked(&mut tx, template).await?;
    let sheet = sheet_of(&mut tx, &template, number).await?;
    if !store::moments_of_sheet(&mut tx, &sheet.id).await?.is_empty() {
        return Err(wrong_state(&template, format!("Sheet {number} is or was in force, or is to be.")));
    }
    store::delete_sheet(&mut tx, &sheet.id).await?;
    tx.commit().await
}

/// The sheet comes in force, now or at a time to come, instead of the one that is; what was laid down for either of them for later
/// is forgotten.
pub async fn use_sheet(db: &Db, template: &str, number: i64, at: Option<Timestamp>) -> Result<Timestamp> {
    let mut tx = db.begin().await?;
    let template = locked(&mut tx, template).await?;
    let sheet = sheet_of(&mut tx, &template, number).await?;
    let now = Timestamp::now();
    let at = time_to_come(&mut tx, at, now).await?;
    let waiting = pending(&mut tx, &sheet, now).await?;
    for moment in &waiting {
        store::remove_moment(&mut tx, &template.id, moment.started_at).await?;
    }
    // Who is bound from the time at which it was to hold counts on prices from then on.
    if let Some(first) = waiting.iter().map(|moment| moment.started_at).min().filter(|first| at > *first)
        && in_force(&mut tx, &template, first).await?.is_none()
        && store::is_bound(&mut tx, &template.id).await?
    {
        return Err(wrong_state(
            &template,
            "Departments are bound to the template, which would have no prices until then.",
        ));
    }
    if let Some((moment, before)) = in_force(&mut tx, &template, at).await? {
        if before.id == sheet.id {
            return Err(wrong_state(&template, format!("Sheet {number} is in force then anyway.")));
        }
        if moment.started_at == at {
            return Err(wrong_state(&template, format!("Sheet {} comes in force at that time.", before.number)));
        }
        // Its edits that are to come would bring it back.
        for moment in pending(&mut tx, &before, at).await? {
            store::remove_moment(&mut tx, &template.id, moment.started_at).await?;
        }
    }
    let revision_id = latest(&mut tx, &sheet).await?.id;
    store::put_moment(&mut tx, &template.id, &Moment { started_at: at, revision_id }).await?;
    tx.commit().await?;
    Ok(at)
}

/// A sheet that is to come in force doesn't.
pub async fn disable_sheet(db: &Db, template: &str, number: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    let template = locked(&mut tx, template).await?;
    let sheet = sheet_of(&mut tx, &template, number).await?;
    let now = Timestamp::now();
    let pending = pending(&mut tx, &sheet, now).await?;
    let holding = in_force(&mut tx, &template, now).await?;
    if pending.is_empty() || holding.as_ref().is_some_and(|(_, in_force)| in_force.id == sheet.id) {
        return Err(wrong_state(&template, format!("Sheet {number} isn't one that waits for its time.")));
    }
    if holding.is_none() && store::is_bound(&mut tx, &template.id).await? {
        return Err(wrong_state(&template, "Departments are bound to the template, which would have no prices."));
    }
    for moment in pending {
        store::remove_moment(&mut tx, &template.id, moment.started_at).await?;
    }
    tx.commit().await
}

/// New prices of a sheet: another revision of it. Where it is in force it holds from now or a time to come on; where it is to come
/// in force it comes with them.
pub async fn set_prices(
    db: &Db,
    template: &str,
    number: i64,
    changes: &[PriceChange],
    at: Option<Timestamp>,
) -> Result<Option<Timestamp>> {
    let mut tx = db.begin().await?;
    let template = locked(&mut tx, template).await?;
    let sheet = sheet_of(&mut tx, &template, number).await?;
    let now = Timestamp::now();
    let time = time_to_come(&mut tx, at, now).await?;
    let before = latest(&mut tx, &sheet).await?;
    let prices = change::changed(store::prices(&mut tx, &before.id).await?, changes)?;
    let revision = write_revision(&mut tx, &sheet, before.number + 1, &prices).await?;
    let holds = in_force(&mut tx, &template, time).await?.is_some_and(|(_, holding)| holding.id == sheet.id);
    let last = store::moments_of_sheet(&mut tx, &sheet.id).await?.pop().filter(|last| last.started_at > now);
    let starts = match (holds, last) {
        (true, Some(last)) if last.started_at >= time => {
            return Err(Error::invalid(
                "at",
                format!("Prices are laid down for {} already; say a later time.", text_of(last.started_at)),
            ));
        }
        (true, _) => Some(time),
        (false, _) if at.is_some() => {
            return Err(Error::invalid("at", format!("Sheet {number} isn't in force at that time; say none.")));
        }
        (false, Some(last)) => Some(last.started_at),
        (false, None) => None,
    };
    if let Some(started_at) = starts {
        store::put_moment(&mut tx, &template.id, &Moment { started_at, revision_id: revision }).await?;
    }
    tx.commit().await?;
    Ok(starts)
}

/// The department's prices are the template's, from now or a time to come on; what was laid down for later is forgotten.
pub async fn bind(db: &Db, department: &str, template: &str, at: Option<Timestamp>) -> Result<Timestamp> {
    let mut tx = db.begin().await?;
    let domain = department_called(&mut tx, department).await?;
    tx.lock("domains", &domain.id).await?;
    let template = locked(&mut tx, template).await?;
    let at = time_to_come(&mut tx, at, Timestamp::now()).await?;
    if in_force(&mut tx, &template, at).await?.is_none() {
        return Err(wrong_state(&template, "No sheet of the template is in force at that time."));
    }
    store::remove_bindings_after(&mut tx, &domain.id, at).await?;
    let binding = Binding { domain_id: domain.id, started_at: at, template_id: template.id };
    store::put_binding(&mut tx, &binding).await?;
    tx.commit().await?;
    Ok(at)
}

/// By id, else by name.
async fn department_called(conn: &mut Conn, name: &str) -> Result<Domain> {
    if let Some(domain) = domains::get(conn, name).await? {
        return Ok(domain);
    }
    let found = domains::find(conn, Reference::Name(name)).await?;
    found.ok_or_else(|| Error::not_found("domain", name))
}

async fn found(conn: &mut Conn, name: &str) -> Result<Template> {
    store::template(conn, name).await?.ok_or_else(|| Error::not_found("price template", name))
}

/// Held until the commit: one change of a template at a time.
async fn locked(tx: &mut Conn, name: &str) -> Result<Template> {
    let template = found(tx, name).await?;
    store::lock_template(tx, &template.id).await?;
    found(tx, &template.id).await
}

async fn sheet_of(conn: &mut Conn, template: &Template, number: i64) -> Result<Sheet> {
    let sheets = store::sheets(conn, &template.id, MAX_SHEETS).await?;
    let found = sheets.into_iter().find(|sheet| sheet.number == number);
    found.ok_or_else(|| Error::not_found("price sheet", format!("{} of {}", number, template.name)))
}

/// What holds in a template at a time.
async fn in_force(conn: &mut Conn, template: &Template, time: Timestamp) -> Result<Option<(Moment, Sheet)>> {
    let end = Timestamp(time.0.saturating_add(1));
    let Some(moment) = store::moments(conn, &template.id, time, end).await?.pop() else { return Ok(None) };
    let sheet = store::sheet_of(conn, &moment.revision_id).await?;
    Ok(sheet.map(|sheet| (moment, sheet)))
}

/// When the sheet is to hold that it doesn't hold yet.
async fn pending(conn: &mut Conn, sheet: &Sheet, now: Timestamp) -> Result<Vec<Moment>> {
    let mut moments = store::moments_of_sheet(conn, &sheet.id).await?;
    moments.retain(|moment| moment.started_at > now);
    Ok(moments)
}

async fn latest(conn: &mut Conn, sheet: &Sheet) -> Result<Revision> {
    let latest = store::latest(conn, &sheet.id).await?;
    latest.ok_or_else(|| Error::internal(format!("price sheet {} has no prices", sheet.id)))
}

/// What is over, or rated, keeps its prices.
async fn time_to_come(conn: &mut Conn, at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp> {
    let time = at.unwrap_or(now);
    if time < now {
        return Err(Error::invalid("at", "The time is over; prices change from now on or later."));
    }
    match periods::last_end(conn).await? {
        Some(rated) if rated > time => {
            let text = format!("What was used up to {} is charged already; say a later time.", text_of(rated));
            Err(Error::invalid("at", text))
        }
        _ => Ok(time),
    }
}

fn text_of(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.0).map_or_else(|_| time.0.to_string(), |time| time.to_string())
}

fn wrong_state(template: &Template, text: impl Into<String>) -> Error {
    Error::new(ErrorCode::WrongState, text.into()).with_resource("price template", &template.name)
}

fn check_text(field: &str, text: &str, max: usize) -> Result<()> {
    if text.len() > max || text.chars().any(char::is_control) {
        return Err(Error::invalid(field, format!("At most {max} bytes, none of them a control character.")));
    }
    Ok(())
}

/// `number`: of the sheet that is copied; none: the one in force, else the newest.
async fn copy_sheet(
    tx: &mut Conn,
    base: &Template,
    number: Option<i64>,
    template: &Template,
    new_number: i64,
    description: &str,
) -> Result<()> {
    let (base, revision_id) = match (number, in_force(tx, base, Timestamp::now()).await?) {
        (None, Some((moment, sheet))) => (sheet, moment.revision_id),
        (number, _) => {
            let number = match number {
                Some(number) => number,
                None => store::sheets(tx, &base.id, MAX_SHEETS).await?.last().map_or(1, |sheet| sheet.number),
            };
            let sheet = sheet_of(tx, base, number).await?;
            let revision_id = latest(tx, &sheet).await?.id;
            (sheet, revision_id)
        }
    };
    let prices = store::prices(tx, &revision_id).await?;
    let sheet = Sheet { description: description.to_owned(), ..new_sheet(&template.id, new_number, &base.currency) };
    write_sheet(tx, &sheet, &prices).await.map(drop)
}

pub(super) fn new_sheet(template_id: &str, number: i64, currency: &str) -> Sheet {
    Sheet {
        id: new_id(),
        template_id: template_id.to_owned(),
        number,
        currency: currency.to_owned(),
        description: String::new(),
        created_at: Timestamp::now(),
    }
}

/// A new sheet in its first revision, whose id it gives.
pub(super) async fn write_sheet(tx: &mut Conn, sheet: &Sheet, prices: &[Price]) -> Result<String> {
    store::insert_sheet(tx, sheet).await?;
    write_revision(tx, sheet, 1, prices).await
}

async fn write_revision(tx: &mut Conn, sheet: &Sheet, number: i64, prices: &[Price]) -> Result<String> {
    if number > MAX_REVISIONS {
        let text = format!("A sheet has {MAX_REVISIONS} revisions at most; create another sheet.");
        return Err(Error::new(ErrorCode::QuotaExceeded, text));
    }
    if prices.len() > MAX_PRICES {
        return Err(Error::invalid("prices", format!("A sheet has {MAX_PRICES} prices at most, each tier one.")));
    }
    let revision = Revision { id: new_id(), sheet_id: sheet.id.clone(), number, created_at: Timestamp::now() };
    store::insert_revision(tx, &revision, prices).await?;
    Ok(revision.id)
}

#[cfg(test)]
mod tests;
