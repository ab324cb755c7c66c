use super::*;
use crate::args;

const FIELDS: &[Field] = &[
    Field::new("name", "name", "t.name", Kind::Text).sorts_as("coalesce(t.name, '')"),
    Field::new("size", "size", "t.size", Kind::Int).sorts(),
    Field::new("owner", "owner", "t.owner", Kind::Text),
];

async fn walk(conn: &mut Conn, sort: &[(&str, bool)], limit: u32) -> Vec<String> {
    let sort: Vec<(String, bool)> = sort.iter().map(|(field, down)| ((*field).to_owned(), *down)).collect();
    let (mut marker, mut seen) = (None, Vec::new());
    loop {
        let mut query = Query::new("t.id", "thing t", "t.id");
        let owner = query.text("me");
        query.and_int("t.size", ">=", Some(0));
        query.scope(format!("t.owner = {owner}"));
        let page = Page { limit, marker, sort: sort.clone() };
        let listed = query.page(conn, FIELDS, &[("id", false)], &page, |row| row.text(0)).await.expect("page");
        seen.extend(listed.items);
        match listed.next {
            Some(next) => marker = Some(next),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn pages_join_to_the_whole_list_in_any_order() {
    for database in crate::testing::databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        tx.execute("CREATE TABLE thing (id TEXT PRIMARY KEY, name TEXT, size BIGINT NOT NULL, owner TEXT)", &[])
            .await
            .expect("table");
        for (id, name, size, owner) in
            [("a", Some("x"), 1, "me"), ("b", None, 1, "me"), ("c", Some("x"), 0, "me"), ("d", None, 2, "you")]
        {
            tx.execute(
                "INSERT INTO thing (id, name, size, owner) VALUES ($1, $2, $3, $4)",
                args![id, name, i64::from(size), owner],
            )
            .await
            .expect("insert");
        }
        for limit in [1, 2, 3, 0] {
            assert_eq!(walk(&mut tx, &[], limit).await, ["a", "b", "c"], "{} {limit}", database.name);
            assert_eq!(walk(&mut tx, &[("size", true)], limit).await, ["b", "a", "c"], "{} {limit}", database.name);
            assert_eq!(walk(&mut tx, &[("size", true), ("name", false), ("id", true)], limit).await, ["b", "a", "c"]);
            assert_eq!(walk(&mut tx, &[("name", false), ("size", true)], limit).await, ["b", "a", "c"]);
        }
        // A marker that the caller can't see is as one that isn't there.
        let mut query = Query::new("t.id", "thing t", "t.id");
        query.scope("t.owner = 'me'");
        let page = Page { limit: 1, marker: Some("d".to_owned()), sort: vec![] };
        let error = query.page(&mut tx, FIELDS, &[("id", false)], &page, |row| row.text(0)).await.expect_err("marker");
        assert_eq!(error.field.as_deref(), Some("marker"));
        let page = Page { sort: vec![("owner".to_owned(), false)], ..Page::default() };
        let query = Query::new("t.id", "thing t", "t.id");
        let error = query.page(&mut tx, FIELDS, &[("id", false)], &page, |row| row.text(0)).await.expect_err("sort");
        assert_eq!(error.field.as_deref(), Some("sort"));
    }
}

#[tokio::test]
async fn a_list_in_the_order_of_its_ids_goes_on_after_a_row_that_is_gone() {
    // No key of its own: every list can be ordered by its id.
    const FIELDS: &[Field] = &[Field::new("name", "name", "t.name", Kind::Text).sorts()];
    for database in crate::testing::databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        tx.execute("CREATE TABLE gone (id TEXT PRIMARY KEY, name TEXT NOT NULL)", &[]).await.expect("table");
        for (id, name) in [("a", "4"), ("b", "3"), ("c", "2"), ("d", "1")] {
            tx.execute("INSERT INTO gone (id, name) VALUES ($1, $2)", args![id, name]).await.expect("insert");
        }
        tx.execute("DELETE FROM gone WHERE id = 'b'", &[]).await.expect("delete");
        let page =
            |field: &str, down| Page { limit: 0, marker: Some("b".to_owned()), sort: vec![(field.to_owned(), down)] };
        for (down, expected) in [(false, ["c", "d"].as_slice()), (true, ["a"].as_slice())] {
            let query = Query::new("t.id", "gone t", "t.id");
            let rest = query.page(&mut tx, FIELDS, &[("name", false)], &page("id", down), |row| row.text(0)).await;
            assert_eq!(rest.expect("the rest").items, expected, "{}", database.name);
        }
        // Where it stood in another order is in its row.
        let query = Query::new("t.id", "gone t", "t.id");
        let lost = query.page(&mut tx, FIELDS, &[("name", false)], &page("name", false), |row| row.text(0)).await;
        assert_eq!(lost.expect_err("no place").field.as_deref(), Some("marker"));
    }
}

/// Twelve rows of which three have a MiB each, the fourth as many control characters, which JSON writes as six bytes each.
async fn heavy(conn: &mut Conn) {
    conn.execute("CREATE TABLE heavy (id TEXT PRIMARY KEY, text TEXT NOT NULL)", &[]).await.expect("table");
    let mib = 1 << 20;
    for number in 0..12 {
        let text = match number {
            3..6 => "x".repeat(mib),
            6 => "\u{1}".repeat(mib),
            _ => "small".to_owned(),
        };
        let id = format!("{number:02}");
        conn.execute("INSERT INTO heavy (id, text) VALUES ($1, $2)", args![&id, &text]).await.expect("insert");
    }
}

fn unpack(packed: &mut Packed<'_>) -> Result<(String, String)> {
    serde::Deserialize::deserialize(packed).map_err(Error::internal)
}

/// The ids of all pages.
async fn pages<T>(id: impl Fn(&T) -> &String, mut fetch: impl AsyncFnMut(Page) -> Listed<T>) -> Vec<Vec<String>> {
    let (mut marker, mut pages) = (None, Vec::new());
    loop {
        let listed = fetch(Page { limit: 0, marker, sort: vec![] }).await;
        pages.push(listed.items.iter().map(|item| id(item).clone()).collect());
        match listed.next {
            Some(next) => marker = Some(next),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_page_ends_at_its_bytes_and_the_next_one_begins_there() {
    let expected = vec![
        ["00", "01", "02", "03", "04", "05"].map(str::to_owned).to_vec(),
        // Larger than a page: one by itself.
        vec!["06".to_owned()],
        ["07", "08", "09", "10", "11"].map(str::to_owned).to_vec(),
    ];
    for database in crate::testing::databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        heavy(&mut tx).await;
        let rows = pages(
            |id: &String| id,
            async |page| {
                let query = Query::new("h.id, h.text", "heavy h", "h.id");
                query.page(&mut tx, FIELDS, &[("id", false)], &page, |row| row.text(0)).await.expect("page")
            },
        )
        .await;
        assert_eq!(rows, expected, "{}", database.name);
        for weight in ["octet_length(h.text)", "0"] {
            let postgres = tx.is_postgres();
            let packed = pages(
                |item: &(String, String)| &item.0,
                async |page| {
                    let columns = ["h.id".to_owned(), "h.text".to_owned()];
                    let query = Query::new(dialect::json_array(postgres, &columns), "heavy h", "h.id").weighed(weight);
                    query
                        .packed_page(&mut tx, FIELDS, &[("id", false)], &page, unpack, |item| &item.0)
                        .await
                        .expect("page")
                },
            )
            .await;
            assert_eq!(packed, expected, "{} {weight}", database.name);
        }
    }
}

#[tokio::test]
async fn conditions_name_fields_by_the_contracts_words() {
    const FIELDS: &[Field] = &[
        Field::new("name", "name", "t.name", Kind::Text).finds(),
        Field::new("size", "size", "t.size", Kind::Int).finds(),
        Field::new("is-open", "is_open", "t.is_open", Kind::Flag).finds(),
        Field::new("secret", "secret", "t.name", Kind::Text).sorts(),
    ];
    let condition = |field: &'static str, test, values: &[&str]| Condition {
        field: field.into(),
        test,
        values: values.iter().map(ToString::to_string).collect(),
    };
    for database in crate::testing::databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        let table =
            "CREATE TABLE tested (id TEXT PRIMARY KEY, name TEXT, size BIGINT NOT NULL, is_open BIGINT NOT NULL)";
        tx.execute(table, &[]).await.expect("table");
        for (id, name, size, open) in [("a", Some("x%"), 1, true), ("b", None, 2, false), ("c", Some("y"), 3, true)] {
            let sql = "INSERT INTO tested (id, name, size, is_open) VALUES ($1, $2, $3, $4)";
            tx.execute(sql, args![id, name, i64::from(size), open]).await.expect("insert");
        }
        let postgres = tx.is_postgres();
        for (conditions, expected) in [
            (vec![], "abc"),
            (vec![condition("name", Test::AnyOf, &["y"])], "c"),
            (vec![condition("name", Test::AnyOf, &["y", "x%"])], "ac"),
            (vec![condition("name", Test::AnyOf, &[])], ""),
            (vec![condition("name", Test::Part, &["%"])], "a"),
            (vec![condition("size", Test::From, &["2"]), condition("size", Test::Before, &["3"])], "b"),
            (vec![condition("is-open", Test::AnyOf, &["true"]), condition("size", Test::AnyOf, &["3"])], "c"),
        ] {
            let mut query = Query::new("t.id", "tested t", "t.id");
            query.meet(postgres, FIELDS, &conditions).expect("conditions");
            let found = query.rows(&mut tx, |row| row.text(0)).await.expect("rows").concat();
            assert_eq!(found, expected, "{conditions:?} {}", database.name);
        }
        for wrong in [
            condition("secret", Test::AnyOf, &["y"]),
            condition("is_open", Test::AnyOf, &["true"]),
            condition("is-open", Test::AnyOf, &["1"]),
            condition("size", Test::AnyOf, &["many"]),
            condition("size", Test::Part, &["1"]),
            condition("name", Test::From, &["a"]),
            condition("size", Test::From, &[]),
        ] {
            let mut query = Query::new("t.id", "tested t", "t.id");
            let error = query.meet(postgres, FIELDS, std::slice::from_ref(&wrong)).expect_err("wrong");
            assert_eq!(error.field.as_deref(), Some(&*wrong.field), "{wrong:?}");
        }
    }
}
