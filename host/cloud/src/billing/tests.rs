//! Rating and consumption with a tariff of the tests' own, on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::api::BillingApi;
use skyloom_runtime::bindings::cloud::billing as wit;
use skyloom_runtime::tariff::{Charge, Piece, Rated, Sheet, Tally, Tariff};
use skyloom_store::Db;
use skyloom_store::metering::{self, NewSpan};
use skyloom_store::periods::PeriodState;

use crate::compute::testing::{Kind as _, World, member, operator, worlds};
use crate::{Settings, billing};

pub(super) const SECOND: i64 = 1_000_000;
pub(super) const HOUR: i64 = 3600 * SECOND;
/// The hour in which a test lets things begin: long over.
pub(super) const BEGIN: i64 = 1_000 * HOUR;

/// Whole seconds times quantity times the meter's price, in nano-units.
pub(super) struct PerSecond {
    digest: &'static str,
    pub(super) broken: AtomicBool,
    calls: AtomicU32,
}

impl PerSecond {
    pub(super) fn new(digest: &'static str) -> Arc<Self> {
        Arc::new(Self { digest, broken: AtomicBool::new(false), calls: AtomicU32::new(0) })
    }
}

#[async_trait]
impl Tariff for PerSecond {
    async fn rate(&self, pieces: Vec<Piece>, sheet: Sheet, tallies: Vec<Tally>) -> Result<Rated> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return Err(Error::internal("trapped"));
        }
        let charge = |(piece, of): (u32, &Piece)| {
            let price = sheet.prices.iter().find(|price| price.meter == of.meter)?;
            let seconds = u64::try_from((of.end - of.start) / SECOND).ok()?;
            let unit_price = price.tiers.first()?.per_unit_hour.clone();
            let nano = super::money::parse(&unit_price).ok()?;
            let amount = nano * i128::from(seconds) * i128::from(of.quantity) / 3600;
            Some(Charge { piece, seconds, unit_price, amount: super::money::format(amount) })
        };
        Ok(Rated { charges: (0..).zip(&pieces).filter_map(charge).collect(), tallies })
    }

    fn digest(&self) -> &str {
        self.digest
    }
}

/// Each use costs the same.
struct Fixed(&'static str);

#[async_trait]
impl Tariff for Fixed {
    async fn rate(&self, pieces: Vec<Piece>, _: Sheet, tallies: Vec<Tally>) -> Result<Rated> {
        let amount = || self.0.to_owned();
        let charge = |(piece, _)| Charge { piece, seconds: 1, unit_price: "1".to_owned(), amount: amount() };
        Ok(Rated { charges: (0..).zip(&pieces).map(charge).collect(), tallies })
    }

    fn digest(&self) -> &str {
        self.0
    }
}

pub(super) fn settings() -> Settings {
    let billing = billing::Settings { period_minutes: 60, delay_seconds: 0, ..billing::Settings::default() };
    Settings { billing, ..Settings::default() }
}

/// A use of the project, in seconds after [`BEGIN`]; without an end it stays open.
async fn used(db: &Db, project_id: &str, meter: &str, quantity: i64, from: i64, to: Option<i64>) {
    let resource_id = skyloom_model::new_id();
    let span = NewSpan {
        project_id,
        resource_kind: "server",
        resource_id: &resource_id,
        meter,
        class: "1",
        server_id: "",
        quantity,
    };
    let mut tx = db.begin().await.expect("begin");
    metering::open_span(&mut tx, &span, Timestamp(BEGIN + from * SECOND)).await.expect("open");
    if let Some(to) = to {
        metering::close_spans(&mut tx, &resource_id, &[], Timestamp(BEGIN + to * SECOND)).await.expect("close");
    }
    tx.commit().await.expect("commit");
}

/// From and to in seconds after [`BEGIN`].
pub(super) fn query(from: i64, to: i64) -> wit::ConsumptionQuery {
    wit::ConsumptionQuery {
        project_id: None,
        all_projects: false,
        start: BEGIN + from * SECOND,
        end: BEGIN + to * SECOND,
        resource_id: None,
        meter: None,
    }
}

async fn total(world: &World, from: i64, to: i64) -> (String, usize) {
    let report = world.cloud.get_consumption(&member("p"), query(from, to)).await.expect("consumption");
    (report.total, report.rows.len())
}

#[tokio::test]
async fn the_ledger_says_what_was_computed_before() {
    for world in worlds(settings()).await {
        let (db, tariff) = (&world.database.db, PerSecond::new("sha256:one"));
        world.cloud.billing.set_tariff(tariff.clone());
        // 0.012 an hour and unit: half an hour of one, then two hours of two over three periods.
        used(db, "p", "vcpu", 1, 0, Some(1800)).await;
        used(db, "p", "vcpu", 2, 1800, Some(9000)).await;
        // Of no price, of no time, of another project.
        used(db, "p", "unheard-of", 5, 0, Some(3600)).await;
        used(db, "p", "vcpu", 9, 100, Some(100)).await;
        used(db, "q", "vcpu", 1, 0, Some(3600)).await;

        let whole = total(&world, 0, 10_800).await;
        assert_eq!(whole, ("0.054".to_owned(), 2), "{}", world.database.name);
        // Cut at both ends, within periods.
        assert_eq!(total(&world, 900, 5400).await, ("0.027".to_owned(), 2));

        let report = world.cloud.billing.rate_due(Timestamp(BEGIN + 3 * HOUR)).await.expect("rating");
        assert_eq!((report.rated, report.parked), (3, 0));
        let charges = world.count("charges").await;
        assert_eq!(charges, 5, "two spans of p in four pieces, one of q");
        let calls = tariff.calls.load(Ordering::Relaxed);
        assert_eq!(total(&world, 0, 10_800).await, whole, "{}", world.database.name);
        assert_eq!(tariff.calls.load(Ordering::Relaxed), calls, "it comes from the ledger");
        assert_eq!(total(&world, 900, 5400).await.0, "0.027");

        // A second run changes nothing, and later use doesn't touch what is rated.
        let report = world.cloud.billing.rate_due(Timestamp(BEGIN + 3 * HOUR)).await.expect("rating");
        assert_eq!((report.rated, world.count("charges").await), (0, charges));
        let rows = world.cloud.get_consumption(&member("p"), query(0, 10_800)).await.expect("report");
        assert_eq!((rows.rule_digest.as_str(), rows.currency.as_str()), ("sha256:one", "EUR"));
        let row = &rows.rows[1];
        assert_eq!((row.seconds, row.quantity, row.unit_price.as_str()), (7200, 2, "0.012"));
        assert_eq!((row.amount.as_str(), row.provisional), ("0.048", false));
    }
}

/// Sums of 64 bits would end at 9.2 billion units of money, which a single one of these uses costs a million times.
#[tokio::test]
async fn what_is_larger_than_any_column_is_summed_exactly() {
    const USES: i64 = 60;
    for world in worlds(settings()).await {
        let (db, name) = (&world.database.db, world.database.name);
        world.cloud.billing.set_tariff(PerSecond::new("sha256:one"));
        let mut random = StdRng::seed_from_u64(16);
        let mut expected = 0_i128;
        for number in 0..USES {
            let quantity = match number {
                0 => i64::MAX,
                1 => 1,
                _ => random.random_range(1_000_000_000_000_000_000..i64::MAX),
            };
            let (from, to) = (random.random_range(0..5000), random.random_range(5000..10_800));
            used(db, "p", "vcpu", quantity, from, Some(to)).await;
            // 0.012 an hour and unit; each period's part is cut to whole nano-units.
            expected += (0..3)
                .map(|hour| (to.min((hour + 1) * 3600) - from.max(hour * 3600)).max(0))
                .map(|seconds| 12_000_000 * i128::from(seconds) * i128::from(quantity) / 3600)
                .sum::<i128>();
        }
        assert!(expected > i128::from(i64::MAX) * 1_000_000);
        assert_eq!(world.cloud.billing.rate_due(Timestamp(BEGIN + 3 * HOUR)).await.expect("rating").rated, 3, "{name}");
        let report = world.cloud.get_consumption(&member("p"), query(0, 10_800)).await.expect("report");
        assert_eq!(report.total, super::money::format(expected), "{name}");
        let rows: i128 = report.rows.iter().map(|row| super::money::parse(&row.amount).expect("an amount")).sum();
        assert_eq!((rows, report.rows.len()), (expected, USES as usize), "{name}");
        // What isn't rated yet is summed as exactly.
        let parts = [(0, 1800), (1800, 3600), (3600, 10_800)].map(|(from, to)| total(&world, from, to));
        let mut sum = 0;
        for part in parts {
            sum += super::money::parse(&part.await.0).expect("a total");
        }
        assert!(
            expected - sum >= 0 && expected - sum <= i128::from(USES),
            "{name}: a nano-unit a cut, {sum} {expected}"
        );
    }
}

#[tokio::test]
async fn a_charge_that_no_ledger_holds_parks_its_period() {
    for world in worlds(settings()).await {
        let tariff = Arc::new(Fixed("85070591730234615865843651857.942052863"));
        world.cloud.billing.set_tariff(tariff);
        used(&world.database.db, "p", "vcpu", 1, 0, Some(3600)).await;
        used(&world.database.db, "p", "vcpu", 1, 0, Some(3600)).await;
        assert_eq!(world.cloud.billing.rate_due(Timestamp(BEGIN + HOUR)).await.expect("rating").rated, 1);
        let report = world.cloud.get_consumption(&member("p"), query(0, 3600)).await.expect("report");
        assert_eq!(report.total, "170141183460469231731687303715.884105726", "{}", world.database.name);
        used(&world.database.db, "p", "vcpu", 1, 3600, Some(7200)).await;
        world.cloud.billing.set_tariff(Arc::new(Fixed("85070591730234615865843651857.942052864")));
        assert_eq!(world.cloud.billing.rate_due(Timestamp(BEGIN + 2 * HOUR)).await.expect("rating").parked, 1);
        let parked = super::unrated(&world.database.db).await.expect("periods").remove(0);
        assert!(parked.error.contains("gave an amount that is none"), "{}", parked.error);
    }
}

#[tokio::test]
async fn an_open_use_counts_up_to_now() {
    for world in worlds(settings()).await {
        world.cloud.billing.set_tariff(PerSecond::new("sha256:one"));
        let db = &world.database.db;
        let now = Timestamp::now();
        let ago = (now.0 - BEGIN) / SECOND - 7200;
        used(db, "p", "vcpu", 1, ago, None).await;
        let report = world.cloud.get_consumption(&member("p"), query(ago, ago + 1_000_000)).await.expect("report");
        let [row] = report.rows.as_slice() else { panic!("one row") };
        assert!(row.provisional && (7200..7260).contains(&row.seconds), "{} {}", row.seconds, world.database.name);
        assert!(report.as_of >= now.0 && row.end == report.as_of);
        // The periods that are over are final, though the use lasts.
        assert!(world.cloud.billing.rate_due(Timestamp::now()).await.expect("rating").rated >= 1);
        let again = world.cloud.get_consumption(&member("p"), query(ago, ago + 1_000_000)).await.expect("report");
        let [again] = again.rows.as_slice() else { panic!("one row") };
        assert!(again.provisional && again.seconds + 1 >= row.seconds);
    }
}

#[tokio::test]
async fn a_tariff_that_fails_parks_the_period_only() {
    for world in worlds(settings()).await {
        let db = &world.database.db;
        used(db, "p", "vcpu", 1, 0, Some(1800)).await;
        let bad = PerSecond::new("sha256:bad");
        bad.broken.store(true, Ordering::Relaxed);
        world.cloud.billing.set_tariff(bad.clone());
        let now = Timestamp(BEGIN + HOUR);
        assert_eq!(world.cloud.billing.rate_due(now).await.expect("rating").parked, 1);
        let parked = super::unrated(db).await.expect("periods").remove(0);
        assert_eq!((parked.state, parked.rule_digest.as_str()), (PeriodState::Parked, "sha256:bad"));
        assert!(parked.error.contains("trapped"));
        let error = world.cloud.get_consumption(&member("p"), query(0, 3600)).await.expect_err("not rated");
        assert_eq!(error.kind(), ErrorCode::Unavailable);
        assert!(!error.message.contains("trapped"), "the tariff's words stay inside");
        // The same tariff is not tried again by itself; the operator may.
        let calls = bad.calls.load(Ordering::Relaxed);
        world.cloud.billing.rate_due(now).await.expect("rating");
        assert_eq!(bad.calls.load(Ordering::Relaxed), calls);
        super::retry(db, parked.started_at, "it").await.expect("retry");
        let waiting = super::unrated(db).await.expect("periods").remove(0);
        assert_eq!((waiting.state, waiting.error.as_str()), (PeriodState::Rating, ""), "{}", world.database.name);
        let again = super::retry(db, parked.started_at, "it").await.expect_err("it isn't parked now");
        assert_eq!(again.code, skyloom_model::ErrorCode::WrongState);
        assert_eq!(world.cloud.billing.rate_due(now).await.expect("rating").parked, 1);
        assert_eq!(bad.calls.load(Ordering::Relaxed), calls + 1);
        world.cloud.billing.set_tariff(PerSecond::new("sha256:good"));
        assert_eq!(world.cloud.billing.rate_due(now).await.expect("rating").rated, 1, "{}", world.database.name);
        assert_eq!(total(&world, 0, 3600).await, ("0.006".to_owned(), 1));
        let rated = super::retry(db, parked.started_at, "it").await.expect_err("it is rated");
        assert_eq!(rated.code, skyloom_model::ErrorCode::WrongState);
        let unknown = super::retry(db, Timestamp(7), "it").await.expect_err("no such period");
        assert_eq!(unknown.code, skyloom_model::ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn others_consumption_is_for_operators() {
    for world in worlds(settings()).await {
        world.cloud.billing.set_tariff(PerSecond::new("sha256:one"));
        used(&world.database.db, "p", "vcpu", 1, 0, Some(3600)).await;
        let of = |project: &str| wit::ConsumptionQuery { project_id: Some(project.to_owned()), ..query(0, 3600) };
        let error = world.cloud.get_consumption(&member("q"), of("p")).await.expect_err("another project");
        assert_eq!(error.kind(), ErrorCode::Forbidden);
        let everybody = wit::ConsumptionQuery { all_projects: true, ..query(0, 3600) };
        let joined = world.cloud.get_consumption(&member("q"), everybody.clone()).await.expect("what q's user joined");
        assert!(joined.rows.is_empty(), "{}", world.database.name);
        assert!(world.cloud.get_consumption(&member("q"), query(0, 3600)).await.expect("own").rows.is_empty());
        for query in [of("p"), everybody] {
            let report = world.cloud.get_consumption(&operator("x"), query).await.expect("an operator");
            assert_eq!((report.total.as_str(), report.rows.len()), ("0.012", 1), "{}", world.database.name);
        }
        let error = world.cloud.get_consumption(&member("p"), query(10, 10)).await.expect_err("no time");
        assert_eq!(error.field.as_deref(), Some("start"));
        let mut early = query(0, 10);
        early.start = -1;
        let error = world.cloud.get_consumption(&member("p"), early).await.expect_err("before 1970");
        assert_eq!((error.field.as_deref(), error.kind()), (Some("start"), ErrorCode::Invalid));
    }
}
