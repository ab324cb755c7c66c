//! What lists can be ordered by and looked through for.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    /// 0 or 1.
    Flag,
    /// Microseconds; 0 and NULL: never.
    Time,
    /// As a field of a list: an object of texts.
    Json,
    /// A set of texts, in rows of another table.
    Many(&'static Members),
    /// A map of texts, in rows of another table.
    Pairs(&'static Members),
}

/// Rows that belong to a row of a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Members {
    /// SQL of what they refer to.
    pub(crate) row: &'static str,
    /// What follows FROM, and SQL of the reference. Several: the rows of all of them.
    pub(crate) from: &'static [(&'static str, &'static str)],
    /// SQL of the key, of a map.
    pub(crate) key: &'static str,
    /// SQL of the text.
    pub(crate) value: &'static str,
    /// The texts are addresses of IP version 4 or 6.
    pub(crate) of_versions: bool,
    /// Few members have one value: the database begins with these.
    pub(crate) select: bool,
}

impl Members {
    pub(crate) const fn new(
        row: &'static str,
        from: &'static [(&'static str, &'static str)],
        value: &'static str,
    ) -> Self {
        Self { row, from, key: "", value, of_versions: false, select: false }
    }

    /// Of a map.
    pub(crate) const fn by(mut self, key: &'static str) -> Self {
        self.key = key;
        self
    }

    pub(crate) const fn of_versions(mut self) -> Self {
        self.of_versions = true;
        self
    }

    pub(crate) const fn selects(mut self) -> Self {
        self.select = true;
        self
    }

    /// SQL: there is one that passes the test.
    pub(crate) fn has(&self, test: &str) -> String {
        let row = self.row;
        let way = |(from, of): &(&str, &str)| {
            if self.select {
                format!("{row} IN (SELECT {of} FROM {from} WHERE {test})")
            } else {
                format!("EXISTS (SELECT 1 FROM {from} WHERE {of} = {row} AND {test})")
            }
        };
        format!("({})", self.from.iter().map(way).collect::<Vec<_>>().join(" OR "))
    }

    pub(crate) fn has_pair(&self, key: &str, value: &str) -> String {
        self.has(&format!("{} = {key} AND {} = {value}", self.key, self.value))
    }

    /// SQL of how many pass the test; none: they aren't in one table, which would keep each once.
    pub(crate) fn count(&self, test: &str) -> Option<String> {
        let [(from, of)] = self.from else { return None };
        Some(format!("(SELECT count(*) FROM {from} WHERE {of} = {} AND {test})", self.row))
    }
}

/// A column, or another SQL value of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// The contract's, e.g. `created-at`.
    pub(crate) word: &'static str,
    /// The column's name.
    pub(crate) name: &'static str,
    /// The column with its table's alias.
    pub(crate) sql: &'static str,
    pub(crate) kind: Kind,
    /// SQL of a value that is never NULL, by which lists can be ordered.
    pub(crate) order: Option<&'static str>,
    /// Conditions may name it.
    pub(crate) found: bool,
    pub(crate) changes: bool,
    pub(crate) counts: bool,
    /// The project that the row belongs to.
    pub(crate) owner: bool,
}

impl Field {
    pub(crate) const fn new(word: &'static str, name: &'static str, sql: &'static str, kind: Kind) -> Self {
        Self { word, name, sql, kind, order: None, found: false, changes: false, counts: false, owner: false }
    }

    /// Lists can be ordered by it. It is never NULL.
    pub(crate) const fn sorts(self) -> Self {
        self.sorts_as(self.sql)
    }

    /// Lists can be ordered by it, as by this SQL, which is never NULL.
    pub(crate) const fn sorts_as(mut self, sql: &'static str) -> Self {
        self.order = Some(sql);
        self
    }

    /// Conditions may name it; its kind says with which tests (`condition` in `wit/types`).
    pub(crate) const fn finds(mut self) -> Self {
        self.found = true;
        self
    }

    /// An update writes it.
    pub(crate) const fn changes(mut self) -> Self {
        self.changes = true;
        self
    }

    /// Each update makes it one more.
    pub(crate) const fn counts(mut self) -> Self {
        self.counts = true;
        self
    }

    /// It is the project that the row belongs to. The row has a column `domain_id`, which is written by itself.
    pub(crate) const fn owner(mut self) -> Self {
        self.owner = true;
        self
    }

    pub(crate) const fn is_changed(&self) -> bool {
        self.changes
    }
}

/// What each list of the contract knows.
#[cfg(test)]
pub(crate) const LISTS: &[(&str, &[Field])] = &[
    ("list-servers", crate::servers::Server::FIELDS),
    ("list-server-groups", crate::server_groups::ServerGroup::FIELDS),
    ("list-aggregates", crate::aggregates::Aggregate::FIELDS),
    ("list-flavors", crate::flavors::Flavor::FIELDS),
    ("list-operations", crate::operations::Operation::FIELDS),
    ("list-volumes", crate::volumes::Volume::FIELDS),
    ("list-snapshots", crate::snapshots::Snapshot::FIELDS),
    ("list-images", crate::images::Image::FIELDS),
    ("list-networks", crate::networks::Network::FIELDS),
    ("list-subnets", crate::networks::Subnet::FIELDS),
    ("list-ports", crate::networks::Port::FIELDS),
    ("list-security-groups", crate::networks::Group::FIELDS),
    ("list-security-group-rules", crate::networks::Rule::FIELDS),
    ("list-routers", crate::networks::Router::FIELDS),
    ("list-public-addresses", crate::public_addresses::PublicAddress::FIELDS),
    ("list-domains", crate::identity::Domain::FIELDS),
    ("list-projects", crate::identity::Project::FIELDS),
    ("list-users", crate::identity::User::FIELDS),
    ("list-roles", crate::identity::Role::FIELDS),
    ("list-access-keys", crate::identity::AccessKey::FIELDS),
];

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    const RENEW: &str = "SKYLOOM_RENEW";

    fn table() -> String {
        let mut text = String::from(
            "# The fields of lists\n\nWhat conditions name and lists are ordered by; `condition` in `wit/types` says which tests a kind \
             has. Generated, with a test that says how to renew it: host/store/src/fields.rs.\n",
        );
        for (list, fields) in LISTS {
            write!(text, "\n## {list}\n\n| field | kind | conditions | order |\n|---|---|---|---|\n").unwrap();
            for (at, field) in fields.iter().enumerate() {
                let finds = if field.found { "yes" } else { "" };
                // Every list can be ordered by its first column, the id.
                let sorts = if field.order.is_some() || at == 0 { "yes" } else { "" };
                if finds.is_empty() && sorts.is_empty() {
                    continue;
                }
                let kind = match field.kind {
                    Kind::Text => "text",
                    Kind::Int => "number",
                    Kind::Flag => "flag",
                    Kind::Time => "time",
                    Kind::Many(_) => "set of texts",
                    Kind::Json | Kind::Pairs(_) => "map",
                };
                writeln!(text, "| {} | {kind} | {finds} | {sorts} |", field.word).unwrap();
            }
        }
        text
    }

    #[test]
    fn the_contract_tells_the_fields_of_every_list() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/cloud/0.1.0/FIELDS.md");
        let table = table();
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(&file, &table).expect("FIELDS.md");
        }
        let told = std::fs::read_to_string(&file).expect("FIELDS.md");
        assert_eq!(told, table, "renew it: {RENEW}=1 cargo test -p skyloom-store fields");
        for (list, fields) in LISTS {
            for field in *fields {
                let same = fields.iter().filter(|other| other.word == field.word && other.found).count();
                assert!(same <= 1, "{list} has two fields {}", field.word);
            }
        }
    }
}
