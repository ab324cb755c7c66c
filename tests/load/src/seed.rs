//! Many servers in a database at once. They are rows like those that the core writes, made by set-based copies of one server
//! that the core itself made, so that no field is ours to guess.

use anyhow::{Result, anyhow};
use skyloom_model::Error;
use skyloom_store::{Conn, Db, args};

/// Servers of one commit.
const BATCH: u32 = 50_000;

/// Where copies go.
pub struct Place {
    pub db: Db,
    /// Has the simulator's world, in the table `documents`.
    pub world: Db,
    pub documents: &'static str,
}

impl Place {
    pub async fn close(&self) {
        self.db.close().await;
        self.world.close().await;
    }
}

/// Copies `server` until the project holds `total` servers. Volumes, ports and addresses are copied with it, and in the simulator's
/// world its machine and its disk: a look at the platform finds what the database says.
pub async fn grow(place: &Place, server: &str, have: u32, total: u32) -> Result<()> {
    let copied = Copied::of(place, server).await.map_err(shown)?;
    let mut from = have;
    while from < total {
        let until = total.min(from + BATCH);
        let batch = Batch { postgres: place.db.is_postgres(), from, until };
        let mut tx = place.db.begin().await.map_err(shown)?;
        batch.copy(&mut tx, &copied).await.map_err(shown)?;
        tx.commit().await.map_err(shown)?;
        let mut tx = place.world.begin().await.map_err(shown)?;
        batch.copy_documents(&mut tx, &copied, place.documents).await.map_err(shown)?;
        tx.commit().await.map_err(shown)?;
        from = until;
        println!("{until} of {total} servers are in the database");
    }
    if place.db.is_postgres() {
        // What its own housekeeping does some time after such a growth.
        let mut connection = place.db.read().await.map_err(shown)?;
        connection.execute("ANALYZE", &[]).await.map_err(shown)?;
    }
    Ok(())
}

/// The server that the core made, and what belongs to it.
struct Copied {
    server: String,
    volume: String,
    port: String,
}

impl Copied {
    async fn of(place: &Place, server: &str) -> skyloom_model::Result<Self> {
        let mut conn = place.db.read().await?;
        let sql = "SELECT v.id, p.id FROM volumes v JOIN ports p ON p.device_id = v.server_id WHERE v.server_id = $1";
        let (volume, port) = conn.one(sql, args![server], |row| Ok((row.text(0)?, row.text(1)?))).await?;
        Ok(Self { server: server.to_owned(), volume, port })
    }
}

/// The copies that have these numbers, as SQL that counts through them.
struct Batch {
    postgres: bool,
    from: u32,
    until: u32,
}

/// What a copy has otherwise than its original: column and SQL of its value.
type Replaced<'a> = &'a [(&'a str, &'a str)];

impl Batch {
    async fn copy(&self, tx: &mut Conn, of: &Copied) -> skyloom_model::Result<()> {
        let (server, volume, port) = (self.id(0), self.id(1), self.id(2));
        let name = format!("'load-' || {}", self.padded(7, "n.i"));
        // Ages differ, so that lists in order of creation mean something.
        let replaced =
            [("id", &*server), ("name", &*name), ("hostname", &*name), ("created_at", "t.created_at - n.i * 1000")];
        self.rows(tx, "servers", ("id", &of.server), &replaced).await?;
        let replaced = [("id", &*volume), ("server_id", &*server)];
        self.rows(tx, "volumes", ("id", &of.volume), &replaced).await?;
        let digits = self.hex(6, "n.i");
        let pair = |at: u32| format!("substr({digits}, {at}, 2)");
        let mac = format!("'fa:16:3f:' || {} || ':' || {} || ':' || {}", pair(1), pair(3), pair(5));
        let replaced = [("id", &*port), ("device_id", &*server), ("mac", &*mac)];
        self.rows(tx, "ports", ("id", &of.port), &replaced).await?;
        let part = |unit: u32| format!("CAST((n.i / {unit}) % 256 AS TEXT)");
        let address = format!("'11.' || {} || '.' || {} || '.' || {}", part(1 << 16), part(1 << 8), part(1));
        let number = format!("'{:024}' || {}", 0, self.hex(8, &format!("n.i + {}", 11 << 24)));
        let replaced = [("address", &*address), ("number", &*number), ("port_id", &*port)];
        self.rows(tx, "port_addresses", ("port_id", &of.port), &replaced).await?;
        self.rows(tx, "port_groups", ("port_id", &of.port), &[("port_id", &*port)]).await
    }

    async fn copy_documents(&self, tx: &mut Conn, of: &Copied, documents: &str) -> skyloom_model::Result<()> {
        let (server, volume) = (self.id(0), self.id(1));
        for (id, new_id) in [(&of.server, &server), (&of.volume, &volume)] {
            let body = format!("replace(replace(t.body, '{}', {server}), '{}', {volume})", of.server, of.volume);
            let sql = format!(
                "INSERT INTO {documents} (owner, collection, id, body, version) {} \
                 SELECT t.owner, t.collection, {new_id}, {body}, t.version FROM {documents} t, n WHERE t.id = $1",
                self.numbers()
            );
            tx.execute(sql, args![id]).await?;
        }
        Ok(())
    }

    /// Copies the rows of a table where `key` is `of`.
    async fn rows(
        &self,
        tx: &mut Conn,
        table: &str,
        (key, of): (&str, &str),
        replaced: Replaced<'_>,
    ) -> skyloom_model::Result<()> {
        let columns = columns(tx, table).await?;
        let value = |column: &String| {
            let other = replaced.iter().find(|(name, _)| name == column);
            other.map_or_else(|| format!("t.{column}"), |(_, sql)| (*sql).to_owned())
        };
        let sql = format!(
            "INSERT INTO {table} ({}) {} SELECT {} FROM {table} t, n WHERE t.{key} = $1",
            columns.join(", "),
            self.numbers(),
            columns.iter().map(value).collect::<Vec<_>>().join(", ")
        );
        tx.execute(sql, args![of]).await.map(drop)
    }

    /// The table `n` of the numbers `i`.
    fn numbers(&self) -> String {
        let Self { from, until, .. } = self;
        format!(
            "WITH RECURSIVE n(i) AS (SELECT CAST({from} AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {until})"
        )
    }

    /// Ids ascend with the numbers, as those of the core do with time.
    fn id(&self, kind: u8) -> String {
        format!("'01900000-0000-7000-800{kind}-' || {}", self.hex(12, "n.i"))
    }

    fn hex(&self, width: u8, number: &str) -> String {
        if self.postgres {
            format!("lpad(to_hex({number}), {width}, '0')")
        } else {
            format!("printf('%0{width}x', {number})")
        }
    }

    fn padded(&self, width: u8, number: &str) -> String {
        if self.postgres {
            format!("lpad(CAST({number} AS TEXT), {width}, '0')")
        } else {
            format!("printf('%0{width}d', {number})")
        }
    }
}

/// As the database has them.
async fn columns(tx: &mut Conn, table: &str) -> skyloom_model::Result<Vec<String>> {
    let sql = if tx.is_postgres() {
        "SELECT column_name::TEXT FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public' \
         ORDER BY ordinal_position"
    } else {
        "SELECT name FROM pragma_table_info($1)"
    };
    tx.all(sql, args![table], |row| row.text(0)).await
}

fn shown(error: Error) -> anyhow::Error {
    anyhow!(error.for_log())
}
