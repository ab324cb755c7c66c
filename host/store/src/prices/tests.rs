use super::*;
use crate::testing::databases;

fn price(meter: &str, from_units: i64) -> Price {
    Price {
        meter: meter.to_owned(),
        class: String::new(),
        server_state: String::new(),
        from_units,
        nano_per_unit_hour: 100 - from_units,
    }
}

async fn sheet(tx: &mut Conn, id: &str, template_id: &str, number: i64) {
    let sheet = Sheet {
        id: id.to_owned(),
        template_id: template_id.to_owned(),
        number,
        currency: "EUR".to_owned(),
        description: String::new(),
        created_at: Timestamp(1),
    };
    insert_sheet(tx, &sheet).await.expect("sheet");
    for revision in 1..=2 {
        let row = Revision {
            id: format!("{id}-{revision}"),
            sheet_id: id.to_owned(),
            number: revision,
            created_at: Timestamp(revision),
        };
        insert_revision(tx, &row, &[price("vcpu", 10 * revision), price("vcpu", 0)]).await.expect("revision");
    }
}

fn moment(at: i64, revision_id: &str) -> Moment {
    Moment { started_at: Timestamp(at), revision_id: revision_id.to_owned() }
}

#[tokio::test]
async fn what_holds_is_the_last_that_began_and_all_that_begins_within() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        for (at, revision) in [(10, "a"), (20, "b"), (30, "c"), (20, "d")] {
            put_moment(&mut tx, "t", &moment(at, revision)).await.expect("moment");
        }
        for (start, end, expected) in [
            (0, 10, &[][..]),
            (0, 11, &["a"]),
            (10, 20, &["a"]),
            (15, 30, &["a", "d"]),
            (20, 31, &["d", "c"]),
            (99, 100, &["c"]),
        ] {
            let found = moments(&mut tx, "t", Timestamp(start), Timestamp(end)).await.expect("moments");
            let found: Vec<&str> = found.iter().map(|moment| moment.revision_id.as_str()).collect();
            assert_eq!(found, expected, "{}: {start}..{end}", database.name);
        }
        assert!(moments(&mut tx, "u", Timestamp(0), Timestamp(99)).await.expect("moments").is_empty());
        let binding = |domain: &str, at, template: &str| Binding {
            domain_id: domain.to_owned(),
            started_at: Timestamp(at),
            template_id: template.to_owned(),
        };
        let all = [binding("d", 5, "t"), binding("d", 9, "u"), binding("d", 20, "t"), binding("e", 7, "u")];
        for binding in &all {
            put_binding(&mut tx, binding).await.expect("binding");
        }
        assert_eq!(bindings(&mut tx, "d", Timestamp(10), Timestamp(30)).await.expect("bindings"), all[1..3]);
        assert!(bindings(&mut tx, "d", Timestamp(0), Timestamp(5)).await.expect("bindings").is_empty());
        let from = async |tx: &mut Conn, template, limit| {
            bindings_from(tx, template, Timestamp(9), limit).await.expect("bindings")
        };
        assert_eq!(from(&mut tx, None, 9).await, all[1..], "{}", database.name);
        assert_eq!(from(&mut tx, Some("u"), 9).await, [all[1].clone(), all[3].clone()]);
        assert_eq!(from(&mut tx, None, 1).await.len(), 1);
        assert!(is_bound(&mut tx, "t").await.expect("bound") && !is_bound(&mut tx, "v").await.expect("bound"));
    }
}

#[tokio::test]
async fn a_sheet_has_revisions_that_stay_as_they_are_and_goes_with_them() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        let template =
            Template { id: "t".to_owned(), name: "T".to_owned(), description: String::new(), created_at: Timestamp(1) };
        insert_template(&mut tx, &template).await.expect("template");
        sheet(&mut tx, "one", "t", 1).await;
        sheet(&mut tx, "two", "t", 2).await;
        for name in ["t", "T"] {
            assert_eq!(super::template(&mut tx, name).await.expect("template").as_ref(), Some(&template));
        }
        assert_eq!(templates(&mut tx, 9).await.expect("templates").len(), 2, "{}: and the default", database.name);
        let first = price_list(&mut tx, "one-1").await.expect("prices").expect("a revision");
        assert_eq!((first.currency.as_str(), first.prices), ("EUR", vec![price("vcpu", 0), price("vcpu", 10)]));
        assert_eq!(latest(&mut tx, "one").await.expect("latest").expect("a revision").id, "one-2");
        assert_eq!(sheet_of(&mut tx, "two-1").await.expect("sheet").expect("a sheet").number, 2);
        put_moment(&mut tx, "t", &moment(3, "two-1")).await.expect("moment");
        assert_eq!(moments_of_sheet(&mut tx, "two").await.expect("moments"), [moment(3, "two-1")]);
        assert!(moments_of_sheet(&mut tx, "one").await.expect("moments").is_empty());
        remove_moment(&mut tx, "t", Timestamp(3)).await.expect("remove");
        assert!(moments_of_sheet(&mut tx, "two").await.expect("moments").is_empty());
        delete_sheet(&mut tx, "one").await.expect("delete");
        assert!(price_list(&mut tx, "one-1").await.expect("prices").is_none());
        assert_eq!(sheets(&mut tx, "t", 9).await.expect("sheets").len(), 1);
        delete_template(&mut tx, "t").await.expect("delete");
        assert!(super::template(&mut tx, "T").await.expect("template").is_none());
        assert!(prices(&mut tx, "two-2").await.expect("prices").is_empty(), "{}", database.name);
    }
}
