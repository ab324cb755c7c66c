use std::collections::BTreeMap;

use skyloom_model::{TaskState, Timestamp};

use super::*;
use crate::args;
use crate::listing::Page;
use crate::testing::databases;

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Thing in "things" as "t" {
        id: String,
        name: Option<String> [changes, sorts_as("coalesce(t.name, '')")],
        task_state: Option<TaskState> as OrEmpty [changes],
        launched_at: Option<Timestamp> as OrEmpty,
        locked: bool [changes],
        size: u32 [sorts],
        note: Option<BTreeMap<String, u32>> as JsonOrNull,
        revision: i64 [counts],
        labels: BTreeMap<String, String> as Json [changes],
        raw: String as JsonText,
    }
    beside {
        parts: Vec<String> as Json,
    }
    written with { created_at }
    also {
        "created-at": Time [sorts] "t.created_at",
    }
}

const TABLE: &str = "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, task_state TEXT NOT NULL, launched_at BIGINT NOT NULL, \
                     locked BIGINT NOT NULL, size BIGINT NOT NULL, note TEXT, revision BIGINT NOT NULL, labels TEXT NOT NULL, \
                     raw TEXT NOT NULL, created_at BIGINT NOT NULL)";

fn thing(id: &str) -> Thing {
    Thing {
        id: id.to_owned(),
        name: Some("with ]\" and \u{1}".to_owned()),
        task_state: Some(TaskState::Spawning),
        launched_at: Some(Timestamp(7)),
        locked: true,
        size: u32::MAX,
        note: Some(BTreeMap::from([("n".to_owned(), 1)])),
        revision: 1,
        labels: BTreeMap::from([("a".to_owned(), "]".to_owned())]),
        raw: r#"{"as": "it stands"}"#.to_owned(),
        parts: vec!["one".to_owned(), "two".to_owned()],
    }
}

fn empty(id: &str) -> Thing {
    let labels = BTreeMap::new();
    Thing { name: None, task_state: None, launched_at: None, locked: false, note: None, labels, ..thing(id) }
}

async fn all(tx: &mut Conn) -> Vec<Thing> {
    Thing::query().beside(&[r#"'["one","two"]'"#]).rows(tx, Thing::of_row).await.expect("rows")
}

#[tokio::test]
async fn what_is_inserted_is_read_by_columns_and_packed() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        tx.execute(TABLE, &[]).await.expect("table");
        for new in [thing("a"), empty("b")] {
            assert!(new.insert(5_i64).expect("insert").run(&mut tx).await.expect("run"));
        }
        assert_eq!(all(&mut tx).await, [thing("a"), empty("b")], "{}", database.name);
        let columns = packed(tx.is_postgres(), &Thing::FIELDS[..Thing::WIDTH], &[], &[r#"'["one","two"]'"#]);
        let sql = format!("SELECT concat({columns}) FROM things t ORDER BY t.id");
        let unpacked = tx.all(sql, &[], |row| unpack::<Thing>(&mut Packed::from_str(row.text_ref(0)?), 3)).await;
        assert_eq!(unpacked.expect("packed"), [thing("a"), empty("b")], "{}", database.name);
    }
}

#[tokio::test]
async fn an_update_writes_what_may_change_and_counts() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        tx.execute(TABLE, &[]).await.expect("table");
        for id in ["a", "b"] {
            thing(id).insert(5_i64).expect("insert").run(&mut tx).await.expect("run");
        }
        let changed = Thing { size: 1, revision: 9, raw: "1".to_owned(), ..empty("a") };
        assert!(changed.update().expect("update").run(&mut tx).await.expect("run"));
        let expected = Thing { launched_at: thing("a").launched_at, note: thing("a").note, revision: 2, ..empty("a") };
        assert_eq!(all(&mut tx).await, [expected, thing("b")], "{}", database.name);
        assert!(!empty("c").update().expect("update").run(&mut tx).await.expect("none of this id"));
        assert!(
            !empty("a").update().expect("update").only_if("revision", 1_i64).run(&mut tx).await.expect("an old one")
        );
        assert!(!thing("a").insert(5_i64).expect("insert").unless_there().run(&mut tx).await.expect("there"));
    }
}

#[tokio::test]
async fn a_column_that_holds_what_it_cannot_is_an_internal_error() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        tx.execute(TABLE, &[]).await.expect("table");
        thing("a").insert(5_i64).expect("insert").run(&mut tx).await.expect("run");
        tx.execute("UPDATE things SET task_state = $1", args!["dreaming"]).await.expect("update");
        let error = Thing::query().beside(&["'[]'"]).rows(&mut tx, Thing::of_row).await.expect_err("a word");
        assert_eq!(error.code, skyloom_model::ErrorCode::Internal, "{}", database.name);
    }
}

#[tokio::test]
async fn lists_are_ordered_by_the_contracts_words() {
    let words: Vec<&str> = Thing::FIELDS.iter().map(|field| field.word).collect();
    assert_eq!(&words[2..4], ["task-state", "launched-at"]);
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        tx.execute(TABLE, &[]).await.expect("table");
        for (new, at) in [(thing("a"), 2), (empty("b"), 1)] {
            new.insert(i64::from(at)).expect("insert").run(&mut tx).await.expect("run");
        }
        for (word, ids) in [("name", Some(["b", "a"])), ("created-at", Some(["b", "a"])), ("locked", None)] {
            let page = Page { sort: vec![(word.to_owned(), false)], ..Page::default() };
            let query = Thing::query().beside(&["'[]'"]);
            let listed = query.page(&mut tx, Thing::FIELDS, &[], &page, Thing::of_row).await;
            let found = listed.ok().map(|listed| listed.items.into_iter().map(|thing| thing.id).collect::<Vec<_>>());
            assert_eq!(found, ids.map(|ids| ids.map(str::to_owned).to_vec()), "{word}");
        }
    }
}
