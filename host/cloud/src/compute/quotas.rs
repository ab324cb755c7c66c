//! Quotas: limits of a project, checked against what its records say at that moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Result};
use skyloom_runtime::api::QuotasApi;
use skyloom_runtime::bindings::cloud::quotas as wit;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::identity::projects;
use skyloom_store::quotas::{self as store, Quota};
use skyloom_store::server_groups::{self, ServerGroup};
use skyloom_store::{Conn, Db};

use super::Settings;
use crate::base::{Base, stands_on_base};
use crate::reach;

/// The most servers of a group, whatever its project's quota: the group is shown with all of them.
const MOST_MEMBERS: i64 = 1000;

/// How a project stands with one quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) quota: Quota,
    /// -1: no limit.
    pub(crate) limit: i64,
    pub(crate) used: i64,
}

impl Standing {
    /// How many more there may be.
    fn room(self) -> u64 {
        if self.limit < 0 { u64::MAX } else { u64::try_from(self.limit - self.used).unwrap_or(0) }
    }

    fn exceeded(self, wanted: u64) -> Error {
        let (name, limit, used) = (self.quota.as_str(), self.limit, self.used);
        let message =
            format!("Quota exceeded for {name}: requested {wanted}, but already used {used} of {limit} {name}.");
        Error::new(ErrorCode::QuotaExceeded, message).with_field(name)
    }
}

/// Limits of projects.
pub struct Quotas {
    base: Base,
    settings: Arc<Settings>,
}

stands_on_base!(Quotas);

impl Quotas {
    pub(crate) fn new(base: Base, settings: Arc<Settings>) -> Self {
        Self { base, settings }
    }

    /// Refuses with `quota-exceeded` what would take the project above one of its limits; the field names the quota. Holds the
    /// project's row until the commit, so that what was counted stays true: insert in the same transaction.
    pub(crate) async fn check_quota(&self, tx: &mut Conn, project_id: &str, wanted: &[(Quota, u64)]) -> Result<()> {
        self.fitting(tx, project_id, wanted, 1, 1).await.map(|_| ())
    }

    /// As [`check_quota`](Self::check_quota), for a project that an operator names: where nobody knows it, the default limits
    /// hold.
    pub(crate) async fn check_quota_named(
        &self,
        tx: &mut Conn,
        project_id: &str,
        wanted: &[(Quota, u64)],
    ) -> Result<()> {
        let own = store::limits_locked(tx, project_id).await?.unwrap_or_default();
        for (standing, need) in self.bounded_by(tx, project_id, &own, wanted).await? {
            if standing.room() < need {
                return Err(standing.exceeded(need));
            }
        }
        Ok(())
    }

    /// As [`check_quota`](Self::check_quota), for what this transaction has inserted already: the project's other requests
    /// wait only from here to the commit.
    pub(crate) async fn check_quota_made(&self, tx: &mut Conn, project_id: &str, made: &[(Quota, u64)]) -> Result<()> {
        for (standing, need) in self.bounded(tx, project_id, made).await? {
            let before = Standing { used: standing.used.saturating_sub_unsigned(need), ..standing };
            if before.room() < need {
                return Err(before.exceeded(need));
            }
        }
        Ok(())
    }

    /// How many of `most` things that need this much each fit in; fewer than `least` is `quota-exceeded`.
    pub(crate) async fn fitting(
        &self,
        tx: &mut Conn,
        project_id: &str,
        each: &[(Quota, u64)],
        least: u32,
        most: u32,
    ) -> Result<u32> {
        let mut fit = most;
        for (standing, need) in self.bounded(tx, project_id, each).await? {
            let room = u32::try_from(standing.room() / need).unwrap_or(u32::MAX);
            if room < least {
                return Err(standing.exceeded(need.saturating_mul(u64::from(least))));
            }
            fit = fit.min(room);
        }
        Ok(fit)
    }

    /// How many more servers the group, which is held until the commit, takes; fewer than `least` is `quota-exceeded`.
    pub(crate) async fn room_in_group(&self, tx: &mut Conn, group: &ServerGroup, least: u32) -> Result<u32> {
        let own = store::limits(tx, &group.project_id).await?;
        let quota = Quota::ServerGroupMembers;
        let limit = match self.limit(&own, quota) {
            none if none < 0 => MOST_MEMBERS,
            limit => limit.min(MOST_MEMBERS),
        };
        let standing = Standing { quota, limit, used: server_groups::count_members(tx, &group.id).await? };
        let room = u32::try_from(standing.room()).unwrap_or(u32::MAX);
        if room < least { Err(standing.exceeded(least.into())) } else { Ok(room) }
    }

    /// How the project, which is held until the commit, stands with those of the quotas that bound it, each with what is needed
    /// of it. What has no limit isn't counted.
    async fn bounded(&self, tx: &mut Conn, project_id: &str, needs: &[(Quota, u64)]) -> Result<Vec<(Standing, u64)>> {
        // It may have been deleted since the caller was let in.
        let own = store::limits_locked(tx, project_id).await?.ok_or_else(|| Error::not_found("project", project_id))?;
        self.bounded_by(tx, project_id, &own, needs).await
    }

    /// `own`: the project's own limits.
    async fn bounded_by(
        &self,
        tx: &mut Conn,
        project_id: &str,
        own: &BTreeMap<Quota, i64>,
        needs: &[(Quota, u64)],
    ) -> Result<Vec<(Standing, u64)>> {
        let bounded: Vec<(Quota, u64, i64)> = needs
            .iter()
            .filter(|(_, need)| *need > 0)
            .map(|(quota, need)| (*quota, *need, self.limit(own, *quota)))
            .filter(|(_, _, limit)| *limit >= 0)
            .collect();
        let quotas: Vec<Quota> = bounded.iter().map(|(quota, ..)| *quota).collect();
        let used = store::used(tx, project_id, &quotas).await?;
        let standing = |((quota, need, limit), used)| (Standing { quota, limit, used }, need);
        Ok(bounded.into_iter().zip(used).map(standing).collect())
    }

    fn limit(&self, own: &BTreeMap<Quota, i64>, quota: Quota) -> i64 {
        own.get(&quota).copied().unwrap_or_else(|| self.settings.default_limit(quota))
    }

    async fn standings(&self, project_id: &str, user_id: Option<&str>) -> Result<Vec<Standing>> {
        let mut conn = self.db().read().await?;
        let (own, used) = own_and_used(&mut conn, project_id).await?;
        let keypairs = match user_id {
            Some(user) => store::keypairs_of(&mut conn, user).await?,
            None => 0,
        };
        let standing = |(quota, used): (&Quota, i64)| {
            let used = if *quota == Quota::Keypairs { keypairs } else { used };
            Standing { quota: *quota, limit: self.limit(&own, *quota), used }
        };
        Ok(Quota::ALL.iter().zip(used).map(standing).collect())
    }

    async fn quotas_of(&self, context: &CallContext, project_id: Option<String>) -> Result<Vec<wit::Quota>> {
        self.permit(context.caller.as_deref(), Action::QuotasRead)?;
        let caller = context.caller()?;
        let standings = match project_id {
            Some(other) if caller.project_id() != Some(&other) => {
                let reach = self.permit(context.caller.as_deref(), Action::QuotasReadAll)?;
                reach::check(&mut self.db().read().await?, &reach, "project-id", &other).await?;
                self.standings(&other, None).await?
            }
            _ => self.standings(caller.project()?, Some(&caller.user.id)).await?,
        };
        let quota = |standing: Standing| wit::Quota {
            name: standing.quota.as_str().to_owned(),
            limit: standing.limit,
            used: u64::try_from(standing.used).unwrap_or(0),
        };
        Ok(standings.into_iter().map(quota).collect())
    }
}

/// The project's own limits, and what it uses of all quotas.
async fn own_and_used(conn: &mut Conn, project_id: &str) -> Result<(BTreeMap<Quota, i64>, Vec<i64>)> {
    let own = store::limits(conn, project_id).await?;
    Ok((own, store::used(conn, project_id, Quota::ALL).await?))
}

/// A quota of a project as the operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub quota: Quota,
    /// -1: no limit.
    pub limit: i64,
    /// Whether the limit is the project's own, not the deployment's.
    pub own: bool,
    pub used: i64,
}

/// All quotas of the project with this id, or with this name that no other one has.
pub async fn of_project(db: &Db, settings: &Settings, project: &str) -> Result<Vec<Line>> {
    let mut conn = db.read().await?;
    let project_id = called(&mut conn, project).await?;
    let (own, used) = own_and_used(&mut conn, &project_id).await?;
    let line = |(quota, used): (&Quota, i64)| Line {
        quota: *quota,
        limit: own.get(quota).copied().unwrap_or_else(|| settings.default_limit(*quota)),
        own: own.contains_key(quota),
        used,
    };
    Ok(Quota::ALL.iter().zip(used).map(line).collect())
}

/// Gives the project limits of its own, -1 for none, or with `None` the deployment's again; all of them or none. They hold
/// from the next request on, in every process; what the project has already stays.
pub async fn change(db: &Db, project: &str, limits: &[(Quota, Option<i64>)]) -> Result<()> {
    for (quota, limit) in limits {
        if limit.is_some_and(|limit| limit < -1) {
            let name = quota.as_str();
            return Err(Error::invalid(name, format!("{name}: a limit is 0 or more, or -1 for none")));
        }
    }
    let mut tx = db.begin().await?;
    let project_id = called(&mut tx, project).await?;
    store::lock_project(&mut tx, &project_id).await?;
    for (quota, limit) in limits {
        match limit {
            Some(limit) => store::set_limit(&mut tx, &project_id, *quota, *limit).await?,
            None => store::clear_limit(&mut tx, &project_id, *quota).await?,
        }
    }
    tx.commit().await
}

async fn called(conn: &mut Conn, project: &str) -> Result<String> {
    let ids = projects::ids_called(conn, project).await?;
    match <[String; 1]>::try_from(ids) {
        Ok([id]) => Ok(id),
        Err(ids) if ids.is_empty() => Err(Error::not_found("project", project)),
        Err(_) => Err(Error::invalid("project", format!("several projects are called {project}: give an id"))),
    }
}

#[async_trait::async_trait]
impl QuotasApi for Quotas {
    async fn get_quotas(
        &self,
        context: &Arc<CallContext>,
        project_id: Option<String>,
    ) -> Result<Vec<wit::Quota>, WitError> {
        Ok(self.quotas_of(context, project_id).await?)
    }

    async fn default_quotas(&self, context: &Arc<CallContext>) -> Result<Vec<wit::Quota>, WitError> {
        self.permit(context.caller.as_deref(), Action::QuotasRead)?;
        let quota = |quota: &Quota| wit::Quota {
            name: quota.as_str().to_owned(),
            limit: self.settings.default_limit(*quota),
            used: 0,
        };
        Ok(Quota::ALL.iter().map(quota).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::testing::{member, worlds};

    #[tokio::test]
    async fn a_project_has_the_deployments_limits_until_it_gets_its_own() {
        let compute = Settings { quotas: [("servers".to_owned(), 7)].into(), ..Settings::default() };
        for world in worlds(crate::Settings { compute: compute.clone(), ..crate::Settings::default() }).await {
            let (db, kind) = (&world.database.db, world.database.name);
            let line = async |quota: Quota| {
                let lines = of_project(db, &compute, "project p").await.expect("quotas");
                let line = lines.into_iter().find(|line| line.quota == quota).expect("every quota");
                // What the plugins are told is the same.
                let told = world.cloud.get_quotas(&member("p"), None).await.expect("quotas");
                let told = told.into_iter().find(|told| told.name == quota.as_str()).expect("every quota");
                assert_eq!(told.limit, line.limit, "{kind}");
                (line.limit, line.own)
            };
            assert_eq!(line(Quota::Servers).await, (7, false), "{kind}");
            change(db, "p", &[(Quota::Servers, Some(0)), (Quota::Vcpus, Some(-1))]).await.expect("change");
            assert_eq!((line(Quota::Servers).await, line(Quota::Vcpus).await), ((0, true), (-1, true)), "{kind}");
            // All or none.
            let refused = change(db, "p", &[(Quota::Servers, None), (Quota::Vcpus, Some(-2))]).await.unwrap_err();
            assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::Invalid, Some("vcpus")), "{kind}");
            assert_eq!(line(Quota::Servers).await, (0, true), "{kind}");
            change(db, "p", &[(Quota::Servers, None)]).await.expect("change");
            assert_eq!(line(Quota::Servers).await, (7, false), "{kind}");
            assert_eq!(change(db, "nobody", &[]).await.unwrap_err().code, ErrorCode::NotFound, "{kind}");
        }
    }
}
