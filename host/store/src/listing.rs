//! Lists: conditions that are put together at run time, and pages by keyset. A page costs one query whatever the size of the
//! table, and one more by primary key where it begins after a marker.

mod conditions;

use std::fmt::Write as _;
use std::ops::ControlFlow;

use skyloom_model::{Error, Reach, Result};

use crate::dialect;
use crate::fields::{Field, Kind};
use crate::{Conn, Row, Value};

pub use conditions::{Condition, Filter, Test, taken, taken_flag, taken_values};

/// A page holds at most this many items; also the page of a caller who doesn't say.
pub const MAX_PAGE: u32 = 1000;

/// A page ends before its rows have more bytes than this, as JSON, but holds one row at least. A guest with 32 MiB reads that and
/// writes it, in buffers that double, with what its vendor's form adds. 1000 ordinary servers have 1 MiB.
pub const PAGE_BYTES: usize = 4 << 20;

/// So few rows are taken as one text unweighed: the bounds of what they are hold for all together.
const UNWEIGHED: usize = 32;

/// What every list can be ordered by.
const ID: &str = "id";

/// What a list is ordered by.
#[derive(Clone, Copy, Debug)]
struct Key {
    field: &'static str,
    /// SQL of a value that is never NULL.
    sql: &'static str,
    kind: Kind,
}

/// Which part of a list, in which order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// 0: the largest.
    pub limit: u32,
    /// Id of the last item of the page before. In the order of the id alone its row may be gone.
    pub marker: Option<String>,
    /// Field and whether it descends.
    pub sort: Vec<(String, bool)>,
}

impl Page {
    /// How many items it may hold.
    fn size(&self) -> usize {
        if self.limit == 0 { MAX_PAGE as usize } else { self.limit.min(MAX_PAGE) as usize }
    }
}

/// A text of JSON values one behind the other.
pub type Packed<'t> = serde_json::Deserializer<serde_json::de::StrRead<'t>>;

/// One page and the marker of the next one.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// A parameter that the query owns.
#[derive(Clone, Debug)]
enum Param {
    Text(String),
    Int(i64),
}

impl Param {
    fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Int(int) => (*int).into(),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Int(int) => Value::Int(*int),
        }
    }
}

/// SQL of the project and of the domain that a row belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) project: &'static str,
    pub(crate) domain: &'static str,
}

/// A query in the making. `from` is a table with its alias; the id must be the first column.
#[derive(Clone, Debug)]
pub struct Query {
    columns: String,
    from: &'static str,
    /// SQL of the id.
    id: &'static str,
    /// SQL of a row's bytes that its owner can make many.
    weight: &'static str,
    /// What the caller may see: holds for the marker too.
    scope: Vec<String>,
    conditions: Vec<String>,
    params: Vec<Param>,
}

impl Query {
    /// `Query::new("n.id, n.name", "networks n", "n.id")`.
    pub fn new(columns: impl Into<String>, from: &'static str, id: &'static str) -> Self {
        Self {
            columns: columns.into(),
            from,
            id,
            weight: "0",
            scope: Vec::new(),
            conditions: Vec::new(),
            params: Vec::new(),
        }
    }

    /// For [`Query::packed_page`]: SQL of a row's bytes that its owner can make many.
    #[must_use]
    pub fn weighed(mut self, weight: &'static str) -> Self {
        self.weight = weight;
        self
    }

    /// The same query with more columns at the end.
    #[must_use]
    pub fn beside(mut self, columns: &[&str]) -> Self {
        for column in columns {
            self.columns.push_str(", ");
            self.columns.push_str(column);
        }
        self
    }

    /// The same query with more columns at the end, from a join that has the same first table.
    #[must_use]
    pub fn joined(mut self, columns: &str, from: &'static str) -> Self {
        self.from = from;
        self.beside(&[columns])
    }

    /// Adds a parameter; gives its name (`$3`).
    pub fn text(&mut self, value: impl Into<String>) -> String {
        self.params.push(Param::Text(value.into()));
        format!("${}", self.params.len())
    }

    /// Adds a parameter; gives its name (`$3`).
    pub fn int(&mut self, value: i64) -> String {
        self.params.push(Param::Int(value));
        format!("${}", self.params.len())
    }

    /// A condition about what the caller may see at all.
    pub fn scope(&mut self, sql: impl Into<String>) {
        self.scope.push(sql.into());
    }

    /// Only what a caller of this reach sees: what belongs to it, and where `shared` (SQL) is given what that holds for. Several
    /// owners: any of them is enough.
    pub(crate) fn within(&mut self, postgres: bool, owners: &[Owner], reach: &Reach, shared: Option<&str>) {
        match (self.reached(postgres, owners, reach), shared) {
            (Some(own), Some(shared)) => self.scope(format!("({own} OR {shared})")),
            (Some(own), None) => self.scope(format!("({own})")),
            (None, _) => {}
        }
    }

    /// SQL: a row belongs to the reach. None: every row does.
    pub(crate) fn reached(&mut self, postgres: bool, owners: &[Owner], reach: &Reach) -> Option<String> {
        let ways: Vec<String> = match reach {
            Reach::All => return None,
            Reach::Domain(domain) => {
                let domain = self.text(domain);
                owners.iter().map(|owner| format!("{} = {domain}", owner.domain)).collect()
            }
            Reach::Projects(projects) => match projects.as_slice() {
                [] => vec!["1 = 0".to_owned()],
                [project] => {
                    let project = self.text(project);
                    owners.iter().map(|owner| format!("{} = {project}", owner.project)).collect()
                }
                // One parameter whatever their number: one statement.
                several => {
                    let list = self.text(serde_json::Value::from(several).to_string());
                    owners.iter().map(|owner| dialect::is_listed(postgres, owner.project, true, &list)).collect()
                }
            },
        };
        Some(ways.join(" OR "))
    }

    /// [`Query::rows`] come in this order: SQL of columns.
    pub fn order_by(&mut self, columns: &'static str) {
        self.id = columns;
    }

    /// A condition of the caller's.
    pub fn and(&mut self, sql: impl Into<String>) {
        self.conditions.push(sql.into());
    }

    /// `column = value`, where there is a value.
    pub fn and_text(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            let param = self.text(value);
            self.conditions.push(format!("{column} = {param}"));
        }
    }

    /// `column <operator> value`, where there is a value.
    pub fn and_int(&mut self, column: &str, operator: &str, value: Option<i64>) {
        if let Some(value) = value {
            let param = self.int(value);
            self.conditions.push(format!("{column} {operator} {param}"));
        }
    }

    pub fn and_flag(&mut self, column: &str, value: bool) {
        self.and_int(column, "=", Some(i64::from(value)));
    }

    /// `column` is any of the values; none: no condition.
    pub fn and_any(&mut self, column: &str, values: &[String]) {
        if !values.is_empty() {
            let list = self.list(values);
            self.conditions.push(format!("{column} IN ({list})"));
        }
    }

    /// Adds parameters; gives their names for an `IN (...)`.
    pub fn list(&mut self, values: &[String]) -> String {
        let first = self.params.len() + 1;
        self.params.extend(values.iter().cloned().map(Param::Text));
        dialect::placeholders(first, values.len())
    }

    /// One page. Without a sort the order is `default`; the id breaks ties.
    pub(crate) async fn page<T>(
        mut self,
        conn: &mut Conn,
        fields: &[Field],
        default: &[(&str, bool)],
        page: &Page,
        mut map: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Listed<T>> {
        let end = self.ordered(conn, fields, default, page).await?;
        let item = |row: Row<'_>| Ok((row.weight()?, (row.text(0)?, map(row)?)));
        let listed = self.stream(conn, &end, page.size(), item, |(id, _)| id).await?;
        Ok(Listed { items: listed.items.into_iter().map(|(_, item)| item).collect(), next: listed.next })
    }

    /// As [`Query::page`], of one column that holds JSON values one behind the other. All rows come as one text, because the way
    /// of a row from the database costs more than its bytes; one by one only where these are too many. `unpack` reads one
    /// item, `id` tells what it is.
    pub(crate) async fn packed_page<T>(
        mut self,
        conn: &mut Conn,
        fields: &[Field],
        default: &[(&str, bool)],
        page: &Page,
        unpack: impl Fn(&mut Packed<'_>) -> Result<T>,
        id: impl Fn(&T) -> &String,
    ) -> Result<Listed<T>> {
        let limit = page.size();
        let end = self.ordered(conn, fields, default, page).await?;
        self.columns.push_str(" AS item");
        let rows = format!("{}{end}", self.select());
        let postgres = conn.is_postgres();
        let sql = if limit <= UNWEIGHED {
            dialect::text_and_count(postgres, "t.item", &rows)
        } else {
            let weights = Self { columns: format!("{} AS weight", self.weight), ..self.clone() };
            dialect::text_within(postgres, "t.item", &rows, &format!("{}{end}", weights.select()), PAGE_BYTES)
        };
        let values: Vec<Value<'_>> = self.params.iter().map(Param::value).collect();
        let all = conn
            .one(sql, &values, |row| {
                let text = row.opt_text_ref(0)?.filter(|text| text.len() <= PAGE_BYTES);
                let Some(mut packed) = text.map(Packed::from_str) else { return Ok(None) };
                (0..row.int(1)?).map(|_| unpack(&mut packed)).collect::<Result<Vec<T>>>().map(Some)
            })
            .await?;
        let Some(mut items) = all else {
            let item = |row: Row<'_>| Ok((row.weight()?, unpack(&mut Packed::from_str(row.text_ref(0)?))?));
            return self.stream(conn, &end, limit, item, id).await;
        };
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(|item| id(item).clone()) } else { None };
        Ok(Listed { items, next })
    }

    /// The rows one by one, until the page is full. `item` tells also how many bytes the row has.
    async fn stream<T>(
        &self,
        conn: &mut Conn,
        end: &str,
        limit: usize,
        mut item: impl FnMut(Row<'_>) -> Result<(usize, T)>,
        id: impl Fn(&T) -> &String,
    ) -> Result<Listed<T>> {
        let values: Vec<Value<'_>> = self.params.iter().map(Param::value).collect();
        let (mut items, mut next, mut bytes) = (Vec::<T>::new(), None, 0);
        conn.each_until(format!("{}{end}", self.select()), &values, |row| {
            let (weight, item) = item(row)?;
            bytes += weight;
            if items.len() == limit || (bytes > PAGE_BYTES && !items.is_empty()) {
                next = items.last().map(|item| id(item).clone());
                return Ok(ControlFlow::Break(()));
            }
            items.push(item);
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(Listed { items, next })
    }

    /// The condition of the marker; gives the end of the statement that has the rows of a page and one more, which tells whether
    /// there is a next page.
    async fn ordered(
        &mut self,
        conn: &mut Conn,
        fields: &[Field],
        default: &[(&str, bool)],
        page: &Page,
    ) -> Result<String> {
        let order = order(self.id, fields, default, &page.sort)?;
        match &page.marker {
            // The id is the whole place: the list goes on there, whether or not its row is still there.
            Some(marker) if matches!(page.sort.as_slice(), [(field, _)] if field == ID) => {
                let first = self.params.len() + 1;
                self.params.push(Param::Text(marker.clone()));
                self.conditions.push(behind(&order, first));
            }
            Some(marker) => self.after(conn, &order, marker).await?,
            None => {}
        }
        let words: Vec<String> = order.iter().map(|(key, down)| format!("{}{}", key.sql, direction(*down))).collect();
        Ok(format!(" ORDER BY {} LIMIT {}", words.join(", "), page.size() + 1))
    }

    /// The row of this id.
    pub async fn of_id<T>(
        mut self,
        conn: &mut Conn,
        id: &str,
        map: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.and_text(self.id, Some(id));
        let values: Vec<Value<'_>> = self.params.iter().map(Param::value).collect();
        conn.optional(self.select(), &values, map).await
    }

    /// The first row by a column, ascending.
    pub async fn first_by<T>(
        self,
        conn: &mut Conn,
        column: &str,
        map: impl FnOnce(Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let sql = format!("{} ORDER BY {column} LIMIT 1", self.select());
        let values: Vec<Value<'_>> = self.params.iter().map(Param::value).collect();
        conn.optional(sql, &values, map).await
    }

    /// The groups of rows, as they come, in the order of the id.
    pub async fn each_group(self, conn: &mut Conn, by: &str, each: impl FnMut(Row<'_>) -> Result<()>) -> Result<()> {
        let sql = format!("{} GROUP BY {by} ORDER BY {}", self.select(), self.id);
        let values: Vec<Value<'_>> = self.params.iter().map(Param::value).collect();
        conn.each(sql, &values, each).await
    }

    /// All rows in the order of the id.
    pub async fn rows<T>(self, conn: &mut Conn, map: impl FnMut(Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        let sql = format!("{} ORDER BY {}", self.select(), self.id);
        let values: Vec<Value<'_>> = self.params.iter().map(Param::value).collect();
        conn.all(sql, &values, map).await
    }

    fn select(&self) -> String {
        let conditions: Vec<&str> = self.scope.iter().chain(&self.conditions).map(String::as_str).collect();
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        format!("SELECT {} FROM {}{filter}", self.columns, self.from)
    }

    /// Adds the condition that rows stand behind the marker's.
    async fn after(&mut self, conn: &mut Conn, order: &[(Key, bool)], marker: &str) -> Result<()> {
        let columns: Vec<&str> = order.iter().map(|(key, _)| key.sql).collect();
        let mut find = self.clone();
        find.columns = columns.join(", ");
        find.conditions.clear();
        let id = find.text(marker);
        find.conditions.push(format!("{} = {id}", self.id));
        let sql = find.used(find.select());
        let values: Vec<Value<'_>> = find.params.iter().map(Param::value).collect();
        let found = conn
            .optional(sql, &values, |row| {
                order
                    .iter()
                    .enumerate()
                    .map(|(column, (key, _))| match key.kind {
                        Kind::Text => row.text(column).map(Param::Text),
                        _ => row.int(column).map(Param::Int),
                    })
                    .collect::<Result<Vec<_>>>()
            })
            .await?;
        let found =
            found.ok_or_else(|| Error::invalid("marker", format!("The marker {marker} could not be found.")))?;
        let first = self.params.len() + 1;
        self.params.extend(found);
        self.conditions.push(behind(order, first));
        Ok(())
    }

    /// PostgreSQL wants every parameter used so that it can tell its type: conditions that name the unused ones.
    fn used(&self, sql: String) -> String {
        let mut all = sql;
        for (index, param) in self.params.iter().enumerate() {
            let name = format!("${}", index + 1);
            let named = all
                .match_indices(&name)
                .any(|(at, _)| !all[at + name.len()..].starts_with(|next: char| next.is_ascii_digit()));
            if !named {
                let kind = if matches!(param, Param::Text(_)) { "TEXT" } else { "BIGINT" };
                // Writing to a string cannot fail.
                let _ = write!(all, " AND CAST({name} AS {kind}) IS NOT NULL");
            }
        }
        all
    }
}

fn by_id(id: &'static str) -> Key {
    Key { field: ID, sql: id, kind: Kind::Text }
}

fn direction(descending: bool) -> &'static str {
    if descending { " DESC" } else { "" }
}

fn order(
    id: &'static str,
    fields: &[Field],
    default: &[(&str, bool)],
    sort: &[(String, bool)],
) -> Result<Vec<(Key, bool)>> {
    let default = || default.iter().map(|(field, down)| (*field, *down)).collect::<Vec<_>>();
    let wanted: Vec<(&str, bool)> =
        if sort.is_empty() { default() } else { sort.iter().map(|(field, down)| (field.as_str(), *down)).collect() };
    let mut order: Vec<(Key, bool)> = Vec::with_capacity(wanted.len() + 1);
    for (field, down) in wanted {
        let known = fields.iter().find(|known| known.word == field);
        let key = match known.and_then(|field| Some(Key { field: field.word, sql: field.order?, kind: field.kind })) {
            Some(key) => key,
            None if field == ID => by_id(id),
            None => return Err(Error::invalid("sort", format!("{field} is not a key to sort by."))),
        };
        if !order.iter().any(|(known, _)| known.field == field) {
            order.push((key, down));
        }
    }
    if !order.iter().any(|(key, _)| key.sql == id) {
        let down = order.last().is_some_and(|(_, down)| *down);
        order.push((by_id(id), down));
    }
    Ok(order)
}

/// Row values where all keys go one way (an index serves that), else the written-out comparison.
fn behind(order: &[(Key, bool)], first: usize) -> String {
    let down = order[0].1;
    if order.iter().all(|(_, other)| *other == down) {
        let columns: Vec<&str> = order.iter().map(|(key, _)| key.sql).collect();
        let sign = if down { "<" } else { ">" };
        return format!("({}) {sign} ({})", columns.join(", "), dialect::placeholders(first, order.len()));
    }
    let mut ways = Vec::with_capacity(order.len());
    for (length, (key, down)) in order.iter().enumerate() {
        let mut way: Vec<String> =
            order[..length].iter().enumerate().map(|(at, (key, _))| format!("{} = ${}", key.sql, first + at)).collect();
        way.push(format!("{} {} ${}", key.sql, if *down { "<" } else { ">" }, first + length));
        ways.push(format!("({})", way.join(" AND ")));
    }
    format!("({})", ways.join(" OR "))
}

#[cfg(test)]
mod tests;
