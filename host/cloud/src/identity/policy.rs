//! Who may do what: one table and the deployment's rules of roles, asked at one place.

use std::collections::{BTreeMap, HashMap, HashSet};

use skyloom_model::{Action, Caller, Error, ErrorCode, Least, Named, Permission, Reach, Result, Scope};

/// The roles that every cloud has: nobody can rename or delete them. The default table knows all but the last, which names the
/// users of services.
pub const READER: &str = "reader";
pub const MEMBER: &str = "member";
/// In a project: may what a member may. In a domain: the manager of all its projects.
pub const MANAGER: &str = "manager";
pub const ADMIN: &str = "admin";
pub const SERVICE: &str = "service";

/// What a role may beside, or instead of, what [`Action::least`] says: `[identity.policy.<role>]`. In both lists stand actions
/// (`servers:delete`), a vendor's own names of them as the manifests of mounted plugins have them, or patterns: `*` stands for any
/// letters (`servers:*`, `*:read`).
#[derive(Clone, Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoleRules {
    /// Who has the role may these, too.
    pub allow: Vec<String>,
    /// Who has the role may not do these, whatever else would let them, operators too.
    pub deny: Vec<String>,
}

/// Words that rules may be written in: each spelling and the action that it means. The core's actions are always among them.
pub type Vocabulary = Vec<(String, String)>;

/// [`RoleRules`] with patterns and vendors' names resolved to actions.
#[derive(Clone, Debug, Default)]
struct Rules {
    allow: HashSet<String>,
    deny: HashSet<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    operators: Vec<String>,
    /// By role.
    rules: HashMap<String, Rules>,
}

impl Policy {
    /// `operators`: roles that make an operator of the cloud, whatever the scope they are held in.
    pub(crate) fn new(
        operators: &[String],
        rules: &BTreeMap<String, RoleRules>,
        vocabulary: &Vocabulary,
    ) -> Result<Self> {
        let resolve = |role: &str, list: &str, patterns: &[String]| -> Result<HashSet<String>> {
            let mut actions = HashSet::new();
            for pattern in patterns {
                let meant = meant(pattern, vocabulary);
                if meant.is_empty() {
                    let text =
                        format!("[identity.policy.{role}] {list}: no action of that name can be ruled: `{pattern}`");
                    return Err(Error::invalid("policy", text));
                }
                actions.extend(meant);
            }
            Ok(actions)
        };
        let rules = rules.iter().map(|(role, rules)| {
            if Action::parse(role).is_some() {
                let text =
                    format!("[identity.policy.\"{role}\"] is an action: rules stand below the role that has them");
                return Err(Error::invalid("policy", text));
            }
            let resolved =
                Rules { allow: resolve(role, "allow", &rules.allow)?, deny: resolve(role, "deny", &rules.deny)? };
            Ok((role.clone(), resolved))
        });
        Ok(Self { operators: operators.to_vec(), rules: rules.collect::<Result<_>>()? })
    }

    pub(crate) fn is_operator(&self, scope: &Scope, roles: &[Named]) -> bool {
        *scope != Scope::Unscoped && roles.iter().any(|role| self.operators.contains(&role.name))
    }

    /// Whether one of the roles makes an operator.
    pub(crate) fn names_operator(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.operators.contains(role))
    }

    /// The roles that have rules, by name.
    pub(crate) fn ruled(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self.rules.keys().map(String::as_str).collect();
        roles.sort_unstable();
        roles
    }

    /// Whether a rule or the list of operators goes by this role's name.
    pub(crate) fn names(&self, role: &str) -> bool {
        self.rules.contains_key(role) || self.operators.iter().any(|operator| operator == role)
    }

    /// Refuses, or gives how far the caller reaches.
    pub(crate) fn permit(&self, caller: Option<&Caller>, permission: &Permission) -> Result<Reach> {
        if permission.least == Least::Anyone {
            return Ok(caller.map_or(Reach::Projects(Vec::new()), Caller::reach));
        }
        let caller =
            caller.ok_or_else(|| Error::new(ErrorCode::Unauthenticated, "This request needs a valid token."))?;
        if self.allows(&caller.scope, &caller.roles, caller.admin, permission) {
            Ok(caller.reach())
        } else {
            Err(Error::new(ErrorCode::Forbidden, "The policy does not allow this to be performed.")
                .with_resource("action", permission.word.as_ref()))
        }
    }

    /// Whether these roles in a project would allow it: for what a caller may in joined projects.
    pub(crate) fn allows_in_project(&self, project: &skyloom_model::Placed, roles: &[Named], asked: Action) -> bool {
        let scope = Scope::Project(project.clone());
        self.allows(&scope, roles, self.is_operator(&scope, roles), &asked.into())
    }

    fn allows(&self, scope: &Scope, roles: &[Named], operator: bool, asked: &Permission) -> bool {
        let word = asked.word.as_ref();
        let rules = || roles.iter().filter_map(|role| self.rules.get(&role.name));
        if rules().any(|rules| rules.deny.contains(word)) {
            return false;
        }
        if operator || by_default(scope, roles, asked.least) {
            return true;
        }
        *scope != Scope::Unscoped && rules().any(|rules| rules.allow.contains(word))
    }
}

/// What the table says.
fn by_default(scope: &Scope, roles: &[Named], least: Least) -> bool {
    let has = |wanted: &[&str]| roles.iter().any(|role| wanted.contains(&role.name.as_str()));
    match (least, scope) {
        (Least::Anyone | Least::Authenticated, _) => true,
        (Least::Reader, Scope::Project(_)) => has(&[READER, MEMBER, MANAGER, ADMIN]),
        (Least::Member, Scope::Project(_)) => has(&[MEMBER, MANAGER, ADMIN]),
        (Least::Reader | Least::Member, Scope::Domain(_) | Scope::ProjectOfDomain(_))
        | (Least::Manager, Scope::Domain(_)) => has(&[MANAGER]),
        _ => false,
    }
}

/// The actions that a pattern means. What is open to everybody stays so.
fn meant(pattern: &str, vocabulary: &Vocabulary) -> Vec<String> {
    let ruled = |word: &str| Action::parse(word).is_none_or(|action| action.least() > Least::Anyone);
    let core = Action::ALL.iter().map(|action| (action.as_str(), action.as_str()));
    let others = vocabulary.iter().map(|(spelling, action)| (spelling.as_str(), action.as_str()));
    let fitting = core.chain(others).filter(|(spelling, action)| ruled(action) && fits(pattern, spelling));
    fitting.map(|(_, action)| action.to_owned()).collect()
}

/// `*` stands for any letters, none too.
fn fits(pattern: &str, word: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == word };
    let Some(mut left) = word.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests;
