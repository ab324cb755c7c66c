//! Rules of security groups.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::listing::Filter;
use skyloom_store::networks::{self as store, Group, NewRule, Prefixed};
use skyloom_store::quotas::Quota;

use super::Networks;
use super::traffic::{self, Meaning};
use super::{MAX_RULES, at_most, bounded, convert, groups, text};
use crate::attributes;
use crate::bounds;
use crate::events::{self, Owner};
use crate::lists::{conditions, page, spell};

impl Networks {
    pub(super) async fn rules_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::RulePage> {
        let asking = self.asking(context, Action::SecurityRulesRead)?;
        self.make_default_group(&asking).await?;
        let mut wanted = conditions(wanted)?;
        spell(&mut wanted, "protocol", |text| Some(traffic::spelled_protocol(text)));
        spell(&mut wanted, "remote-cidr", |text| Prefixed::parse(text).map(|prefixed| prefixed.to_string()));
        let filter = Filter::new(&asking.reach, wanted);
        let mut conn = self.db().read().await?;
        let listed = store::list_rules(&mut conn, &filter, &page(request)).await?;
        let rules = listed.items.into_iter().map(|rule| convert::rule(context, rule)).collect::<Result<_>>()?;
        Ok(wit::RulePage { rules, next: listed.next })
    }

    pub(super) async fn rules_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::SecurityGroupRule> {
        let asking = self.asking(context, Action::SecurityRulesRead)?;
        let mut conn = self.db().read().await?;
        let rule = store::get_rule(&mut conn, id, &asking.reach).await?;
        convert::rule(context, rule.ok_or_else(|| Error::not_found("security-group-rule", id))?)
    }

    /// All in one group: its row is held while they are compared with those that it has.
    pub(super) async fn rules_create(
        &self,
        context: &Arc<CallContext>,
        creates: Vec<wit::RuleCreate>,
    ) -> Result<Vec<wit::SecurityGroupRule>> {
        let asking = self.asking(context, Action::SecurityRulesCreate)?;
        bounded("security-group-rules", creates.len())?;
        let mut tx = self.db().begin().await?;
        let now = Timestamp::now();
        let group_id = of_one_group(&creates)?;
        store::touch_group(&mut tx, &group_id, now).await?;
        let group = groups::seen(&mut tx, &group_id, &asking).await?;
        let project_id = match creates.first().and_then(|create| create.project_id.clone()) {
            None => group.project_id.clone(),
            wanted => self.project_for(&mut tx, &asking, wanted).await?,
        };
        let rules: Vec<NewRule> = creates.into_iter().map(|create| said(context, create)).collect::<Result<_>>()?;
        at_most("security-group-rules", group.rules.len() + rules.len(), MAX_RULES)?;
        only_new(&group, &rules)?;
        let of_new = rules.iter().filter_map(|rule| rule.attributes.as_deref());
        let all = group.rules.iter().map(|rule| rule.attributes.as_str()).chain(of_new);
        bounds::bytes("attributes", bounds::RULES_ATTRIBUTES, all)?;
        for remote in rules.iter().filter_map(|rule| rule.remote_group_id.as_ref()) {
            groups::seen(&mut tx, remote, &asking).await?;
        }
        let needs = [(Quota::SecurityGroupRules, rules.len() as u64)];
        self.check_room(&mut tx, &asking, &project_id, &needs).await?;
        let mut made = Vec::with_capacity(rules.len());
        for rule in &rules {
            let id = new_id();
            events::changed(
                &mut tx,
                context,
                Action::SecurityRulesCreate,
                ("security-group-rule", &id),
                Owner::Project(&project_id),
            )
            .await?;
            store::insert_rule(&mut tx, &id, &group.id, &project_id, rule, now).await?;
            let rule = store::get_rule(&mut tx, &id, &Reach::All).await?;
            made.push(rule.ok_or_else(|| Error::internal("a rule vanished in its own transaction"))?);
        }
        tx.commit().await?;
        made.into_iter().map(|rule| convert::rule(context, rule)).collect()
    }

    pub(super) async fn rules_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.asking(context, Action::SecurityRulesDelete)?;
        let mut tx = self.db().begin().await?;
        let rule = store::get_rule(&mut tx, id, &asking.reach).await?;
        let rule = rule.ok_or_else(|| Error::not_found("security-group-rule", id))?;
        events::changed(
            &mut tx,
            context,
            Action::SecurityRulesDelete,
            ("security-group-rule", id),
            Owner::Project(&rule.project_id),
        )
        .await?;
        store::delete_rule(&mut tx, id, Timestamp::now()).await?;
        tx.commit().await
    }
}

/// The group that all the rules are for; they are for one project, too.
fn of_one_group(creates: &[wit::RuleCreate]) -> Result<String> {
    let group_id = creates.first().map(|create| create.group_id.clone()).unwrap_or_default();
    if creates.iter().any(|create| create.group_id != group_id) {
        let message = "Only allowed to update rules for one security profile at a time";
        return Err(Error::invalid("group-id", message).with_reason("several"));
    }
    if creates.windows(2).any(|pair| pair[0].project_id != pair[1].project_id) {
        let message = "Multiple project_ids in bulk security group rule create not allowed";
        return Err(Error::invalid("project-id", message).with_reason("several"));
    }
    Ok(group_id)
}

fn said(context: &CallContext, create: wit::RuleCreate) -> Result<NewRule> {
    traffic::check_rule(NewRule {
        ingress: create.ingress,
        ip_version: create.ip_version,
        protocol: text("protocol", create.protocol)?,
        port_min: create.port_min.map(i64::from),
        port_max: create.port_max.map(i64::from),
        remote_cidr: create.remote_cidr,
        remote_group_id: create.remote_group_id,
        description: text("description", Some(create.description))?.unwrap_or_default(),
        attributes: Some(attributes::with(context, attributes::NONE, &create.attributes)?),
    })
}

/// That none of the rules means what another one or one of the group's does.
fn only_new(group: &Group, rules: &[NewRule]) -> Result<()> {
    let old: Vec<Meaning<'_>> = group.rules.iter().map(Meaning::from).collect();
    for (at, rule) in rules.iter().enumerate() {
        let meaning = Meaning::from(rule);
        if rules[..at].iter().any(|other| Meaning::from(other) == meaning) {
            let message = "Duplicate Security Group Rule in POST.";
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_field("security-group-rules"));
        }
        if let Some(same) = old.iter().position(|other| *other == meaning) {
            let same = &group.rules[same].id;
            let message = format!("Security group rule already exists. Rule id is {same}.");
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_resource("security-group-rule", same));
        }
    }
    Ok(())
}
