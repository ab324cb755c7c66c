use std::time::Duration;

use skyloom_model::ErrorCode;

use super::*;
use crate::compute::testing::worlds;

fn change(text: &str) -> PriceChange {
    text.parse().unwrap_or_else(|error: Error| panic!("{text}: {}", error.message))
}

fn in_days(days: u64) -> Timestamp {
    Timestamp::now().plus(Duration::from_hours(24 * days))
}

fn states(view: &TemplateView) -> Vec<&'static str> {
    view.sheets.iter().map(|view| view.state.as_str()).collect()
}

#[test]
fn a_price_is_written_in_one_word() {
    let price = |text: &str| {
        let prices = change::changed(Vec::new(), &[change(text)]).expect("prices");
        let line = |price: &Price| (price.from_units, amount(price));
        let first = &prices[0];
        let key = format!("{}|{}|{}", first.meter, first.class, first.server_state);
        (key, prices.iter().map(line).collect::<Vec<_>>())
    };
    let line = |from, price: &str| (from, price.to_owned());
    assert_eq!(price("vcpu=0.012"), ("vcpu||".to_owned(), vec![line(0, "0.012")]));
    let tiers = vec![line(0, "2"), line(10, "1"), line(1000, "0")];
    assert_eq!(price("volume-gib/SSD/fast@stopped=2,10:1,1000:0"), ("volume-gib|SSD/fast|stopped".to_owned(), tiers));
    for (text, what) in [
        ("vcpu", "is wanted"),
        ("=1", "no meter"),
        ("vcpu=", "not an amount"),
        ("vcpu=-1", "not an amount"),
        ("vcpu=0.0000000001", "not an amount"),
        ("vcpu=9223372036.854775808", "is more than"),
        ("vcpu=1,2", "FROM:PRICE"),
        ("vcpu=0:1", "FROM:PRICE"),
        ("vcpu=1,0:2", "isn't more than"),
        ("vcpu=1,9:2,9:3", "isn't more than"),
        ("vcpu=1,x:2", "no number"),
        ("vcpu\n=1", "control character"),
    ] {
        let error = text.parse::<PriceChange>().expect_err(text);
        assert!(error.message.contains(what) && error.field.as_deref() == Some("prices"), "{text}: {}", error.message);
    }
    let tiers: Vec<String> = (1..=50).map(|from| format!("{from}:1")).collect();
    let long = format!("vcpu=1,{}", tiers.join(","));
    assert!(long.parse::<PriceChange>().expect_err("too long").message.contains("at most"));
    let refused = |changes: &[&str]| {
        let changes: Vec<PriceChange> = changes.iter().map(|text| change(text)).collect();
        change::changed(Vec::new(), &changes).expect_err("refused").message
    };
    assert!(refused(&[]).contains("No price"));
    assert!(refused(&["vcpu=1", "vcpu=2"]).contains("twice"));
    assert!(refused(&["vcpu=none"]).contains("no such price"));
}

#[tokio::test]
async fn a_sheet_comes_in_force_at_its_time_and_its_edits_with_it() {
    for world in worlds(crate::Settings::default()).await {
        let (db, name) = (&world.database.db, world.database.name);
        create_template(db, "Own", "for one", ("Default", None)).await.expect("template");
        let view = template(db, "Own").await.expect("view");
        assert_eq!((states(&view), view.template.description.as_str()), (vec!["inactive"], "for one"), "{name}");
        let (_, copied) = sheet(db, "Own", 1).await.expect("sheet");
        assert_eq!(copied, sheet(db, "default", 1).await.expect("sheet").1, "{name}");
        // An edit of what isn't in force lays nothing down.
        assert_eq!(set_prices(db, "Own", 1, &[change("vcpu=7")], None).await.expect("edit"), None);
        use_sheet(db, "Own", 1, None).await.expect("use");
        assert_eq!(create_sheet(db, "Own", None, "next").await.expect("sheet"), 2, "{name}");
        let later = in_days(3);
        assert_eq!(
            use_sheet(db, "Own", 2, Some(in_days(9))).await.expect("use"),
            template(db, "Own").await.expect("view").sheets[1].moments[0]
        );
        use_sheet(db, "Own", 2, Some(later)).await.expect("another time");
        let view = template(db, "Own").await.expect("view");
        assert_eq!((states(&view), view.sheets[1].moments.clone()), (vec!["in-use", "pending"], vec![later]));
        // What waits takes its edits along; what is in force has them from now or a time to come on.
        assert_eq!(set_prices(db, "Own", 2, &[change("vcpu=8")], None).await.expect("edit"), Some(later));
        let edited = set_prices(db, "Own", 1, &[change("vcpu=9,10:1")], None).await.expect("edit");
        let planned = set_prices(db, "Own", 1, &[change("vcpu=none")], Some(in_days(2))).await.expect("edit");
        let view = template(db, "Own").await.expect("view");
        assert_eq!(view.sheets[0].moments[1..], [edited.unwrap(), planned.unwrap()], "{name}");
        assert_eq!((view.sheets[0].revision, view.sheets[1].revision), (4, 2), "{name}");
        for (number, at, what) in
            [(1, None, "already"), (1, Some(in_days(4)), "isn't in force"), (2, Some(in_days(2)), "isn't in force")]
        {
            let error = set_prices(db, "Own", number, &[change("vcpu=1")], at).await.expect_err(what);
            assert!(error.message.contains(what) && error.field.as_deref() == Some("at"), "{}", error.message);
        }
        disable_sheet(db, "Own", 2).await.expect("disable");
        assert_eq!(states(&template(db, "Own").await.expect("view")), ["in-use", "inactive"], "{name}");
        use_sheet(db, "Own", 2, None).await.expect("use now");
        assert_eq!(states(&template(db, "Own").await.expect("view")), ["used", "in-use"], "{name}");
        assert_eq!(
            template(db, "Own").await.expect("view").sheets[0].moments.len(),
            2,
            "{name}: the planned edit is gone"
        );
        edit_template(db, "Own", Some("Theirs"), None).await.expect("edit");
        delete_template(db, "Theirs").await.expect("nobody had it");
        assert_eq!(templates(db).await.expect("templates").len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_would_leave_somebody_without_prices_is_refused() {
    for world in worlds(crate::Settings::default()).await {
        let (db, name) = (&world.database.db, world.database.name);
        create_template(db, "Own", "", ("default", Some(1))).await.expect("template");
        let refused = |result: Result<()>, code: ErrorCode, what: &str| {
            let error = result.expect_err(what);
            assert!(error.code == code && error.message.contains(what), "{name}: {what}: {}", error.message);
        };
        let bind_to = async |template: &str, at| bind(db, "default", template, at).await.map(drop);
        refused(bind_to("Own", None).await, ErrorCode::WrongState, "No sheet");
        refused(bind_to("None", None).await, ErrorCode::NotFound, "None");
        refused(bind(db, "nowhere", "Own", None).await.map(drop), ErrorCode::NotFound, "nowhere");
        use_sheet(db, "Own", 1, Some(in_days(1))).await.expect("use");
        refused(bind_to("Own", None).await, ErrorCode::WrongState, "No sheet");
        bind_to("Own", Some(in_days(2))).await.expect("bound");
        refused(disable_sheet(db, "Own", 1).await, ErrorCode::WrongState, "would have no prices");
        refused(delete_template(db, "Own").await, ErrorCode::WrongState, "bound to");
        refused(delete_template(db, "default").await, ErrorCode::WrongState, "default template");
        refused(delete_sheet(db, "Own", 1).await, ErrorCode::WrongState, "in force");
        refused(delete_sheet(db, "Own", 2).await, ErrorCode::NotFound, "2 of Own");
        refused(disable_sheet(db, "default", 1).await, ErrorCode::WrongState, "waits for its time");
        refused(use_sheet(db, "default", 1, None).await.map(drop), ErrorCode::WrongState, "anyway");
        let past = Some(Timestamp::now().minus(Duration::from_secs(9)));
        refused(use_sheet(db, "Own", 1, past).await.map(drop), ErrorCode::Invalid, "is over");
        refused(bind_to("default", past).await, ErrorCode::Invalid, "is over");
        for text in ["", "Own"] {
            create_template(db, text, "", ("default", None)).await.expect_err("no name");
        }
        refused(create_template(db, &"x".repeat(65), "", ("default", None)).await.map(drop), ErrorCode::Invalid, "64");
        // A new binding takes the place of those that were to come.
        bind_to("default", Some(in_days(1))).await.expect("bound");
        let bound = bindings(db).await.expect("bindings");
        assert_eq!(bound.iter().map(|one| one.template_id.as_str()).collect::<Vec<_>>(), ["default"], "{name}");
    }
}

#[tokio::test]
async fn what_is_rated_keeps_its_prices() {
    for world in worlds(crate::Settings::default()).await {
        let db = &world.database.db;
        let end = Timestamp::now().plus(Duration::from_hours(1));
        let mut tx = db.begin().await.expect("begin");
        periods::insert(&mut tx, "default", (Timestamp(0), end), "1970-01-01").await.expect("period");
        tx.commit().await.expect("commit");
        for result in [
            set_prices(db, "default", 1, &[change("vcpu=1")], None).await.map(drop),
            bind(db, "default", "default", None).await.map(drop),
        ] {
            let error = result.expect_err("charged");
            assert!(error.message.contains("charged already"), "{}: {}", world.database.name, error.message);
        }
        set_prices(db, "default", 1, &[change("vcpu=1")], Some(end)).await.expect("from then on");
    }
}
