//! What every area stands on.

use std::sync::{Arc, OnceLock};

use skyloom_model::{Action, Caller, Permission, Reach, Result};
use skyloom_store::identity::assignments;
use skyloom_store::{Conn, Db};

use crate::identity::policy::Policy;
use crate::secrets::{Authenticator, Sealer};

/// Clones share it.
#[derive(Clone)]
pub struct Base(Arc<Inner>);

struct Inner {
    db: Db,
    policy: Policy,
    sealer: Sealer,
    /// Tells the workers that an operation waits.
    waker: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Base {
    pub(crate) fn new(db: Db, policy: Policy, sealer: Sealer) -> Self {
        Self(Arc::new(Inner { db, policy, sealer, waker: OnceLock::new() }))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// With it this process proves to the deployment's others that it is one of them; see [`Sealer::authenticator`].
    pub fn authenticator(&self, purpose: &str) -> Authenticator {
        self.sealer().authenticator(purpose)
    }

    /// The one place where it is decided whether somebody may do something. `unauthenticated` when nobody is known and the
    /// action needs somebody, `forbidden` when the roles don't suffice. Gives whose resources are there for the caller: what is read
    /// and changed is asked for with it.
    pub fn permit(&self, caller: Option<&Caller>, asked: impl Into<Permission>) -> Result<Reach> {
        self.0.policy.permit(caller, &asked.into())
    }

    /// As [`Base::permit`] for an action that reaches the projects that the caller has joined: those in which the caller's roles
    /// allow it.
    pub(crate) async fn permit_joined(
        &self,
        conn: &mut Conn,
        caller: Option<&Caller>,
        action: Action,
    ) -> Result<Reach> {
        debug_assert!(action.joined(), "{}", action.as_str());
        let reach = self.permit(caller, action)?;
        let (Reach::Projects(own), Some(caller)) = (&reach, caller) else { return Ok(reach) };
        let joined = assignments::joined(conn, &caller.user.id).await?.into_iter();
        let others = joined.filter(|(project, roles)| {
            !own.contains(&project.id) && self.policy().allows_in_project(project, roles, action)
        });
        Ok(Reach::Projects(own.iter().cloned().chain(others.map(|(project, _)| project.id)).collect()))
    }

    /// What to call when an operation was written; the wiring gives the engine's `wake`. The first one stays.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        if self.0.waker.set(Box::new(waker)).is_err() {
            tracing::warn!("the core has a waker already");
        }
    }

    /// To be called after each commit that wrote an operation.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.waker.get() {
            waker();
        }
    }
}

/// An area has what it stands on.
macro_rules! stands_on_base {
    ($area:ident) => {
        impl std::ops::Deref for $area {
            type Target = $crate::base::Base;

            fn deref(&self) -> &Self::Target {
                &self.base
            }
        }
    };
}

pub(crate) use stands_on_base;
