//! Security groups and their rules.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::Page;
use skyloom_store::networks::{self as store, Group, GroupFilter, NewRule, RuleFilter};
use skyloom_store::quotas::Quota;

use super::{Asking, convert, nothing_has, rules, text};
use crate::Cloud;

/// Reserved for the group that each project has.
const DEFAULT: &str = "default";

impl Cloud {
    pub(super) async fn groups_list(
        &self,
        context: &Arc<CallContext>,
        filter: wit::GroupFilter,
        request: PageRequest,
    ) -> Result<wit::GroupPage> {
        let asking = self.asking(context, Action::NetworksRead)?;
        if nothing_has(&filter.tags) {
            return Ok(wit::GroupPage { groups: Vec::new(), next: None });
        }
        self.make_default_group(&asking).await?;
        let filter = GroupFilter {
            viewer: asking.viewer_owned(),
            ids: filter.ids,
            names: filter.names,
            project_id: filter.project_id,
        };
        let mut conn = self.db().read().await?;
        let listed = store::list_groups(&mut conn, &filter, &convert::page(request)).await?;
        Ok(wit::GroupPage { groups: listed.items.into_iter().map(convert::group).collect(), next: listed.next })
    }

    /// The project's default group is made when somebody first looks.
    async fn make_default_group(&self, asking: &Asking<'_>) -> Result<()> {
        let mut conn = self.db().read().await?;
        let filter = GroupFilter {
            names: vec![DEFAULT.to_owned()],
            project_id: Some(asking.project.to_owned()),
            ..GroupFilter::default()
        };
        let known = store::list_groups(&mut conn, &filter, &Page { limit: 1, ..Page::default() }).await?;
        drop(conn);
        if known.items.is_empty() {
            let mut tx = self.db().begin().await?;
            store::default_group(&mut tx, asking.project, Timestamp::now()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    pub(super) async fn groups_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::SecurityGroup> {
        let asking = self.asking(context, Action::NetworksRead)?;
        let mut conn = self.db().read().await?;
        Ok(convert::group(seen(&mut conn, id, &asking).await?))
    }

    pub(super) async fn groups_create(
        &self,
        context: &Arc<CallContext>,
        write: wit::GroupWrite,
    ) -> Result<wit::SecurityGroup> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let project_id = self.project_for(&asking, write.project_id)?;
        let name = text("name", write.name)?.unwrap_or_default();
        if name.eq_ignore_ascii_case(DEFAULT) {
            return Err(
                Error::new(ErrorCode::AlreadyExists, "Default security group already exists.").with_field("name")
            );
        }
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
            rules: Vec::new(),
        };
        let mut tx = self.db().begin().await?;
        store::default_group(&mut tx, &group.project_id, now).await?;
        self.check_quota(&mut tx, &group.project_id, &[(Quota::SecurityGroups, 1), (Quota::SecurityGroupRules, 2)])
            .await?;
        store::insert_group(&mut tx, &group).await?;
        let group = seen(&mut tx, &group.id, &asking).await?;
        tx.commit().await?;
        Ok(convert::group(group))
    }

    pub(super) async fn groups_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        write: wit::GroupWrite,
    ) -> Result<wit::SecurityGroup> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let mut tx = self.db().begin().await?;
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
        if let Some(stateful) = write.stateful.filter(|stateful| *stateful != group.stateful) {
            if store::group_in_use(&mut tx, id).await? {
                return Err(in_use(id));
            }
            group.stateful = stateful;
        }
        group.updated_at = Timestamp::now();
        store::update_group(&mut tx, &group).await?;
        let group = seen(&mut tx, id, &asking).await?;
        tx.commit().await?;
        Ok(convert::group(group))
    }

    pub(super) async fn groups_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let mut tx = self.db().begin().await?;
        let group = seen(&mut tx, id, &asking).await?;
        if group.is_default {
            let message = "Insufficient rights for removing default security group.";
            return Err(Error::new(ErrorCode::WrongState, message).with_field("default"));
        }
        if store::group_in_use(&mut tx, id).await? {
            return Err(in_use(id));
        }
        store::delete_group(&mut tx, id).await?;
        tx.commit().await
    }

    pub(super) async fn rules_list(
        &self,
        context: &Arc<CallContext>,
        filter: wit::RuleFilter,
        request: PageRequest,
    ) -> Result<wit::RulePage> {
        let asking = self.asking(context, Action::NetworksRead)?;
        self.make_default_group(&asking).await?;
        let filter = RuleFilter {
            viewer: asking.viewer_owned(),
            ids: filter.ids,
            group_id: filter.group_id,
            project_id: filter.project_id,
            ingress: filter.ingress,
            ip_version: filter.ip_version,
            protocol: filter.protocol,
            remote_cidr: filter.remote_cidr,
            remote_group_id: filter.remote_group_id,
        };
        let mut conn = self.db().read().await?;
        let listed = store::list_rules(&mut conn, &filter, &convert::page(request)).await?;
        Ok(wit::RulePage { rules: listed.items.into_iter().map(convert::rule).collect(), next: listed.next })
    }

    pub(super) async fn rules_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::SecurityGroupRule> {
        let asking = self.asking(context, Action::NetworksRead)?;
        let mut conn = self.db().read().await?;
        let rule = store::get_rule(&mut conn, id, asking.viewer()).await?;
        rule.map(convert::rule).ok_or_else(|| Error::not_found("security-group-rule", id))
    }

    pub(super) async fn rules_create(
        &self,
        context: &Arc<CallContext>,
        create: wit::RuleCreate,
    ) -> Result<wit::SecurityGroupRule> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let mut tx = self.db().begin().await?;
        let group = seen(&mut tx, &create.group_id, &asking).await?;
        let project_id = match create.project_id {
            None => group.project_id,
            wanted => self.project_for(&asking, wanted)?,
        };
        let rule = rules::check_rule(NewRule {
            ingress: create.ingress,
            ip_version: create.ip_version,
            protocol: create.protocol,
            port_min: create.port_min.map(i64::from),
            port_max: create.port_max.map(i64::from),
            remote_cidr: create.remote_cidr,
            remote_group_id: create.remote_group_id,
            description: text("description", Some(create.description))?.unwrap_or_default(),
        })?;
        if let Some(remote) = &rule.remote_group_id {
            seen(&mut tx, remote, &asking).await?;
        }
        self.check_quota(&mut tx, &project_id, &[(Quota::SecurityGroupRules, 1)]).await?;
        let id = new_id();
        store::insert_rule(&mut tx, &id, &group.id, &project_id, &rule, Timestamp::now()).await?;
        let made = store::get_rule(&mut tx, &id, None).await?;
        tx.commit().await?;
        made.map(convert::rule).ok_or_else(|| Error::internal("a rule vanished in its own transaction"))
    }

    pub(super) async fn rules_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::NetworksWrite)?;
        let mut tx = self.db().begin().await?;
        if store::get_rule(&mut tx, id, asking.viewer()).await?.is_none() {
            return Err(Error::not_found("security-group-rule", id));
        }
        store::delete_rule(&mut tx, id, Timestamp::now()).await?;
        tx.commit().await
    }
}

fn in_use(id: &str) -> Error {
    Error::new(ErrorCode::InUse, format!("Security Group {id} in use.")).with_resource("security-group", id)
}

/// A group that the caller sees.
async fn seen(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Group> {
    store::get_group(conn, id, asking.viewer()).await?.ok_or_else(|| Error::not_found("security-group", id))
}
