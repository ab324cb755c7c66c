//! Security groups.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::{Filter, Page};
use skyloom_store::networks::{self as store, Group};
use skyloom_store::quotas::Quota;

use super::Networks;
use super::{Asking, bounded, convert, text};
use crate::attributes;
use crate::events::{self, Owner};
use crate::lists::{conditions, page};

/// Reserved for the group that each project has.
const DEFAULT: &str = "default";

impl Networks {
    pub(super) async fn groups_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::GroupPage> {
        let asking = self.asking(context, Action::SecurityGroupsRead)?;
        self.make_default_group(&asking).await?;
        let filter = Filter::new(&asking.reach, conditions(wanted)?);
        let mut conn = self.db().read().await?;
        let listed = store::list_groups(&mut conn, &filter, &page(request)).await?;
        let groups = listed.items.into_iter().map(|group| convert::group(context, group));
        Ok(wit::GroupPage { groups: groups.collect::<Result<_>>()?, next: listed.next })
    }

    /// The project's default group is made when somebody first looks.
    pub(super) async fn make_default_group(&self, asking: &Asking<'_>) -> Result<()> {
        let Some(project) = asking.project else { return Ok(()) };
        let mut conn = self.db().read().await?;
        let filter = Filter::within(&Reach::project(project)).is("name", DEFAULT);
        let known = store::list_groups(&mut conn, &filter, &Page { limit: 1, ..Page::default() }).await?;
        drop(conn);
        if known.items.is_empty() {
            let mut tx = self.db().begin().await?;
            store::default_group(&mut tx, project, Timestamp::now()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    pub(super) async fn groups_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::SecurityGroup> {
        let asking = self.asking(context, Action::SecurityGroupsRead)?;
        let mut conn = self.db().read().await?;
        convert::group(context, seen(&mut conn, id, &asking).await?)
    }

    pub(super) async fn groups_create(
        &self,
        context: &Arc<CallContext>,
        writes: Vec<wit::GroupWrite>,
    ) -> Result<Vec<wit::SecurityGroup>> {
        let asking = self.asking(context, Action::SecurityGroupsCreate)?;
        bounded("security-groups", writes.len())?;
        let mut tx = self.db().begin().await?;
        let mut made = Vec::with_capacity(writes.len());
        for write in writes {
            made.push(self.make_group(&mut tx, &asking, write).await?);
        }
        tx.commit().await?;
        Ok(made)
    }

    async fn make_group(
        &self,
        tx: &mut Conn,
        asking: &Asking<'_>,
        write: wit::GroupWrite,
    ) -> Result<wit::SecurityGroup> {
        let project_id = self.project_for(tx, asking, write.project_id).await?;
        let name = text("name", write.name)?.unwrap_or_default();
        if name.eq_ignore_ascii_case(DEFAULT) {
            return Err(
                Error::new(ErrorCode::AlreadyExists, "Default security group already exists.").with_field("name")
            );
        }
        let mut attributes = attributes::NONE.to_owned();
        attributes::put(asking.context, &mut attributes, write.attributes.as_deref())?;
        let now = Timestamp::now();
        let group = Group {
            id: new_id(),
            project_id,
            name,
            description: text("description", write.description)?.unwrap_or_default(),
            stateful: write.stateful.unwrap_or(true),
            is_default: false,
            created_at: now,
            updated_at: now,
            revision: 1,
            attributes,
            rules: Vec::new(),
        };
        store::default_group(tx, &group.project_id, now).await?;
        let needs = [(Quota::SecurityGroups, 1), (Quota::SecurityGroupRules, 2)];
        self.check_room(tx, asking, &group.project_id, &needs).await?;
        events::changed(
            tx,
            asking.context,
            Action::SecurityGroupsCreate,
            ("security-group", &group.id),
            Owner::Project(&group.project_id),
        )
        .await?;
        store::insert_group(tx, &group).await?;
        convert::group(asking.context, seen(tx, &group.id, asking).await?)
    }

    pub(super) async fn groups_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        write: wit::GroupWrite,
    ) -> Result<wit::SecurityGroup> {
        let asking = self.asking(context, Action::SecurityGroupsUpdate)?;
        let mut tx = self.db().begin().await?;
        // Held before it is read for the change.
        store::lock_group(&mut tx, id).await?;
        let mut group = seen(&mut tx, id, &asking).await?;
        let name = text("name", write.name)?;
        if let Some(name) = name.filter(|name| *name != group.name) {
            if group.is_default {
                let message = "Updating default security group not allowed.";
                return Err(Error::new(ErrorCode::WrongState, message).with_field("name"));
            }
            if name.eq_ignore_ascii_case(DEFAULT) {
                let message = "Default security group already exists.";
                return Err(Error::new(ErrorCode::AlreadyExists, message).with_field("name"));
            }
            group.name = name;
        }
        if let Some(description) = text("description", write.description)? {
            group.description = description;
        }
        attributes::put(context, &mut group.attributes, write.attributes.as_deref())?;
        if let Some(stateful) = write.stateful.filter(|stateful| *stateful != group.stateful) {
            if store::group_in_use(&mut tx, id).await? {
                return Err(in_use(id));
            }
            group.stateful = stateful;
        }
        group.updated_at = Timestamp::now();
        events::changed(
            &mut tx,
            context,
            Action::SecurityGroupsUpdate,
            ("security-group", id),
            Owner::Project(&group.project_id),
        )
        .await?;
        store::update_group(&mut tx, &group).await?;
        let group = seen(&mut tx, id, &asking).await?;
        tx.commit().await?;
        convert::group(context, group)
    }

    pub(super) async fn groups_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::SecurityGroupsDelete)?;
        let mut tx = self.db().begin().await?;
        let group = seen(&mut tx, id, &asking).await?;
        if group.is_default && self.permit(Some(asking.caller), Action::NetworksWriteAll).is_err() {
            let message = "Insufficient rights for removing default security group.";
            return Err(Error::new(ErrorCode::WrongState, message).with_field("default"));
        }
        if store::group_in_use(&mut tx, id).await? {
            return Err(in_use(id));
        }
        events::changed(
            &mut tx,
            context,
            Action::SecurityGroupsDelete,
            ("security-group", id),
            Owner::Project(&group.project_id),
        )
        .await?;
        store::delete_group(&mut tx, id).await?;
        tx.commit().await
    }
}

fn in_use(id: &str) -> Error {
    Error::new(ErrorCode::InUse, format!("Security Group {id} in use.")).with_resource("security-group", id)
}

/// A group that the caller sees.
pub(super) async fn seen(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Group> {
    store::get_group(conn, id, &asking.reach).await?.ok_or_else(|| Error::not_found("security-group", id))
}
