//! Prices by department: bindings, revisions, states of servers, tiers and local days, with a tariff of the tests' own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use skyloom_model::{Result, Timestamp};
use skyloom_runtime::api::BillingApi;
use skyloom_runtime::bindings::cloud::billing as wit;
use skyloom_runtime::tariff::{Charge, Piece, Rated, Sheet, Tally, Tariff};
use skyloom_store::charges;
use skyloom_store::identity::domains::{self, Domain};
use skyloom_store::identity::{Extra, Project, projects};
use skyloom_store::metering::{self, NewSpan};
use skyloom_store::periods::{self, PeriodState};
use skyloom_store::prices::{self as store, Binding, Moment, Price};
use skyloom_store::{Conn, Db, args};

use super::tests::{BEGIN, HOUR, PerSecond, SECOND, query, settings};
use super::{money, prices};
use crate::Settings;
use crate::compute::testing::{World, member, operator, worlds};

/// Unit-seconds cost what the tier says that the meter's month has reached, in whole seconds.
struct Graduated;

#[async_trait]
impl Tariff for Graduated {
    async fn rate(&self, pieces: Vec<Piece>, sheet: Sheet, tallies: Vec<Tally>) -> Result<Rated> {
        let mut reached: BTreeMap<String, u64> =
            tallies.into_iter().map(|tally| (tally.key, tally.quantity.parse().expect("a number"))).collect();
        let mut charges = Vec::new();
        for (place, piece) in (0..).zip(&pieces) {
            let exact = |price: &&skyloom_runtime::tariff::Price| price.server_state == piece.server_state;
            let mut of_meter = sheet.prices.iter().filter(|price| price.meter == piece.meter);
            let price = of_meter.clone().find(exact).or_else(|| of_meter.find(|price| price.server_state.is_empty()));
            let Some(price) = price else { continue };
            let seconds = u64::try_from((piece.end - piece.start) / SECOND).expect("seconds");
            let from = reached.entry(piece.meter.clone()).or_default();
            let mut amount = 0;
            for unit in *from..*from + seconds * piece.quantity {
                let tier = price.tiers.iter().rev().find(|tier| tier.from * 3600 <= unit).expect("a tier");
                amount += money::parse(&tier.per_unit_hour).expect("a price") / 3600;
            }
            *from += seconds * piece.quantity;
            let unit_price = price.tiers[0].per_unit_hour.clone();
            charges.push(Charge { piece: place, seconds, unit_price, amount: money::format(amount) });
        }
        let tally = |(key, quantity): (String, u64)| Tally { key, quantity: quantity.to_string() };
        Ok(Rated { charges, tallies: reached.into_iter().map(tally).collect() })
    }

    fn digest(&self) -> &'static str {
        "sha256:graduated"
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(BEGIN + seconds * SECOND)
}

/// A department with a project of its name.
async fn department(db: &Db, id: &str) {
    let mut tx = db.begin().await.expect("begin");
    let domain =
        Domain { id: id.to_owned(), name: id.to_owned(), description: None, enabled: true, extra: Extra::new() };
    domains::insert(&mut tx, &domain, Timestamp(1)).await.expect("domain");
    let project = Project {
        id: format!("{id}-project"),
        domain_id: id.to_owned(),
        name: id.to_owned(),
        description: None,
        enabled: true,
        parent_id: None,
        tags: Vec::new(),
        extra: Extra::new(),
    };
    projects::insert(&mut tx, &project, Timestamp(1)).await.expect("project");
    tx.commit().await.expect("commit");
}

fn price(server_state: &str, tiers: &[(i64, i64)]) -> Vec<Price> {
    let tier = |(from_units, micro): &(i64, i64)| Price {
        meter: "vcpu".to_owned(),
        class: String::new(),
        server_state: server_state.to_owned(),
        from_units: *from_units,
        // Whole nano-units a second.
        nano_per_unit_hour: micro * 3_600_000,
    };
    tiers.iter().map(tier).collect()
}

/// A template whose only sheet has these revisions, each from its time on.
async fn template(tx: &mut Conn, id: &str, revisions: &[(i64, Vec<Price>)]) {
    if id != store::DEFAULT {
        let row = store::Template {
            id: id.to_owned(),
            name: id.to_owned(),
            description: String::new(),
            created_at: Timestamp(1),
        };
        store::insert_template(tx, &row).await.expect("template");
    }
    let sheet = prices::new_sheet(id, 7, "EUR");
    store::insert_sheet(tx, &sheet).await.expect("sheet");
    for (number, (from, prices)) in (1..).zip(revisions) {
        let revision = store::Revision {
            id: format!("{id}-{number}"),
            sheet_id: sheet.id.clone(),
            number,
            created_at: Timestamp(1),
        };
        store::insert_revision(tx, &revision, prices).await.expect("revision");
        let moment = Moment { started_at: at(*from), revision_id: revision.id };
        store::put_moment(tx, id, &moment).await.expect("moment");
    }
}

async fn bound(tx: &mut Conn, domain: &str, from: i64, template: &str) {
    let binding = Binding { domain_id: domain.to_owned(), started_at: at(from), template_id: template.to_owned() };
    store::put_binding(tx, &binding).await.expect("binding");
}

async fn used(tx: &mut Conn, domain: &str, server_id: &str, quantity: i64, (from, to): (i64, i64)) {
    let span = NewSpan {
        project_id: &format!("{domain}-project"),
        resource_kind: "server",
        resource_id: server_id,
        meter: "vcpu",
        class: "1",
        server_id,
        quantity,
    };
    metering::open_span(tx, &span, at(from)).await.expect("open");
    metering::close_spans(tx, server_id, &[], at(to)).await.expect("close");
}

/// An account's charges: from and to in seconds, revision, seconds, and thousands of nano-units.
async fn ledger(db: &Db, account: &str) -> Vec<(i64, i64, String, i64, i128)> {
    let mut conn = db.read().await.expect("read");
    let mut found = Vec::new();
    for period in periods::within(&mut conn, account, Timestamp(0), Timestamp(i64::MAX)).await.expect("periods") {
        found.extend(charges::of_period(&mut conn, account, period.started_at).await.expect("charges"));
    }
    found.sort_by_key(|charge| (charge.started_at, charge.span_id.clone()));
    let seconds = |time: Timestamp| (time.0 - BEGIN) / SECOND;
    let line = |charge: charges::Charge| {
        let (from, to) = (seconds(charge.started_at), seconds(charge.ended_at));
        (from, to, charge.revision_id, charge.seconds, charge.nano_amount / 1000)
    };
    found.into_iter().map(line).collect()
}

/// Takes back what was rated, and rates it again: the same bytes, but for the time of writing.
async fn rated_again(world: &World, now: Timestamp) {
    let db = &world.database.db;
    let all = async |db: &Db| {
        let sql = "SELECT span_id, started_at, revision_id, ended_at, domain_id, period_start, project_id, seconds, \
                   nano_unit_price, nano_amount_high, nano_amount, rule_digest, server_state FROM charges ORDER BY span_id, started_at";
        let row = |row: skyloom_store::Row<'_>| {
            let texts = [0, 2, 4, 6, 11, 12].map(|column| row.text(column).expect("a text"));
            let numbers = [1, 3, 5, 7, 8, 9, 10].map(|column| row.int(column).expect("a number"));
            Ok((texts, numbers))
        };
        db.read().await.expect("read").all(sql, &[], row).await.expect("charges")
    };
    let before = all(db).await;
    assert!(!before.is_empty(), "{}", world.database.name);
    let checked = super::check(db, world.cloud.billing.tariff(), Timestamp(0), now).await.expect("a check");
    assert_eq!((checked.differing, checked.charges), (0, before.len() as u64), "{:?}", checked.told);
    let mut tx = db.begin().await.expect("begin");
    tx.execute("UPDATE rating_periods SET state = 'rating', updated_at = 0, tallies = '{}'", &[]).await.expect("again");
    tx.commit().await.expect("commit");
    world.cloud.billing.rate_due(now).await.expect("rating");
    assert_eq!(all(db).await, before, "{}", world.database.name);
}

#[tokio::test]
async fn each_department_pays_its_own_prices_to_the_second() {
    for world in worlds(settings()).await {
        let (db, name) = (&world.database.db, world.database.name);
        world.cloud.billing.set_tariff(Arc::new(Graduated));
        department(db, "north").await;
        department(db, "south").await;
        let mut tx = db.begin().await.expect("begin");
        // An edit in the middle of a use and of a period, and one after it.
        template(&mut tx, store::DEFAULT, &[(-9, price("", &[(0, 1)])), (1801, price("", &[(0, 2)]))]).await;
        let mut by_state = price("", &[(0, 10)]);
        by_state.extend(price("paused", &[(0, 5)]));
        template(&mut tx, "own", &[(-9, by_state)]).await;
        bound(&mut tx, "south", -5, "own").await;
        bound(&mut tx, "south", 5000, store::DEFAULT).await;
        used(&mut tx, "north", "n", 1, (600, 7200)).await;
        used(&mut tx, "south", "s", 2, (600, 7200)).await;
        for (from, state) in [(600, "active"), (1000, "paused"), (1100, "active")] {
            let sql = "INSERT INTO server_states (server_id, started_at, state) VALUES ('s', $1, $2)";
            tx.execute(sql, args![at(from), state]).await.expect("state");
        }
        tx.commit().await.expect("commit");

        let asked = async |domain: &str| {
            let caller = member(&format!("{domain}-project"));
            world.cloud.get_consumption(&caller, query(0, 7200)).await.expect("consumption").total
        };
        let before = [asked("north").await, asked("south").await];
        let report = world.cloud.billing.rate_due(at(7200)).await.expect("rating");
        assert_eq!((report.rated, report.parked), (4, 0), "{name}");
        let line = |from, to, revision: &str, amount| (from, to, revision.to_owned(), to - from, amount);
        let north = [
            line(600, 1801, "default-1", 1201),
            line(1801, 3600, "default-2", 2 * 1799),
            line(3600, 7200, "default-2", 2 * 3600),
        ];
        assert_eq!(ledger(db, "north").await, north, "{name}");
        let south = [
            line(600, 1000, "own-1", 20 * 400),
            line(1000, 1100, "own-1", 10 * 100),
            line(1100, 3600, "own-1", 20 * 2500),
            line(3600, 5000, "own-1", 20 * 1400),
            line(5000, 7200, "default-2", 4 * 2200),
        ];
        assert_eq!(ledger(db, "south").await, south, "{name}");
        assert_eq!([asked("north").await, asked("south").await], before, "{name}: as it was computed before");
        assert_eq!(before, ["0.011999", "0.0958"].map(str::to_owned));
        let all = wit::ConsumptionQuery { all_projects: true, ..query(0, 7200) };
        let report = world.cloud.get_consumption(&operator("x"), all).await.expect("both");
        assert_eq!(report.total, "0.107799", "{name}");
        rated_again(&world, at(7200)).await;

        // What the ledger and its days don't say alike is found.
        let mut tx = db.begin().await.expect("begin");
        let sql = "UPDATE charges SET nano_amount = nano_amount + 1 WHERE domain_id = 'north' AND started_at = $1";
        assert_eq!(tx.execute(sql, args![at(600)]).await.expect("a wrong charge"), 1);
        tx.commit().await.expect("commit");
        let checked = super::check(db, None, Timestamp(0), at(7200)).await.expect("a check");
        assert_eq!((checked.periods, checked.differing), (4, 1), "{name}: {:?}", checked.told);
        let checked = super::check(db, world.cloud.billing.tariff(), Timestamp(0), at(7200)).await.expect("a check");
        assert_eq!((checked.charges, checked.differing), (8, 2), "{name}: {:?}", checked.told);
    }
}

#[tokio::test]
async fn a_graduated_price_goes_on_over_batches_and_periods_of_a_month() {
    const USES: i64 = 1100;
    for world in worlds(settings()).await {
        let (db, name) = (&world.database.db, world.database.name);
        world.cloud.billing.set_tariff(Arc::new(Graduated));
        department(db, "north").await;
        let mut tx = db.begin().await.expect("begin");
        template(&mut tx, store::DEFAULT, &[(-9, price("", &[(0, 10), (2, 4), (4, 1)]))]).await;
        // Ten seconds each in the first hour: 11 000 unit-seconds; then 3600 in the second one.
        for number in 0..USES {
            used(&mut tx, "north", &format!("n{number}"), 1, (number, number + 10)).await;
        }
        used(&mut tx, "north", "late", 1, (3600, 7200)).await;
        // A month later.
        used(&mut tx, "north", "march", 1, (30 * 86_400, 30 * 86_400 + 10)).await;
        tx.commit().await.expect("commit");
        let caller = member("north-project");
        let total = async |from, to| {
            let report = world.cloud.get_consumption(&caller, query(from, to)).await.expect("consumption");
            money::parse(&report.total).expect("an amount") / 1000
        };
        let first = 7200 * 10 + 3800 * 4;
        let second = 3400 * 4 + 200;
        assert_eq!(total(0, 7200).await, first + second, "{name}");
        // Half of the second hour costs what the whole month before it makes of it.
        assert_eq!(total(3600, 5400).await, 1800 * 4, "{name}");
        let of_one = wit::ConsumptionQuery { resource_id: Some("late".to_owned()), ..query(0, 7200) };
        let of_one = world.cloud.get_consumption(&caller, of_one).await.expect("consumption");
        assert_eq!(of_one.total, money::format(second * 1000), "{name}");

        assert_eq!(world.cloud.billing.rate_due(at(7200)).await.expect("rating").rated, 2, "{name}");
        assert_eq!(ledger(db, "north").await.len(), USES as usize + 1, "{name}");
        assert_eq!((total(0, 7200).await, total(3600, 5400).await), (first + second, 1800 * 4), "{name}");
        rated_again(&world, at(7200)).await;
        // The new month begins with none.
        world.cloud.billing.rate_due(at(30 * 86_400 + 3600)).await.expect("rating");
        assert_eq!(total(30 * 86_400, 30 * 86_400 + 3600).await, 10 * 10, "{name}");
        rated_again(&world, at(30 * 86_400 + 3600)).await;
    }
}

#[tokio::test]
async fn a_period_waits_for_those_before_it_in_its_account_and_month() {
    for world in worlds(settings()).await {
        let (db, name) = (&world.database.db, world.database.name);
        department(db, "north").await;
        department(db, "south").await;
        let mut tx = db.begin().await.expect("begin");
        used(&mut tx, "north", "n", 1, (0, 7200)).await;
        used(&mut tx, "north", "m", 1, (30 * 86_400, 30 * 86_400 + 10)).await;
        tx.commit().await.expect("commit");
        let bad = PerSecond::new("sha256:bad");
        bad.broken.store(true, Ordering::Relaxed);
        world.cloud.billing.set_tariff(bad.clone());
        let report = world.cloud.billing.rate_due(at(3600)).await.expect("rating");
        assert_eq!((report.rated, report.parked), (0, 1), "{name}");
        bad.broken.store(false, Ordering::Relaxed);
        let mut tx = db.begin().await.expect("begin");
        used(&mut tx, "south", "s", 1, (0, 3600)).await;
        tx.commit().await.expect("commit");
        world.cloud.billing.rate_due(at(30 * 86_400 + 3600)).await.expect("rating");
        let mut conn = db.read().await.expect("read");
        let states = async |conn: &mut Conn, account: &str| -> Vec<PeriodState> {
            let found = periods::within(conn, account, Timestamp(0), Timestamp(i64::MAX)).await.expect("periods");
            found.into_iter().map(|period| period.state).collect()
        };
        let north = states(&mut conn, "north").await;
        assert_eq!(north[..2], [PeriodState::Parked, PeriodState::Rating], "{name}: the second waits");
        assert_eq!(north.last(), Some(&PeriodState::Rated), "{name}: another month doesn't");
        assert!(states(&mut conn, "south").await.iter().all(|state| *state == PeriodState::Rated), "{name}");
        drop(conn);
        super::retry(db, at(0), "it").await.expect("retry");
        world.cloud.billing.rate_due(at(30 * 86_400 + 3600)).await.expect("rating");
        let mut conn = db.read().await.expect("read");
        assert!(states(&mut conn, "north").await.iter().all(|state| *state == PeriodState::Rated), "{name}");
    }
}

#[tokio::test]
async fn a_day_ends_at_local_midnight() {
    let mut settings = Settings { ..settings() };
    settings.billing.time_zone = "Asia/Shanghai".to_owned();
    settings.billing.period_minutes = 1440;
    // BEGIN is 16 o'clock UTC, midnight there.
    for world in worlds(settings).await {
        let (db, name) = (&world.database.db, world.database.name);
        world.cloud.billing.set_tariff(PerSecond::new("sha256:one"));
        department(db, "north").await;
        let mut tx = db.begin().await.expect("begin");
        used(&mut tx, "north", "n", 1, (-3600, 7200)).await;
        tx.commit().await.expect("commit");
        assert_eq!(
            world.cloud.billing.rate_due(Timestamp(BEGIN + 24 * HOUR)).await.expect("rating").rated,
            2,
            "{name}"
        );
        let lines: Vec<(i64, i64)> = ledger(db, "north").await.iter().map(|line| (line.0, line.1)).collect();
        assert_eq!(lines, [(-3600, 0), (0, 7200)], "{name}");
        let mut conn = db.read().await.expect("read");
        let mut days = Vec::new();
        for start in [-86_400, 0] {
            days.extend(charges::days_of_period(&mut conn, "north", at(start)).await.expect("days"));
        }
        let days: Vec<_> = days.iter().map(|day| (day.day.as_str(), day.seconds, day.nano_amount)).collect();
        assert_eq!(days, [("1970-02-11", 3600, 12_000_000), ("1970-02-12", 7200, 24_000_000)], "{name}");
    }
}
