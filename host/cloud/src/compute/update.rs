//! What an owner may change of a server at any time: names, addresses for access, metadata.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::common::Pair;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::quotas::Quota;
use skyloom_store::servers::{self as store, Brief, Parts, UserFields};

use super::Compute;
use super::common::{check_name, check_text, items, pairs};
use super::rules::{self, Verb};
use super::view;
use crate::events::{self, Owner};
use crate::{attributes, bounds};

/// A host name: labels of letters, digits and hyphens, joined by dots; at most 255 characters.
pub(super) fn check_hostname(name: &str) -> Result<()> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 255 || !name.split('.').all(label) {
        return Err(Error::invalid("hostname", "The hostname is not a valid DNS name."));
    }
    Ok(())
}

/// The one form of an IPv6 address in which it is kept and compared; anything else stays as it is.
pub(super) fn canonical_ipv6(text: &str) -> String {
    text.parse::<Ipv6Addr>().map_or_else(|_| text.to_owned(), |address| address.to_string())
}

/// Empty: none.
pub(super) fn check_access(ipv4: &str, ipv6: &str) -> Result<()> {
    if !ipv4.is_empty() && ipv4.parse::<Ipv4Addr>().is_err() {
        return Err(Error::invalid("access-ipv4", format!("{ipv4} is not an IPv4 address.")));
    }
    if !ipv6.is_empty() && ipv6.parse::<Ipv6Addr>().is_err() {
        return Err(Error::invalid("access-ipv6", format!("{ipv6} is not an IPv6 address.")));
    }
    Ok(())
}

fn check_update(update: &wit::ServerUpdate) -> Result<()> {
    if let Some(name) = &update.name {
        check_name("name", name)?;
    }
    if let Some(Some(description)) = &update.description {
        check_text("description", description)?;
    }
    if let Some(hostname) = &update.hostname {
        check_hostname(hostname)?;
    }
    check_access(update.access_ipv4.as_deref().unwrap_or_default(), update.access_ipv6.as_deref().unwrap_or_default())
}

impl Compute {
    /// A living server that the caller reaches, its row held until the commit.
    pub(super) async fn locked_server(&self, tx: &mut Conn, reach: &Reach, id: &str) -> Result<Brief> {
        let server = store::lock(tx, id).await?;
        server.filter(|server| !server.deleted && server.is_within(reach)).ok_or_else(|| Error::not_found("server", id))
    }

    pub(super) async fn change_server(
        &self,
        context: &CallContext,
        id: &str,
        update: wit::ServerUpdate,
    ) -> Result<wit::Server> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersUpdate)?;
        check_update(&update)?;
        let mut tx = self.db().begin().await?;
        let server = self.locked_server(&mut tx, &reach, id).await?;
        let attributes = match &update.attributes {
            Some(own) => Some(attributes::with(context, &server.attributes, own)?),
            None => None,
        };
        let access_ipv6 = update.access_ipv6.as_deref().map(canonical_ipv6);
        let fields = UserFields {
            name: update.name.as_deref(),
            description: update.description.as_ref().map(Option::as_deref),
            hostname: update.hostname.as_deref(),
            access_ipv4: update.access_ipv4.as_deref(),
            access_ipv6: access_ipv6.as_deref(),
            metadata: None,
            attributes: attributes.as_deref(),
        };
        events::changed(&mut tx, context, Action::ServersUpdate, ("server", id), Owner::Project(&server.project_id))
            .await?;
        store::put_user_fields(&mut tx, id, &fields, Timestamp::now()).await?;
        let full = self.reached_server(&mut tx, &reach, id, Parts::USUAL).await?;
        tx.commit().await?;
        view::server(context, full, self.sees_nodes(context))
    }

    pub(super) async fn put_metadata(
        &self,
        context: &CallContext,
        id: &str,
        new: Vec<Pair>,
        mode: wit::MetadataMode,
    ) -> Result<Vec<Pair>> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersUpdateMetadata)?;
        let new = items("metadata", new)?;
        let mut tx = self.db().begin().await?;
        let server = self.locked_server(&mut tx, &reach, id).await?;
        rules::check(Verb::Metadata, &server, context.caller()?)?;
        let map = match mode {
            wit::MetadataMode::Replace => new,
            wit::MetadataMode::Merge => {
                let mut map = server.metadata;
                map.extend(new);
                map
            }
        };
        bounds::pairs("metadata", bounds::PAIRS, &map)?;
        self.check_metadata_count(&mut tx, &server.project_id, map.len()).await?;
        events::changed(
            &mut tx,
            context,
            Action::ServersUpdateMetadata,
            ("server", id),
            Owner::Project(&server.project_id),
        )
        .await?;
        write_metadata(&mut tx, id, &map).await?;
        tx.commit().await?;
        Ok(pairs(&map))
    }

    /// So many items on one server.
    pub(super) async fn check_metadata_count(&self, conn: &mut Conn, project_id: &str, count: usize) -> Result<()> {
        let own = skyloom_store::quotas::limits(conn, project_id).await?;
        let default = self.settings.default_limit(Quota::MetadataItems);
        let limit = own.get(&Quota::MetadataItems).copied().unwrap_or(default);
        if limit >= 0 && i64::try_from(count).unwrap_or(i64::MAX) > limit {
            let message = format!("Maximum number of metadata items exceeds {limit}.");
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field(Quota::MetadataItems.as_str()));
        }
        Ok(())
    }

    pub(super) async fn remove_metadata(&self, context: &CallContext, id: &str, key: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::ServersUpdateMetadata)?;
        let mut tx = self.db().begin().await?;
        let mut server = self.locked_server(&mut tx, &reach, id).await?;
        if server.metadata.remove(key).is_none() {
            let message = "Metadata item was not found.";
            return Err(Error::new(ErrorCode::NotFound, message).with_resource("server", id).with_field("key"));
        }
        rules::check(Verb::Metadata, &server, context.caller()?)?;
        events::changed(
            &mut tx,
            context,
            Action::ServersUpdateMetadata,
            ("server", id),
            Owner::Project(&server.project_id),
        )
        .await?;
        write_metadata(&mut tx, id, &server.metadata).await?;
        tx.commit().await
    }
}

async fn write_metadata(tx: &mut Conn, id: &str, map: &BTreeMap<String, String>) -> Result<()> {
    let fields = UserFields { metadata: Some(map), ..UserFields::default() };
    store::put_user_fields(tx, id, &fields, Timestamp::now()).await.map(|_| ())
}
