//! Who may do what: one table, asked at one place.

use std::collections::{BTreeMap, HashMap};

use skyloom_model::{Action, Caller, Error, ErrorCode, Least, Named, Result, Scope};

/// The roles that every cloud has: nobody can rename or delete them. The default table knows all but the last, which names the
/// users of services.
pub const READER: &str = "reader";
pub const MEMBER: &str = "member";
/// May what a member may.
pub const MANAGER: &str = "manager";
pub const ADMIN: &str = "admin";
pub const SERVICE: &str = "service";

/// The table: [`Action::least`] by default, and a list of roles where the deployment says so.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    operators: Vec<String>,
    overrides: HashMap<Action, Vec<String>>,
}

impl Policy {
    /// `operators`: roles that make an operator of the cloud, whatever the scope they are held in.
    pub(crate) fn new(operators: &[String], overrides: &BTreeMap<String, Vec<String>>) -> Result<Self> {
        let overrides = overrides
            .iter()
            .map(|(action, roles)| match Action::parse(action) {
                Some(known) if known.least() > Least::Anyone => Ok((known, roles.clone())),
                Some(_) => Err(Error::invalid("policy", format!("{action} is open to everybody and stays so"))),
                None => Err(Error::invalid("policy", format!("{action} is no action that this program knows"))),
            })
            .collect::<Result<_>>()?;
        Ok(Self { operators: operators.to_vec(), overrides })
    }

    pub(crate) fn is_operator(&self, scope: &Scope, roles: &[Named]) -> bool {
        *scope != Scope::Unscoped && roles.iter().any(|role| self.operators.contains(&role.name))
    }

    pub(crate) fn permit(&self, caller: Option<&Caller>, action: Action) -> Result<()> {
        if action.least() == Least::Anyone {
            return Ok(());
        }
        let caller =
            caller.ok_or_else(|| Error::new(ErrorCode::Unauthenticated, "This request needs a valid token."))?;
        if self.allows(caller, action) {
            Ok(())
        } else {
            Err(Error::new(ErrorCode::Forbidden, "The policy does not allow this to be performed.")
                .with_resource("action", action.as_str()))
        }
    }

    fn allows(&self, caller: &Caller, action: Action) -> bool {
        if caller.admin {
            return true;
        }
        if let Some(roles) = self.overrides.get(&action) {
            return roles.iter().any(|role| caller.has_role(role));
        }
        let in_project = caller.project_id().is_some();
        match action.least() {
            Least::Anyone | Least::Authenticated => true,
            Least::Reader => in_project && [READER, MEMBER, MANAGER, ADMIN].iter().any(|role| caller.has_role(role)),
            Least::Member => in_project && [MEMBER, MANAGER, ADMIN].iter().any(|role| caller.has_role(role)),
            Least::Admin => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use skyloom_model::Placed;

    use super::*;

    fn named(name: &str) -> Named {
        Named { id: format!("id-{name}"), name: name.into() }
    }

    fn placed(name: &str) -> Placed {
        Placed { id: format!("id-{name}"), name: name.into(), domain: named("Default") }
    }

    fn policy(overrides: &[(&str, &[&str])]) -> Result<Policy> {
        let overrides = overrides
            .iter()
            .map(|(action, roles)| ((*action).to_owned(), roles.iter().map(|role| (*role).to_owned()).collect()))
            .collect();
        Policy::new(&[ADMIN.to_owned()], &overrides)
    }

    fn caller(policy: &Policy, scope: Scope, roles: &[&str]) -> Caller {
        let roles: Vec<Named> = roles.iter().map(|role| named(role)).collect();
        Caller { user: placed("ann"), admin: policy.is_operator(&scope, &roles), scope, roles }
    }

    fn in_project(policy: &Policy, roles: &[&str]) -> Caller {
        caller(policy, Scope::Project(placed("demo")), roles)
    }

    /// What the table says of nobody, an unscoped caller, a role that it doesn't know, reader, member, manager, admin.
    const EXPECTED: &[(Least, [bool; 7])] = &[
        (Least::Anyone, [true, true, true, true, true, true, true]),
        (Least::Authenticated, [false, true, true, true, true, true, true]),
        (Least::Reader, [false, false, false, true, true, true, true]),
        (Least::Member, [false, false, false, false, true, true, true]),
        (Least::Admin, [false, false, false, false, false, false, true]),
    ];

    #[test]
    fn every_action_follows_the_table() {
        let policy = policy(&[]).expect("policy");
        let callers = [
            None,
            Some(caller(&policy, Scope::Unscoped, &[])),
            Some(in_project(&policy, &[SERVICE])),
            Some(in_project(&policy, &[READER])),
            Some(in_project(&policy, &[MEMBER])),
            Some(in_project(&policy, &[MANAGER])),
            Some(in_project(&policy, &[ADMIN])),
        ];
        for action in Action::ALL {
            let (_, expected) = EXPECTED.iter().find(|(least, _)| *least == action.least()).expect("a row");
            for (caller, allowed) in callers.iter().zip(expected) {
                let answer = policy.permit(caller.as_ref(), *action);
                let code = answer.err().map(|error| error.code);
                let refusal = if caller.is_none() { ErrorCode::Unauthenticated } else { ErrorCode::Forbidden };
                assert_eq!(code, (!allowed).then_some(refusal), "{} {caller:?}", action.as_str());
            }
        }
    }

    #[test]
    fn a_role_outside_of_a_project_gives_nothing_in_projects_but_admin_operates_the_cloud() {
        let policy = policy(&[]).expect("policy");
        for scope in [Scope::System, Scope::Domain(named("Default"))] {
            let member = caller(&policy, scope.clone(), &[MEMBER]);
            assert_eq!(
                policy.permit(Some(&member), Action::ServersCreate).expect_err("member").code,
                ErrorCode::Forbidden
            );
            let admin = caller(&policy, scope, &[ADMIN]);
            assert!(admin.admin && policy.permit(Some(&admin), Action::FlavorsWrite).is_ok());
        }
        assert!(!policy.is_operator(&Scope::Unscoped, &[named(ADMIN)]));
    }

    #[test]
    fn a_deployment_overrides_one_action_by_roles() {
        let policy =
            policy(&[("flavors:write", &["flavor-keeper"]), ("servers:create", &["builder"])]).expect("policy");
        let keeper = in_project(&policy, &["flavor-keeper"]);
        assert!(policy.permit(Some(&keeper), Action::FlavorsWrite).is_ok());
        assert!(policy.permit(Some(&keeper), Action::ServersCreate).is_err());
        let member = in_project(&policy, &[MEMBER]);
        assert!(policy.permit(Some(&member), Action::ServersCreate).is_err(), "an override narrows too");
        assert!(policy.permit(Some(&member), Action::ServersDelete).is_ok(), "other actions keep their default");
        assert!(policy.permit(Some(&in_project(&policy, &[ADMIN])), Action::ServersCreate).is_ok());
        assert!(policy.permit(None, Action::ServersCreate).is_err());
    }

    #[test]
    fn an_override_of_an_unknown_or_public_action_is_refused() {
        assert_eq!(policy(&[("servers:fly", &["x"])]).expect_err("unknown").field.as_deref(), Some("policy"));
        assert!(policy(&[("tokens:issue", &["x"])]).is_err());
    }
}
