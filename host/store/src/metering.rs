//! Usage spans: how much of what was used from when to when. They are opened and closed in the transaction of the change that
//! begins or ends the use, so that use and record cannot part.

use skyloom_model::{Error, Reach, Result, Timestamp, VmState, new_id};

use crate::Conn;
use crate::args;
use crate::listing::{Owner, Query};
use crate::rows::rows;
use crate::statement::{insert_into, update};
use crate::volumes::Volume;

/// The end of a span that has none yet.
pub const OPEN: Timestamp = Timestamp(i64::MAX);

/// What is metered.
pub mod meter {
    pub const VCPU: &str = "vcpu";
    pub const MEMORY_MIB: &str = "memory-mib";
    pub const VOLUME_GIB: &str = "volume-gib";
    pub const SNAPSHOT_GIB: &str = "snapshot-gib";
    pub const IMAGE_GIB: &str = "image-gib";
    pub const PUBLIC_ADDRESS: &str = "public-address";
}

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Span in "spans" as "p" {
        id: String,
        project_id: String,
        resource_kind: String,
        resource_id: String,
        meter: String,
        /// What it is of, e.g. flavor or volume type; may be empty.
        class: String,
        /// Whose state its price may depend on; empty: no server's.
        server_id: String,
        quantity: i64,
        started_at: Timestamp,
        /// [`OPEN`] while it lasts.
        ended_at: Timestamp,
    }
}

/// A use that begins.
#[derive(Clone, Copy, Debug)]
pub struct NewSpan<'a> {
    pub project_id: &'a str,
    pub resource_kind: &'a str,
    pub resource_id: &'a str,
    pub meter: &'a str,
    pub class: &'a str,
    /// Whose state its price may depend on; empty: no server's.
    pub server_id: &'a str,
    pub quantity: i64,
}

/// Begins a use. One that is open already for the resource and meter stays as it is, so a repeated step opens no second one.
pub async fn open_span(tx: &mut Conn, span: &NewSpan<'_>, now: Timestamp) -> Result<()> {
    open_spans(tx, std::slice::from_ref(span), now).await
}

/// [`open_span`] for several, in one statement.
async fn open_spans(tx: &mut Conn, spans: &[NewSpan<'_>], now: Timestamp) -> Result<()> {
    const COLUMNS: usize = 10;
    let ids: Vec<String> = spans.iter().map(|_| new_id()).collect();
    let row = |first: usize| {
        let values = crate::dialect::placeholders(first, COLUMNS);
        format!("({values}, {})", crate::rows::domain_of(first + 1))
    };
    let rows: Vec<String> = (0..spans.len()).map(|place| row(place * COLUMNS + 1)).collect();
    let mut values: Vec<crate::Value<'_>> = Vec::with_capacity(spans.len() * COLUMNS);
    for (id, span) in ids.iter().zip(spans) {
        values.extend_from_slice(args![
            id,
            span.project_id,
            span.resource_kind,
            span.resource_id,
            span.meter,
            span.class,
            span.server_id,
            span.quantity,
            now,
            OPEN,
        ]);
    }
    let sql = insert_into(
        "spans",
        &format!(
            "(id, project_id, resource_kind, resource_id, meter, class, server_id, quantity, started_at, ended_at, domain_id) \
             VALUES {}",
            rows.join(", ")
        ),
    )
    .on_conflict("DO NOTHING")
    .looking_up(&["projects"]);
    tx.defer(sql, &values).await
}

/// Ends the resource's open uses of these meters, of every meter where none is named. That there is none is no error.
pub async fn close_spans(tx: &mut Conn, resource_id: &str, meters: &[&str], now: Timestamp) -> Result<()> {
    let mut values: Vec<crate::Value<'_>> = vec![resource_id.into(), now.into()];
    values.extend(meters.iter().map(|meter| crate::Value::from(*meter)));
    let of = if meters.is_empty() {
        String::new()
    } else {
        format!(" AND meter IN ({})", crate::dialect::placeholders(3, meters.len()))
    };
    // A clock that was set back ends nothing before it began.
    let sql = update(
        "spans",
        &format!(
            "SET ended_at = CASE WHEN started_at > $2 THEN started_at ELSE $2 END \
             WHERE resource_id = $1 AND ended_at = 9223372036854775807{of}"
        ),
    );
    tx.defer(sql, &values).await
}

/// What a resource costs depends on no server's state from now on.
pub async fn leave_server(tx: &mut Conn, resource_id: &str, now: Timestamp) -> Result<()> {
    let of_server = open_of(tx, resource_id).await?.into_iter().filter(|span| !span.server_id.is_empty());
    for span in of_server {
        close_spans(tx, resource_id, &[&span.meter], now).await?;
        let alone = NewSpan {
            project_id: &span.project_id,
            resource_kind: &span.resource_kind,
            resource_id,
            meter: &span.meter,
            class: &span.class,
            server_id: "",
            quantity: span.quantity,
        };
        open_span(tx, &alone, now).await?;
    }
    Ok(())
}

/// A server that begins to run: its processors and memory.
pub async fn open_running(
    tx: &mut Conn,
    project_id: &str,
    server_id: &str,
    flavor_id: &str,
    vcpus: u32,
    memory_mib: u32,
    now: Timestamp,
) -> Result<()> {
    let span = |meter, quantity| NewSpan {
        project_id,
        resource_kind: "server",
        resource_id: server_id,
        meter,
        class: flavor_id,
        server_id,
        quantity: i64::from(quantity),
    };
    open_spans(tx, &[span(meter::VCPU, vcpus), span(meter::MEMORY_MIB, memory_mib)], now).await
}

/// A server that no longer runs.
pub async fn close_running(tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
    close_spans(tx, server_id, &[meter::VCPU, meter::MEMORY_MIB], now).await
}

/// A copy of a volume that begins to exist.
pub async fn open_snapshot(
    tx: &mut Conn,
    project_id: &str,
    snapshot_id: &str,
    size_gib: u32,
    now: Timestamp,
) -> Result<()> {
    let span = NewSpan {
        project_id,
        resource_kind: "snapshot",
        resource_id: snapshot_id,
        meter: meter::SNAPSHOT_GIB,
        class: "",
        server_id: "",
        quantity: i64::from(size_gib),
    };
    open_span(tx, &span, now).await
}

/// A disk that begins to exist, or to be of this size.
pub async fn open_volume(tx: &mut Conn, volume: &Volume, size_gib: u32, now: Timestamp) -> Result<()> {
    let span = NewSpan {
        project_id: &volume.project_id,
        resource_kind: "volume",
        resource_id: &volume.id,
        meter: meter::VOLUME_GIB,
        class: &volume.volume_type,
        server_id: &volume.server_id,
        quantity: i64::from(size_gib),
    };
    open_span(tx, &span, now).await
}

/// A server's state from now on: prices may depend on it. A deleted one has none any more.
pub(crate) async fn server_state(tx: &mut Conn, server_id: &str, state: VmState, now: Timestamp) -> Result<()> {
    let row = "(server_id, started_at, state) SELECT $1, $2, $3 \
               WHERE NOT EXISTS (SELECT 1 FROM servers WHERE id = $1 AND deleted = 1)";
    write_state(tx, row, args![server_id, now, state.as_str()], &["servers"]).await
}

/// What was a server's belongs to none from now on.
pub(crate) async fn server_gone(tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
    let row = "(server_id, started_at, state) VALUES ($1, $2, $3)";
    write_state(tx, row, args![server_id, now, VmState::Deleted.as_str()], &[]).await
}

async fn write_state(
    tx: &mut Conn,
    row: &str,
    values: &[crate::Value<'_>],
    looked_up: &'static [&'static str],
) -> Result<()> {
    let again = "(server_id, started_at) DO UPDATE SET state = excluded.state";
    tx.defer(insert_into("server_states", row).on_conflict(again).looking_up(looked_up), values).await
}

/// The states of these servers in `start..end`, by server and time: the first of each may have begun before.
pub async fn server_states(
    conn: &mut Conn,
    server_ids: &[String],
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<(String, Timestamp, String)>> {
    if server_ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = Query::new("v.server_id, v.started_at, v.state", "server_states v", "v.server_id, v.started_at");
    query.and_any("v.server_id", server_ids);
    query.and_int("v.started_at", "<", Some(end.0));
    let start = query.int(start.0);
    query.and(format!(
        "v.started_at >= coalesce((SELECT max(o.started_at) FROM server_states o WHERE o.server_id = v.server_id \
         AND o.started_at <= {start}), {start})"
    ));
    query.rows(conn, |row| Ok((row.text(0)?, row.time(1)?, row.text(2)?))).await
}

/// A span stays with the account that its project was in when it began, also when the project goes.
pub(crate) const OWNER: Owner = Owner { project: "p.project_id", domain: "p.domain_id" };

/// Which spans: those that share time with `start..end`.
#[derive(Clone, Debug)]
pub struct Select {
    /// None: of every account.
    pub account: Option<String>,
    pub reach: Reach,
    pub resource_id: Option<String>,
    pub meter: Option<String>,
    pub start: Timestamp,
    pub end: Timestamp,
}

fn select(postgres: bool, columns: &'static str, select: &Select) -> Query {
    let mut query = Query::new(columns, "spans p", "p.id");
    query.within(postgres, &[OWNER], &select.reach, None);
    query.and_text("p.domain_id", select.account.as_deref());
    query.and_text("p.resource_id", select.resource_id.as_deref());
    query.and_text("p.meter", select.meter.as_deref());
    query.and_int("p.ended_at", ">", Some(select.start.0));
    query.and_int("p.started_at", "<", Some(select.end.0));
    // A use of no time costs nothing, and would be an empty span to the tariff.
    query.and("p.ended_at > p.started_at");
    query
}

/// Ids ascending. All at once: a span that is closed meanwhile must not slip between two pages.
pub async fn span_ids(conn: &mut Conn, wanted: &Select) -> Result<Vec<String>> {
    select(conn.is_postgres(), "p.id", wanted).rows(conn, |row| row.text(0)).await
}

/// Whose they are: the accounts.
pub async fn accounts_of(conn: &mut Conn, wanted: &Select) -> Result<Vec<String>> {
    let mut accounts = select(conn.is_postgres(), "DISTINCT p.domain_id", wanted);
    accounts.order_by("p.domain_id");
    accounts.rows(conn, |row| row.text(0)).await
}

/// Every account that ever used anything, whatever its spans: each is found by a step in the index.
pub async fn accounts(conn: &mut Conn) -> Result<Vec<String>> {
    let sql = "WITH RECURSIVE a(id) AS (SELECT min(domain_id) FROM spans UNION ALL \
               SELECT (SELECT min(p.domain_id) FROM spans p WHERE p.domain_id > a.id) FROM a WHERE a.id IS NOT NULL) \
               SELECT id FROM a WHERE id IS NOT NULL ORDER BY id";
    conn.all(sql, &[], |row| row.text(0)).await
}

/// The earliest begin among them.
pub async fn earliest(conn: &mut Conn, wanted: &Select) -> Result<Option<Timestamp>> {
    select(conn.is_postgres(), "p.id, p.started_at", wanted).first_by(conn, "p.started_at", |row| row.time(1)).await
}

/// Ids ascending.
pub async fn spans(conn: &mut Conn, ids: &[String]) -> Result<Vec<Span>> {
    let mut query = Span::query();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    query.and_any("p.id", ids);
    query.rows(conn, Span::of_row).await
}

/// Open spans of a resource, for tests and reconciliation.
pub async fn open_of(conn: &mut Conn, resource_id: &str) -> Result<Vec<Span>> {
    let mut query = Span::query();
    query.and_text("p.resource_id", Some(resource_id));
    query.and_int("p.ended_at", "=", Some(OPEN.0));
    query.rows(conn, Span::of_row).await
}

impl Span {
    /// The part within `start..end`; none: they share no time.
    pub fn cut(&self, start: Timestamp, end: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let (from, to) = (self.started_at.max(start), self.ended_at.min(end));
        (from < to).then_some((from, to))
    }

    pub fn is_open(&self) -> bool {
        self.ended_at == OPEN
    }

    pub fn quantity(&self) -> Result<u64> {
        u64::try_from(self.quantity).map_err(|_| Error::internal(format!("span {} has a negative quantity", self.id)))
    }
}
