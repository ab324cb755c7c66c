//! Making servers. The request is checked and what it names is read first; then one short transaction counts the quota and
//! writes everything that is meant: servers, disks, ports, operations. Sagas do the rest.

mod checks;
mod password;
mod references;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_parts;
mod write;

pub(super) use checks::{MAX_DISKS, MAX_NICS, check_groups, check_user_data};
pub(super) use password::Password;
pub(super) use references::{PlannedNic, planned_nics, public_key};
pub(super) use write::{Slot, card, device, groups_of};

use skyloom_model::{Action, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::collisions::again;
use skyloom_store::quotas::Quota;

use self::checks::Checked;
use self::references::References;
use super::{Compute, server_groups};

/// A request that is understood, with all that it names.
struct Plan<'a> {
    context: &'a CallContext,
    create: wit::ServerCreate,
    project_id: String,
    user_id: String,
    checked: Checked,
    references: References,
    reservation_id: String,
    /// Of the guests' administrator.
    password: Password,
    now: Timestamp,
}

impl Plan<'_> {
    /// What each server takes of the project's quotas.
    fn needs(&self) -> Vec<(Quota, u64)> {
        let flavor = &self.references.flavor;
        // What is there was counted when it was made.
        let disks: Vec<_> = self.references.disks.iter().filter(|disk| disk.volume_id.is_none()).collect();
        let new_ports = self.references.nics.iter().filter(|nic| nic.port_id.is_none()).count();
        let new_address = self.create.public_address.as_ref().is_some_and(|address| address.id.is_none());
        vec![
            (Quota::Servers, 1),
            (Quota::Vcpus, u64::from(flavor.vcpus)),
            (Quota::MemoryMib, u64::from(flavor.memory_mib)),
            (Quota::Volumes, disks.len() as u64),
            (Quota::VolumeGib, disks.iter().map(|disk| u64::from(disk.size_gib)).sum()),
            // A public address is carried by a port of its own.
            (Quota::Ports, new_ports as u64 + u64::from(new_address)),
            (Quota::PublicAddresses, u64::from(new_address)),
        ]
    }
}

impl Compute {
    pub(super) async fn make_servers(
        &self,
        context: &CallContext,
        create: wit::ServerCreate,
    ) -> Result<wit::ServerCreated> {
        self.permit(context.caller.as_deref(), Action::ServersCreate)?;
        if create.node.is_some() {
            self.permit(context.caller.as_deref(), Action::ServersCreateOnNode)?;
        }
        if create.group_id.is_some() {
            self.permit(context.caller.as_deref(), Action::ServerGroupsAddMember)?;
        }
        if let Some(address) = &create.public_address {
            let action = if address.id.is_some() { Action::PublicAddressesBind } else { Action::PublicAddressesCreate };
            self.permit(context.caller.as_deref(), action)?;
        }
        // What it takes of what is there needs what taking it by itself needs.
        for (source, action) in [("volume", Action::VolumesAttach), ("snapshot", Action::VolumesCreate)] {
            if create.disks.iter().any(|disk| disk.source == source) {
                self.permit(context.caller.as_deref(), action)?;
            }
        }
        let plan = self.plan(context, create).await?;
        let made = again(|| self.write(&plan)).await?;
        Ok(wit::ServerCreated {
            server_ids: made.server_ids,
            operation_id: made.operation_id,
            reservation_id: plan.reservation_id,
            admin_password: plan.password.handle,
        })
    }

    /// Everything that can be known before the transaction.
    async fn plan<'a>(&self, context: &'a CallContext, create: wit::ServerCreate) -> Result<Plan<'a>> {
        let caller = context.caller()?;
        let project_id = caller.project()?.to_owned();
        let checked = checks::check(context, &self.settings, &create)?;
        let mut conn = self.db().read().await?;
        if !checked.metadata.is_empty() {
            self.check_metadata_count(&mut conn, &project_id, checked.metadata.len()).await?;
        }
        let references = self.references(&mut conn, caller, &project_id, &create).await?;
        let password = Password::of(
            context,
            &create.admin_password,
            references.image.as_ref().is_some_and(|image| image.windows),
        )?;
        Ok(Plan {
            context,
            user_id: caller.user.id.clone(),
            project_id,
            checked,
            references,
            reservation_id: checks::reservation_id(),
            password,
            now: Timestamp::now(),
            create,
        })
    }

    /// One transaction; nothing of it stays of a dry run.
    async fn write(&self, plan: &Plan<'_>) -> Result<write::Made> {
        let create = &plan.create;
        let mut tx = self.db().begin().await?;
        let mut most = u32::try_from(create.names.len()).unwrap_or(u32::MAX);
        if let Some(id) = &create.group_id {
            let group = server_groups::locked(&mut tx, &Reach::project(&plan.project_id), id).await?;
            most = most.min(self.quotas.room_in_group(&mut tx, &group, create.min_count).await?);
        }
        // The quota is counted before much is written, but after a single server is: that holds up the project's other
        // creations for a moment only.
        let made = if most > 1 {
            let count = self.quotas.fitting(&mut tx, &plan.project_id, &plan.needs(), create.min_count, most).await?;
            write::servers(&mut tx, self.sealer(), plan, count as usize).await?
        } else {
            let made = write::servers(&mut tx, self.sealer(), plan, 1).await?;
            self.quotas.check_quota_made(&mut tx, &plan.project_id, &plan.needs()).await?;
            made
        };
        if create.dry_run {
            return Ok(write::Made { server_ids: Vec::new(), operation_id: String::new() });
        }
        tx.commit().await?;
        self.wake();
        Ok(made)
    }
}
