use skyloom_model::Placed;

use super::*;

fn named(name: &str) -> Named {
    Named { id: format!("id-{name}"), name: name.into() }
}

fn placed(name: &str) -> Placed {
    Placed { id: format!("id-{name}"), name: name.into(), domain: named("Default") }
}

/// `(role, allow, deny)`, and the words of one plugin.
fn policy(rules: &[(&str, &[&str], &[&str])]) -> Result<Policy> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let rules = rules
        .iter()
        .map(|(role, allow, deny)| ((*role).to_owned(), RoleRules { allow: texts(allow), deny: texts(deny) }))
        .collect();
    let words = [
        ("acme:machines:drop", "servers:delete"),
        ("acme:machines:list", "servers:read"),
        ("fleet:reports:read", "fleet:reports:read"),
    ];
    let vocabulary = words.iter().map(|(word, action)| ((*word).to_owned(), (*action).to_owned())).collect();
    Policy::new(&[ADMIN.to_owned()], &rules, &vocabulary)
}

fn caller(policy: &Policy, scope: Scope, roles: &[&str]) -> Caller {
    let roles: Vec<Named> = roles.iter().map(|role| named(role)).collect();
    Caller { user: placed("ann"), admin: policy.is_operator(&scope, &roles), scope, roles }
}

fn in_project(policy: &Policy, roles: &[&str]) -> Caller {
    caller(policy, Scope::Project(placed("demo")), roles)
}

fn may(policy: &Policy, caller: &Caller, action: Action) -> bool {
    policy.permit(Some(caller), &action.into()).is_ok()
}

/// What the table says of nobody, an unscoped caller, a role that it doesn't know, reader, member, manager, admin in a project, and
/// reader, member, manager of a domain.
const EXPECTED: &[(Least, [bool; 10])] = &[
    (Least::Anyone, [true, true, true, true, true, true, true, true, true, true]),
    (Least::Authenticated, [false, true, true, true, true, true, true, true, true, true]),
    (Least::Reader, [false, false, false, true, true, true, true, false, false, true]),
    (Least::Member, [false, false, false, false, true, true, true, false, false, true]),
    (Least::Manager, [false, false, false, false, false, false, true, false, false, true]),
    (Least::Operator, [false, false, false, false, false, false, true, false, false, false]),
];

#[test]
fn every_action_follows_the_table() {
    let policy = policy(&[]).expect("policy");
    let in_domain = |role: &str| Some(caller(&policy, Scope::Domain(named("d")), &[role]));
    let callers = [
        None,
        Some(caller(&policy, Scope::Unscoped, &[])),
        Some(in_project(&policy, &[SERVICE])),
        Some(in_project(&policy, &[READER])),
        Some(in_project(&policy, &[MEMBER])),
        Some(in_project(&policy, &[MANAGER])),
        Some(in_project(&policy, &[ADMIN])),
        in_domain(READER),
        in_domain(MEMBER),
        in_domain(MANAGER),
    ];
    for action in Action::ALL {
        let (_, expected) = EXPECTED.iter().find(|(least, _)| *least == action.least()).expect("a row");
        for (caller, allowed) in callers.iter().zip(expected) {
            let answer = policy.permit(caller.as_ref(), &(*action).into());
            let code = answer.err().map(|error| error.code);
            let refusal = if caller.is_none() { ErrorCode::Unauthenticated } else { ErrorCode::Forbidden };
            assert_eq!(code, (!allowed).then_some(refusal), "{} {caller:?}", action.as_str());
        }
    }
}

#[test]
fn a_reach_is_the_scope_of_the_token_and_an_operators_is_the_cloud() {
    let policy = policy(&[("auditor", &["*:read"], &[])]).expect("policy");
    let reach = |scope: Scope, role: &str| {
        policy.permit(Some(&caller(&policy, scope, &[role])), &Action::ServersRead.into()).expect("allowed")
    };
    assert_eq!(reach(Scope::Project(placed("demo")), MEMBER), Reach::project("id-demo"));
    assert_eq!(reach(Scope::Project(placed("demo")), MANAGER), Reach::project("id-demo"));
    assert_eq!(reach(Scope::Domain(named("d")), MANAGER), Reach::Domain("id-d".into()));
    assert_eq!(reach(Scope::Project(placed("demo")), ADMIN), Reach::All);
    assert_eq!(reach(Scope::Project(placed("demo")), "auditor"), Reach::project("id-demo"));
    assert_eq!(reach(Scope::System, "auditor"), Reach::All);
}

#[test]
fn a_role_outside_of_a_project_gives_nothing_but_managing_a_domain_and_operating_the_cloud() {
    let policy = policy(&[]).expect("policy");
    for scope in [Scope::System, Scope::Domain(named("Default"))] {
        assert!(!may(&policy, &caller(&policy, scope.clone(), &[MEMBER]), Action::ServersCreate));
        let admin = caller(&policy, scope, &[ADMIN]);
        assert!(admin.admin && may(&policy, &admin, Action::FlavorsCreate));
    }
    assert!(!may(&policy, &caller(&policy, Scope::System, &[MANAGER]), Action::ServersRead));
    assert!(!policy.is_operator(&Scope::Unscoped, &[named(ADMIN)]));
}

#[test]
fn in_one_project_of_a_domain_the_domains_roles_hold_with_what_they_deny() {
    let policy = policy(&[(MEMBER, &[], &["servers:delete"])]).expect("policy");
    let place = || Scope::ProjectOfDomain(placed("demo"));
    let member = caller(&policy, place(), &[MEMBER]);
    assert!(!may(&policy, &member, Action::ServersRead), "a member of a domain is none of its projects'");
    let both = caller(&policy, place(), &[MEMBER, MANAGER]);
    assert!(may(&policy, &both, Action::ServersCreate) && !may(&policy, &both, Action::ServersDelete));
    assert!(!may(&policy, &both, Action::ServersReadAll));
    assert_eq!(both.reach(), Reach::project("id-demo"));
}

#[test]
fn rules_of_a_role_allow_beside_the_table() {
    let policy = policy(&[("keeper", &["flavors:*"], &[]), ("stopper", &["servers:stop"], &[])]).expect("policy");
    let keeper = in_project(&policy, &["keeper"]);
    assert!(may(&policy, &keeper, Action::FlavorsCreate) && may(&policy, &keeper, Action::FlavorsRead));
    assert!(!may(&policy, &keeper, Action::ServersRead));
    let stopper = in_project(&policy, &["stopper"]);
    assert!(may(&policy, &stopper, Action::ServersStop));
    assert!(!may(&policy, &stopper, Action::ServersStart) && !may(&policy, &stopper, Action::ServersRead));
    assert!(!may(&policy, &caller(&policy, Scope::Unscoped, &["stopper"]), Action::ServersStop));
    assert!(may(&policy, &in_project(&policy, &[MEMBER]), Action::ServersStop), "other roles keep their default");
}

#[test]
fn a_deny_wins_over_every_allow() {
    let rules: &[(&str, &[&str], &[&str])] =
        &[("tied", &["servers:*"], &["servers:delete"]), ("free", &["servers:delete"], &[])];
    let policy = policy(rules).expect("policy");
    for roles in [&["tied"][..], &["tied", "free"], &["free", "tied", MEMBER], &["tied", ADMIN]] {
        let caller = in_project(&policy, roles);
        assert!(!may(&policy, &caller, Action::ServersDelete), "{roles:?}");
        assert!(may(&policy, &caller, Action::ServersStart), "{roles:?}");
    }
    assert!(may(&policy, &in_project(&policy, &["free"]), Action::ServersDelete));
}

#[test]
fn a_rule_in_a_vendors_words_holds_for_the_action_itself() {
    let policy = policy(&[(MEMBER, &[], &["acme:machines:d*"]), (READER, &["fleet:reports:*"], &[])]).expect("policy");
    let member = in_project(&policy, &[MEMBER]);
    assert!(!may(&policy, &member, Action::ServersDelete) && may(&policy, &member, Action::ServersRead));
    let own = Permission { word: "fleet:reports:read".into(), least: Least::Operator };
    assert!(policy.permit(Some(&in_project(&policy, &[READER])), &own).is_ok());
    assert!(policy.permit(Some(&member), &own).is_err());
}

#[test]
fn rules_of_unknown_or_public_actions_are_refused() {
    for word in ["servers:fly", "tokens:issue", "acme:machines:fly", "", "Servers:*"] {
        let refused = policy(&[(MEMBER, &[], &[word])]).expect_err(word);
        assert_eq!(refused.field.as_deref(), Some("policy"));
        assert!(refused.message.contains("[identity.policy.member] deny"), "{}", refused.message);
    }
}

#[test]
fn stars_stand_for_any_letters() {
    for (pattern, word, expected) in [
        ("servers:*", "servers:delete", true),
        ("*:read", "servers:read", true),
        ("*:read", "servers:read-all", false),
        ("*", "x", true),
        ("s*s:*d*", "servers:delete", true),
        ("servers:delete", "servers:deleted", false),
        ("servers:*e", "servers:e", true),
        ("ab*bc", "abc", false),
        ("*a*a", "a", false),
    ] {
        assert_eq!(fits(pattern, word), expected, "{pattern} {word}");
    }
}
