//! The schema, step by step. One text for both databases; what differs is replaced here, once.

use skyloom_model::{Error, ErrorCode, Result};

use crate::{Conn, Db};

/// In order; a released one is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "identity", include_str!("../migrations/0001_identity.sql")),
    (2, "images", include_str!("../migrations/0002_images.sql")),
    (3, "networks", include_str!("../migrations/0003_networks.sql")),
    (4, "compute", include_str!("../migrations/0004_compute.sql")),
    (5, "operations", include_str!("../migrations/0005_operations.sql")),
    (6, "metering", include_str!("../migrations/0006_metering.sql")),
    (7, "secrets", include_str!("../migrations/0007_secrets.sql")),
    (8, "flavor access", include_str!("../migrations/0008_flavor_access.sql")),
    (9, "boot images", include_str!("../migrations/0009_boot_images.sql")),
    (10, "upload room", include_str!("../migrations/0010_upload_room.sql")),
    (11, "discarded volumes", include_str!("../migrations/0011_discarded_volumes.sql")),
    (12, "lean indexes", include_str!("../migrations/0012_lean_indexes.sql")),
    (13, "retired ids", include_str!("../migrations/0013_retired_ids.sql")),
    (14, "extra", include_str!("../migrations/0014_extra.sql")),
    (15, "large charges", include_str!("../migrations/0015_large_charges.sql")),
    (16, "ports of the core", include_str!("../migrations/0016_ports_of_core.sql")),
    (17, "no description", include_str!("../migrations/0017_no_description.sql")),
    (18, "domains", include_str!("../migrations/0018_domains.sql")),
    (19, "attributes", include_str!("../migrations/0019_attributes.sql")),
    (20, "collections", include_str!("../migrations/0020_collections.sql")),
    (21, "placements", include_str!("../migrations/0021_placements.sql")),
    (22, "access keys", include_str!("../migrations/0022_access_keys.sql")),
    (23, "schedules", include_str!("../migrations/0023_schedules.sql")),
    (24, "price templates", include_str!("../migrations/0024_price_templates.sql")),
    (25, "accounts", include_str!("../migrations/0025_accounts.sql")),
    (26, "volumes", include_str!("../migrations/0026_volumes.sql")),
    (27, "recycle-bin", include_str!("../migrations/0027_recycle_bin.sql")),
    (28, "lock-reason", include_str!("../migrations/0028_lock_reason.sql")),
    (29, "moves", include_str!("../migrations/0029_moves.sql")),
    (30, "server groups", include_str!("../migrations/0030_server_groups.sql")),
    (32, "public addresses", include_str!("../migrations/0032_public_addresses.sql")),
    (33, "internal addresses", include_str!("../migrations/0033_internal_addresses.sql")),
    (34, "aggregates", include_str!("../migrations/0034_aggregates.sql")),
    (35, "rebuilds", include_str!("../migrations/0035_rebuilds.sql")),
    (38, "events", include_str!("../migrations/0038_events.sql")),
    (39, "node records", include_str!("../migrations/0039_node_records.sql")),
];

/// What the database holds and what this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub applied: i64,
    pub known: i64,
}

/// Brings the schema up to what this program knows. A newer one is refused: an older program must not write to it.
pub async fn migrate(db: &Db) -> Result<Status> {
    migrate_to(db, i64::MAX).await
}

/// No further than this version, as an older program left it.
pub(crate) async fn migrate_to(db: &Db, last: i64) -> Result<Status> {
    let mut tx = db.begin().await?;
    if tx.is_postgres() {
        // Several processes may start at once.
        tx.execute("SELECT pg_advisory_xact_lock(7263549001)", &[]).await?;
    }
    tx.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, name TEXT NOT NULL)", &[])
        .await?;
    let Status { applied, known } = status(&mut tx).await?;
    for (version, name, sql) in MIGRATIONS.iter().filter(|migration| migration.0 > applied && migration.0 <= last) {
        for statement in statements(sql) {
            let statement = if tx.is_postgres() { for_postgres(&statement) } else { statement };
            tx.execute(statement, &[]).await?;
        }
        tx.execute("INSERT INTO schema_version (version, name) VALUES ($1, $2)", crate::args![*version, *name]).await?;
    }
    tx.commit().await?;
    Ok(Status { applied: known, known })
}

/// What the database has. A newer schema than this program knows is an error: nothing may be written to it.
pub async fn status(conn: &mut Conn) -> Result<Status> {
    let applied = conn.one("SELECT coalesce(max(version), 0) FROM schema_version", &[], |row| row.int(0)).await?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.0);
    if applied > known {
        return Err(Error::new(
            ErrorCode::NotSupported,
            format!(
                "the database has schema {applied}, this program knows {known}: start a newer skyloom, or restore a backup"
            ),
        ));
    }
    Ok(Status { applied, known })
}

/// Order by bytes on both: SQLite does so by itself. A string as JSON has a name of its own on each.
fn for_postgres(statement: &str) -> String {
    statement.replace(" TEXT", " TEXT COLLATE \"C\"").replace("json_quote(", "to_json(")
}

/// Statements end with a semicolon at the end of a line; `--` comments stand on lines of their own.
fn statements(sql: &str) -> impl Iterator<Item = String> {
    let lines: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text = lines.join("\n");
    text.split(";\n")
        .map(|part| part.trim().trim_end_matches(';').to_owned())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::db::Options;
    use crate::identity::users;
    use crate::periods::{self, PeriodState};
    use crate::{charges, metering, prices};
    use skyloom_model::Timestamp;

    async fn what_users_are_described_by_is_kept(db: &Db) {
        let extra = MIGRATIONS.iter().find(|migration| migration.1 == "extra").expect("the migration").0;
        migrate_to(db, extra - 1).await.expect("the schema before");
        let mut tx = db.begin().await.expect("begin");
        tx.execute("INSERT INTO domains VALUES ('d', 'd', '', 1, 1)", &[]).await.expect("domain");
        let odd = "a \"b\" \\ \u{1} \n\u{20ac}";
        let rows =
            [("none", None, None), ("one", Some(odd), None), ("two", None, Some(odd)), ("both", Some(""), Some(odd))];
        for (id, description, email) in rows {
            let sql = "INSERT INTO users (id, domain_id, name, enabled, description, email, created_at)
                       VALUES ($1, 'd', $1, 1, $2, $3, 1)";
            tx.execute(sql, args![id, description, email]).await.expect("user");
        }
        tx.commit().await.expect("commit");
        migrate(db).await.expect("the schema of now");
        let mut conn = db.read().await.expect("read");
        for (id, description, email) in rows {
            let extra = users::get(&mut conn, id).await.expect("get").expect("the user").extra;
            let text = |name: &str| extra.get(name).map(|value| value.as_str().expect("a string"));
            assert_eq!((text("description"), text("email")), (description, email), "{id}");
        }
    }

    /// A server and a volume that outlived one hold what they held, and what is under way knows its node.
    async fn places_are_kept(db: &Db) {
        let placements = MIGRATIONS.iter().find(|migration| migration.1 == "placements").expect("the migration").0;
        migrate_to(db, placements - 1).await.expect("the schema before");
        let mut tx = db.begin().await.expect("begin");
        let server = "INSERT INTO servers (id, project_id, user_id, name, vm_state, task_state, power_state, created_at, \
                      updated_at, launched_at, terminated_at, deleted, flavor_id, vcpus, memory_mib, flavor, image_id, \
                      key_name, public_key, zone, node, hostname, locked, progress, access_ipv4, access_ipv6, config_drive, \
                      reservation_id, launch_index, metadata, attributes, admin_password, domain_id) VALUES ('s', 'p', 'u', \
                      's', 'active', '', 'running', 1, 1, 1, 0, 0, 'f', 2, 512, '{}', '', '', '', 'z', 'n', 's', 0, 0, '', \
                      '', 0, '', 0, '{}', '{}', '', 'd')";
        tx.execute(server, &[]).await.expect("server");
        let volume = "INSERT INTO volumes (id, project_id, user_id, name, size_gib, volume_type, bootable, state, server_id, \
                      boot_index, device, delete_on_termination, image_id, created_at, updated_at, attributes, domain_id) \
                      VALUES ('w', 'p', 'u', '', 1, 't', 1, 'in-use', 's', 0, '/dev/vda', 1, '', 1, 1, '{}', 'd')";
        tx.execute(volume, &[]).await.expect("volume");
        tx.execute("INSERT INTO node_usage (node, vcpus, memory_mib, disk_gib) VALUES ('n', 2, 0, 8)", &[])
            .await
            .expect("the node's sum");
        for (holder, vcpus, disk) in [("s", 2_i64, 1_i64), ("v", 0, 7)] {
            let sql = "INSERT INTO node_reservations (server_id, node, vcpus, memory_mib, disk_gib) \
                       VALUES ($1, 'n', $2, 0, $3)";
            tx.execute(sql, args![holder, vcpus, disk]).await.expect("a reservation");
        }
        for (operation, ended_at) in [("runs", None), ("ended", Some(1_i64))] {
            let sql = "INSERT INTO operations (id, kind, state, project_id, user_id, request_id, personality, \
                       resource_kind, resource_id, position, params, on_failure, step, phase, attempt, runnable, \
                       next_run_at, lease_owner, lease_until, fence, cancel, progress, created_at, updated_at, ended_at) \
                       VALUES ($1, 'k', 'running', '', '', '', '', 'server', 's', 0, '{}', 'keep', 0, 'do', 0, 0, 0, \
                       '', 0, 0, 0, 0, 1, 1, $2)";
            tx.execute(sql, args![operation, ended_at]).await.expect("an operation");
        }
        tx.commit().await.expect("commit");
        migrate(db).await.expect("the schema of now");
        let mut conn = db.read().await.expect("read");
        let sql = "SELECT holder_kind, holder_id, purpose, node, vcpus, disk_gib FROM placements ORDER BY holder_id";
        let places = conn.all(sql, &[], |row| {
            Ok((row.text(0)?, row.text(1)?, row.text(2)?, row.text(3)?, row.int(4)?, row.int(5)?))
        });
        let place = |kind: &str, id: &str, vcpus, disk| {
            (kind.to_owned(), id.to_owned(), "home".to_owned(), "n".to_owned(), vcpus, disk)
        };
        let held = [place("server", "s", 2, 0), place("volume", "v", 0, 7), place("volume", "w", 0, 1)];
        assert_eq!(places.await.expect("places"), held);
        assert_eq!(crate::placements::differences(&mut conn).await.expect("sums"), []);
        let volume =
            crate::volumes::get(&mut conn, "w", &skyloom_model::Reach::All).await.expect("read").expect("a volume");
        assert_eq!((volume.zone.as_str(), volume.attached_at.map(|time| time.0)), ("z", Some(1)));
        let nodes = conn.all("SELECT node FROM operations ORDER BY id", &[], |row| row.text(0)).await;
        assert_eq!(nodes.expect("operations"), ["", "n"]);
    }

    /// A ledger of the time before departments had prices of their own: one sheet for all, periods of all.
    async fn ledgers_are_kept(db: &Db) {
        let templates = MIGRATIONS.iter().find(|migration| migration.1 == "price templates").expect("the migration").0;
        migrate_to(db, templates - 1).await.expect("the schema before");
        let mut tx = db.begin().await.expect("begin");
        for sql in [
            "INSERT INTO domains (id, name, enabled, created_at) VALUES ('d', 'd', 1, 1)",
            "INSERT INTO projects (id, domain_id, name, enabled, tags, created_at) VALUES ('p', 'd', 'p', 1, '[]', 1)",
            "INSERT INTO price_sheets (id, currency, effective_from, created_at) VALUES ('new', 'EUR', 50, 2), ('old', 'EUR', 0, 1)",
            "INSERT INTO prices (sheet_id, meter, class, nano_per_unit_hour) VALUES ('old', 'vcpu', '', 7), ('new', 'vcpu', 'm', 8)",
            "INSERT INTO spans (id, project_id, resource_kind, resource_id, meter, class, quantity, started_at, ended_at) \
             VALUES ('s', 'p', 'server', 'v', 'vcpu', 'm', 2, 1, 9), ('t', 'gone', 'image', 'i', 'image-gib', '', 1, 1, 9)",
            "INSERT INTO rating_periods (started_at, ended_at, sheet_id, state, attempts, rule_digest, error, updated_at) \
             VALUES (0, 10, 'old', 'rated', 1, 'sha', '', 3), (10, 20, 'old', 'parked', 2, 'sha', 'why', 4)",
            "INSERT INTO charges (span_id, period_start, sheet_id, project_id, started_at, ended_at, seconds, nano_unit_price, \
             nano_amount_high, nano_amount, rule_digest, created_at) VALUES ('s', 0, 'old', 'p', 1, 9, 3, 7, 1, 5, 'sha', 3)",
        ] {
            tx.execute(sql, &[]).await.expect(sql);
        }
        tx.commit().await.expect("commit");
        migrate(db).await.expect("the schema of now");
        let mut conn = db.read().await.expect("read");
        let sheets = prices::sheets(&mut conn, prices::DEFAULT, 10).await.expect("sheets");
        assert_eq!(sheets.iter().map(|sheet| sheet.id.as_str()).collect::<Vec<_>>(), ["old", "new"], "by their time");
        let moments = prices::moments(&mut conn, prices::DEFAULT, Timestamp(0), Timestamp(99)).await.expect("moments");
        let moment = |at, id: &str| prices::Moment { started_at: Timestamp(at), revision_id: id.to_owned() };
        assert_eq!(moments, [moment(0, "old"), moment(50, "new")]);
        let list = prices::price_list(&mut conn, "new").await.expect("prices").expect("a revision");
        let [price] = list.prices.as_slice() else { panic!("one price") };
        assert_eq!((price.class.as_str(), price.from_units, price.nano_per_unit_hour), ("m", 0, 8));
        for account in ["d", ""] {
            let periods = periods::within(&mut conn, account, Timestamp(0), Timestamp(99)).await.expect("periods");
            let [first, second] = periods.as_slice() else { panic!("two periods of {account:?}") };
            assert_eq!((first.state, first.revision_id.as_str(), first.day.as_str()), (PeriodState::Rated, "old", ""));
            assert_eq!((second.state, second.attempts, second.error.as_str()), (PeriodState::Parked, 2, "why"));
        }
        let charges = charges::of_period(&mut conn, "d", Timestamp(0)).await.expect("charges");
        let [charge] = charges.as_slice() else { panic!("one charge") };
        assert_eq!((charge.revision_id.as_str(), charge.nano_amount, charge.seconds), ("old", (1 << 63) + 5, 3));
        assert_eq!(metering::accounts(&mut conn).await.expect("accounts"), ["", "d"]);
    }

    /// A node of the time before aggregates is in the zone that the deployment says.
    async fn zones_are_kept(db: &Db) {
        let aggregates = MIGRATIONS.iter().find(|migration| migration.1 == "aggregates").expect("the migration").0;
        migrate_to(db, aggregates - 1).await.expect("the schema before");
        let mut tx = db.begin().await.expect("begin");
        let sql = "INSERT INTO nodes (name, zone, driver, hypervisor, hypervisor_version, vcpus, memory_mib, disk_gib, \
                   enabled, updated_at) VALUES ('n', 'z', 'd', '', 0, 1, 1, 1, 1, 1)";
        tx.execute(sql, &[]).await.expect("a node");
        tx.commit().await.expect("commit");
        migrate(db).await.expect("the schema of now");
        let node = crate::nodes::get(&mut db.read().await.expect("read"), "n").await.expect("get").expect("the node");
        assert_eq!((node.zone.as_str(), node.own_zone.as_str()), ("z", "z"));
    }

    async fn on_both(check: impl AsyncFn(&Db)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        check(&Db::sqlite(&folder.path().join("test.db"), Options::default()).await.expect("SQLite")).await;
        if let Some(url) = crate::testing::postgres_url().await {
            check(&Db::postgres(&url, Options::default()).await.expect("PostgreSQL")).await;
        }
    }

    #[tokio::test]
    async fn what_users_are_described_by_outlives_its_columns() {
        on_both(what_users_are_described_by_is_kept).await;
    }

    #[tokio::test]
    async fn a_ledger_of_one_price_for_all_is_an_accounts() {
        on_both(ledgers_are_kept).await;
    }

    #[tokio::test]
    async fn the_zone_that_the_deployment_says_is_a_nodes_own() {
        on_both(zones_are_kept).await;
    }

    #[tokio::test]
    async fn what_servers_hold_of_nodes_outlives_its_table() {
        on_both(places_are_kept).await;
    }
}
