//! Whom a credential stands for at this moment: names and roles are those of now, not those of its making.

use skyloom_model::{Error, Named, Placed, Result, Scope};

use crate::{Conn, Row, dialect};

#[derive(Clone, Debug)]
pub struct Standing {
    pub user: Placed,
    pub scope: Scope,
    /// In the scope.
    pub roles: Vec<Named>,
}

/// Columns of [`Standing`]; a query's own stand behind them.
pub(super) const COLUMNS: usize = 12;

/// SELECT of [`Standing`]'s columns and `own` for credentials `k`, which have `user_id`, `scope_kind` and `scope_id`. Not of users and
/// domains that are disabled.
pub(super) fn select(conn: &Conn, own: &str, credentials: &str) -> String {
    let roles = dialect::json_rows(
        conn.is_postgres(),
        &["t.id", "t.name"],
        "SELECT r.id, r.name FROM assignments a JOIN roles r ON r.id = a.role_id
         WHERE a.user_id = k.user_id AND a.target_kind = k.scope_kind AND a.target_id = k.scope_id ORDER BY r.name",
    );
    format!(
        "SELECT u.id, u.name, d.id, d.name, k.scope_kind, p.id, p.name, pd.id, pd.name, sd.id, sd.name, {roles}, {own}
         FROM {credentials} k
         JOIN users u ON u.id = k.user_id AND u.enabled = 1
         JOIN domains d ON d.id = u.domain_id AND d.enabled = 1
         LEFT JOIN projects p ON k.scope_kind = 'project' AND p.id = k.scope_id AND p.enabled = 1
         LEFT JOIN domains pd ON pd.id = p.domain_id AND pd.enabled = 1
         LEFT JOIN domains sd ON k.scope_kind = 'domain' AND sd.id = k.scope_id AND sd.enabled = 1"
    )
}

impl Standing {
    /// None: the scope is disabled or gone, or no role is left in it.
    pub(super) fn of_row(row: Row<'_>) -> Result<Option<Self>> {
        let scope = match row.text_ref(4)? {
            "unscoped" => Some(Scope::Unscoped),
            "system" => Some(Scope::System),
            "project" => match (named(row, 5)?, named(row, 7)?) {
                (Some(project), Some(domain)) => {
                    Some(Scope::Project(Placed { id: project.id, name: project.name, domain }))
                }
                _ => None,
            },
            "domain" => named(row, 9)?.map(Scope::Domain),
            other => return Err(Error::internal(format!("a credential of the scope kind {other}"))),
        };
        let Some(scope) = scope else { return Ok(None) };
        let roles: Vec<(String, String)> = row.json(11)?;
        if roles.is_empty() && scope != Scope::Unscoped {
            return Ok(None);
        }
        Ok(Some(Self {
            user: Placed {
                id: row.text(0)?,
                name: row.text(1)?,
                domain: Named { id: row.text(2)?, name: row.text(3)? },
            },
            scope,
            roles: roles.into_iter().map(|(id, name)| Named { id, name }).collect(),
        }))
    }
}

/// An id and its name in two columns of a LEFT JOIN.
fn named(row: Row<'_>, column: usize) -> Result<Option<Named>> {
    Ok(row.opt_text(column)?.zip(row.opt_text(column + 1)?).map(|(id, name)| Named { id, name }))
}
