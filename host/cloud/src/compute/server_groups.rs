//! Server groups: which there are, and which servers are in them. `sagas/company.rs` is what placement does with them.

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::collisions::again;
use skyloom_store::listing::{Condition, Filter, taken_flag};
use skyloom_store::quotas::Quota;
use skyloom_store::server_groups::{self as store, Policy, ServerGroup};

use super::Compute;
use super::common::{check_name, page};
use super::rules::{self, Verb};
use crate::events::{self, Owner};
use crate::lists::conditions;

fn view(group: ServerGroup) -> wit::ServerGroup {
    wit::ServerGroup {
        id: group.id,
        name: group.name,
        project_id: group.project_id,
        user_id: group.user_id,
        policy: group.policy.as_str().to_owned(),
        max_servers_per_node: group.max_servers_per_node.and_then(|most| u32::try_from(most).ok()),
        created_at: group.created_at.0,
        members: group.members,
    }
}

fn checked(create: &wit::ServerGroupCreate) -> Result<Policy> {
    check_name("name", &create.name)?;
    let unknown = || Error::invalid("policy", format!("{} is no policy of a server group.", create.policy));
    let policy = Policy::parse(&create.policy).ok_or_else(unknown)?;
    match create.max_servers_per_node {
        Some(_) if policy != Policy::AntiAffinity => {
            let message = "Only the policy anti-affinity has a number of servers per compute node.";
            Err(Error::invalid("max-servers-per-node", message))
        }
        Some(0) => Err(Error::invalid("max-servers-per-node", "At least one server is on a compute node.")),
        _ => Ok(policy),
    }
}

/// A group that is reached, held until the commit.
pub(super) async fn locked(tx: &mut Conn, reach: &Reach, id: &str) -> Result<ServerGroup> {
    store::lock(tx, id).await?;
    seen(tx, reach, id).await
}

/// One of another project is not found.
pub(super) async fn seen(conn: &mut Conn, reach: &Reach, id: &str) -> Result<ServerGroup> {
    store::get(conn, id, reach).await?.ok_or_else(|| Error::not_found("server-group", id))
}

impl Compute {
    pub(super) async fn server_group_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::ServerGroupPage> {
        let reach = self.permit(context.caller.as_deref(), Action::ServerGroupsRead)?;
        let mut conditions = conditions(asked)?;
        let own = context.caller()?.project_id();
        let all = taken_flag(&mut conditions, "all-projects")? == Some(true);
        let foreign = |condition: &Condition| condition.values.iter().any(|project| own != Some(project));
        let reach = if all || conditions.iter().any(|asked| asked.field == "project-id" && foreign(asked)) {
            self.permit(context.caller.as_deref(), Action::ServerGroupsReadAll)?
        } else {
            reach.narrowed(own)
        };
        let mut conn = self.db().read().await?;
        let listed = store::list(&mut conn, &Filter::new(&reach, conditions), &page(request)).await?;
        Ok(wit::ServerGroupPage { groups: listed.items.into_iter().map(view).collect(), next: listed.next })
    }

    pub(super) async fn show_server_group(&self, context: &CallContext, id: &str) -> Result<wit::ServerGroup> {
        let reach = self.permit(context.caller.as_deref(), Action::ServerGroupsRead)?;
        seen(&mut self.db().read().await?, &reach, id).await.map(view)
    }

    pub(super) async fn make_server_group(
        &self,
        context: &CallContext,
        create: wit::ServerGroupCreate,
    ) -> Result<wit::ServerGroup> {
        self.permit(context.caller.as_deref(), Action::ServerGroupsCreate)?;
        let caller = context.caller()?;
        let policy = checked(&create)?;
        let group = ServerGroup {
            id: new_id(),
            project_id: caller.project()?.to_owned(),
            user_id: caller.user.id.clone(),
            name: create.name,
            policy,
            max_servers_per_node: create.max_servers_per_node.map(i64::from),
            created_at: Timestamp::now(),
            members: Vec::new(),
        };
        let mut tx = self.db().begin().await?;
        events::changed(
            &mut tx,
            context,
            Action::ServerGroupsCreate,
            ("server-group", &group.id),
            Owner::Project(&group.project_id),
        )
        .await?;
        store::insert(&mut tx, &group).await?;
        self.quotas.check_quota_made(&mut tx, &group.project_id, &[(Quota::ServerGroups, 1)]).await?;
        tx.commit().await?;
        Ok(view(group))
    }

    pub(super) async fn remove_server_group(&self, context: &CallContext, id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::ServerGroupsDelete)?;
        again(|| async {
            let mut tx = self.db().begin().await?;
            let group = locked(&mut tx, &reach, id).await?;
            events::changed(
                &mut tx,
                context,
                Action::ServerGroupsDelete,
                ("server-group", id),
                Owner::Project(&group.project_id),
            )
            .await?;
            store::delete(&mut tx, id).await?;
            tx.commit().await
        })
        .await
    }

    /// A server that is in the group already stays in it.
    pub(super) async fn join_server_group(&self, context: &CallContext, id: &str, server_id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::ServerGroupsAddMember)?;
        again(|| async {
            let mut tx = self.db().begin().await?;
            // Servers come before groups, as where they are placed.
            let server = self.locked_server(&mut tx, &reach, server_id).await;
            let group = locked(&mut tx, &reach, id).await?;
            let server = server?;
            if server.project_id != group.project_id {
                return Err(Error::not_found("server", server_id));
            }
            rules::check(Verb::JoinGroup, &server, context.caller()?)?;
            match server.group_id.as_deref() {
                Some(own) if own == id => return Ok(()),
                Some(other) => {
                    let message = format!("Server {server_id} is in the server group {other}.");
                    return Err(Error::new(ErrorCode::InUse, message).with_resource("server", server_id));
                }
                None => {}
            }
            self.quotas.room_in_group(&mut tx, &group, 1).await?;
            events::changed(
                &mut tx,
                context,
                Action::ServerGroupsAddMember,
                ("server", server_id),
                Owner::Project(&server.project_id),
            )
            .await?;
            store::put_server(&mut tx, server_id, Some(id), Timestamp::now()).await?;
            tx.commit().await
        })
        .await
    }

    pub(super) async fn leave_server_group(&self, context: &CallContext, id: &str, server_id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::ServerGroupsRemoveMember)?;
        again(|| async {
            let mut tx = self.db().begin().await?;
            let server = self.locked_server(&mut tx, &reach, server_id).await;
            locked(&mut tx, &reach, id).await?;
            let server = server?;
            if server.group_id.as_deref() != Some(id) {
                let message = format!("Server {server_id} is not in the server group {id}.");
                let error = Error::new(ErrorCode::NotFound, message).with_field("server-id");
                return Err(error.with_resource("server", server_id));
            }
            rules::check(Verb::LeaveGroup, &server, context.caller()?)?;
            events::changed(
                &mut tx,
                context,
                Action::ServerGroupsRemoveMember,
                ("server", server_id),
                Owner::Project(&server.project_id),
            )
            .await?;
            store::put_server(&mut tx, server_id, None, Timestamp::now()).await?;
            tx.commit().await
        })
        .await
    }
}
