//! What the two databases say differently, in one place. Everything else is one text.
//!
//! Each function gives a snippet of SQL for the [`Conn`](crate::Conn) that will run it: `dialect::json_agg(conn.is_postgres(), ..)`.

/// The rows of a sub-query as one JSON array of arrays, in the order of the sub-query; `[]` where it has none.
///
/// `columns` are columns of `rows`, a sub-query: `json_rows(postgres, &["t.key", "t.value"], "SELECT key, value FROM tags WHERE
/// owner = s.id ORDER BY key")` where the sub-query gets the alias `t`. TEXT comes as strings, BIGINT as numbers, NULL as null.
pub fn json_rows(postgres: bool, columns: &[&str], rows: &str) -> String {
    let columns = columns.join(", ");
    if postgres {
        format!("(SELECT coalesce(json_agg(json_build_array({columns})), '[]')::text FROM ({rows}) t)")
    } else {
        format!("(SELECT json_group_array(json_array({columns})) FROM ({rows}) t)")
    }
}

/// One column of a sub-query as one JSON array, in the order of the sub-query; `[]` where it has no rows. The sub-query has
/// the alias `t`: `json_list(postgres, "t.name", "SELECT name FROM tags WHERE owner = s.id ORDER BY name")`.
pub fn json_list(postgres: bool, column: &str, rows: &str) -> String {
    if postgres {
        format!("(SELECT coalesce(json_agg({column}), '[]')::text FROM ({rows}) t)")
    } else {
        format!("(SELECT json_group_array({column}) FROM ({rows}) t)")
    }
}

/// As [`json_rows`], but in any order, which spares the database a table on the way: `from` is what follows FROM.
pub fn json_unordered(postgres: bool, columns: &[&str], from: &str) -> String {
    let columns = columns.join(", ");
    if postgres {
        format!("(SELECT coalesce(json_agg(json_build_array({columns})), '[]')::text FROM {from})")
    } else {
        format!("(SELECT json_group_array(json_array({columns})) FROM {from})")
    }
}

/// Columns of a row as one JSON array: TEXT as strings, BIGINT as numbers, NULL as null. Reading one text of forty values is
/// several times faster than reading forty columns.
pub fn json_array(postgres: bool, columns: &[String]) -> String {
    let columns = columns.join(", ");
    if postgres { format!("json_build_array({columns})::text") } else { format!("json_array({columns})") }
}

/// A query of all rows of `rows`, a sub-query with the alias `t`: one of its columns joined to one text in its order, and their
/// number.
pub fn text_and_count(postgres: bool, column: &str, rows: &str) -> String {
    format!("SELECT coalesce({}, ''), count(*) FROM ({rows}) t", joined(postgres, column))
}

/// As [`text_and_count`], but no text (NULL) where the rows weigh more than `most`: `weights` is a query of the same rows' weights,
/// its column `weight`.
pub fn text_within(postgres: bool, column: &str, rows: &str, weights: &str, most: usize) -> String {
    format!(
        "SELECT CASE WHEN w.weight <= {most} THEN (SELECT coalesce({}, '') FROM ({rows}) t) END, w.count \
         FROM (SELECT coalesce(sum(v.weight), 0) AS weight, count(*) AS count FROM ({weights}) v) w",
        joined(postgres, column)
    )
}

fn joined(postgres: bool, column: &str) -> String {
    let join = if postgres { "string_agg" } else { "group_concat" };
    format!("{join}({column}, '')")
}

/// At the end of a SELECT in a transaction: lock its rows until the commit. SQLite has one writer, so a transaction that
/// [`begin`](crate::Db::begin) made holds everything already.
pub fn for_update(postgres: bool) -> &'static str {
    if postgres { " FOR UPDATE" } else { "" }
}

/// Like [`for_update`], but others may hold the rows in this way, too.
pub fn for_share(postgres: bool) -> &'static str {
    if postgres { " FOR SHARE" } else { "" }
}

/// Like [`for_share`], but also beside changes that don't ask for [`for_update`].
pub fn for_key_share(postgres: bool) -> &'static str {
    if postgres { " FOR KEY SHARE" } else { "" }
}

/// Like [`for_update`], but rows that another transaction holds are left out: for work that is leased.
pub fn for_update_skip_locked(postgres: bool) -> &'static str {
    if postgres { " FOR UPDATE SKIP LOCKED" } else { "" }
}

/// Whether `text` contains `part`, both SQL expressions, letter by letter and with case on both databases.
pub fn contains(postgres: bool, text: &str, part: &str) -> String {
    if postgres { format!("(strpos({text}, {part}) > 0)") } else { format!("(instr({text}, {part}) > 0)") }
}

/// The text at `key` of a JSON object of texts, both SQL expressions; NULL where it has no such key. SQLite takes a key that begins
/// with `$` or `[` for a path: keep those away.
pub fn json_text(postgres: bool, object: &str, key: &str) -> String {
    if postgres { format!("({object}::jsonb ->> {key})") } else { format!("({object} ->> {key})") }
}

/// Whether `value` is one of a list, a parameter of JSON: texts or whole numbers.
pub fn is_listed(postgres: bool, value: &str, is_text: bool, list: &str) -> String {
    match (postgres, is_text) {
        (true, true) => format!("({value} = ANY (ARRAY(SELECT json_array_elements_text({list}::json))))"),
        (true, false) => format!("({value} = ANY (ARRAY(SELECT json_array_elements_text({list}::json)::bigint)))"),
        (false, _) => format!("({value} IN (SELECT value FROM json_each({list})))"),
    }
}

/// `$first, $first+1, ...`: parameters for an `IN (...)` of `count` values; `NULL` (matches nothing) for none.
pub fn placeholders(first: usize, count: usize) -> String {
    if count == 0 {
        return "NULL".to_owned();
    }
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    #[tokio::test]
    async fn snippets_mean_the_same_on_both() {
        for database in crate::testing::databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            let postgres = tx.is_postgres();
            tx.execute("CREATE TABLE tag (owner TEXT NOT NULL, name TEXT, size BIGINT)", &[]).await.expect("table");
            for (owner, name, size) in [("a", "x", 2), ("a", "y%_", 1), ("b", "Z", 3)] {
                tx.execute(
                    "INSERT INTO tag (owner, name, size) VALUES ($1, $2, $3)",
                    args![owner, name, i64::from(size)],
                )
                .await
                .expect("insert");
            }
            let rows = "SELECT name, size FROM tag WHERE owner = o.owner ORDER BY size";
            let sql = format!(
                "SELECT {}, {} FROM (SELECT 'a' AS owner UNION ALL SELECT 'none') o ORDER BY o.owner",
                json_rows(postgres, &["t.name", "t.size"], rows),
                json_list(postgres, "t.name", rows),
            );
            let found = tx
                .all(sql, &[], |row| Ok((row.json::<serde_json::Value>(0)?, row.json::<serde_json::Value>(1)?)))
                .await
                .expect("aggregate");
            assert_eq!(found[0].0, serde_json::json!([["y%_", 1], ["x", 2]]), "{}", database.name);
            assert_eq!(found[0].1, serde_json::json!(["y%_", "x"]), "{}", database.name);
            assert_eq!(found[1], (serde_json::json!([]), serde_json::json!([])), "{}", database.name);

            let columns = ["name".to_owned(), "size".to_owned(), "CAST(NULL AS TEXT)".to_owned()];
            let sql = format!("SELECT {} FROM tag WHERE owner = 'b'", json_array(postgres, &columns));
            let array = tx.one(sql, &[], |row| row.json::<serde_json::Value>(0)).await.expect("array");
            assert_eq!(array, serde_json::json!(["Z", 3, null]), "{}", database.name);

            let sql = format!("SELECT count(*) FROM tag WHERE {}", contains(postgres, "name", "$1"));
            for (part, count) in [("%", 1), ("z", 0), ("Z", 1), ("", 3)] {
                assert_eq!(tx.one(sql.as_str(), args![part], |row| row.int(0)).await.expect("count"), count, "{part}");
            }
            let sql = format!("SELECT name FROM tag WHERE name IN ({}){}", placeholders(1, 2), for_update(postgres));
            assert_eq!(tx.all(sql, args!["x", "Z"], |row| row.text(0)).await.expect("in").len(), 2);
            let sql = format!(
                "SELECT name FROM tag WHERE name IN ({}){}",
                placeholders(1, 0),
                for_update_skip_locked(postgres)
            );
            assert!(tx.all(sql, &[], |row| row.text(0)).await.expect("in none").is_empty());
        }
    }
}
