//! The `[identity]` table of the deployment file.

use std::collections::BTreeMap;

use skyloom_model::{Error, Result};

use super::policy::{Policy, RoleRules, Vocabulary};

#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// How long a token is valid.
    pub token_lifetime_seconds: u32,
    /// How many access keys a user may have, over all projects. 0: none.
    pub access_keys_per_user: u32,
    /// Roles that make their holder an operator of the whole cloud.
    pub operator_roles: Vec<String>,
    /// By role: what it may beside what the default says, and what it may not.
    pub policy: BTreeMap<String, RoleRules>,
    /// Not of the file: the wiring gives it.
    #[serde(skip)]
    #[schemars(skip)]
    pub vocabulary: Vocabulary,
    /// How many passwords are hashed at once, beside one of those that are guessed. Each takes 19 MiB, which is kept for the next, and a
    /// processor as far as no request needs it. Left out: half of the processors, at least one.
    pub password_hashing: Option<u32>,
    /// FOR TESTS ONLY: hash passwords so cheaply that they can be guessed.
    pub insecure_test_password_cost: bool,
    /// Who is told to wait after wrong passwords.
    pub slowdown: Slowdown,
}

/// Wrong passwords for one user from one address. The first are answered like any failed login, further ones as one too many (429)
/// with a time to wait. A right password is let in all the same: nobody's failures lock anybody out. What bounds guessing is
/// that few passwords are hashed at once (`password-hashing`) and few logins of an address are taken (`[limits] anonymous-rate`).
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Slowdown {
    pub free_failures: u32,
    /// The time to wait after the first that is not free; doubles with each.
    pub first_delay_ms: u32,
    /// What it grows to.
    pub longest_delay_ms: u32,
    /// How many pairs of user and address are remembered; beyond it the least used are forgotten.
    pub remembered: u32,
    /// After this time without a wrong password a pair is forgotten.
    pub forget_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_lifetime_seconds: 24 * 3600,
            access_keys_per_user: 10,
            operator_roles: vec![super::ADMIN.to_owned()],
            policy: BTreeMap::new(),
            vocabulary: Vocabulary::new(),
            password_hashing: None,
            insecure_test_password_cost: false,
            slowdown: Slowdown::default(),
        }
    }
}

impl Default for Slowdown {
    fn default() -> Self {
        Self { free_failures: 5, first_delay_ms: 500, longest_delay_ms: 8000, remembered: 10_000, forget_seconds: 900 }
    }
}

impl Settings {
    /// Who may do what.
    pub(crate) fn policy(&self) -> Result<Policy> {
        Policy::new(&self.operator_roles, &self.policy, &self.vocabulary)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.token_lifetime_seconds == 0 || self.password_hashing == Some(0) {
            let text = "[identity] token-lifetime-seconds and password-hashing are at least 1";
            return Err(Error::invalid("identity", text));
        }
        if self.operator_roles.is_empty() {
            return Err(Error::invalid("identity", "[identity] operator-roles names at least one role"));
        }
        Ok(())
    }
}
